"""The names of the models that a run compares: ``cnn``, ``fc1``, ``fc1+hog residual`` and so on."""

from collections.abc import Sequence

__all__ = [
    "CNN",
    "FOLD_CNNS",
    "groups_of",
    "has_trees",
    "in_words",
    "is_residual",
    "tap_of",
    "tree_variants",
]

#: The network itself.
CNN = "cnn"

#: The mean of the networks that were each trained without a fold: what out-of-fold trees add to.
FOLD_CNNS = "cnn folds"

_RESIDUAL = " residual"


def tree_variants(taps: Sequence[str], mode: str) -> tuple[str, ...]:
    """Return the variants with trees of a run whose ``trees.mode`` is `mode`."""
    endings = {"replace": ("",), "residual": (_RESIDUAL,), "both": ("", _RESIDUAL)}[mode]
    return tuple(tap + ending for tap in taps for ending in endings)


def is_residual(variant: str) -> bool:
    """Say whether the trees of a variant start from the CNN's logits."""
    return variant.endswith(_RESIDUAL)


def has_trees(variant: str) -> bool:
    """Say whether a variant has trees."""
    return variant not in {CNN, FOLD_CNNS}


def tap_of(variant: str) -> str:
    """Return what the trees of a variant see, such as ``"fc1+hog"``."""
    return variant.removesuffix(_RESIDUAL)


def groups_of(tap: str) -> tuple[str, ...]:
    """Return the feature groups that a tap joins: ``("fc1", "hog")`` of ``"fc1+hog"``."""
    return tuple(tap.split("+"))


def in_words(variant: str) -> str:
    """Return what a variant is called inside a sentence, without an article for trees."""
    if variant == CNN:
        return "the CNN"
    if variant == FOLD_CNNS:
        return "the mean of the fold CNNs"
    kind = "residual trees" if is_residual(variant) else "trees"
    return f"{kind} on {tap_of(variant)}"
