"""Number format and layout are chosen by measuring, with the reason, and without side effects."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest
import torch

from ferboost.cnn import precision
from ferboost.cnn.network import FaceNetwork
from ferboost.cnn.precision import Precision, choose_precision, require_device
from ferboost.errors import RunError
from tiny import PLAIN, cnn_settings, copy_of, new_network, same


@pytest.fixture
def network() -> FaceNetwork:
    return new_network(cnn_settings())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float, float, float], None]:
    """Let a step take these seconds: float32, bfloat16, each with channels first and last."""

    def set_clock(*seconds: float) -> None:
        times = cycle(seconds)
        monkeypatch.setattr(precision, "_seconds", lambda action, device: next(times))
        monkeypatch.setattr(precision, "choose_device", lambda: "cpu")

    return set_clock


Clock = Callable[[float, float, float, float], None]


@pytest.mark.parametrize(
    ("bfloat16_seconds", "chosen"),
    [(1.0, "bfloat16"), (1.01, "float32"), (0.5, "bfloat16"), (5.0, "float32")],
)
def test_bfloat16_is_taken_from_1_2_times_as_fast_on(
    network: FaceNetwork, clock: Clock, bfloat16_seconds: float, chosen: str
) -> None:
    clock(1.2, 9, bfloat16_seconds, 9)
    assert choose_precision(network, 4).number_format == chosen


@pytest.mark.parametrize(
    ("seconds", "format_and_layout"),
    [
        ((2, 1, 9, 9), ("float32", True)),
        ((1, 2, 9, 9), ("float32", False)),
        ((9, 9, 2, 1), ("bfloat16", True)),
        ((9, 9, 1, 2), ("bfloat16", False)),
    ],
)
def test_the_faster_layout_is_taken(
    network: FaceNetwork,
    clock: Clock,
    seconds: tuple[float, float, float, float],
    format_and_layout: tuple[str, bool],
) -> None:
    clock(*seconds)
    chosen = choose_precision(network, 4)
    assert (chosen.number_format, chosen.channels_last) == format_and_layout


def test_the_reason_has_the_times_and_their_ratio(network: FaceNetwork, clock: Clock) -> None:
    clock(0.030, 0.024, 0.010, 0.012)
    assert choose_precision(network, 64).reason == (
        "measured on one core for 64 images a step: float32 24.0 ms, bfloat16 10.0 ms "
        "(2.40 times as fast; taken from 1.2 on)"
    )


def test_the_fewest_seconds_of_several_steps_count(
    network: FaceNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturbed = iter([100.0] * 4 + [3.0, 3.0, 1.0, 1.0] + [50.0] * 100)
    monkeypatch.setattr(precision, "_seconds", lambda action, device: next(disturbed))
    assert "float32 3000.0 ms, bfloat16 1000.0 ms" in choose_precision(network, 4).reason


def test_a_number_format_that_is_set_is_taken_without_timing(
    network: FaceNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_seconds", None)
    chosen = choose_precision(network, 4, "bfloat16")
    assert (chosen.number_format, chosen.reason) == ("bfloat16", "as the settings say")


def test_what_was_started_on_a_gpu_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "choose_device", lambda: "cpu")
    require_device(PLAIN, Path("run"))
    with pytest.raises(RunError, match="run was started on a GPU, and there is none here"):
        require_device(replace(PLAIN, device="cuda"), Path("run"))


def test_a_real_measurement_leaves_weights_random_state_and_threads_alone(
    network: FaceNetwork,
) -> None:
    weights, state, threads = copy_of(network), torch.get_rng_state(), torch.get_num_threads()
    network.eval()
    chosen = choose_precision(network, 4)
    assert re.search(r"float32 \d+\.\d ms, bfloat16 \d+\.\d ms \(\d+\.\d\d times", chosen.reason)
    assert same(copy_of(network), weights)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("channels_last", [False, True])
def test_place_sets_the_memory_layout(network: FaceNetwork, channels_last: bool) -> None:
    Precision("cpu", "float32", not channels_last, "").place(network)
    placed = Precision("cpu", "float32", channels_last, "").place(network)
    assert placed is network
    weight = network.get_parameter("convolutions.1.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert weight.is_contiguous() != channels_last


@pytest.mark.parametrize(
    ("number_format", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_layers_compute_in_the_number_format_and_logits_are_float32(
    network: FaceNetwork, number_format: str, dtype: torch.dtype
) -> None:
    chosen = Precision("cpu", "float32" if number_format == "float32" else "bfloat16", False, "")
    with chosen.autocast():
        taps = network.taps(torch.zeros(2, 48, 48))
    assert taps["fc1"].dtype == dtype
    assert taps["logits"].dtype == torch.float32


def test_a_precision_survives_being_written_down() -> None:
    chosen = Precision("cpu", "bfloat16", channels_last=True, reason="2 times as fast")
    assert Precision(**chosen.to_dict()) == chosen  # type: ignore[arg-type]
