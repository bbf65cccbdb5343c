"""What the classifiers learn, and that they learn it again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from small import PLAIN, pixel_trees, small_boosted, small_cnn

from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.network import FaceNetwork
from ferboost.cnn.training import train_network
from ferboost.config import CNNSettings
from ferboost.curves import EpochRecord
from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import SettingsError
from ferboost.estimators import BoostedCNNClassifier, CNNClassifier
from ferboost.models import load_seed_model
from ferboost.pipeline import execute_run, start_run
from ferboost.progress import Monitor
from ferboost.runs import Run
from ferboost.settings import load_settings


class TestTraining:
    def test_the_history_has_every_epoch_and_the_best_one(self, fitted_cnn: CNNClassifier) -> None:
        losses = [record.validation_loss for record in fitted_cnn.history_]
        assert len(losses) == 2
        assert fitted_cnn.best_epoch_ == 1 + int(np.argmin(losses))

    def test_on_epoch_hears_of_every_epoch(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        heard: list[EpochRecord] = []
        small_boosted().fit(images, labels, on_epoch=lambda history: heard.append(history[-1]))
        assert [record.epoch for record in heard] == [1, 2]

    def test_teachers_learn_the_same_images_first(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trained: list[tuple[FaceNetwork, LabelledImages, list[FaceNetwork]]] = []

        def noted(network: Any, train: Any, *others: Any, teachers: Any, **named: Any) -> Any:
            trained.append((network, train, list(teachers)))
            return train_network(network, train, *others, teachers=teachers, **named)

        monkeypatch.setattr("ferboost.estimators.cnn.train_network", noted)
        teachers = (small_cnn(votes=1.0), small_cnn(dense=(16, 8), random_state=4))
        model = clone(small_cnn(teachers=teachers, taught=1.0))
        votes = np.ones((len(labels), 2))
        model.fit(images, labels, votes=votes)
        first, second, own = trained
        assert own[2] == [first[0], second[0]]
        assert [data.votes is not None for _, data, _ in trained] == [True, False, False]
        for data in (first[1], second[1]):
            np.testing.assert_array_equal(data.images, own[1].images)
        alone = small_cnn().fit(images, labels)
        assert (model.predict_proba(images) != alone.predict_proba(images)).any()
        above = small_cnn(teachers=(small_cnn(teachers=teachers),))
        trained.clear()
        above.fit(images, labels, votes=votes)
        assert [data.votes is not None for _, data, _ in trained] == [True, False, False, False]
        trained.clear()
        small_boosted(cnn=small_cnn(teachers=teachers)).fit(images, labels, votes=votes)
        assert [data.votes is not None for _, data, _ in trained] == [True, False, False]

    def test_impossible_teachers_are_refused_before_any_is_trained(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "ferboost.estimators.cnn.train_network", lambda *_, **__: pytest.fail("trains")
        )
        model = small_cnn(teachers=(small_cnn(), small_cnn(filters=(4,) * 9)))
        with pytest.raises(SettingsError, match="cnn"):
            model.fit(images, labels)

    def test_given_validation_images_choose_the_epoch(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        model = small_cnn().fit(images[10:], labels[10:], validation=(images[:10], labels[:10]))
        best = model.history_[model.best_epoch_ - 1]
        assert best.validation_accuracy == pytest.approx(model.score(images[:10], labels[:10]))

    def test_equal_images_are_cut_off_together(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []

        def spy(network: Any, train: Any, validation: Any, *_: Any, **__: Any) -> None:
            seen.append((train.images, validation.images))
            raise InterruptedError

        monkeypatch.setattr("ferboost.estimators.cnn.train_network", spy)
        with pytest.raises(InterruptedError):
            small_cnn().fit(np.concatenate([images, images]), np.concatenate([labels, labels]))
        ((train, validation),) = seen
        assert len(train) + len(validation) == 2 * len(images)
        assert len(validation) > 0
        common = {image.tobytes() for image in train} & {image.tobytes() for image in validation}
        assert not common

    def test_early_stopping_watches_the_validation_images(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        validation = (images[:10], np.roll(labels[:10], 1))
        model = pixel_trees(rounds=50, early_stopping=1).fit(
            images[10:], labels[10:], validation=validation
        )
        assert model.trees_[0].rounds_ < 50

    def test_the_precision_is_measured_once_and_kept_with_its_reason(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        first = small_cnn(precision=None, epochs=1).fit(images, labels)
        again = small_cnn(precision=None, epochs=1, learning_rate=0.01).fit(images, labels)
        assert "measured" in first.precision_.reason
        assert again.precision_ is first.precision_


class TestRepeatability:
    @pytest.mark.parametrize("seed", [3, np.int64(3)])
    def test_the_same_seed_gives_the_same_model(
        self, seed: int, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        first = small_boosted(random_state=3).fit(images, labels)
        again = small_boosted(random_state=seed).fit(images, labels)
        np.testing.assert_array_equal(first.predict_proba(images), again.predict_proba(images))

    def test_another_seed_gives_another_model(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.str_],
        fitted_boosted: BoostedCNNClassifier,
    ) -> None:
        other = small_boosted(random_state=1).fit(images, labels)
        assert not np.array_equal(other.predict_proba(images), fitted_boosted.predict_proba(images))

    def test_a_random_state_is_drawn_from(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        first, again = (
            small_cnn(random_state=np.random.RandomState(5))
            .fit(images, labels)
            .predict_proba(images)
            for _ in range(2)
        )
        np.testing.assert_array_equal(first, again)

    def test_fit_draws_nothing_from_the_global_random_states(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
        small_boosted().fit(images, labels)
        drawn = torch.rand(1).item(), np.random.rand()  # noqa: NPY002
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
        assert drawn == (torch.rand(1).item(), np.random.rand())  # noqa: NPY002

    def test_it_is_the_model_of_a_run_with_the_same_settings(
        self,
        dataset: FaceDataset,
        images: NDArray[np.uint8],
        labels: NDArray[np.str_],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("ferboost.pipeline.training.choose_precision", lambda *_: PLAIN)
        # Fitted here and not shared: what runs between two trainings in one process can change the
        # last bits of the second.
        fitted_boosted = small_boosted().fit(images, labels)
        run = run_like(fitted_boosted, dataset, tmp_path / "run")
        trained = load_seed_model(run, 0)
        probabilities = trained.probabilities(dataset.images)
        weights = fitted_boosted.cnns_[0].network_.state_dict()
        for name, tensor in trained.network.state_dict().items():
            assert torch.equal(tensor, weights[name])
        for variant, model in (("cnn", fitted_boosted.cnns_[0]), ("fc1", fitted_boosted)):
            np.testing.assert_array_equal(
                model.predict_proba(dataset.images), probabilities[variant]
            )


def run_like(model: BoostedCNNClassifier, dataset: FaceDataset, path: Path) -> Run:
    """Execute a run with the settings of `model`."""
    assert model.cnn is not None
    settings = load_settings(
        data={"validation_fraction": model.cnn.validation_fraction},
        cnn={name: getattr(model.cnn, name) for name in CNNSettings.model_fields},
        trees={"taps": (model.tap,), "rounds": model.rounds, "max_depth": model.max_depth},
    )
    run, prepared = start_run(path, dataset, settings, command="pytest")
    execute_run(run, prepared, Monitor())
    return run
