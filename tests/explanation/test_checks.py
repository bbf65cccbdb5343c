"""The checks tell maps that follow the model from maps that do not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ferboost.boosting import BoostedTrees
from ferboost.cnn.network import FaceNetwork
from ferboost.cnn.training import train_network
from ferboost.config import CNNSettings, TreeSettings
from ferboost.errors import DataError, SettingsError
from ferboost.explanation import ExplanationCheck, check_explanations
from ferboost.explanation.checks import SHARES, randomize, rank_correlation, removal_curves
from ferboost.explanation.maps import networks_of
from ferboost.models import SeedModel
from tiny import PLAIN, cnn_settings, copy_of, faces, labelled, new_network

SETTINGS = CNNSettings(
    architecture="residual", filters=(8, 12, 16), blocks=(1,), epochs=8, batch_size=16,
    learning_rate=3e-3,
)  # fmt: skip
DATASET = faces(60)


def draw(network: FaceNetwork, seed: int) -> FaceNetwork:
    return new_network(network.settings, seed=seed)


@pytest.fixture(scope="module")
def trained() -> SeedModel:
    network = new_network(SETTINGS)
    state = train_network(
        network, labelled(DATASET), labelled(DATASET, "test"), SETTINGS, PLAIN, seed=0
    )
    network.load_state_dict(state.best_weights)
    return SeedModel(network.eval(), {})


@pytest.fixture(scope="module")
def checked(trained: SeedModel) -> ExplanationCheck:
    return check_explanations(trained, draw, DATASET.split("test").images[:16])


def test_maps_of_a_trained_network_are_told_from_those_of_random_ones(
    checked: ExplanationCheck,
) -> None:
    assert (checked.faces, checked.networks) == (16, 8)
    for own in checked.methods:
        assert own.gain.interval[0] > 0, own.sentence()
        assert own.similarity[-1].interval[1] < 0.5, own.sentence()
        assert own.separates
        assert "tells the trained model from randomised ones" in own.sentence()


def test_the_same_weights_give_the_same_maps(trained: SeedModel) -> None:
    images = DATASET.split("test").images[:6]
    found = check_explanations(trained, lambda network, _: network, images)
    for own in found.methods:
        assert own.similarity[-1].value == pytest.approx(1)
        assert abs(own.gain.value) < 0.01
        assert not own.separates
        assert "does not tell" in own.sentence()


def test_curves_begin_with_the_whole_face_and_end_with_the_blurred_one(
    checked: ExplanationCheck,
) -> None:
    for own in checked.methods:
        for order in ("trained", "randomised", "at random"):
            assert own.deletion[order][0] == pytest.approx(own.insertion[order][-1])
            assert own.deletion[order][-1] == pytest.approx(own.insertion[order][0])


def test_removal_goes_from_the_greatest_value_on() -> None:
    images = np.zeros((1, 48, 48), dtype=np.uint8)
    images[:, :24] = 255

    def bright(given: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray((given == 255).mean(axis=(1, 2)), dtype=np.float32)[:, None]

    ramp = np.repeat(np.arange(48, 0, -1, dtype=np.float32)[:, None], 48, axis=1)[None]
    deletion, insertion = removal_curves(bright, images, ramp, np.zeros(1, np.int64))
    whole = bright(images)[0, 0]
    assert deletion[0, 0] == insertion[0, -1] == whole
    assert (np.diff(deletion[0]) <= 1e-6).all()
    assert deletion.shape == (1, len(SHARES))


def test_rank_correlation_is_spearmans() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 48, 48)).astype(np.float32)
    np.testing.assert_allclose(rank_correlation(maps, np.exp(maps)), 1)
    np.testing.assert_allclose(rank_correlation(maps, -maps), -1)
    assert rank_correlation(maps, np.zeros_like(maps)).tolist() == [0, 0]


def test_randomising_goes_from_the_output_down() -> None:
    network, other = (new_network(cnn_settings(), seed=seed) for seed in (0, 1))
    kept, drawn = copy_of(network), copy_of(other)
    for depth, changed in ((0.0, {"output"}), (0.5, {"output", "fc2"}), (1.0, None)):
        found = copy_of(randomize(network, other, depth))
        for name, values in found.items():
            is_new = changed is None or name.split(".")[0] in changed
            assert torch.equal(values, drawn[name] if is_new else kept[name]), (depth, name)
    assert all(torch.equal(values, kept[name]) for name, values in copy_of(network).items())


def test_maps_of_stacked_networks_are_told_from_those_of_random_ones(trained: SeedModel) -> None:
    train = DATASET.split("train")
    own = new_network(cnn_settings(), seed=7)
    stacking = SeedModel(own, {}, stacked=(trained.network,))
    trees = BoostedTrees(TreeSettings(rounds=20, max_depth=2), 3)
    trees.fit(stacking.features(train.images, ["stacked"])["stacked"], train.labels)
    model = replace(stacking, trees={"stacked": trees})
    assert networks_of([model], "stacked") == [trained.network]
    found = check_explanations(model, draw, DATASET.split("test").images[:2], "stacked")
    for method in found.methods:
        assert method.similarity[-1].value < 0.5, method.sentence()


def test_a_model_without_a_network_cannot_be_checked(trained: SeedModel) -> None:
    with pytest.raises(SettingsError, match="and 'pixels' needs no CNN; check another model"):
        check_explanations(trained, draw, DATASET.images[:4], "pixels")


def test_it_survives_json(checked: ExplanationCheck) -> None:
    assert ExplanationCheck.from_dict(checked.to_dict()) == checked


def test_one_face_is_too_few(trained: SeedModel) -> None:
    with pytest.raises(DataError, match="two faces or more, found 1"):
        check_explanations(trained, draw, DATASET.images[:1])
