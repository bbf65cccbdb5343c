"""What Prometheus is told. No label holds anything that a client chose."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

__all__ = ["Metrics"]

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_FACES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The measurements of one server.

    Attributes
    ----------
    requests : Counter
        By route (as written in the OpenAPI document) and status.
    seconds : Histogram
        From the head of a request to the end of its answer, by route.
    pictures : Counter
        By result: ``predicted`` or ``unreadable``.
    faces : Counter
    batch_faces : Histogram
        Faces of one run of the model.
    """

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter(
            "ferboost_requests",
            "Requests answered.",
            ("route", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "ferboost_request_seconds",
            "From the head of a request to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.pictures = Counter(
            "ferboost_pictures", "Pictures answered.", ("result",), registry=self._registry
        )
        self.faces = Counter("ferboost_faces", "Faces predicted.", registry=self._registry)
        self.batch_faces = Histogram(
            "ferboost_batch_faces",
            "Faces of one run of the model.",
            buckets=_FACES,
            registry=self._registry,
        )

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Tell the value of a function whenever it is asked."""
        Gauge(f"ferboost_{name}", what, registry=self._registry).set_function(value)

    def describe(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self._registry)
