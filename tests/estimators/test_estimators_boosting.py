"""Every way to boost is there as a classifier."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small import CLASSES, small_boosted, small_cnn

from ferboost.errors import DataError, SettingsError
from ferboost.estimators import BoostedCNNClassifier, CNNClassifier
from ferboost.growing import grow_trees
from ferboost.seen_images import SeenImages


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
