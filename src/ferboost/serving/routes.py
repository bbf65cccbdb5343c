"""What is answered at each path."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import FastAPI, Query, Request, Response
from pydantic_core import to_json
from starlette.requests import ClientDisconnect

from ferboost.errors import ImageError, SettingsError
from ferboost.inference.sets import SetThresholds
from ferboost.serving.bodies import read_pictures
from ferboost.serving.documents import (
    Answer,
    Model,
    Models,
    Question,
    State,
    describe_body,
    describe_problems,
)
from ferboost.serving.engine import Engine, PredictedPicture
from ferboost.serving.intake import Intake
from ferboost.serving.limits import Limits
from ferboost.serving.metrics import Metrics
from ferboost.serving.problems import ProblemError

__all__ = ["Service", "add_routes"]

_Result = TypeVar("_Result")

_JSON = "application/json"
# It is then looked whether the client is still there.
_SECONDS_OF_PATIENCE = 1.0


@dataclass(frozen=True)
class Service:
    """What the routes share."""

    engine: Engine
    intake: Intake
    limits: Limits
    metrics: Metrics
    model: Model


def add_routes(app: FastAPI, service: Service) -> None:
    """Have an application answer for a service."""
    sets = service.engine.predictor.info.sets
    models_json = to_json(Models(models=[service.model]))

    @app.post(
        "/v1/predict",
        response_model=Answer,
        openapi_extra=describe_body(),
        responses=describe_problems(400, 401, 408, 413, 415, 421, 422, 503),
        tags=["predictions"],
    )
    async def predict(request: Request, question: Annotated[Question, Query()]) -> Response:
        """Find the faces of pictures, and tell the emotion of each.

        There is one answer for each picture, in their order. A picture that cannot be read has its
        `error`, and the others are answered; 422 if none can be read.
        """
        service.intake.require_room()
        _require_sets(sets, question.coverage)
        with service.intake.hold() as held:
            pictures = await read_pictures(request, service.limits, held)
            with service.intake.admit(len(pictures)):
                work = service.engine.answer(pictures, question.faces)
                answers = await _while_connected(request, work)
        _count(answers, service.metrics)
        failures = [answer.found for answer in answers if isinstance(answer.found, ImageError)]
        if len(failures) == len(answers):
            raise ProblemError(422, str(failures[0]))
        content = [_to_dict(answer, sets, question.coverage) for answer in answers]
        body = to_json({"model": service.model.id, "pictures": content})
        return Response(body, media_type=_JSON)

    @app.get(
        "/v1/models",
        response_model=Models,
        responses=describe_problems(401, 421),
        tags=["predictions"],
    )
    async def models() -> Response:
        """Say what the model is, what it was measured at, and which coverages can be asked."""
        return Response(models_json, media_type=_JSON)

    @app.get(
        "/healthz", response_model=State, responses=describe_problems(421, 503), tags=["state"]
    )
    async def health() -> State:
        """Say whether the server works; where it does not, restart it."""
        if not service.engine.is_alive:
            raise ProblemError(503, "the thread that runs the model has ended; restart the server")
        return State(status="ok")

    @app.get("/readyz", response_model=State, responses=describe_problems(421, 503), tags=["state"])
    async def readiness() -> State:
        """Say whether there is room for another picture."""
        service.intake.require_room()
        return State(status="ok")

    @app.get(
        "/metrics",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
            **describe_problems(401, 421),
        },
        tags=["state"],
    )
    async def measurements() -> Response:
        """Give the measurements in the text format of Prometheus."""
        return Response(service.metrics.describe(), media_type=service.metrics.content_type)


def _require_sets(sets: SetThresholds | None, coverage: float | None) -> None:
    if coverage is None:
        return
    if sets is None:
        raise ProblemError(422, "the model was not calibrated: no coverage can be asked of it")
    try:
        sets.predict(np.empty((0, len(sets.by_class[0])), dtype=np.float32), coverage)
    except SettingsError as error:
        raise ProblemError(422, str(error)) from None


async def _while_connected(request: Request, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Return what comes out of the work; stop it when the client has left."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=_SECONDS_OF_PATIENCE)
        if not task.done():
            leaving = asyncio.ensure_future(request.receive())
            try:
                await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
            if not task.done():
                raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()


def _count(answers: list[PredictedPicture], metrics: Metrics) -> None:
    unreadable = sum(isinstance(answer.found, ImageError) for answer in answers)
    metrics.pictures.labels("unreadable").inc(unreadable)
    metrics.pictures.labels("predicted").inc(len(answers) - unreadable)
    metrics.faces.inc(sum(len(answer.predictions) for answer in answers))


def _to_dict(
    answer: PredictedPicture, sets: SetThresholds | None, coverage: float | None
) -> dict[str, Any]:  # Any: JSON
    found, predictions = answer.found, answer.predictions
    if isinstance(found, ImageError):
        return {"width": None, "height": None, "faces_found": 0, "faces": [], "error": str(found)}
    if sets is not None and coverage is not None:
        predictions = predictions.with_candidates(sets, coverage)
    faces = predictions.to_dict()
    for face in faces:
        del face["source"]
    width, height = found.size
    return {
        "width": width,
        "height": height,
        "faces_found": found.count,
        "faces": faces,
        "error": None,
    }
