"""The classifiers keep scikit-learn's contract, and say clearly what they cannot use."""

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from small import CLASSES, PLAIN, pixel_trees, small_boosted, small_cnn

from ferboost.config import CNNSettings, TreeSettings
from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import DataError, SettingsError
from ferboost.estimators import BoostedCNNClassifier, CNNClassifier


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
