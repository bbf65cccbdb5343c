"""The training loop: what it minimises and what it keeps."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.network import FaceNetwork
from ferboost.cnn.precision import Precision
from ferboost.cnn.stepping import mean_cross_entropy
from ferboost.cnn.training import TrainingProgress, train_network
from ferboost.config import CNNSettings
from ferboost.errors import TrainingDivergedError
from ferboost.features import tap_features
from tiny import (
    PLAIN,
    PLAIN_LAST,
    ROUNDED_LAST,
    cnn_settings,
    copy_of,
    faces,
    labelled,
    new_network,
    same,
)


def mean_loss(network: FaceNetwork, data: LabelledImages, settings: CNNSettings) -> float:
    """Return cross-entropy plus penalty, in float64, from the network's own logits."""
    logits = tap_features(network, data.images, ["logits"])["logits"].astype(np.float64)
    shifted = logits - logits.max(1, keepdims=True)
    entropy = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(shifted)), data.labels]
    return float(entropy.mean()) + settings.l2 * network.penalty().item()


class TestLearning:
    def test_the_loss_falls_and_unseen_faces_are_told_apart(self) -> None:
        data = faces(120)
        settings = cnn_settings(filters=(8, 16), dense=(32, 16), epochs=12, learning_rate=4e-3)
        network = new_network(settings)
        state = train_network(
            network, labelled(data), labelled(data, "test"), settings, PLAIN, seed=0
        )
        assert state.history[-1].train_loss < 0.7 * state.history[0].train_loss
        test = data.split("test")
        predicted = tap_features(network, test.images, ["output"])["output"].argmax(1)
        # Chance is 1/3 and spreads by 0.05 over 90 images.
        assert (predicted == test.labels).mean() > 0.6

    def test_the_history_is_of_the_images_it_says(
        self, train: LabelledImages, validation: LabelledImages
    ) -> None:
        settings = cnn_settings(epochs=1, l2=0.1)
        network = new_network(settings)
        record = train_network(network, train, validation, settings, PLAIN, seed=0).history[0]
        assert record.validation_loss == pytest.approx(
            mean_loss(network, validation, settings), rel=1e-5
        )
        predicted = tap_features(network, validation.images, ["output"])["output"].argmax(1)
        assert record.validation_accuracy == (predicted == validation.labels).mean()
        assert record.seconds > 0

    def test_every_step_is_told(self, train: LabelledImages, validation: LabelledImages) -> None:
        told: list[TrainingProgress] = []
        settings = cnn_settings(epochs=2, batch_size=16)
        state = train_network(
            new_network(settings), train, validation, settings, PLAIN, seed=0,
            on_progress=told.append,
        )  # fmt: skip
        assert [(p.epoch, p.images) for p in told] == [
            (epoch, images) for epoch in (1, 2) for images in (16, 32, 45)
        ]
        last = told[-1]
        assert last.images_total == 45
        assert (last.loss, last.accuracy) == (
            state.history[1].train_loss,
            state.history[1].train_accuracy,
        )

    @pytest.mark.parametrize("precision", [PLAIN_LAST, ROUNDED_LAST])
    def test_other_precisions_learn_nearly_the_same(
        self, train: LabelledImages, validation: LabelledImages, precision: Precision
    ) -> None:
        settings = cnn_settings(epochs=3, dropout=0)
        losses = [
            train_network(
                new_network(settings), train, validation, settings, chosen, seed=0
            ).history[-1].train_loss
            for chosen in (PLAIN, precision)
        ]  # fmt: skip
        assert losses[0] == pytest.approx(losses[1], rel=0.03)

    @pytest.mark.filterwarnings("error")
    def test_read_only_and_mirrored_arrays_are_taken(
        self, train: LabelledImages, validation: LabelledImages
    ) -> None:
        locked, mirrored = train.images.copy(), train.images[:, :, ::-1]
        locked.flags.writeable = False
        settings = cnn_settings(epochs=1)
        for images in (locked, mirrored):
            given = LabelledImages(images, train.labels)
            train_network(new_network(settings), given, validation, settings, PLAIN, seed=0)

    def test_beliefs_are_learned_instead_of_labels(
        self, train: LabelledImages, validation: LabelledImages
    ) -> None:
        settings = cnn_settings(label_smoothing=0.1, keep="last")
        ones = np.eye(3, dtype=np.float32)

        def trained(labels: NDArray[np.int64], beliefs: NDArray[np.float32] | None) -> float:
            network = new_network(settings)
            data = LabelledImages(train.images, labels, beliefs)
            return (
                train_network(network, data, validation, settings, PLAIN, seed=0)
                .history[-1]
                .train_loss
            )

        labels, others = train.labels, (train.labels + 1) % 3
        plain, swapped = trained(labels, None), trained(others, None)
        assert plain != pytest.approx(swapped, rel=1e-4)
        assert trained(labels, ones[labels]) == pytest.approx(plain, rel=1e-5)
        assert trained(labels, ones[others]) == pytest.approx(swapped, rel=1e-5)

    def test_an_image_counts_as_much_as_its_beliefs_sum_to(self) -> None:
        logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
        labels = torch.tensor([0, 0])
        whole = mean_cross_entropy(logits[:1], labels[:1], None, 0.1)
        beliefs = torch.tensor([[0.25, 0.0, 0.0], [0.0, 0.0, 0.0]])
        assert mean_cross_entropy(logits, labels, beliefs, 0.1).item() == pytest.approx(
            0.25 * whole.item() / 2, rel=1e-6
        )
        halves = torch.tensor([[0.5, 0.5, 0.0]])
        first, second = (
            mean_cross_entropy(logits[:1], torch.tensor([i]), None, 0.0) for i in (0, 1)
        )
        assert mean_cross_entropy(logits[:1], labels[:1], halves, 0.0).item() == pytest.approx(
            (first + second).item() / 2, rel=1e-6
        )

    def test_augmentation_changes_what_is_learned(
        self, train: LabelledImages, validation: LabelledImages
    ) -> None:
        losses = []
        for augmentation in ("none", "published"):
            settings = cnn_settings(augmentation=augmentation)
            network = new_network(settings)
            train_network(network, train, validation, settings, PLAIN, seed=0)
            losses.append(mean_loss(network, train, settings))
        assert losses[0] != losses[1]


def adam(
    weights: NDArray[np.float64], gradients: list[NDArray[np.float64]], rate: float
) -> NDArray[np.float64]:
    """Return weights after Adam's steps (Kingma and Ba, 2015) with Keras' epsilon of 1e-7."""
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step, gradient in enumerate(gradients, start=1):
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        corrected = first / (1 - 0.9**step), second / (1 - 0.999**step)
        weights = weights - rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-7)
    return weights


def entropy_gradients(network: FaceNetwork, data: LabelledImages) -> dict[str, NDArray[np.float64]]:
    """Return the gradients of the mean cross-entropy alone."""
    network.zero_grad()
    logits = network.eval()(torch.from_numpy(data.images))
    torch.autograd.backward(functional.cross_entropy(logits, torch.from_numpy(data.labels)))
    return {
        name: np.asarray(parameter.grad, dtype=np.float64)
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }


class TestOptimisation:
    """Loss and steps are those of Keras."""

    def test_two_steps_are_those_computed_by_hand(self, few: LabelledImages) -> None:
        settings = cnn_settings(
            epochs=1, batch_size=12, dropout=0, l2=0.3, learning_rate=1e-3, filters=(2,)
        )
        network, twin = new_network(settings), new_network(settings)
        start = copy_of(twin)
        gradients: dict[str, list[NDArray[np.float64]]] = {name: [] for name in start}
        for epochs in (1, 2):
            for name, gradient in entropy_gradients(twin, few).items():
                # The loss has l2 * sum(w^2) of fc1 and fc2, whose gradient is 2 * l2 * w.
                weight = np.asarray(twin.get_parameter(name).detach(), dtype=np.float64)
                penalised = name in {"fc1.weight", "fc2.weight"}
                gradients[name].append(gradient + 2 * 0.3 * weight * penalised)
            network = new_network(settings)
            longer = settings.model_copy(update={"epochs": epochs})
            train_network(network, few, few, longer, PLAIN, seed=0)
            for name, found in copy_of(network).items():
                first = np.asarray(start[name], dtype=np.float64)
                expected = adam(first, gradients[name], 1e-3)
                np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6, err_msg=name)
                assert np.abs(expected - first).max() > 5e-4
            twin.load_state_dict(network.state_dict())

    def test_the_step_shrinks_where_gradients_are_as_small_as_keras_epsilon(
        self, few: LabelledImages
    ) -> None:
        one_class = LabelledImages(few.images, np.zeros(12, np.int64))
        settings = cnn_settings(
            epochs=1, batch_size=12, dropout=0, l2=0, learning_rate=1e-3, filters=(2,)
        )

        def nearly_certain() -> FaceNetwork:
            network = new_network(settings)
            network.get_parameter("output.weight").data.zero_()
            network.get_parameter("output.bias").data = torch.tensor([14.0, 0, 0])
            return network

        bias = np.array([14.0, 0, 0])
        gradient = entropy_gradients(nearly_certain(), one_class)["output.bias"]
        assert np.abs(gradient).max() < 3e-6
        network = nearly_certain()
        train_network(network, one_class, one_class, settings, PLAIN, seed=0)
        found = copy_of(network)["output.bias"].numpy() - bias.astype(np.float32)
        expected = adam(bias, [gradient], 1e-3) - bias
        np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-3)
        assert np.all(np.abs(expected[1:]) < 0.95e-3)


class TestSelection:
    """The weights with the lowest validation loss are kept."""

    def test_the_network_ends_with_the_weights_of_the_lowest_validation_loss(
        self, train: LabelledImages, validation: LabelledImages
    ) -> None:
        # Wrong labels on the validation images: the better it learns, the worse it gets.
        wrong = LabelledImages(validation.images, (validation.labels + 1) % 3)
        settings = cnn_settings(epochs=6, learning_rate=1e-2, dropout=0)
        network = new_network(settings)
        state = train_network(network, train, wrong, settings, PLAIN, seed=0)
        losses = [record.validation_loss for record in state.history]
        assert state.best_epoch == 1 + int(np.argmin(losses)) < 6
        assert state.best_loss == min(losses)
        assert mean_loss(network, wrong, settings) == pytest.approx(min(losses), rel=1e-5)
        assert same(copy_of(network), state.best_weights)

    def test_patience_stops_after_so_many_epochs_without_a_lower_loss(
        self, train: LabelledImages, validation: LabelledImages
    ) -> None:
        wrong = LabelledImages(validation.images, (validation.labels + 1) % 3)
        settings = cnn_settings(epochs=40, learning_rate=1e-2, dropout=0, patience=2)
        state = train_network(new_network(settings), train, wrong, settings, PLAIN, seed=0)
        assert len(state.history) == state.best_epoch + 2 < 40

    def test_patience_counts_from_the_lowest_loss_where_the_last_weights_are_kept(
        self, train: LabelledImages, validation: LabelledImages
    ) -> None:
        wrong = LabelledImages(validation.images, (validation.labels + 1) % 3)
        settings = cnn_settings(epochs=40, learning_rate=1e-2, dropout=0, patience=2, keep="last")
        state = train_network(new_network(settings), train, wrong, settings, PLAIN, seed=0)
        losses = [record.validation_loss for record in state.history]
        assert len(losses) == losses.index(min(losses)) + 1 + 2 < 40
        assert state.best_epoch == len(losses)

    def test_without_patience_all_epochs_are_run(
        self, few: LabelledImages, validation: LabelledImages
    ) -> None:
        settings = cnn_settings(epochs=5, learning_rate=3e-2)
        state = train_network(new_network(settings), few, validation, settings, PLAIN, seed=0)
        assert [record.epoch for record in state.history] == [1, 2, 3, 4, 5]


class TestDivergence:
    @pytest.fixture
    def diverging(self) -> CNNSettings:
        return cnn_settings(learning_rate=1e30)

    def test_divergence_is_one_line_that_says_what_to_lower(
        self, train: LabelledImages, validation: LabelledImages, diverging: CNNSettings
    ) -> None:
        with pytest.raises(TrainingDivergedError) as caught:
            train_network(new_network(diverging), train, validation, diverging, PLAIN, seed=0)
        assert "diverged in epoch 1" in str(caught.value)
        assert "lower cnn.learning_rate, now 1e+30" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_no_state_is_written_of_weights_that_are_no_numbers(
        self,
        train: LabelledImages,
        validation: LabelledImages,
        diverging: CNNSettings,
        tmp_path: Path,
    ) -> None:
        with pytest.raises(TrainingDivergedError):
            train_network(
                new_network(diverging), train, validation, diverging, PLAIN, seed=0,
                state_path=tmp_path / "state",
            )  # fmt: skip
        assert list(tmp_path.iterdir()) == []
