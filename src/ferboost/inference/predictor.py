"""An exported model, ready to predict."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import FerboostError, ImageError, ModelError, SettingsError
from ferboost.inference.faces import Detector, Face, crop_face
from ferboost.inference.model_file import ModelInfo, read_model
from ferboost.inference.pictures import (
    Picture,
    as_pictures,
    read_faces,
    source_of,
    to_face,
    to_picture,
)
from ferboost.inference.predictions import Predictions
from ferboost.progress import Tell

__all__ = ["BUNDLED_MODEL", "Predictor"]

#: The model inside the package: the preset ``strong``, trained on FER-2013, weights in 8 bits.
BUNDLED_MODEL = Path(__file__).with_name("bundled") / "emotions.onnx"

# Memory stays the same however many faces there are.
_BATCH = 64
_ERRORS_ONLY = 3


class Predictor:
    """A model that ``ferboost export`` wrote, run by onnxruntime.

    It can be used by several threads at once.

    Parameters
    ----------
    model : str or Path, optional
        The ONNX file; by default the one inside the package, see `BUNDLED_MODEL`.
    threads : int, optional
        Threads of one prediction; as many as there are cores where it is not given.
    detector : Detector, optional
        What `detect` finds faces by; by default a `CenterFace`, loaded when it is first needed.
    coverage : float, optional
        How often the true class is to be among the `candidates` of a prediction, 0 to 1, on faces
        like those that the model was calibrated on.

    Attributes
    ----------
    info : ModelInfo
        What the file says of itself: classes, seeds, metrics, version.
    fingerprint : str
        SHA-256 of the file, hexadecimal.

    Raises
    ------
    ModelError
        If the file is missing, damaged, too new, or of another producer.
    SettingsError
        If a coverage is asked for that the model has no sets for.
    """

    info: ModelInfo
    fingerprint: str

    def __init__(
        self,
        model: str | Path = BUNDLED_MODEL,
        *,
        threads: int | None = None,
        detector: Detector | None = None,
        coverage: float | None = None,
    ) -> None:
        import onnxruntime

        content, self.info = read_model(Path(model))
        self.fingerprint = sha256(content).hexdigest()
        if coverage is not None and self.info.sets is None:
            raise SettingsError(f"{model} was not calibrated: no coverage can be asked of it")
        self._coverage = coverage
        self._with_candidates(Predictions(()))  # refuses a coverage out of range
        self._threads = threads
        self._detector = detector
        self._detector_lock = Lock()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = threads or 0
        # Threads that spin while they wait would take the cores from other programs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                content,
                options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # it would print, and try the same again
            )
        except Exception as error:  # onnxruntime has a kind for each of its states
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"onnxruntime cannot run {model} ({reason}); update it") from error
        self._input = self._session.get_inputs()[0].name

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return self.info.classes

    def predict(self, pictures: Picture | Iterable[Picture]) -> Predictions:
        """Tell the emotion of pictures that a face fills.

        Parameters
        ----------
        pictures : one or several of str, Path, bytes, PIL.Image.Image, ndarray
            Paths, encoded images, images of Pillow, or arrays of gray (height, width) or RGB(A)
            (height, width, 3 or 4) values, whole numbers from 0 to 255; or an array of n of them.
            What is not 48 x 48 gray is brought to that form, see
            `ferboost.datasets.images.decode_face`.

        Returns
        -------
        Predictions
            One for each picture, also where only one was given.

        Raises
        ------
        ImageError
            If a picture cannot be read. `predict_files` does the others.
        """
        given = as_pictures(pictures)
        faces = [to_face(picture, position) for position, picture in enumerate(given)]
        return self.predict_crops(faces, [source_of(picture) for picture in given])

    def detect(self, picture: Picture) -> Predictions:
        """Find the faces of a picture, and tell the emotion of each.

        Parameters
        ----------
        picture : str, Path, bytes, PIL.Image.Image or ndarray
            As `predict` takes them, of any size.

        Returns
        -------
        Predictions
            One for each face, from left to right, with its `face`; empty where none is found.

        Raises
        ------
        ImageError
            If the picture cannot be read.
        """
        image = to_picture(picture)
        found = self.detector.detect(np.asarray(image.convert("RGB")))
        faces = sorted(found, key=lambda face: face.box)
        crops = [crop_face(image, face) for face in faces]
        return self.predict_crops(crops, [source_of(picture)] * len(faces), faces)

    @property
    def detector(self) -> Detector:
        """What finds faces, loaded when it is first needed."""
        with self._detector_lock:
            if self._detector is None:
                from ferboost.inference.centerface import CenterFace

                self._detector = CenterFace(threads=self._threads)
            return self._detector

    def predict_proba(
        self, faces: NDArray[np.uint8], on_progress: Tell | None = None
    ) -> NDArray[np.float32]:
        """Return probabilities, float32 of shape (n, classes), of faces uint8 (n, 48, 48).

        Parameters
        ----------
        faces : ndarray of uint8, shape (n, 48, 48)
        on_progress : callable, optional
            Called with (done, total, "") after every batch.

        Raises
        ------
        ImageError
            If the faces are of another shape or type.
        """
        if faces.dtype != np.uint8 or faces.ndim != 3 or faces.shape[1:] != (48, 48):
            raise ImageError(
                f"faces must be uint8 of shape (n, 48, 48), found {faces.dtype} of shape "
                f"{faces.shape}; predict takes pictures of any size"
            )
        probabilities = np.empty((len(faces), len(self.classes)), dtype=np.float32)
        for start in range(0, len(faces), _BATCH):
            batch = np.ascontiguousarray(faces[start : start + _BATCH])
            said = self._session.run(None, {self._input: batch})[0]
            if said.shape != (len(batch), len(self.classes)):
                raise ModelError(
                    f"the model gives {said.shape} for {len(batch)} faces and "
                    f"{len(self.classes)} classes; export it again"
                )
            probabilities[start : start + _BATCH] = said
            if on_progress is not None:
                on_progress(start + len(batch), len(faces), "")
        return probabilities

    def predict_files(
        self, paths: Sequence[Path], on_progress: Tell | None = None
    ) -> tuple[Predictions, list[FerboostError]]:
        """Predict picture files that a face fills, and leave out what cannot be read.

        Parameters
        ----------
        paths : sequence of Path
        on_progress : callable, optional
            Called with (done, total, "") after every file.

        Returns
        -------
        predictions : Predictions
            Of the pictures that can be read, in their order.
        failures : list of FerboostError
            One for each that cannot.
        """
        faces, names, failures = read_faces(paths, on_progress)
        return self.predict_crops(faces, names), failures

    def predict_crops(
        self,
        crops: Sequence[NDArray[np.uint8]],
        sources: Sequence[str | None],
        faces: Sequence[Face | None] | None = None,
    ) -> Predictions:
        """Tell the emotion of faces that were cut out already.

        Parameters
        ----------
        crops : sequence of ndarray of uint8, shape (48, 48)
        sources : sequence of str or None
            The paths of the pictures that they are from.
        faces : sequence of Face or None, optional
            Where they are in them.
        """
        if not crops:
            return Predictions(())
        images = np.stack(crops)
        probabilities = self.predict_proba(images)
        warnings = self.warn(images)
        return self._with_candidates(
            Predictions.of(self.classes, probabilities, sources, faces, warnings)
        )

    def warn(self, faces: NDArray[np.uint8]) -> tuple[str | None, ...]:
        """Say of each face, uint8 (n, 48, 48), in what it lies outside of the training images.

        None where it does not, or where the model file is too old to know; see
        `Prediction.warning`.
        """
        limits = self.info.limits
        return (None,) * len(faces) if limits is None else limits.warnings(faces)

    def _with_candidates(self, predictions: Predictions) -> Predictions:
        if self._coverage is None or self.info.sets is None:
            return predictions
        return predictions.with_candidates(self.info.sets, self._coverage)
