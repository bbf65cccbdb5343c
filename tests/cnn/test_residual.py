"""The residual network: its shapes, its taps, and a training that goes on where it stopped."""

from pathlib import Path

import pytest
import torch

from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.network import ResidualNetwork, build_network, new_network
from ferboost.cnn.training import train_network
from ferboost.config import CNNSettings
from ferboost.curves import EpochRecord
from ferboost.errors import SettingsError
from ferboost.settings import load_settings
from tiny import PLAIN, copy_of, faces, same

SETTINGS = CNNSettings(
    architecture="residual", filters=(8, 12), blocks=(1,), batch_size=16, epochs=3, dropout=0.1,
    optimizer="muon", learning_rate=0.05, schedule="cosine", weight_decay=0.02,
    label_smoothing=0.1, averaging=0.9, keep="last", augmentation="gentle", mirror=True,
)  # fmt: skip
IMAGES = torch.randint(0, 256, (5, 48, 48), generator=torch.Generator().manual_seed(0))


def training_data(count_per_class: int = 12) -> LabelledImages:
    drawn = faces(count_per_class).split("train")
    return LabelledImages(drawn.images, drawn.labels)


def test_every_stage_halves_the_side() -> None:
    network = build_network(SETTINGS.model_copy(update={"filters": (8, 12, 20, 4)}), 7).eval()
    layers = network.convolve(IMAGES)
    assert [name for name, _ in layers] == ["conv1", "stage1", "stage2", "stage3", "stage4"]
    assert [tuple(maps.shape[1:]) for _, maps in layers] == [
        (8, 24, 24), (8, 24, 24), (12, 12, 12), (20, 6, 6), (4, 3, 3),
    ]  # fmt: skip
    assert network.first_filters().shape == (8, 6, 6)


def test_the_taps_belong_together() -> None:
    network = ResidualNetwork(SETTINGS, 7).eval()
    taps = network.taps(IMAGES)
    assert {name: tuple(t.shape) for name, t in taps.items()} == {
        "pooled": (5, 12), "output": (5, 7), "logits": (5, 7),
    }  # fmt: skip
    assert torch.allclose(network.output(taps["pooled"]), taps["logits"], atol=1e-5)
    assert torch.allclose(taps["logits"].softmax(1), taps["output"])


def test_a_mirrored_face_gives_the_same_only_where_asked_for() -> None:
    network = new_network(SETTINGS, 7, seed=1).eval()
    assert torch.allclose(network(IMAGES), network(IMAGES.flip(-1)), atol=1e-4)
    plain = new_network(SETTINGS.model_copy(update={"mirror": False}), 7, seed=1).eval()
    assert not torch.allclose(plain(IMAGES), plain(IMAGES.flip(-1)), atol=1e-2)
    both = (plain(IMAGES) + plain(IMAGES.flip(-1))) / 2
    assert torch.allclose(network(IMAGES), both, atol=1e-4)


@pytest.mark.parametrize("stages", [5, 6])
def test_more_stages_than_halvings_are_refused(stages: int) -> None:
    message = r"stage 5 would have 48 / 2\^5 = 1.5 rows; give cnn.filters at most 4 stages"
    with pytest.raises(SettingsError, match=message):
        ResidualNetwork(SETTINGS.model_copy(update={"filters": (4,) * stages}), 7)


def test_it_learns_and_keeps_the_average_of_the_last_epoch() -> None:
    data = training_data(80)
    changes = {"epochs": 20, "learning_rate": 0.02, "augmentation": "none"}
    longer = SETTINGS.model_copy(update=changes)
    network = new_network(longer, 3, seed=0)
    state = train_network(network, data, data, longer, PLAIN, seed=0)
    assert state.best_epoch == 20
    assert state.history[-1].validation_accuracy > 0.8
    assert same(copy_of(network), state.averaged)


def test_the_first_epochs_see_shrunk_images() -> None:
    data = training_data()
    settings = SETTINGS.model_copy(update={"shrunk": 0.67, "epochs": 3, "batch_size": 36})
    network = new_network(settings, 3, seed=0)
    trained: list[int] = []
    judged: list[int] = []

    def look(stem: torch.nn.Module, blocks: tuple[torch.Tensor]) -> None:
        (trained if stem.training else judged).append(2 * blocks[0].shape[-1])

    network.get_submodule("stem").register_forward_pre_hook(look)
    train_network(network, data, data, settings, PLAIN, seed=0)
    assert trained == [32, 32, 48]
    assert judged == [48, 48, 48]


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    data = training_data()
    whole = new_network(SETTINGS, 3, seed=0)
    train_network(whole, data, data, SETTINGS, PLAIN, seed=0)

    class StopError(Exception):
        pass

    def stop_after_two(history: list[EpochRecord]) -> None:
        if len(history) == 2:
            raise StopError

    path = tmp_path / "state"
    with pytest.raises(StopError):
        train_network(
            new_network(SETTINGS, 3, seed=0), data, data, SETTINGS, PLAIN, seed=0,
            state_path=path, on_epoch=stop_after_two,
        )  # fmt: skip
    resumed = new_network(SETTINGS, 3, seed=0)
    train_network(resumed, data, data, SETTINGS, PLAIN, seed=0, state_path=path)
    assert same(copy_of(whole), copy_of(resumed))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["cnn.mirror=true"], "cnn.mirror has no effect on the published network"),
        (["cnn.shift=2"], "cnn.shift has no effect on the published network"),
        (["cnn.shrunk=0.5"], "cnn.shrunk has no effect on the published network"),
        (["cnn.architecture=residual", "cnn.shift=2"], "no effect without cnn.mirror=true"),
        (["cnn.weight_decay=0.1"], "no effect with cnn.optimizer=adam; set cnn.weight_decay=0"),
        (
            ["cnn.architecture=residual", "cnn.weight_decay=0.1"],
            "cnn.weight_decay has no effect with cnn.optimizer=adam",
        ),
        (["cnn.architecture=residual", "cnn.dense=[3, 3]"], "cnn.dense has no effect"),
        (["cnn.architecture=residual"], "the residual network has no tap 'flatten'"),
        (["trees.taps=['pooled']"], "the published network has no tap 'pooled'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(overrides=overrides)


def test_the_last_number_of_blocks_counts_for_the_stages_after_it() -> None:
    network = new_network(
        SETTINGS.model_copy(update={"filters": (4, 4, 4), "blocks": (1, 2)}), 3, 0
    )
    assert isinstance(network, ResidualNetwork)
    assert [len(list(stage.children())) for stage in network.stages] == [1, 2, 2]


SHIFTED = SETTINGS.model_copy(update={"shift": 2})


def test_a_prediction_with_shifts_is_the_mean_over_six_views() -> None:
    plain = new_network(SETTINGS.model_copy(update={"mirror": False}), 7, seed=1).eval()
    around = torch.nn.functional.pad(IMAGES[:, None].float(), (2, 2, 2, 2), mode="replicate")[:, 0]
    seen = []
    for row, column, mirrored in (
        (2, 2, False), (2, 2, True), (2, 4, False), (2, 0, True), (4, 2, False), (0, 2, True),
    ):  # fmt: skip
        view = around[:, row : row + 48, column : column + 48]
        seen.append(plain(view.flip(-1) if mirrored else view))
    network = new_network(SHIFTED, 7, seed=1).eval()
    assert torch.allclose(network(IMAGES), torch.stack(seen).mean(dim=0), atol=1e-4)
    maps = network.last_maps(IMAGES)
    assert torch.allclose(network.logits_of_maps(maps), network(IMAGES), atol=1e-4)


def test_shifts_come_after_training_alone() -> None:
    network, mirroring = (new_network(settings, 7, seed=1) for settings in (SHIFTED, SETTINGS))
    assert network.state_dict().keys() == mirroring.state_dict().keys()
    network.eval().is_hurried = True
    assert torch.allclose(network(IMAGES), mirroring.eval()(IMAGES), atol=1e-5)
    data = training_data()
    ends = []
    for settings in (SHIFTED, SETTINGS):
        trained = new_network(settings, 3, seed=0)
        state = train_network(trained, data, data, settings, PLAIN, seed=0)
        ends.append((copy_of(trained), [record.validation_loss for record in state.history]))
        assert not trained.is_hurried
    assert same(ends[0][0], ends[1][0])
    assert ends[0][1] == ends[1][1]
