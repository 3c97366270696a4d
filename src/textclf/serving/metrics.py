"""The metrics of a server, in the format of Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client.exposition import generate_latest

__all__ = ["CONTENT_TYPE", "Metrics"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics, in a registry of their own.

    Attributes:
        requests: Requests by model, route and status.
        seconds: Time of a request, from its head to the end of its response, by model and route.
        texts: Texts of requests that were answered, by model and route.
        batch: Texts that were predicted at once, by model.
        queue: Texts that wait, by model and route.
        loads: Attempts to load a model, by model and result: ``ok`` or ``failed``.
        ready: Whether a model is ready, by model.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        by_route = ["model", "route"]
        self.requests = Counter(
            "textclf_requests", "Requests.", [*by_route, "status"], registry=registry
        )
        self.seconds = Histogram(
            "textclf_request_seconds",
            "Time of a request.",
            by_route,
            buckets=SECONDS,
            registry=registry,
        )
        self.texts = Counter(
            "textclf_texts", "Texts of successful requests.", by_route, registry=registry
        )
        self.batch = Histogram(
            "textclf_batch_texts",
            "Texts predicted at once.",
            ["model"],
            buckets=TEXTS,
            registry=registry,
        )
        self.queue = Gauge(
            "textclf_queue_texts", "Texts that are waiting.", by_route, registry=registry
        )
        self.loads = Counter(
            "textclf_model_loads",
            "Attempts to load a model.",
            ["model", "result"],
            registry=registry,
        )
        self.ready = Gauge(
            "textclf_model_ready", "1 if the model is ready.", ["model"], registry=registry
        )

    def render(self) -> bytes:
        """Return all metrics as text."""
        return generate_latest(self._registry)
