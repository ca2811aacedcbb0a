"""What a connection may cost, tried on raw sockets."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from caffelungo.serving import connections
from tests.serving.running import Running

START = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = b"POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
Start = Callable[..., Running]


def talk(service: Running, *parts: bytes, pause: float = 0.0) -> tuple[int, dict[str, Any] | None]:
    """Send ``parts``; the status and the JSON of the first answer, (0, None) where the connection just ends."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        try:
            for part in parts:
                client.sendall(part)
                time.sleep(pause)
        except OSError:
            pass  # the answer may have come before all was sent
        return answer(client)


def answer(client: socket.socket) -> tuple[int, dict[str, Any] | None]:
    """The next answer's status and JSON; (0, None) where the connection ends."""
    data = b""
    try:
        while chunk := client.recv(65536):
            data += chunk
            head, _, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if length and len(body) >= int(length[1]):
                return int(head[9:12]), json.loads(body[: int(length[1])])
    except OSError:
        pass
    return 0, None


@pytest.mark.parametrize(
    "parts",
    [
        [START, *[b"x-a: b\r\n" * 1000] * 60],
        [START + b"x-a: ", *[b"b" * 10_000] * 60],
        [b"GET /", *[b"a" * 10_000] * 60],
        [CHUNKED + b"0\r\n", *[b"x-a: b\r\n" * 1000] * 60],
        [CHUNKED + b"0\r\nx-a: ", *[b"b" * 10_000] * 60],
        [START.replace(b"/health", b"/" + b"a" * 40_000) + b"\r\n"],
    ],
    ids=["headers", "header", "address", "trailers", "trailer", "whole head"],
)
def test_a_head_without_end(start: Start, parts: list[bytes]) -> None:
    service = start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, body = talk(service, *parts)
    # Where bytes are still coming when the connection is closed, the system may drop the answer.
    assert status in (431, 0)
    assert body is None or (body["what"] and body["remedy"])
    assert service.metric("caffelungo_refused_total", reason="head_too_large") == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    assert service.get("/health")[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/1.1\nHost: a\n\n",
        b"GET http://127.0.0.1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        START + b"\x00: a\r\n\r\n",
        START + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        START + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        START + b"Content-Length: -1\r\n\r\n",
        START + b"Content-Length: 99999999999999999999999\r\n\r\n",
        START + b"Transfer-Encoding: chunked\r\n\r\nz\r\n",
        START + b" folded: a\r\n\r\n",
        START.replace(b"Host", b"Host ") + b"\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_requests_that_servers_could_read_differently(start: Start, request_: bytes) -> None:
    service = start()
    status, body = talk(service, request_)
    assert status in (400, 405, 421), body
    assert body is not None
    assert body["what"]


def test_a_slow_head(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    service = start()
    began = time.monotonic()
    assert talk(service, START, *[b"x-a: b\r\n"] * 8, pause=0.1)[0] == 408
    assert talk(service) == (0, None)  # nothing sent, nothing answered
    assert time.monotonic() - began < 5
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        client.sendall(START + b"\r\n")
        assert answer(client)[0] == 200
        time.sleep(0.5)  # what is idle between requests is not slow
        client.sendall(START + b"\r\n")
        assert answer(client)[0] == 200
        client.sendall(START)  # a further request has no more time than the first
        assert answer(client)[0] == 408
    assert service.metric("caffelungo_refused_total", reason="slow") == 3


def test_a_body_whose_answer_is_there_does_not_go_on(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REST_SECONDS", 0.2)
    service = start()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        client.sendall(START + b"Content-Length: 99999\r\n\r\n")
        assert answer(client)[0] == 200
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 10:
                client.sendall(b"x")
                time.sleep(0.05)
    assert time.monotonic() - began < 5


def test_requests_in_a_row(start: Start) -> None:
    service = start()
    assert talk(service, (START + b"\r\n") * 5)[0] == 200
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        client.sendall((START + b"\r\n") * 500)
        seen = b""
        try:
            while chunk := client.recv(65536):
                seen += chunk
        except OSError:
            pass
    assert b" 429 " in seen
    assert seen.count(b"HTTP/1.1 200") <= connections.MOST_IN_A_ROW + 1


def test_what_is_idle_or_slow_gives_its_place_to_who_comes(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "room", lambda: (4, 8))
    service = start()
    slow = [socket.create_connection(("127.0.0.1", service.port), timeout=20) for _ in range(4)]
    try:
        for client in slow:
            client.sendall(START)
        for _ in range(6):
            assert service.get("/health")[0] == 200
        assert sum(answer_or_end(client) for client in slow) >= 1
        assert service.metric("caffelungo_refused_total", reason="connections") >= 1
    finally:
        for client in slow:
            client.close()


def answer_or_end(client: socket.socket) -> bool:
    """Whether the service has ended the connection."""
    client.settimeout(0.2)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_room_leaves_descriptors_for_files(monkeypatch: pytest.MonkeyPatch) -> None:
    most, backlog = connections.room()
    assert most >= 2
    assert 1 <= backlog <= 128
    taken = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (taken + 64, taken + 64))
    monkeypatch.setattr(resource, "setrlimit", lambda which, to: set_to.append(to))
    most, backlog = connections.room()
    assert most + backlog < 64 - 8
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, resource.RLIM_INFINITY))
    connections.room()
    assert set_to[-1][0] == 2 * connections.MOST_CONNECTIONS
