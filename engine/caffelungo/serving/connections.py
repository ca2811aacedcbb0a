"""Limits of one connection: size and duration of a request's head, pending requests, unread responses.

uvicorn bounds none of these by itself. Its parser, llhttp, refuses requests that two servers may read differently
(`Content-Length` beside `Transfer-Encoding`, bare line feeds, HTTP/0.9).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from caffelungo.wording import counted

MOST_CONNECTIONS = 1024
MOST_HEAD = 32 * 1024
"""Bytes of a request's line and headers, and of its trailers."""
MOST_IN_A_ROW = 8
"""Requests that a connection may send before the first is answered."""
HEAD_SECONDS = 10.0
"""From the connection, or the first byte of a further request, to the end of its headers."""
REST_SECONDS = 5.0
"""For the rest of a body whose answer has been sent."""
READ_SECONDS = 30.0
"""For a client to go on reading its answer."""


class Connections:
    """The open connections of a service, ``most`` at once; ``refused`` is called with the reason of each refusal.

    Where there is no room, the connection that has been idle, or in the middle of its request, for longest goes.
    """

    def __init__(self, most: int, refused: Callable[[str], None] = lambda reason: None) -> None:
        self.most, self.refused = most, refused
        self._open: dict[Guarded, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Guarded) -> bool:
        """Whether there is room for ``connection``, made where it has to be."""
        if len(self._open) >= self.most:
            victim = next((one for one in self._open if one.idle), None)
            victim = victim or next((one for one in self._open if not one.whole), None)
            self.refused("connections")
            if victim is None:
                return False
            self.leave(victim)
            victim.transport.abort()
        self._open[connection] = None
        return True

    def leave(self, connection: Guarded) -> None:
        self._open.pop(connection, None)

    def protocol(self) -> type[Guarded]:
        """The class of a connection of these, as uvicorn takes it."""
        return type("Connection", (Guarded,), {"house": self})


class Guarded(HttpToolsProtocol):
    """uvicorn's connection within the limits above."""

    house: Connections

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.idle = True
        """Whether no byte of a request has come since the last answer."""
        self.whole = False
        """Whether a whole request has come whose answer has not been sent."""
        self._head = self._unparsed = 0
        self._parsed = False
        self._in_head = True
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._refusal: tuple[int, str, str, str] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        if not self.house.enter(self):
            self._answer(503, "too many connections", f"{len(self.house)} are open",
                         "try again in 1 s")  # fmt: skip
            return
        super().connection_made(transport)
        self._by(HEAD_SECONDS, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self.house.leave(self)
        self._by(None)
        if self._reading is not None:
            self._reading.cancel()
        if self.flow is not None:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.idle:
            self.idle = False
            self._by(HEAD_SECONDS, self._late)
        self._parsed = False
        super().data_received(data)
        # What the parser holds back (one header without end, a chunk's extension) is nowhere counted but here.
        self._unparsed = 0 if self._parsed else self._unparsed + len(data)
        if self._unparsed > MOST_HEAD and not self.transport.is_closing():
            self._too_large(self._unparsed)
            self.send_400_response("")

    def on_message_begin(self) -> None:
        self._parsed = True
        self._head, self._in_head = 0, True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._parsed = True
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._parsed = True
        if len(self.pipeline) >= MOST_IN_A_ROW:
            self._refuse(429, "too many pending requests", f"more than {MOST_IN_A_ROW} unanswered", "wait for answers")
        if not self.url.startswith(b"/"):
            received = self.url[:100].decode("ascii", "backslashreplace")
            self._refuse(400, "the request does not name a path", received, "for example GET /health")
        self._in_head, self.whole = False, False
        self._by(None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._parsed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._parsed = self.whole = True
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self._rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() or self.pipeline:
            return
        if self.whole:
            self._rest()
        elif not self._in_head:
            self._by(REST_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, or was refused while it was, and close."""
        if self.transport.is_closing():
            return
        wrong = (400, "the request is not valid HTTP/1.1", "a request it cannot parse",
                 "see GET /model, POST /classify, POST /map")  # fmt: skip
        if self._refusal is None:
            self.house.refused("bad_http")
        self._answer(*(self._refusal or wrong))

    def _count(self, more: int) -> None:
        self._head += more
        if self._head > MOST_HEAD:
            self._too_large(self._head)
            raise ValueError("head too large")

    def _too_large(self, size: int) -> None:
        self.house.refused("head_too_large")
        self._refusal = (431, "the head of the request is too large", f"{counted(size, 'byte')} or more",
                         f"send at most {MOST_HEAD} bytes")  # fmt: skip

    def _refuse(self, status: int, what: str, received: str, remedy: str) -> None:
        """Leave the parser, which calls ``send_400_response``."""
        self.house.refused("bad_http")
        self._refusal = (status, what, received, remedy)
        raise ValueError(what)

    def _late(self) -> None:
        self.house.refused("slow")
        if self.idle or self.transport.is_closing():  # nothing came: there is no request to answer
            self.transport.abort()
            return
        self._answer(408, "the head of the request did not arrive in time", f"no end within {HEAD_SECONDS:g} s",
                     "send it faster")  # fmt: skip

    def _rest(self) -> None:
        """The connection waits for its next request; uvicorn closes it if none comes."""
        self.idle, self.whole = True, False
        self._by(None)

    def _by(self, seconds: float | None, then: Callable[[], None] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None or then is None else self.loop.call_later(seconds, then)

    def _answer(self, status: int, what: str, received: str, remedy: str) -> None:
        body = json.dumps({"what": what, "received": received, "remedy": remedy}).encode()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def room() -> tuple[int, int]:
    """How many connections may be open, and how many may wait to be accepted, so that descriptors never run out.

    asyncio accepts all that wait in one go, and logs a traceback for each that finds no descriptor.
    """
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return MOST_CONNECTIONS, 128
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS, 128
    # The model's threads and files opened later (pictures, maps) need some, too.
    free = max(4, soft - _open_descriptors() - 8)
    return min(MOST_CONNECTIONS, max(2, free // 2)), min(128, max(1, free // 4))


def _open_descriptors() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return sum(1 for _ in Path(folder).iterdir())
        except OSError:
            continue
    return 32
