"""A training can be repeated, and goes on from where it was stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ferboost.cnn.checkpoint import TrainingState
from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.network import FaceNetwork
from ferboost.cnn.precision import Precision
from ferboost.cnn.training import TrainingProgress, train_network
from ferboost.curves import EpochRecord
from ferboost.errors import RunError
from tiny import (
    PLAIN,
    PLAIN_LAST,
    ROUNDED_LAST,
    cnn_settings,
    copy_of,
    new_network,
    same,
)


@pytest.fixture(scope="module")
def data(
    train: LabelledImages, validation: LabelledImages
) -> tuple[LabelledImages, LabelledImages]:
    return train, validation


def curves(state: TrainingState) -> list[tuple[float, ...]]:
    """Return the history without what the clock says."""
    return [
        (r.epoch, r.train_loss, r.train_accuracy, r.validation_loss, r.validation_accuracy)
        for r in state.history
    ]


class TestRepetition:
    def test_the_same_seed_gives_the_same_weights_and_curves(
        self, train: LabelledImages, validation: LabelledImages
    ) -> None:
        settings = cnn_settings(augmentation="published")
        ends = []
        for caller_seed in (1, 2):
            torch.manual_seed(caller_seed)
            network = new_network(settings)
            state = train_network(network, train, validation, settings, PLAIN, seed=7)
            ends.append((copy_of(network), curves(state)))
        assert same(ends[0][0], ends[1][0])
        assert ends[0][1] == ends[1][1]

    def test_another_seed_gives_other_weights(
        self, train: LabelledImages, validation: LabelledImages
    ) -> None:
        settings = cnn_settings(epochs=1, dropout=0)
        networks = [new_network(settings), new_network(settings)]
        for seed, network in enumerate(networks):
            train_network(network, train, validation, settings, PLAIN, seed=seed)
        assert not same(copy_of(networks[0]), copy_of(networks[1]))

    def test_epochs_differ_in_order_and_dropout(
        self, few: LabelledImages, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        orders = []
        original = torch.randperm

        def randperm(count: int, generator: torch.Generator) -> torch.Tensor:
            orders.append(original(count, generator=generator).tolist())
            return torch.tensor(orders[-1])

        monkeypatch.setattr(torch, "randperm", randperm)
        settings = cnn_settings(epochs=2)
        train_network(new_network(settings), few, few, settings, PLAIN, seed=0)
        assert sorted(orders[0]) == sorted(orders[1]) == list(range(12))
        assert orders[0] != orders[1]

    def test_the_random_state_of_the_caller_is_left_alone(
        self, train: LabelledImages, validation: LabelledImages
    ) -> None:
        state = torch.get_rng_state()
        settings = cnn_settings(epochs=1, augmentation="published")
        train_network(new_network(settings), train, validation, settings, PLAIN, seed=0)
        assert torch.equal(torch.get_rng_state(), state)


class Interruption(Exception):
    """Stands for whatever ends a process."""


def stop_after(epoch: int) -> Callable[[list[EpochRecord]], None]:
    def on_epoch(history: list[EpochRecord]) -> None:
        if len(history) == epoch:
            raise Interruption

    return on_epoch


def stop_in(epoch: int) -> Callable[[TrainingProgress], None]:
    def on_progress(now: TrainingProgress) -> None:
        if now.epoch == epoch and now.images == 32:
            raise Interruption

    return on_progress


class TestResuming:
    """A training goes on from its last finished epoch as if it had never stopped."""

    SETTINGS = cnn_settings(
        filters=(4, 8), epochs=4, learning_rate=1e-2, augmentation="published", batch_size=16
    )

    def train(
        self,
        data: tuple[LabelledImages, LabelledImages],
        path: Path | None,
        precision: Precision = PLAIN,
        first_weights: int = 0,
        **options: Any,
    ) -> tuple[FaceNetwork, TrainingState]:
        network = new_network(self.SETTINGS, seed=first_weights)
        state = train_network(
            network, *data, self.SETTINGS, precision, seed=3, state_path=path, **options
        )
        return network, state

    @pytest.mark.parametrize(
        "precision", [PLAIN, PLAIN_LAST, ROUNDED_LAST], ids=["plain", "last", "bfloat16-last"]
    )
    @pytest.mark.parametrize("stops", [[1], [2], [3], [4], [1, 2, 3]], ids=str)
    def test_after_any_epoch_it_ends_with_the_same_weights_and_curves(
        self,
        data: tuple[LabelledImages, LabelledImages],
        precision: Precision,
        stops: list[int],
        tmp_path: Path,
    ) -> None:
        expected, expected_state = self.train(data, None, precision)
        path = tmp_path / "state"
        for start, stop in enumerate(stops):  # only the first starts from the first weights
            with pytest.raises(Interruption):
                self.train(data, path, precision, start, on_epoch=stop_after(stop))
        network, state = self.train(data, path, precision, first_weights=99)
        assert same(copy_of(network), copy_of(expected))
        assert curves(state) == curves(expected_state)
        assert (state.best_epoch, state.best_loss) == (
            expected_state.best_epoch,
            expected_state.best_loss,
        )

    def test_in_the_middle_of_an_epoch_it_goes_on_from_its_beginning(
        self, data: tuple[LabelledImages, LabelledImages], tmp_path: Path
    ) -> None:
        with pytest.raises(Interruption):
            self.train(data, tmp_path / "state", on_progress=stop_in(3))
        told: list[TrainingProgress] = []
        network, _ = self.train(data, tmp_path / "state", on_progress=told.append)
        assert (told[0].epoch, told[0].images) == (3, 16)
        assert same(copy_of(network), copy_of(self.train(data, None)[0]))

    def test_the_history_so_far_is_told_on_resuming(
        self, data: tuple[LabelledImages, LabelledImages], tmp_path: Path
    ) -> None:
        with pytest.raises(Interruption):
            self.train(data, tmp_path / "state", on_epoch=stop_after(2))
        lengths: list[int] = []
        self.train(data, tmp_path / "state", on_epoch=lambda history: lengths.append(len(history)))
        assert lengths == [2, 3, 4]

    def test_patience_counts_on(
        self, train: LabelledImages, validation: LabelledImages, tmp_path: Path
    ) -> None:
        wrong = LabelledImages(validation.images, (validation.labels + 1) % 3)
        settings = cnn_settings(epochs=40, learning_rate=1e-2, dropout=0, patience=2)

        def run(path: Path | None, **options: Any) -> TrainingState:
            network = new_network(settings)
            return train_network(
                network, train, wrong, settings, PLAIN, seed=0, state_path=path, **options
            )

        expected = run(None)
        with pytest.raises(Interruption):
            run(tmp_path / "state", on_epoch=stop_after(expected.best_epoch + 1))
        assert curves(run(tmp_path / "state")) == curves(expected)

    def test_a_state_of_another_training_is_refused(
        self, data: tuple[LabelledImages, LabelledImages], tmp_path: Path
    ) -> None:
        with pytest.raises(Interruption):
            self.train(data, tmp_path / "state", identity="one", on_epoch=stop_after(1))
        with pytest.raises(RunError, match="other settings, data or machine; start a new run"):
            self.train(data, tmp_path / "state", identity="two")

    @pytest.mark.parametrize("kept", [0, 1, 100, -1], ids=str)
    def test_a_state_that_is_cut_off_is_refused(
        self, data: tuple[LabelledImages, LabelledImages], kept: int, tmp_path: Path
    ) -> None:
        path = tmp_path / "state"
        with pytest.raises(Interruption):
            self.train(data, path, on_epoch=stop_after(1))
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(RunError, match="state") as caught:
            self.train(data, path)
        assert "\n" not in str(caught.value)
