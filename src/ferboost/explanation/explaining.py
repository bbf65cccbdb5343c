"""One verdict explained: where in the face, and through which features of the trees."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ferboost.boosting import BoostedTrees
from ferboost.errors import SettingsError
from ferboost.evaluation.scaling import Scaling
from ferboost.explanation.maps import Method, explain_networks, methods_of, networks_of
from ferboost.features import join_features
from ferboost.models import SeedModel, members_of
from ferboost.variants import groups_of, has_trees, is_residual, tap_of

__all__ = ["Contribution", "Explanation", "explain_faces"]

_SHOWN_FEATURES = 8
_DECIMALS = 6


@dataclass(frozen=True)
class Contribution:
    """What one part of a model adds to the explained emotion's score, against the other one's.

    Attributes
    ----------
    name : str
        A feature group, such as ``"fc1"``, a feature of it, such as ``"fc1 12"``, or ``"start"``:
        what the trees begin with whatever they see, residual ones with the CNN's logits.
    value : float
        In nats of the odds between the two emotions.
    """

    name: str
    value: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a model gives a face the probability of an emotion that it does.

    Attributes
    ----------
    classes : tuple of str
    variant : str
    face : ndarray of uint8, shape (48, 48)
    probabilities : tuple of float
    emotion : str
        What is explained: the verdict, or what was asked for.
    against : str
        The most probable of the other emotions.
    maps : mapping of str to ndarray of float32, shape (48, 48)
        By method (see `ferboost.explanation.maps`); positive where the face speaks for the emotion.
    contributions : tuple of Contribution
        Of the start and of each feature group; empty for a variant without trees. Their sum is the
        logarithm of the odds of `emotion` against `against` that the trees give, before
        calibration; of several models, the mean of it.
    features : tuple of Contribution
        Of the single features that add or take most.

    References
    ----------
    .. [1] Lundberg, S. M. et al. (2020). From local explanations to global understanding with
       explainable AI for trees. Nature Machine Intelligence, 2, 56-67.
    """

    classes: tuple[str, ...]
    variant: str
    face: NDArray[np.uint8]
    probabilities: tuple[float, ...]
    emotion: str
    against: str
    maps: Mapping[Method, NDArray[np.float32]]
    contributions: tuple[Contribution, ...] = ()
    features: tuple[Contribution, ...] = ()

    @property
    def verdict(self) -> str:
        """The emotion with the highest probability."""
        return self.classes[int(np.argmax(self.probabilities))]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return it as JSON can hold it, the face left out."""
        return {
            "variant": self.variant,
            "verdict": self.verdict,
            "explained": self.emotion,
            "against": self.against,
            "probabilities": dict(zip(self.classes, self.probabilities, strict=True)),
            "contributions": {
                part.name: round(part.value, _DECIMALS) for part in self.contributions
            },
            "features": {part.name: round(part.value, _DECIMALS) for part in self.features},
            "maps": {name: values.round(_DECIMALS).tolist() for name, values in self.maps.items()},
        }


def explain_faces(
    models: Sequence[SeedModel],
    classes: tuple[str, ...],
    images: NDArray[np.uint8],
    variant: str = "cnn",
    *,
    emotion: str | None = None,
    scaling: Scaling | None = None,
) -> tuple[Explanation, ...]:
    """Explain what the mean of some models says of faces.

    Parameters
    ----------
    models : sequence of SeedModel
        One for each seed.
    classes : tuple of str
    images : ndarray of uint8, shape (n, 48, 48)
    variant : str
        ``"cnn"``, or the trees that decide. Grad-CAM and integrated gradients then explain the
        CNNs below, and are left out where there are none; occlusion explains the whole.
    emotion : str, optional
        What to explain; by default each face's verdict.
    scaling : Scaling, optional
        Of the mean probabilities.

    Raises
    ------
    SettingsError
        If there is no such emotion.
    """
    if emotion is not None and emotion not in classes:
        raise SettingsError(f"there is no emotion {emotion!r}; there are: {', '.join(classes)}")

    def predict(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        mean = np.mean([model.probabilities_of(faces, variant) for model in models], axis=0)
        return mean if scaling is None else scaling.apply(mean)

    if not len(images):
        return ()
    shares = predict(images)
    targets = (
        shares.argmax(axis=1)
        if emotion is None
        else np.full(len(images), classes.index(emotion), dtype=np.int64)
    )
    others = shares.copy()
    others[np.arange(len(images)), targets] = -1
    against = others.argmax(axis=1)
    networks = networks_of(models, variant)
    maps = {
        method: explain_networks(method, networks, predict, images, targets)
        for method in methods_of(networks)
    }
    return tuple(
        Explanation(
            classes=classes,
            variant=variant,
            face=face,
            probabilities=tuple(map(float, shares[row])),
            emotion=classes[targets[row]],
            against=classes[against[row]],
            maps={method: own[row] for method, own in maps.items()},
            **_contributions(models, face, variant, int(targets[row]), int(against[row])),
        )
        for row, face in enumerate(images)
    )


def _contributions(
    models: Sequence[SeedModel],
    face: NDArray[np.uint8],
    variant: str,
    target: int,
    against: int,
) -> dict[str, tuple[Contribution, ...]]:
    if not has_trees(variant):
        return {}
    added = [
        _one_model(own, face, variant, target, against) for own, _ in members_of(models, variant)
    ]
    start = float(np.mean([constant for constant, _ in added]))
    groups = {
        group: np.mean([by_group[group] for _, by_group in added], axis=0)
        for group in groups_of(tap_of(variant))
    }
    features = [
        Contribution(f"{group} {place}", float(value))
        for group, values in groups.items()
        for place, value in enumerate(values)
        if value
    ]
    features.sort(key=lambda part: -abs(part.value))
    return {
        "contributions": (
            Contribution("start", start),
            *(Contribution(group, float(values.sum())) for group, values in groups.items()),
        ),
        "features": tuple(features[:_SHOWN_FEATURES]),
    }


def _one_model(
    model: SeedModel, face: NDArray[np.uint8], variant: str, target: int, against: int
) -> tuple[float, dict[str, NDArray[np.float32]]]:
    """Return what the trees start from, and what each feature adds, by group."""
    features = model.features(face[None], [variant])
    logits = features["logits"] if is_residual(variant) else None
    tap = tap_of(variant)
    trees = cast("BoostedTrees", model.trees[variant])  # as `has_trees` says
    both = trees.contributions(join_features(features, tap), logits)[0]
    difference = both[target] - both[against]
    return float(difference[-1]), dict(_parts(difference[:-1], features, tap))


def _parts(
    values: NDArray[np.float32], features: Mapping[str, NDArray[np.float32]], tap: str
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    start = 0
    for group in groups_of(tap):
        end = start + features[group].shape[1]
        yield group, values[start:end]
        start = end
