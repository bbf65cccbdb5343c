"""A model file: read, checked, and what it says of itself, before any of it is run.

ONNX is Protocol Buffers. The few fields at the top of a file are read here, so that a file that is
damaged or of another producer is refused before onnxruntime sees it.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.traits import TraitLimits
from ferboost.errors import ModelError
from ferboost.inference.sets import SetThresholds

__all__ = [
    "CHECKSUM_KEY",
    "FORMAT",
    "HASH_BYTES",
    "INFO_KEY",
    "PRODUCER",
    "ModelInfo",
    "content_checksum",
    "pack_hashes",
    "read_model",
]

PRODUCER = "ferboost"
#: Version of what is under `INFO_KEY`; a higher one is refused. Since 2 there are `limits`.
FORMAT = 2
#: Keys of the metadata: what the model says of itself, as JSON, and the SHA-256 of all the rest.
INFO_KEY = "ferboost"
CHECKSUM_KEY = "ferboost.sha256"
#: Bytes kept of each training image's hash. An image is taken for one of 30,000 others by chance
#: once in 37 million.
HASH_BYTES = 5

_MAPPINGS = ("metrics", "parity", "weight_loss")

_MAX_BYTES = 512 * 2**20

# Numbers of the fields of onnx.ModelProto and StringStringEntryProto (onnx.proto3).
_PRODUCER_NAME, _PRODUCER_VERSION, _GRAPH, _METADATA = 2, 3, 7, 14
_KEY, _VALUE = 1, 2


@dataclass(frozen=True)
class ModelInfo:
    """What a model file says of itself.

    Attributes
    ----------
    classes : tuple of str
        In the order of the probabilities.
    variant : str
        ``"cnn"``, or the tap whose trees decide.
    seeds : tuple of int
        Of the models whose probabilities are averaged.
    preprocessing : str
        What the graph expects and does with it.
    version : str
        Of the ferboost that wrote the file.
    created : str
        Date and time in UTC, ISO 8601.
    data_fingerprint : str
        Of the training data, as in the run's ``run.json``.
    protocol : str
        How the weights were chosen: ``"clean"`` or ``"paper"``.
    metrics : mapping of str to float
        Measured on the run's test split: ``accuracy``, ``accuracy_clean``, ``n`` and others. They
        are the run's own models', in float32 whatever `weight_format` is.
    parity : mapping of str to float
        The differences to the run's own models, measured when the file was written.
    licence : str
    training_hashes : bytes
        `HASH_BYTES` of each training image's hash, sorted.
    calibration : str
        How the probabilities were scaled, on images not learnt: ``"none"``, ``"temperature"`` or
        ``"vector"``.
    weight_format : str
        What the weights are kept in: ``"float32"``, ``"float16"`` or ``"int8"``.
    weight_loss : mapping of str to float
        What smaller weights made different; empty for float32.
    sets : SetThresholds or None
        What makes sets of classes; None where the run was not calibrated.
    limits : TraitLimits or None
        Of the training images' brightness, contrast and sharpness; None in files of older
        versions.
    runs : int
        How many runs the models are of.
    """

    classes: tuple[str, ...]
    variant: str
    seeds: tuple[int, ...]
    preprocessing: str
    version: str
    created: str
    data_fingerprint: str
    protocol: str
    metrics: Mapping[str, float]
    parity: Mapping[str, float]
    licence: str
    training_hashes: bytes = field(repr=False)
    calibration: str = "none"
    weight_format: str = "float32"
    weight_loss: Mapping[str, float] = field(default_factory=dict)
    sets: SetThresholds | None = field(default=None, repr=False)
    limits: TraitLimits | None = None
    runs: int = 1

    def to_json(self) -> str:
        """Return what stands in the file under `INFO_KEY`."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        content |= {name: dict(content[name]) for name in _MAPPINGS} | {"format": FORMAT}
        for name in ("sets", "limits"):
            content[name] = content[name] and content[name].to_dict()
        content["training_hashes"] = base64.b64encode(self.training_hashes).decode()
        return json.dumps(content, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "ModelInfo":
        """Read what `to_json` wrote.

        Raises
        ------
        ModelError
            If it is of a newer format.
        ValueError, KeyError, TypeError
            If it is something else.
        """
        content: dict[str, Any] = json.loads(text)
        found = content.pop("format")
        if found > FORMAT:
            raise ModelError(f"has the format {found}, and this ferboost reads up to {FORMAT}")
        content["training_hashes"] = base64.b64decode(content["training_hashes"], validate=True)
        for name in ("classes", "seeds"):
            content[name] = tuple(content[name])
        for name in _MAPPINGS:
            content[name] = MappingProxyType(content[name])
        content["sets"] = content["sets"] and SetThresholds.from_dict(content["sets"])
        limits = content.get("limits")
        content["limits"] = limits and TraitLimits.from_dict(limits)
        return cls(**content)

    def were_in_training(self, hashes: NDArray[np.bytes_]) -> NDArray[np.bool_]:
        """Say of each hash (see `ferboost.datasets.hash_images`) whether it was trained on."""
        known = np.frombuffer(self.training_hashes, dtype=f"S{HASH_BYTES}")
        return np.isin(_shortened(hashes), known)


def pack_hashes(hashes: NDArray[np.bytes_]) -> bytes:
    """Return hashes (hexadecimal, dtype S32) as `ModelInfo.training_hashes` holds them."""
    return np.unique(_shortened(hashes)).tobytes()


def _shortened(hashes: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    digests = b"".join(bytes.fromhex(h.decode()[: 2 * HASH_BYTES]) for h in hashes.tolist())
    return np.frombuffer(digests, dtype=f"S{HASH_BYTES}")


def read_model(path: Path) -> tuple[bytes, ModelInfo]:
    """Read a model file that ``ferboost export`` wrote.

    Returns
    -------
    content : bytes
        The whole file.
    info : ModelInfo

    Raises
    ------
    ModelError
        If there is no such file, or it is no ONNX, of another producer, too new, or damaged.
    """
    try:
        if path.is_dir() or (path.exists() and not path.is_file()):
            raise ModelError(f"{path} is no file; a model is made by: ferboost export RUN -o FILE")
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"cannot read the model {path}: {reason}") from error
    if len(content) > _MAX_BYTES:
        raise ModelError(f"{path} is larger than {_MAX_BYTES:,} bytes; no model of ferboost is")
    return content, check_model(content, str(path))


def check_model(content: bytes, name: str) -> ModelInfo:
    """Check a model file's content; return what it says of itself.

    Raises
    ------
    ModelError
        As in `read_model`; its message calls the file `name`.
    """
    try:
        fields = [(number, value) for number, value, _ in _fields(content)]
        metadata = dict(_entry(v) for n, v in fields if n == _METADATA)
        checksum = content_checksum(content)
    except ValueError as error:
        raise ModelError(
            f"{name} is damaged, or no ONNX model ({error}); a model is made by: "
            "ferboost export RUN -o FILE"
        ) from error
    values = dict(fields)
    if _GRAPH not in values:
        raise ModelError(f"{name} holds no ONNX model; one is made by: ferboost export RUN -o FILE")
    producer = _text(values.get(_PRODUCER_NAME, b""))
    if producer != PRODUCER:
        version = _text(values.get(_PRODUCER_VERSION, b""))
        by = f"{producer} {version}".strip() or "an unnamed program"
        raise ModelError(
            f"{name} was made by {by}, not by ferboost; make one with: ferboost export RUN -o FILE"
        )
    if _text(metadata.get(CHECKSUM_KEY, b"")) != checksum:
        raise ModelError(
            f"{name} is damaged: its SHA-256 is not the recorded one; export or copy it again"
        )
    try:
        return ModelInfo.from_json(metadata[INFO_KEY].decode())
    except ModelError as error:
        raise ModelError(f"{name} {error}; upgrade ferboost") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{name} does not say what it is ({error}); export it again") from error


def content_checksum(content: bytes) -> str:
    """Return the SHA-256, hexadecimal, of a file but for the metadata entry that records it.

    Raises
    ------
    ValueError
        If the content is not made of Protocol Buffers' fields.
    """
    digest = sha256()
    for number, value, whole in _fields(content):
        if number != _METADATA or _entry(value)[0] != CHECKSUM_KEY:
            digest.update(whole)
    return digest.hexdigest()


def _text(value: bytes) -> str:
    return "".join(c for c in value[:80].decode("utf-8", "replace") if c.isprintable())


def _entry(content: bytes) -> tuple[str, bytes]:
    values = {number: value for number, value, _ in _fields(content)}
    return values.get(_KEY, b"").decode(), values.get(_VALUE, b"")


def _fields(content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the number, the value and the whole of each field of a message."""
    place = 0
    while place < len(content):
        start = place
        tag, place = _varint(content, place)
        value_start = place
        match tag & 7:
            case 0:
                _, end = _varint(content, place)
            case 1:
                end = place + 8
            case 2:
                length, value_start = _varint(content, place)
                end = value_start + length
            case 5:
                end = place + 4
            case kind:
                raise ValueError(f"a field of unknown kind {kind} at byte {start}")
        if end > len(content):
            raise ValueError(f"the field at byte {start} is cut off")
        yield tag >> 3, content[value_start:end], content[start:end]
        place = end


def _varint(content: bytes, place: int) -> tuple[int, int]:
    number = 0
    for position, byte in enumerate(content[place : place + 10]):
        number |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return number, place + position + 1
    raise ValueError(f"the number at byte {place} does not end")
