"""What one client, and all of them together, may ask for."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of requests and of the server.

    Attributes
    ----------
    body_bytes : int
        Of one request.
    pictures : int
        Of one request.
    pixels : int
        Of one picture, as its header says, before it is decoded.
    faces : int
        Found in one picture; the surest are kept.
    waiting : int
        Pictures of all requests that are accepted and not answered yet.
    held_bytes : int
        Of the bodies of all requests together.
    connections : int
    head_seconds : float
        For the head of a request to arrive.
    body_seconds : float
        For its body to arrive.
    send_seconds : float
        For a client to take the next piece of an answer.
    """

    body_bytes: int = 32 * 2**20
    pictures: int = 64
    pixels: int = 50_000_000
    faces: int = 64
    waiting: int = 256
    held_bytes: int = 256 * 2**20
    connections: int = 400
    head_seconds: float = 10
    body_seconds: float = 30
    send_seconds: float = 30
