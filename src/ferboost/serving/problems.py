"""Errors as clients get them: problem details, RFC 9457."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

__all__ = ["PROBLEM_TYPE", "Problem", "ProblemError"]

PROBLEM_TYPE = "application/problem+json"

# RFC 9110 renamed two that older Pythons call otherwise.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


class Problem(BaseModel):
    """Why there is no answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Content Too Large",
                "status": 413,
                "detail": "the request has more than 33,554,432 bytes; send fewer or smaller "
                "pictures",
            }
        }
    )

    type: str
    title: str
    """What the status means."""
    status: int
    detail: str
    """One sentence: what was found, and what to do."""


class ProblemError(Exception):
    """A request that gets no other answer than its problem.

    Parameters
    ----------
    status : int
        Of HTTP.
    detail : str
        One sentence: what was found, and what to do.
    headers : mapping of str to str
        To be sent along.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        title = _TITLES.get(status) or HTTPStatus(status).phrase
        self.problem = Problem(type="about:blank", title=title, status=status, detail=detail)
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """Return what is sent."""
        return JSONResponse(
            self.problem.model_dump(),
            self.problem.status,
            headers=self.headers,
            media_type=PROBLEM_TYPE,
        )
