"""Model files: another producer's, newer ones, and damaged ones."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ferboost.datasets.traits import TraitLimits
from ferboost.errors import ModelError
from ferboost.export.writing import _serialize
from ferboost.inference import ModelInfo, Predictor
from ferboost.inference.model_file import (
    CHECKSUM_KEY,
    FORMAT,
    INFO_KEY,
    check_model,
    content_checksum,
    pack_hashes,
    read_model,
)

INFO = ModelInfo(
    classes=("happy", "sad"),
    variant="cnn",
    seeds=(0,),
    preprocessing="none",
    version="1.0",
    created="2026-01-01T00:00:00+00:00",
    data_fingerprint="f",
    protocol="clean",
    metrics={"accuracy": 0.5},
    parity={"probability": 0.0},
    licence="MIT",
    training_hashes=pack_hashes(np.array([b"0" * 32, b"f" * 32], dtype="S32")),
)


def plain_model(**changes: str) -> onnx.ModelProto:
    node = helper.make_node("Cast", ["faces"], ["probabilities"], to=TensorProto.FLOAT)
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["n", 2])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])],
    )
    return helper.make_model(
        graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)], **changes
    )


GOOD = _serialize(plain_model(), INFO)


def test_a_file_gives_back_what_it_was_told(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(GOOD)
    content, info = read_model(tmp_path / "model.onnx")
    assert (content, info) == (GOOD, INFO)
    assert Predictor(tmp_path / "model.onnx").classes == ("happy", "sad")


def test_limits_in_a_file_are_read_again_and_warn(tmp_path: Path) -> None:
    limits = TraitLimits((20.0, 1.0, 1.0), (200.0, 90.0, 90.0))
    (tmp_path / "model.onnx").write_bytes(_serialize(plain_model(), replace(INFO, limits=limits)))
    predictor = Predictor(tmp_path / "model.onnx")
    assert predictor.info.limits == limits
    (warning,) = predictor.warn(np.zeros((1, 48, 48), dtype=np.uint8))
    assert warning is not None
    assert "darker (brightness 0; trained on 20 to 200)" in warning


def test_a_file_of_before_there_were_limits_is_read_and_never_warns(tmp_path: Path) -> None:
    content = json.loads(INFO.to_json())
    del content["limits"]
    old = ModelInfo.from_json(json.dumps(content | {"format": 1}))
    assert old == INFO
    (tmp_path / "model.onnx").write_bytes(_serialize(plain_model(), old))
    assert Predictor(tmp_path / "model.onnx").warn(np.zeros((2, 48, 48), np.uint8)) == (None, None)


@pytest.mark.parametrize("limits", [{"brightness": [0, 1]}, [1], "dark", {"brightness": 3}])
def test_limits_that_are_none_make_a_damaged_file(limits: object) -> None:
    model = plain_model(producer_name="ferboost")
    content = json.loads(INFO.to_json()) | {"limits": limits}
    model.metadata_props.add(key=INFO_KEY, value=json.dumps(content))
    checksum = content_checksum(model.SerializeToString())
    model.metadata_props.add(key=CHECKSUM_KEY, value=checksum)
    with pytest.raises(ModelError, match="does not say what it is"):
        check_model(model.SerializeToString(), "model.onnx")


def test_hashes_of_training_images_are_known_again() -> None:
    asked = np.array([b"0" * 32, b"1" * 32, b"f" * 32], dtype="S32")
    assert INFO.were_in_training(asked).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("producer", "named"),
    [
        ({"producer_name": "pytorch", "producer_version": "2.13.0"}, "was made by pytorch 2.13.0"),
        ({"producer_name": "skl2onnx"}, "was made by skl2onnx, not by ferboost"),
        ({"producer_name": ""}, "an unnamed program"),
    ],
)
def test_another_producer_is_named(producer: dict[str, str], named: str) -> None:
    with pytest.raises(ModelError, match=named):
        check_model(plain_model(**producer).SerializeToString(), "model.onnx")


def test_a_file_without_a_checksum_is_damaged() -> None:
    claimed = plain_model(producer_name="ferboost").SerializeToString()
    with pytest.raises(ModelError, match="damaged"):
        check_model(claimed, "model.onnx")


def test_a_newer_format_asks_for_an_upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferboost.inference.model_file.FORMAT", FORMAT + 1)
    newer = _serialize(plain_model(), replace(INFO, version="9.0"))
    monkeypatch.undo()
    with pytest.raises(
        ModelError, match=f"format {FORMAT + 1}, .* up to {FORMAT}; upgrade ferboost"
    ):
        check_model(newer, "model.onnx")


@pytest.mark.parametrize("content", [b"", b"\0" * 40, b"PK\3\4 a zip", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_onnx_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"model.onnx .*ferboost export RUN"):
        check_model(content, "model.onnx")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.onnx", Path("/dev/zero")):
        with pytest.raises(ModelError, match=str(path)):
            read_model(path)


def test_every_changed_byte_is_noticed() -> None:
    for position in range(len(GOOD)):
        changed = bytearray(GOOD)
        changed[position] ^= 0x15
        with pytest.raises(ModelError):
            check_model(bytes(changed), "model.onnx")


def test_damage_of_all_kinds_is_noticed() -> None:
    random = np.random.default_rng(1)
    for _ in range(2000):
        start, end = np.sort(random.integers(0, len(GOOD), 2))
        piece = random.bytes(int(random.integers(0, 30)))
        changed = GOOD[:start] + piece + GOOD[end:]
        if changed != GOOD:
            with pytest.raises(ModelError):
                check_model(changed, "model.onnx")
    for length in range(len(GOOD)):
        with pytest.raises(ModelError):
            check_model(GOOD[:length], "model.onnx")
