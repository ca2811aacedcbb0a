"""A service on a free port, in a thread, and a client of it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from caffelungo.serving.server import listen, server_of
from caffelungo.serving.service import Service


class Running:
    """``service`` behind HTTP. ``post`` and ``get`` give (status, headers, JSON or bytes)."""

    def __init__(self, service: Service) -> None:
        self.service, self.listener = service, listen("127.0.0.1", 0)
        self.port: int = self.listener.getsockname()[1]
        self.server = server_of(service)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True)
        self.thread.start()
        until = time.monotonic() + 20
        while not self.server.started:
            assert self.thread.is_alive()
            assert time.monotonic() < until
            time.sleep(0.01)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)
        self.listener.close()
        assert not self.thread.is_alive()

    def request(self, method: str, path: str, body: Any = None, kind: str | None = None) -> tuple[int, Any, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {} if kind is None else {"Content-Type": kind})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.headers.get_content_type() == "application/json":
            return answer.status, answer.headers, json.loads(content)
        return answer.status, answer.headers, content

    def post(self, path: str, body: Any, kind: str = "image/png") -> tuple[int, Any, Any]:
        return self.request("POST", path, body, kind)

    def get(self, path: str) -> tuple[int, Any, Any]:
        return self.request("GET", path)

    def metric(self, name: str, **labels: str) -> float:
        """The value of a sample at `/metrics`; 0 where there is none yet."""
        families = text_string_to_metric_families(self.get("/metrics")[2].decode())
        return sum(sample.value for family in families for sample in family.samples
                   if sample.name == name and labels.items() <= sample.labels.items())  # fmt: skip
