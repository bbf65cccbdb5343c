"""POST /v1/predict gives what the predictor gives, in whatever form the pictures come."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from services import FACES, Gate, Told, encoded, face, photo
from starlette.testclient import TestClient

from ferboost.inference import Face, Predictor
from ferboost.serving import Limits, create_app
from ferboost.serving.documents import Answer, Models


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(threads=1, detector=Told())


@pytest.fixture(scope="module")
def client(predictor: Predictor) -> Iterator[TestClient]:
    limits = Limits(pictures=8, body_bytes=2**20, pixels=10_000)
    with TestClient(create_app(predictor, limits=limits, workers=2)) as client:
        yield client


def in_base64(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


FORMS: dict[str, Callable[[bytes], dict[str, Any]]] = {
    "form": lambda picture: {"files": {"pictures": picture}},
    "form with file name": lambda picture: {
        "files": {"pictures": ('../é".png', picture, "text/plain")}
    },
    "image": lambda picture: {"content": picture, "headers": {"Content-Type": "image/jpeg"}},
    "bytes": lambda picture: {
        "content": picture,
        "headers": {"Content-Type": "application/octet-stream"},
    },
    "JSON": lambda picture: {"json": {"pictures": [in_base64(picture)]}},
    "data URL": lambda picture: {
        "json": {"pictures": ["data:image/png;base64," + in_base64(picture)]}
    },
    "chunks": lambda picture: {
        "content": iter([picture[:10], picture[10:]]),
        "headers": {"Content-Type": "image/png"},
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_gives_the_same_in_every_form(
    client: TestClient, predictor: Predictor, form: str
) -> None:
    answer = client.post("/v1/predict?faces=whole", **FORMS[form](face(3)))
    assert answer.status_code == 200, answer.text
    (picture,) = answer.json()["pictures"]
    (said,) = picture["faces"]
    (expected,) = predictor.predict(face(3)).to_dict()
    del expected["source"]
    assert said == expected
    assert "sharper or noisier" in said["warning"]
    assert (picture["error"], picture["faces_found"]) == (None, 1)


def test_faces_are_found_as_the_predictor_finds_them(
    client: TestClient, predictor: Predictor
) -> None:
    answer = client.post("/v1/predict", files={"pictures": photo()}).json()
    (picture,) = answer["pictures"]
    expected = predictor.detect(photo()).to_dict()
    for said, wanted in zip(picture["faces"], expected, strict=True):
        assert said["face"] == wanted["face"]
        assert said["emotion"] == wanted["emotion"]
        assert said["warning"] == wanted["warning"]
        assert said["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-6)
    assert (picture["width"], picture["height"], picture["faces_found"]) == (100, 50, 2)
    assert answer["model"] == client.get("/v1/models").json()["models"][0]["id"]


def test_several_pictures_are_answered_in_their_order(
    client: TestClient, predictor: Predictor
) -> None:
    given = [face(0), photo(), b"no picture", encoded(Image.new("L", (300, 20))), face(1)]
    answer = client.post("/v1/predict", files=[("pictures", picture) for picture in given])
    assert answer.status_code == 200
    pictures = answer.json()["pictures"]
    assert [len(picture["faces"]) for picture in pictures] == [1, 2, 0, 0, 1]
    assert [picture["error"] is None for picture in pictures] == [True, True, False, True, True]
    assert "not an image in a known format" in pictures[2]["error"]
    for place in (0, 4):
        (expected,) = predictor.predict(given[place])
        assert pictures[place]["faces"][0]["probability"] == pytest.approx(expected.probability)


def test_a_face_that_is_too_large_is_an_error_of_its_picture() -> None:
    class Giant(Told):
        def detect(self, image: NDArray[np.uint8]) -> list[Face]:
            return [Face((0.0, 0.0, 11_000.0, 11_000.0), 0.9)] if image.shape[1] == 200 else []

    wide = encoded(Image.new("L", (200, 50)))
    with TestClient(create_app(Predictor(threads=1, detector=Giant()), workers=1)) as client:
        given = [("pictures", wide), ("pictures", face(3))]
        answer = client.post("/v1/predict", files=given)
    assert answer.status_code == 200
    broken, whole = answer.json()["pictures"]
    assert "too large to be cut out; make the picture smaller" in broken["error"]
    assert len(whole["faces"]) == 1


def test_a_model_is_called_by_its_file(client: TestClient, predictor: Predictor) -> None:
    (model,) = client.get("/v1/models").json()["models"]
    variant = predictor.info.variant.replace(" ", "-")
    assert model["id"] == f"{variant}-{predictor.fingerprint[:8]}"


@pytest.mark.parametrize(
    ("how", "given", "found"),
    [
        ("auto", encoded(Image.new("L", (96, 96))), 1),
        ("auto", encoded(Image.new("L", (97, 60))), 0),
        ("whole", encoded(Image.new("L", (97, 60))), 1),
        ("detect", encoded(Image.new("L", (96, 96))), 0),
        ("whole", photo(), 1),
        ("detect", photo(), 2),
    ],
)
def test_pictures_are_searched_or_taken_whole(
    client: TestClient, how: str, given: bytes, found: int
) -> None:
    answer = client.post(f"/v1/predict?faces={how}", files={"pictures": given})
    (picture,) = answer.json()["pictures"]
    assert len(picture["faces"]) == picture["faces_found"] == found
    assert all((one["face"] is None) == (found == 1) for one in picture["faces"])


def test_photos_are_searched_upright(client: TestClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # what the camera held upright is stored lying
    lying = encoded(Image.new("RGB", (50, 100)), "jpeg", exif=exif)
    (picture,) = client.post("/v1/predict", files={"pictures": lying}).json()["pictures"]
    assert (picture["width"], picture["height"], picture["faces_found"]) == (100, 50, 2)


def test_a_coverage_gives_candidates(client: TestClient, predictor: Predictor) -> None:
    answer = client.post("/v1/predict?coverage=0.9", files={"pictures": photo()}).json()
    sets = predictor.info.sets
    assert sets is not None
    expected = predictor.detect(photo()).with_candidates(sets, 0.9)
    said = answer["pictures"][0]["faces"]
    assert [one["candidates"] for one in said] == [list(p.candidates or ()) for p in expected]
    assert [one["is_sure"] for one in said] == [p.is_sure for p in expected]
    none = client.post(
        "/v1/predict?coverage=0.9", files={"pictures": encoded(Image.new("L", (300, 9)))}
    )
    assert none.json()["pictures"][0]["faces"] == []


def test_of_many_faces_the_surest_are_kept() -> None:
    with TestClient(create_app(Gate(), limits=Limits(faces=1))) as client:
        (picture,) = client.post("/v1/predict", files={"pictures": photo()}).json()["pictures"]
    (said,) = picture["faces"]
    assert picture["faces_found"] == 2
    assert said["face"]["score"] == max(one.score for one in FACES)


def test_answers_are_of_the_documented_form(client: TestClient) -> None:
    files = [("pictures", picture) for picture in (face(), photo(), b"no picture")]
    for query in ("", "?coverage=0.8"):
        answer = client.post("/v1/predict" + query, files=files).json()
        said = Answer.model_validate(answer).model_dump(mode="json", exclude_unset=True)
        assert said == answer
    models = client.get("/v1/models").json()
    assert Models.model_validate(models).model_dump(mode="json") == models
    assert models["models"][0]["coverages"][-1] == 0.99


def test_what_happens_is_measured() -> None:
    with TestClient(create_app(Gate(), workers=1)) as client:
        client.post("/v1/predict", files=[("pictures", photo()), ("pictures", b"no")])
        client.get("/secret-path")
        text = client.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(lines["ferboost_faces_total"]) == 2
    assert float(lines['ferboost_pictures_total{result="predicted"}']) == 1
    assert float(lines['ferboost_pictures_total{result="unreadable"}']) == 1
    assert float(lines['ferboost_requests_total{route="/v1/predict",status="200"}']) == 1
    assert float(lines['ferboost_requests_total{route="other",status="404"}']) == 1
    assert float(lines["ferboost_waiting_pictures"]) == 0
    assert float(lines["ferboost_held_bytes"]) == 0
    assert float(lines["ferboost_batch_faces_sum"]) == 2
    assert "secret" not in text
