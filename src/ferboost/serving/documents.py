"""The forms of requests and answers, for the OpenAPI document."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ferboost.inference.photos import Search
from ferboost.serving.bodies import FIELD, PicturesInJson
from ferboost.serving.problems import PROBLEM_TYPE

__all__ = [
    "Answer",
    "Model",
    "Models",
    "Question",
    "State",
    "describe_body",
    "describe_problems",
]

_SHARES = {
    "angry": 0.01,
    "disgusted": 0.0,
    "fearful": 0.02,
    "happy": 0.91,
    "neutral": 0.02,
    "sad": 0.01,
    "surprised": 0.03,
}
_FACE: dict[str, Any] = {
    "emotion": "happy",
    "probability": 0.91,
    "probabilities": _SHARES,
    "face": {
        "box": [211.4, 96.2, 305.9, 219.5],
        "score": 0.97,
        "eyes": [[238.1, 143.0], [279.4, 142.2]],
    },
    "warning": None,
    "candidates": ["happy"],
    "is_sure": True,
}
_PICTURE: dict[str, Any] = {
    "width": 640,
    "height": 480,
    "faces_found": 1,
    "faces": [_FACE],
    "error": None,
}
# A PNG of one gray pixel.
_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCAaUUv0gAAAABJRU5ErkJggg=="
)

_PROBLEMS = {
    400: "The body is not what its Content-Type says.",
    401: "The server has a token, and the request does not.",
    408: "The body came too slowly.",
    413: "The body or the number of pictures is over the limit.",
    415: "The Content-Type or Content-Encoding is not understood.",
    421: "The server does not answer to this name.",
    422: "No picture can be read, or a setting in the query is wrong.",
    503: "The queue is full; Retry-After says for how long.",
}


class Question(BaseModel):
    """What is asked of the pictures: the query."""

    model_config = ConfigDict(extra="forbid")

    faces: Annotated[
        Search,
        Field(
            description="`detect` finds faces; `whole` takes each picture as one face that fills "
            "it; `auto` does the latter for pictures of at most 96 pixels a side."
        ),
    ] = "auto"
    coverage: Annotated[
        float | None,
        Field(
            gt=0,
            lt=1,
            description="Also give `candidates`, the emotions that hold the true one for this "
            "share of faces like those of the calibration.",
        ),
    ] = None


class FacePlace(BaseModel):
    """Where a face is, in pixels from the upper left corner of the upright picture."""

    box: tuple[float, float, float, float]
    """Left, top, right, bottom; a part of it may lie outside."""
    score: float
    """How sure the detector is, 0 to 1."""
    eyes: list[tuple[float, float]] | None


class FaceAnswer(BaseModel):
    """What the model says of one face."""

    emotion: str
    probability: float
    probabilities: dict[str, float]
    face: FacePlace | None
    """None where the picture was taken as one face."""
    warning: str | None
    """In what the face lies outside of what the model was trained on, such as too dark."""
    candidates: list[str] | None = None
    """Only where a coverage was asked; the likeliest first."""
    is_sure: bool | None = None
    """Whether `candidates` is one emotion alone."""


class PictureAnswer(BaseModel):
    """What the model says of one picture."""

    width: int | None
    """Of the upright picture; None where it cannot be read."""
    height: int | None
    faces_found: int
    """More than there are `faces` where they are over the limit; the surest are kept."""
    faces: list[FaceAnswer]
    """From left to right."""
    error: str | None
    """Why the picture cannot be read."""


class Answer(BaseModel):
    """One answer for each picture, in their order."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"model": "output-residual-5d1f0c2e", "pictures": [_PICTURE]}}
    )

    model: str
    """The `id` in /v1/models."""
    pictures: list[PictureAnswer]


class Model(BaseModel):
    """What a model says of itself."""

    id: str
    classes: list[str]
    variant: str
    seeds: list[int]
    version: str
    """Of the ferboost that wrote it."""
    created: str
    protocol: str
    calibration: str
    coverages: list[float]
    """For which there are sets of candidates; a coverage up to the last can be asked."""
    metrics: dict[str, float]
    """Measured on the test split of its training data, with weights in float32."""
    weight_format: str
    licence: str


class Models(BaseModel):
    """The models that are served."""

    models: list[Model]


class State(BaseModel):
    """How the server is."""

    status: Literal["ok", "starting", "stopping"]


def describe_body() -> dict[str, Any]:
    """Return what OpenAPI's requestBody of /v1/predict is."""
    image = {"schema": {"type": "string", "format": "binary"}}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": [FIELD],
                        "additionalProperties": False,
                        "properties": {
                            FIELD: {
                                "type": "array",
                                "minItems": 1,
                                "items": {"type": "string", "format": "binary"},
                            }
                        },
                    },
                },
                "application/json": {
                    "schema": PicturesInJson.model_json_schema(),
                    "example": {FIELD: [_PIXEL]},
                },
                "image/*": image,
                "application/octet-stream": image,
            },
        }
    }


def describe_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI's responses for these statuses are."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _PROBLEMS[status], "content": {PROBLEM_TYPE: {"schema": schema}}}
        for status in statuses
    }
