"""The network is the published one, and every variant of section 2.2 has the shape it says."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from ferboost.cnn.network import (
    FaceNetwork,
    LayerShape,
    PublishedNetwork,
    build_network,
    layer_shapes,
)
from ferboost.config import CNNSettings
from ferboost.errors import SettingsError
from tiny import new_network

PUBLISHED = CNNSettings()
IMAGES = torch.arange(2 * 48 * 48).reshape(2, 48, 48) % 256

variants = st.builds(
    CNNSettings,
    filters=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    kernel_size=st.integers(1, 8) | st.integers(40, 60),
    stride=st.integers(1, 5),
    padding=st.sampled_from(["valid", "zero"]),
    pooling=st.sampled_from(["max", "average", "none"]),
    pool_size=st.integers(1, 6),
    dropout=st.sampled_from([0.0, 0.5]),
    dense=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)


def weighted_layers(network: FaceNetwork) -> list[nn.Conv2d | nn.Linear]:
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def shapes(**changes: object) -> list[LayerShape]:
    return layer_shapes(PUBLISHED.model_copy(update=changes))


def test_the_published_network_has_121855_parameters() -> None:
    assert PublishedNetwork(PUBLISHED, 7).parameter_count() == 121_855


def test_the_published_taps_have_their_widths() -> None:
    taps = PublishedNetwork(PUBLISHED, 7).taps(IMAGES)
    widths = {name: tuple(tap.shape) for name, tap in taps.items()}
    assert widths == {
        "flatten": (2, 1024),
        "fc1": (2, 64),
        "fc2": (2, 7),
        "output": (2, 7),
        "logits": (2, 7),
    }


def test_the_output_is_the_softmax_of_the_logits() -> None:
    taps = PublishedNetwork(PUBLISHED, 7).eval().taps(IMAGES)
    torch.testing.assert_close(taps["output"], taps["logits"].softmax(1))


def test_taps_of_rectified_layers_are_not_negative() -> None:
    taps = PublishedNetwork(PUBLISHED, 7).eval().taps(IMAGES)
    for tap in ("flatten", "fc1", "fc2"):
        assert taps[tap].min() >= 0
        assert taps[tap].max() > 0


def test_weights_start_glorot_uniform() -> None:
    network = new_network(CNNSettings(), 7)
    for layer in weighted_layers(network):
        field = math.prod(layer.weight.shape[2:])
        inputs, outputs = layer.weight.shape[1] * field, layer.weight.shape[0] * field
        bound = math.sqrt(6 / (inputs + outputs))
        weights = layer.weight.detach()
        assert weights.abs().max() <= bound
        # Of 49 or more uniform values, the largest is next to the bound.
        assert weights.abs().max() > 0.9 * bound
        spread = 3 * bound / math.sqrt(3 * weights.numel())
        assert abs(float(weights.mean())) < spread


def test_biases_start_at_zero() -> None:
    for layer in weighted_layers(PublishedNetwork(PUBLISHED, 7)):
        assert layer.bias is not None
        assert not layer.bias.any()


@given(variants)
@settings(max_examples=150)
def test_a_variant_has_the_announced_shapes_or_is_refused_with_the_arithmetic(
    variant: CNNSettings,
) -> None:
    try:
        announced = layer_shapes(variant)
    except SettingsError as error:
        with pytest.raises(SettingsError, match=r"floor\(.+\) = (0|-\d+);"):
            PublishedNetwork(variant, 3)
        assert "\n" not in str(error)  # noqa: PT017 - an error is one of two good outcomes
        return
    network = PublishedNetwork(variant, 3).eval()
    executed = network.convolve(IMAGES)
    assert [(name, *x.shape[1:]) for name, x in executed] == [
        (shape.name, shape.channels, shape.side, shape.side) for shape in announced
    ]
    assert network(IMAGES).shape == (2, 3)


@given(variants)
@settings(max_examples=50)
def test_a_refused_variant_is_one_that_torch_cannot_execute(variant: CNNSettings) -> None:
    try:
        layer_shapes(variant)
    except SettingsError:
        padding = variant.kernel_size // 2 if variant.padding == "zero" else 0
        x = torch.zeros(1, 1, 48, 48)
        with pytest.raises(RuntimeError):
            for _ in variant.filters:
                kernel = torch.zeros(1, 1, variant.kernel_size, variant.kernel_size)
                x = functional.conv2d(x, kernel, stride=variant.stride, padding=padding)
                if variant.pooling != "none":
                    x = functional.max_pool2d(x, variant.pool_size)


@pytest.mark.parametrize(
    ("kernel", "sides"), [(2, [49, 24]), (3, [48, 24]), (4, [49, 24]), (5, [48, 24])]
)
def test_zero_padding_adds_half_a_kernel_on_every_side(kernel: int, sides: list[int]) -> None:
    found = shapes(filters=(8,), kernel_size=kernel, padding="zero")
    assert [shape.side for shape in found] == sides


def test_the_published_sides_are_those_of_the_study() -> None:
    assert [shape.side for shape in layer_shapes(PUBLISHED)] == [46, 23, 21, 10, 8, 4]


def test_the_stride_of_the_study_leaves_no_rows_without_padding() -> None:
    with pytest.raises(SettingsError) as caught:
        shapes(stride=4)
    assert str(caught.value).startswith(
        "pooling layer 2 would have no rows left: floor(1 / 2) = 0; use fewer layers"
    )


@pytest.mark.parametrize("pooling", ["max", "average", "none"])
def test_pooling_after_the_relu_is_what_the_network_computes(pooling: str) -> None:
    network = PublishedNetwork(CNNSettings(pooling=pooling, filters=(8, 8)), 7).eval()
    layers = network.convolve(IMAGES)
    torch.testing.assert_close(layers[-1][1].flatten(1), network.taps(IMAGES)["flatten"])


def test_the_first_layer_is_a_rectified_convolution_of_gray_values_from_0_to_1() -> None:
    network = PublishedNetwork(PUBLISHED, 7).eval()
    first = network.convolutions[0]
    assert isinstance(first, nn.Conv2d)
    expected = functional.conv2d(IMAGES[:, None] / 255, first.weight, first.bias).clamp(min=0)
    torch.testing.assert_close(network.convolve(IMAGES)[0][1], expected)


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.int16, torch.int64, torch.float16, torch.float32, torch.float64]
)
def test_images_of_any_numeric_type_give_the_same_logits(dtype: torch.dtype) -> None:
    network = PublishedNetwork(PUBLISHED, 7).eval()
    assert torch.equal(network(IMAGES.to(dtype)), network(IMAGES))


def test_the_penalty_is_the_sum_of_the_squared_weights_of_both_dense_layers() -> None:
    network = PublishedNetwork(PUBLISHED, 7)
    nn.init.ones_(network.fc1.bias)
    expected = sum(
        float(np.square(layer.weight.detach().numpy().astype(np.float64)).sum())
        for layer in (network.fc1, network.fc2)
    )
    assert network.penalty().item() == pytest.approx(expected, rel=1e-5)


def test_dropout_acts_after_the_flatten_tap_and_in_training_only() -> None:
    network = PublishedNetwork(CNNSettings(dropout=0.5), 7).train()
    first, second = network.taps(IMAGES), network.taps(IMAGES)
    assert torch.equal(first["flatten"], second["flatten"])
    assert not torch.equal(first["fc1"], second["fc1"])
    network.eval()
    assert torch.equal(network(IMAGES), network(IMAGES))


def test_without_dropout_training_and_prediction_compute_the_same() -> None:
    network = PublishedNetwork(CNNSettings(dropout=0), 7)
    assert torch.equal(network.train()(IMAGES), network.eval()(IMAGES))


def test_the_first_filters_are_those_of_the_first_convolution() -> None:
    network = PublishedNetwork(PUBLISHED, 7)
    weight = network.convolutions[0].get_parameter("weight").detach().numpy()
    np.testing.assert_array_equal(network.first_filters(), weight[:, 0])
    assert network.first_filters().shape == (32, 3, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"filters": (10**6, 10**6)},
            r"weights, and at most 268,435,456 .* make cnn\.filters smaller",
        ),
        ({"dense": (10**6, 10**6)}, r"make cnn\.dense smaller"),
        ({"architecture": "residual", "filters": (10**4, 10**4)}, r"make cnn\.filters smaller"),
    ],
)
def test_a_network_that_no_memory_holds_is_refused_before_it_is_made(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        build_network(CNNSettings(**changes), 7)
    assert "\n" not in str(caught.value)
