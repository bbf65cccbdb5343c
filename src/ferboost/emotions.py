"""The seven emotions, their order, and what published data sets call them."""

import re

__all__ = ["EMOTIONS", "FER2013_ORDER", "FERPLUS_COLUMNS", "parse_emotion"]

#: The classes in ferboost's order, which is the alphabetical order of the published folders.
EMOTIONS = ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")

#: What the numbers 0-6 mean in FER-2013's CSV and Parquet editions (Goodfellow et al., 2013).
FER2013_ORDER = ("angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral")

#: The vote columns of FER+ (Barsoum et al., 2016), and the emotion each one counts for, if any.
FERPLUS_COLUMNS: dict[str, str | None] = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprised",
    "sadness": "sad",
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
    "contempt": None,
    "unknown": None,
    "NF": None,
}

_ALIASES = {
    "angry": ("angry", "anger"),
    "disgusted": ("disgusted", "disgust"),
    "fearful": ("fearful", "fear", "scared", "afraid"),
    "happy": ("happy", "happiness", "joy"),
    "neutral": ("neutral",),
    "sad": ("sad", "sadness"),
    "surprised": ("surprised", "surprise"),
}
_BY_ALIAS = {alias: emotion for emotion, aliases in _ALIASES.items() for alias in aliases}
_NUMBER_PREFIX = re.compile(r"^\d+[\s._-]+")


def parse_emotion(name: str) -> str | None:
    """Return the emotion that a folder or label name stands for.

    Case, surrounding space and a leading number (``0_angry``, ``3-Happy``) do not matter.

    Parameters
    ----------
    name : str
        A name as found in a data set, such as ``"Disgust"`` or ``"0_angry"``.

    Returns
    -------
    str or None
        One of `EMOTIONS`, or None where the name stands for none of them.
    """
    return _BY_ALIAS.get(_NUMBER_PREFIX.sub("", name.strip()).strip().casefold())
