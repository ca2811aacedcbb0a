"""What a monitoring system reads at `/metrics`, in Prometheus's text format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters of one service, in a separate registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        to = self.registry
        self.requests = Counter("caffelungo_requests", "Requests answered.", ["route", "status"], registry=to)
        self.seconds = Histogram("caffelungo_request_seconds", "Time from a request's head to its response.", ["route"],
                                 buckets=_SECONDS, registry=to)  # fmt: skip
        self.refused = Counter("caffelungo_refused", "Requests refused.", ["reason"], registry=to)
        self.pictures = Counter("caffelungo_pictures", "Pictures classified.", registry=to)
        self.batch = Histogram("caffelungo_batch_size", "Batch size.", buckets=_BATCHES, registry=to)
        self.net = Histogram("caffelungo_batch_seconds", "Time of the net per batch.", buckets=_SECONDS, registry=to)
        self.decode = Histogram("caffelungo_decode_seconds", "Time from a picture's bytes to the net's input.",
                                buckets=_SECONDS, registry=to)  # fmt: skip
        self.places = Gauge("caffelungo_places_taken", "Pictures in progress.", registry=to)
        self.waiting = Gauge("caffelungo_waiting", "Pictures waiting for the net.", registry=to)
        self.ready = Gauge("caffelungo_ready", "1 while requests are served.", registry=to)
        ProcessCollector(registry=to)

    def text(self) -> bytes:
        """All of them."""
        return generate_latest(self.registry)
