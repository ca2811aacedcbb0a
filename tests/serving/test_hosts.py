"""Which hosts a request may name: a page elsewhere may point its name here, but no address."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from caffelungo.serving.hosts import HostCheck
from tests.serving.running import Running
from tests.serving.test_connections import talk

OURS = ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1", "127.0.0.1:1", "10.1.2.3:80", "[::1]:8080",
        "[fe80::1]", socket.gethostname()]  # fmt: skip
OTHERS = ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "evil.localhost.example", "", ":80",
          "localhost:port", "localhost:99999999", "a@localhost", "localhost/x", "[::1", "127.1.example", "a b", "*",
          "2130706433x"]  # fmt: skip


async def _app(scope: object, receive: object, send: object) -> None:
    raise AssertionError


@pytest.mark.parametrize("host", OURS)
def test_addresses_and_own_names(host: str) -> None:
    assert HostCheck(_app, []).allows(host)


@pytest.mark.parametrize("host", OTHERS)
def test_other_names(host: str) -> None:
    check = HostCheck(_app, ["photos.example"])
    assert not check.allows(host)
    assert check.allows("photos.example:443")
    assert check.allows("Photos.Example.")
    assert HostCheck(_app, ["*"]).allows(host)


def test_over_http(start: Callable[..., Running]) -> None:
    service = start(allow_host=("photos.example",))
    for host, status in (("evil.example", 421), ("photos.example", 200), ("localhost", 200)):
        got, body = talk(service, f"GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert got == status
        assert body is not None
        if status == 421:
            assert "evil.example" in body["received"]
            assert "--allow-host" in body["remedy"]
    assert service.metric("caffelungo_refused_total", reason="host") == 1
