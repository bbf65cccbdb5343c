"""The classifiers keep scikit-learn's contract, and say clearly what they cannot use."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ferboost.cnn.precision import Precision
from ferboost.config import CNNSettings, TreeSettings
from ferboost.curves import EpochRecord
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.synthetic import generate_faces
from ferboost.errors import DataError, SettingsError
from ferboost.estimators import BoostedCNNClassifier, CNNClassifier
from ferboost.growing import SeenImages, grow_trees
from ferboost.models import load_seed_model
from ferboost.pipeline import execute_run, start_run
from ferboost.progress import Monitor
from ferboost.runs import Run
from ferboost.settings import load_settings

PLAIN = Precision("cpu", "float32", channels_last=False, reason="fixed by the test")
CLASSES = ("happy", "sad", "surprised")


def small_cnn(**changes: Any) -> CNNClassifier:
    parameters: dict[str, Any] = {
        "filters": (8, 8),
        "dense": (32, 16),
        "batch_size": 16,
        "epochs": 2,
        "validation_fraction": 0.2,
        "precision": PLAIN,
    }
    return CNNClassifier(**(parameters | changes))


def small_boosted(**changes: Any) -> BoostedCNNClassifier:
    parameters: dict[str, Any] = {"cnn": small_cnn(), "rounds": 3, "max_depth": 3}
    return BoostedCNNClassifier(**(parameters | changes))


def pixel_trees(**changes: Any) -> BoostedCNNClassifier:
    return small_boosted(tap="pixels", **changes)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads wait for each other longer than these few images take: 7 s instead of 35 s."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def dataset() -> FaceDataset:
    faces = generate_faces(20, test_fraction=0.25, seed=1)
    chosen = np.isin(np.array(faces.classes)[faces.labels], CLASSES)
    return faces.select(chosen).with_classes(CLASSES)


@pytest.fixture(scope="module")
def images(dataset: FaceDataset) -> NDArray[np.uint8]:
    return dataset.split("train").images


@pytest.fixture(scope="module")
def labels(dataset: FaceDataset) -> NDArray[np.str_]:
    return np.array(CLASSES)[dataset.split("train").labels]


@pytest.fixture(scope="module")
def fitted_cnn(images: NDArray[np.uint8], labels: NDArray[np.str_]) -> CNNClassifier:
    return small_cnn().fit(images, labels)


@pytest.fixture(scope="module")
def fitted_boosted(images: NDArray[np.uint8], labels: NDArray[np.str_]) -> BoostedCNNClassifier:
    return small_boosted().fit(images, labels)


class TestContract:
    @pytest.mark.parametrize("classifier", [CNNClassifier(), BoostedCNNClassifier()])
    @pytest.mark.parametrize(
        "check",
        [
            "check_do_not_raise_errors_in_init_or_set_params",
            "check_estimator_cloneable",
            "check_estimator_repr",
            "check_estimators_unfitted",
            "check_get_params_invariance",
            "check_mixin_order",
            "check_no_attributes_set_in_init",
            "check_parameters_default_constructible",
            "check_set_params",
            "check_valid_tag_types",
        ],
    )
    def test_passes_the_checks_of_scikit_learn_that_need_no_data(
        self, check: str, classifier: Any
    ) -> None:
        getattr(estimator_checks, check)(type(classifier).__name__, classifier)

    @pytest.mark.parametrize("model", [small_cnn(), small_boosted(), pixel_trees()])
    def test_fit_returns_itself_and_leaves_its_parameters(
        self, model: Any, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        model = clone(model)
        before = model.get_params(deep=False)
        assert model.fit(images, labels) is model
        after = model.get_params(deep=False)
        assert all(after[name] is value for name, value in before.items())

    def test_fit_leaves_images_and_the_given_cnn_as_they_are(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        cnn, copy = small_cnn(), images.copy()
        small_boosted(cnn=cnn).fit(images, labels)
        assert not hasattr(cnn, "network_")
        np.testing.assert_array_equal(images, copy)

    @pytest.mark.parametrize("method", ["predict", "predict_proba", "transform"])
    def test_an_unfitted_cnn_says_so(self, method: str, images: NDArray[np.uint8]) -> None:
        with pytest.raises(NotFittedError):
            getattr(small_cnn(), method)(images)

    def test_a_failed_fit_leaves_it_unfitted(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        model = small_cnn(epochs=0)
        with pytest.raises(SettingsError):
            model.fit(images, labels)
        with pytest.raises(NotFittedError):
            model.predict(images)

    def test_defaults_are_those_of_the_settings(self) -> None:
        cnn = CNNClassifier().get_params()
        assert {name: cnn[name] for name in CNNSettings.model_fields} == CNNSettings().model_dump()
        trees = BoostedCNNClassifier().get_params(deep=False)
        settings = TreeSettings().model_dump(exclude={"taps", "baselines"})
        assert {name: trees[name] for name in settings} == settings


class TestPrediction:
    def test_probabilities_are_float32_and_sum_to_one(
        self,
        fitted_cnn: CNNClassifier,
        fitted_boosted: BoostedCNNClassifier,
        images: NDArray[np.uint8],
    ) -> None:
        for model in (fitted_cnn, fitted_boosted):
            probabilities = model.predict_proba(images)
            assert probabilities.dtype == np.float32
            assert probabilities.shape == (len(images), 3)
            assert len(np.unique(probabilities, axis=0)) > 3  # no dead network
            np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)

    def test_predict_gives_the_labels_of_the_highest_probabilities(
        self, fitted_boosted: BoostedCNNClassifier, images: NDArray[np.uint8]
    ) -> None:
        best = fitted_boosted.predict_proba(images).argmax(axis=1)
        assert fitted_boosted.predict(images).tolist() == fitted_boosted.classes_[best].tolist()

    def test_score_is_the_accuracy(
        self, fitted_cnn: CNNClassifier, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        assert fitted_cnn.score(images, labels) == (fitted_cnn.predict(images) == labels).mean()

    @pytest.mark.parametrize("names", [(7, 3, 5), (0.5, 2.0, 1.0), (False, True), ("b", "a")])
    def test_labels_may_be_of_any_type_that_can_be_sorted(
        self, names: tuple[Any, ...], images: NDArray[np.uint8]
    ) -> None:
        labels = np.array(names)[np.arange(len(images)) % len(names)]
        model = pixel_trees().fit(images, labels)
        assert model.classes_.tolist() == sorted(names)
        assert set(model.predict(images).tolist()) <= set(names)

    def test_trees_on_pixels_learn_faces_without_a_cnn(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        model = pixel_trees().fit(images, labels)
        assert model.cnns_ == []
        assert model.score(images, labels) > 0.6  # by chance: 1 / 3

    def test_a_tap_that_is_set_later_does_not_touch_fitted_trees(
        self, fitted_boosted: BoostedCNNClassifier, images: NDArray[np.uint8]
    ) -> None:
        expected = fitted_boosted.predict_proba(images)
        fitted_boosted.set_params(tap="pixels")
        try:
            np.testing.assert_array_equal(fitted_boosted.predict_proba(images), expected)
        finally:
            fitted_boosted.set_params(tap="fc1")


class TestFeatures:
    def test_transform_gives_the_tap_that_is_set(
        self, fitted_cnn: CNNClassifier, images: NDArray[np.uint8]
    ) -> None:
        widths = {}
        for tap in ("flatten", "fc1", "fc2", "output"):
            features = clone_fitted(fitted_cnn, tap).transform(images)
            assert features.dtype == np.float32
            widths[tap] = features.shape[1]
        assert widths == {"flatten": 800, "fc1": 32, "fc2": 16, "output": 3}

    def test_output_features_are_the_probabilities(
        self, fitted_cnn: CNNClassifier, images: NDArray[np.uint8]
    ) -> None:
        features = clone_fitted(fitted_cnn, "output").transform(images)
        np.testing.assert_array_equal(features, fitted_cnn.predict_proba(images))

    def test_features_feed_another_classifier_in_a_pipeline(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        model = make_pipeline(small_cnn(tap="fc2"), LogisticRegression())
        assert model.fit(images, labels).predict(images).shape == labels.shape

    def test_the_boosted_classifier_closes_a_pipeline(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        assert (
            make_pipeline(pixel_trees()).fit(images, labels).predict(images).shape == labels.shape
        )


def clone_fitted(model: CNNClassifier, tap: str) -> CNNClassifier:
    """Return a classifier with the same network and another tap."""
    other = clone(model).set_params(tap=tap)
    other.__dict__ |= {k: v for k, v in vars(model).items() if k.endswith("_")}
    assert isinstance(other, CNNClassifier)
    return other


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


class TestBoostingModes:
    def test_residual_trees_that_never_help_are_the_cnn(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        wrong = np.roll(CLASSES, 1)[np.searchsorted(CLASSES, labels)]
        model = small_boosted().set_params(mode="residual", early_stopping=1, learning_rate=1.0)
        model.fit(images, labels, validation=(images, wrong))
        assert model.trees_[0].rounds_ == 0
        np.testing.assert_array_equal(
            model.predict_proba(images), model.cnns_[0].predict_proba(images)
        )

    def test_out_of_fold_members_are_averaged(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        model = small_boosted().set_params(features="out-of-fold", folds=2, tap="fc1+hog")
        model.fit(images, labels)
        assert len(model.cnns_) == len(model.trees_) == 2
        first, second = (cnn.predict_proba(images) for cnn in model.cnns_)
        assert np.abs(first - second).max() > 1e-3
        np.testing.assert_allclose(model.predict_proba(images).sum(axis=1), 1, atol=1e-5)

    def test_trees_of_all_folds_correct_one_cnn(
        self,
        fitted_cnn: CNNClassifier,
        images: NDArray[np.uint8],
        labels: NDArray[np.str_],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        grown: list[int] = []

        def spy(variant: str, rows: SeenImages, *rest: Any, **named: Any) -> Any:
            grown.append(len(rows.data.labels))
            return grow_trees(variant, rows, *rest, **named)

        monkeypatch.setattr("ferboost.estimators.boosted.grow_trees", spy)
        model = small_boosted(
            features="out-of-fold", folds=2, ensemble=False, tap="output", mode="residual"
        ).fit(images, labels)
        assert len(grown) == 1
        assert 0.7 * len(images) < grown[0] < len(images)  # all folds, not the held-out images
        assert len(model.cnns_) == len(model.trees_) == 1
        np.testing.assert_array_equal(
            model.cnns_[0].predict_proba(images), fitted_cnn.predict_proba(images)
        )
        assert np.abs(model.predict_proba(images) - fitted_cnn.predict_proba(images)).max() > 1e-3
        with pytest.raises(SettingsError, match="differs from CNN to CNN"):
            model.set_params(tap="fc1").fit(images, labels)

    def test_held_out_trees_never_see_the_images_of_the_cnn(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.str_],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        grown: list[int] = []

        def spy(*args: Any, **_: Any) -> None:
            grown.append(len(args[1].data.images))
            raise InterruptedError

        monkeypatch.setattr("ferboost.estimators.boosted.grow_trees", spy)
        with pytest.raises(InterruptedError):
            small_boosted().set_params(features="held-out").fit(
                images[:30], labels[:30], validation=(images[30:], labels[30:])
            )
        assert 0 < grown[0] <= len(images) - 30

    @pytest.mark.parametrize("features", ["in-sample", "held-out", "out-of-fold"])
    def test_trees_can_see_distances_to_class_centres(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_], features: str
    ) -> None:
        model = small_boosted().set_params(
            tap="fc1-centres+logits", features=features, folds=2, mode="residual"
        )
        model.fit(images, labels)
        assert [source.centres.keys() for source in model.sources_] == [{"fc1"}] * len(model.trees_)
        np.testing.assert_allclose(model.predict_proba(images).sum(axis=1), 1, atol=1e-5)

    def test_trees_can_see_other_cnns(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        others = (small_cnn(random_state=7), small_cnn(random_state=8))
        model = small_boosted().set_params(
            tap="logits+stacked", stacked=others, features="held-out", mode="residual"
        )
        model.fit(images, labels)
        assert len(model.sources_[0].stacked) == 2
        assert not hasattr(others[0], "network_")
        assert model.predict_proba(images).shape == (len(images), 3)

    def test_one_number_decides_all_cnns_and_each_is_another_one(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        def fitted(other: int, seed: int) -> BoostedCNNClassifier:
            model: BoostedCNNClassifier = small_boosted().set_params(
                tap="logits+stacked", stacked=(small_cnn(random_state=other),) * 2,
                features="out-of-fold", folds=2, mode="residual", random_state=seed,
            )  # fmt: skip
            model.fit(images, labels)
            return model

        first, again, another = fitted(7, 0), fitted(8, 0), fitted(7, 1)
        np.testing.assert_array_equal(first.predict_proba(images), again.predict_proba(images))
        assert (first.predict_proba(images) != another.predict_proba(images)).any()
        starts = {cnn.random_state for cnn in first.cnns_}
        assert len(starts) == 2
        weights = [network.state_dict()["fc1.weight"] for network in first.sources_[0].stacked]
        assert not torch.equal(*weights)

    @pytest.mark.parametrize("features", ["held-out", "out-of-fold"])
    def test_trees_can_learn_votes(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_], features: str
    ) -> None:
        hard = np.eye(3)[np.unique(labels, return_inverse=True)[1]]
        model = small_boosted().set_params(votes=1.0, features=features, folds=2)
        sure = model.fit(images, labels, votes=10 * hard).predict_proba(images).max(axis=1)
        torn = model.fit(images, labels, votes=2 * hard + 1).predict_proba(images).max(axis=1)
        assert torn.mean() < sure.mean()
        with pytest.raises(DataError, match=r"votes must be numbers from 0 on, \d+ rows of 3 "):
            model.fit(images, labels, votes=hard[:, :2])
        with pytest.raises(SettingsError, match=r"votes=1 takes votes"):
            model.fit(images, labels)

    def test_trees_can_see_means_over_views(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        model = small_boosted().set_params(tap="fc1-views", views="jitter")
        found = model.fit(images, labels).predict_proba(images)
        turned = model.predict_proba(images[:, :, ::-1])
        same = np.abs(found - turned).max(axis=1) <= 1e-5  # but where a rounding crosses a split
        assert same.mean() >= 0.7
        assert model.sources_[0].views == "jitter"

    def test_a_classifier_is_one_model(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        with pytest.raises(SettingsError, match="one model"):
            small_boosted().set_params(mode="both").fit(images, labels)


class TestModelSelection:
    def test_cross_val_score_keeps_groups_together(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_], dataset: FaceDataset
    ) -> None:
        groups = dataset.split("train").hashes
        scores = cross_val_score(
            small_boosted(),
            images,
            labels,
            groups=groups,
            cv=StratifiedGroupKFold(2),
            error_score="raise",
        )
        assert scores.shape == (2,)

    def test_grid_search_varies_the_tap_and_the_parameters_of_the_cnn(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        grid = {
            "tap": ["fc1", "pixels"],
            "cnn__learning_rate": np.geomspace(1e-3, 1e-2, 2),
            "cnn__epochs": np.arange(1, 2),
        }
        search = GridSearchCV(small_boosted(), grid, cv=2, error_score="raise").fit(images, labels)
        assert search.best_params_.keys() == grid.keys()
        assert search.predict(images).shape == labels.shape

    def test_the_classes_of_the_cnn_follow_the_labels(
        self, fitted_boosted: BoostedCNNClassifier
    ) -> None:
        assert fitted_boosted.cnns_[0].classes_.tolist() == list(CLASSES)


class TestInput:
    @pytest.mark.parametrize("dtype", [np.int64, np.float32, np.uint16])
    def test_whole_gray_values_of_any_type_and_flat_rows_are_the_same_images(
        self, dtype: type, fitted_cnn: CNNClassifier, images: NDArray[np.uint8]
    ) -> None:
        rows: NDArray[Any] = images.reshape(len(images), -1).astype(dtype)
        np.testing.assert_array_equal(
            fitted_cnn.predict_proba(rows), fitted_cnn.predict_proba(images)
        )

    def test_lists_are_images_too(
        self, fitted_cnn: CNNClassifier, images: NDArray[np.uint8]
    ) -> None:
        expected = fitted_cnn.predict_proba(images[:2])
        np.testing.assert_array_equal(fitted_cnn.predict_proba(images[:2].tolist()), expected)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (np.zeros((3, 64, 64), np.uint8), r"shape \(n, 48, 48\) or \(n, 2304\)"),
            (np.zeros((48, 48), np.uint8), "shape"),
            (np.zeros((3, 10)), "shape"),
            (np.zeros((1, 48, 48, 1), np.uint8), "shape"),
            (5, "shape"),
            (np.zeros((0, 48, 48), np.uint8), "no image"),
            ([[1, 2], [3]], "no array"),
            (np.full((2, 48, 48), "a"), "must be numbers"),
            (np.zeros((2, 48, 48), bool), "must be numbers"),
            (np.full((2, 48, 48), 256), "from 0 to 255"),
            (np.full((2, 48, 48), -1), "from 0 to 255"),
            (np.full((2, 48, 48), np.nan), "nan"),
            (np.full((2, 48, 48), 0.5), "multiply by 255"),
        ],
    )
    def test_what_is_no_gray_image_is_refused(
        self, wrong: Any, message: str, fitted_cnn: CNNClassifier
    ) -> None:
        with pytest.raises(DataError, match=message):
            fitted_cnn.predict(wrong)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (np.zeros(3), r"one label for each image, shape \(45,\), found \(3,\)"),
            (np.zeros((45, 1)), "one label for each image"),
            (None, "one label for each image"),
            (np.zeros(45), "single label 0.0"),
            (np.array([np.nan, *range(44)]), "NaN"),
            (np.array(["a", *range(44)], dtype=object), "one type"),
        ],
    )
    def test_labels_that_cannot_be_used_are_refused(
        self, wrong: Any, message: str, images: NDArray[np.uint8]
    ) -> None:
        with pytest.raises(DataError, match=message):
            small_cnn().fit(images, wrong)

    def test_a_validation_label_that_no_training_image_has_is_refused(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        with pytest.raises(DataError, match="no training image has the label 'bored'"):
            small_cnn().fit(images, labels, validation=(images[:1], ["bored"]))

    def test_too_few_images_for_a_validation_part_are_refused(
        self, images: NDArray[np.uint8]
    ) -> None:
        with pytest.raises(DataError, match="leave none for validation"):
            small_cnn().fit(images[:4], [0, 0, 1, 1])

    def test_a_layer_of_another_architecture_is_missed_where_it_is_asked_for(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        model = CNNClassifier(architecture="residual", filters=(4, 4), epochs=1, precision=PLAIN)
        model.fit(images, labels)  # its tap is fc1 by default
        assert model.predict(images).shape == labels.shape
        with pytest.raises(SettingsError, match="no tap 'fc1'; there are: pooled, output"):
            model.transform(images)
        assert model.set_params(tap="pooled").transform(images).shape[0] == len(images)

    def test_a_fitted_model_is_kept_by_pickle(
        self, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        model = small_cnn().fit(images, labels)
        assert next(model.network_.parameters()).device.type == "cpu"
        kept = pickle.loads(pickle.dumps(model))  # noqa: S301
        np.testing.assert_array_equal(kept.predict_proba(images), model.predict_proba(images))

    @pytest.mark.parametrize(
        ("model", "message"),
        [
            (small_cnn(tap="pixels"), "no tap 'pixels'; there are: flatten, fc1, fc2, output"),
            (small_boosted(tap="fc3"), "no 'fc3'; there are: flatten, fc1, .*, pixels"),
            (small_cnn(kernel_size=0), "cnn.kernel_size cannot be 0"),
            (small_cnn(validation_fraction=1.0), "data.validation_fraction cannot be 1.0"),
            (small_cnn(random_state=-1), "seeds.0 cannot be -1"),
            (small_cnn(filters=(4,) * 9), "would have no rows left"),
            (small_boosted(rounds=0), "trees.rounds cannot be 0"),
        ],
    )
    def test_impossible_parameters_are_refused_by_fit(
        self, model: Any, message: str, images: NDArray[np.uint8], labels: NDArray[np.str_]
    ) -> None:
        with pytest.raises(SettingsError, match=message):
            model.fit(images, labels)
