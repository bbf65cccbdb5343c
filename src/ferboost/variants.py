"""The names of the models that a run compares: ``cnn``, ``fc1``, ``fc1+hog residual`` and so on."""

from collections.abc import Sequence

from ferboost.errors import SettingsError

__all__ = [
    "BASELINES",
    "CNN",
    "FOLD_CNNS",
    "STACKED",
    "baseline_of",
    "groups_of",
    "has_trees",
    "in_words",
    "is_averaged",
    "is_distance",
    "is_residual",
    "layer_of",
    "measured_of",
    "require_variant",
    "tap_of",
    "tree_variants",
    "trees_beside",
    "variant_phrase",
]

#: The network itself.
CNN = "cnn"

#: The mean of the networks that were each trained without a fold: what out-of-fold trees add to.
FOLD_CNNS = "cnn folds"

#: What can be put in the place of XGBoost's trees to see whether these matter, in words.
BASELINES = {"logistic": "logistic regression", "mlp": "MLP", "lightgbm": "LightGBM"}

#: The feature group of other CNNs' logits.
STACKED = "stacked"

_RESIDUAL = "residual"
_AVERAGED = "-views"
_CENTRES = "-centres"


def tree_variants(taps: Sequence[str], mode: str, baselines: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the variants on taps of a run whose ``trees.mode`` is `mode`, baselines last."""
    endings = {"replace": ("",), "residual": (f" {_RESIDUAL}",), "both": ("", f" {_RESIDUAL}")}
    variants = tuple(tap + ending for tap in taps for ending in endings[mode])
    return variants + tuple(f"{v} {baseline}" for v in variants for baseline in baselines)


def require_variant(owner: object, variant: str, known: Sequence[str]) -> None:
    """Refuse a variant that is not among the known ones of its owner, such as a run's path.

    Raises
    ------
    SettingsError
        If it is not; the message names those that are.
    """
    if variant not in known:
        raise SettingsError(f"{owner} has no variant {variant!r}; it has: {', '.join(known)}")


def is_residual(variant: str) -> bool:
    """Say whether a variant starts from the CNN's logits."""
    return _RESIDUAL in variant.split(" ")[1:]


def baseline_of(variant: str) -> str | None:
    """Return which of the `BASELINES` a variant is; None where it is not one."""
    last = variant.rpartition(" ")[2]
    return last if last in BASELINES else None


def has_trees(variant: str) -> bool:
    """Say whether a variant is XGBoost's trees on a tap."""
    return variant not in {CNN, FOLD_CNNS} and baseline_of(variant) is None


def trees_beside(variant: str) -> str:
    """Return the variant with trees on what a baseline is on."""
    return variant.rpartition(" ")[0]


def tap_of(variant: str) -> str:
    """Return what the trees of a variant, or a baseline, see, such as ``"fc1+hog"``."""
    return variant.partition(" ")[0]


def groups_of(tap: str) -> tuple[str, ...]:
    """Return the feature groups that a tap joins: ``("fc1", "hog")`` of ``"fc1+hog"``."""
    return tuple(tap.split("+"))


def layer_of(group: str) -> str:
    """Return the layer, or what else of an image, that a feature group is made of."""
    return measured_of(group).removesuffix(_AVERAGED)


def is_averaged(group: str) -> bool:
    """Say whether a feature group is the mean of a layer over views of a face: ``"fc1-views"``."""
    return group.endswith(_AVERAGED)


def is_distance(group: str) -> bool:
    """Say whether a feature group is the distances to the classes' centres: ``"fc1-centres"``."""
    return group.endswith(_CENTRES)


def measured_of(group: str) -> str:
    """Return what a group of distances is measured in: ``"fc1-views"`` of its centres."""
    return group.removesuffix(_CENTRES)


def in_words(variant: str) -> str:
    """Return what a variant is called inside a sentence, without an article for what is on taps."""
    if variant == CNN:
        return "the CNN"
    if variant == FOLD_CNNS:
        return "the mean of the fold CNNs"
    baseline = baseline_of(variant)
    kind = "trees" if baseline is None else BASELINES[baseline]
    return f"{'residual ' if is_residual(variant) else ''}{kind} on {tap_of(variant)}"


def variant_phrase(variant: str) -> str:
    """Return a variant as what is done to the CNN, or in its stead, inside a sentence."""
    if baseline_of(variant) is not None:
        words = in_words(variant)
        return f"{'an' if words.startswith('MLP') else 'a'} {words}"
    if not has_trees(variant):
        return in_words(variant)
    if variant == "pixels":
        return "XGBoost on pixels"
    kind = "residual boosting" if is_residual(variant) else "boosting"
    return f"{kind} on {tap_of(variant)}"
