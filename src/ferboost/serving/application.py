"""The application: its parts put together."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from ferboost.inference import Predictor
from ferboost.serving.documents import Model, Question
from ferboost.serving.engine import Engine
from ferboost.serving.guard import Guard
from ferboost.serving.intake import Intake
from ferboost.serving.limits import Limits
from ferboost.serving.metrics import Metrics
from ferboost.serving.page_routes import add_page
from ferboost.serving.problems import Problem, ProblemError
from ferboost.serving.routes import Service, add_routes

__all__ = ["create_app"]


def create_app(
    predictor: Predictor,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    hosts: Collection[str] | None = None,
    workers: int | None = None,
    runs: Path | None = None,
    page: Mapping[str, bytes] | None = None,
) -> FastAPI:
    """Make the ASGI application that `serve` runs.

    An ASGI server of yours has to bring the timeouts for heads of requests and for clients that
    take no answer, which `serve` gives to uvicorn.

    Parameters
    ----------
    predictor : Predictor
    limits : Limits, optional
    token : str, optional
        What clients have to bring, see `Guard`.
    hosts : collection of str, optional
        Names to which the server answers where there is no token; all where it is not given.
    workers : int, optional
        Threads that decode pictures and find faces; as many as there are cores where it is not
        given.
    runs : Path, optional
        A folder whose runs and studies are shown at ``/runs``.
    page : mapping of str to bytes, optional
        What `ferboost.page.page_files` returns, to be given away at ``/``.
    """
    limits = limits or Limits()
    metrics, intake = Metrics(), Intake(limits)
    engine = Engine(predictor, limits, metrics, workers=workers)
    engine.warm_up()
    metrics.watch("waiting_pictures", "Accepted, not answered yet.", lambda: intake.waiting)
    metrics.watch("held_bytes", "Of the bodies in memory.", lambda: intake.held_bytes)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(engine.close)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.openapi = lambda: _describe(app)  # type: ignore[method-assign]
    _explain_errors(app)
    app.add_middleware(Guard, metrics=metrics, token=token, hosts=hosts)
    add_routes(app, Service(engine, intake, limits, metrics, _describe_model(predictor)))
    if runs is not None:
        from ferboost.serving.library_pages import add_library  # needs jinja2

        add_library(app, runs)
    if page is not None:
        add_page(app, page)
    return app


def _describe_model(predictor: Predictor) -> Model:
    info = predictor.info
    return Model(
        id=f"{info.variant.replace(' ', '-')}-{predictor.fingerprint[:8]}",
        classes=list(info.classes),
        variant=info.variant,
        seeds=list(info.seeds),
        version=info.version,
        created=info.created,
        protocol=info.protocol,
        calibration=info.calibration,
        coverages=[] if info.sets is None else list(info.sets.coverages),
        metrics=dict(info.metrics),
        weight_format=info.weight_format,
        licence=info.licence,
    )


def _explain_errors(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def explain_path(_: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            reason = f"this path takes {(error.headers or {}).get('Allow', 'another method')}"
        else:
            reason = "there is nothing at this path; what there is stands in /openapi.json"
        return ProblemError(error.status_code, reason, error.headers).response()

    @app.exception_handler(RequestValidationError)
    async def explain_query(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        name = str(first["loc"][-1])[:80]
        if first["type"] == "extra_forbidden":
            reason = f"unknown; known are {' and '.join(Question.model_fields)}"
        else:
            reason = first["msg"][:1].lower() + first["msg"][1:]
        return ProblemError(422, f"{name!r} in the query: {reason}").response()


def _describe(app: FastAPI) -> dict[str, Any]:  # Any: JSON
    if not app.openapi_schema:
        schema = get_openapi(
            title="ferboost",
            version=version("ferboost"),
            summary="Emotions of the faces in pictures.",
            description="Errors are problem details (RFC 9457). Nothing that is sent is written to "
            "a disk or a log.",
            routes=app.routes,
        )
        schemas = schema["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema()
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, operations in schema["paths"].items():
            if not path.endswith("z"):
                for operation in operations.values():
                    operation["security"] = [{}, {"token": []}]
        app.openapi_schema = schema
    return app.openapi_schema
