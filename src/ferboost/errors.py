"""The exceptions that ferboost raises, all below one base.

    FerboostError
    ├── SettingsError        a setting, option or name that does not exist or cannot be right
    ├── DataError            a data set that cannot be used
    │   └── ImageError       one image that cannot be read
    ├── RunError             a run directory that is missing, unfinished, damaged or in use
    ├── ExportError          a trained model that ONNX cannot hold, or does not compute alike
    ├── ModelError           a model file that is damaged, of another producer or too new
    ├── StorageError         the disk is full, or a file or folder cannot be written
    ├── GroupError           a process of several that train together has ended
    ├── TrainingDivergedError    the loss of a training became infinite or undefined
    └── MissingExtraError    an optional dependency is not installed

Every message is one line that says what was found, where, and what to do. The command line prints
it after ``ferboost: error:`` and exits with the class's ``exit_code``: 2 for misuse, 1 for failure.
"""

__all__ = [
    "DataError",
    "ExportError",
    "FerboostError",
    "GroupError",
    "ImageError",
    "MissingExtraError",
    "ModelError",
    "RunError",
    "SettingsError",
    "StorageError",
    "TrainingDivergedError",
]


class FerboostError(Exception):
    """Base of every exception that ferboost raises on purpose."""

    exit_code: int = 1


class SettingsError(FerboostError, ValueError):
    """A setting, option or name that does not exist or cannot be right."""

    exit_code = 2


class DataError(FerboostError, ValueError):
    """A data set that cannot be used."""


class ImageError(DataError):
    """One image that cannot be read."""


class RunError(FerboostError):
    """A run directory that is missing, unfinished, damaged or in use."""


class ExportError(FerboostError):
    """A trained model that ONNX cannot hold, or does not compute alike."""


class ModelError(FerboostError):
    """A model file that is damaged, of another producer or too new."""


class StorageError(FerboostError, OSError):
    """The disk is full, or a file or folder cannot be written."""


class GroupError(FerboostError):
    """A process of several that train together has ended."""


class TrainingDivergedError(FerboostError):
    """The loss of a training became infinite or undefined."""


class MissingExtraError(FerboostError, ImportError):
    """An optional dependency is not installed."""

    exit_code = 2
