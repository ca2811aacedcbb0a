"""Which `Host` a request may name. A page elsewhere can point its own name at this machine (DNS rebinding), and would
then read answers as its own; it cannot point an address, nor the names that are this machine's.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class HostCheck:
    """``app`` for requests to addresses, to this machine's names and to ``allowed`` ones; `*` allows any."""

    def __init__(self, app: ASGIApp, allowed: Iterable[str], refused: Any = lambda reason: None) -> None:
        self._app, self._refused = app, refused
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own}.local", *(name.lower().rstrip(".") for name in allowed)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(given) > 1 or (not given and scope["http_version"] != "1.0"):
            await self._refuse(400, "a request must have one Host header", f"{len(given)} Host headers", "send one")(
                scope, receive, send
            )
        elif given and not self.allows(given[0]):
            await self._refuse(421, "this host is not served here", f"Host: {given[0][:200]}",
                               "use the machine's address, or start the service with --allow-host NAME")(
                scope, receive, send)  # fmt: skip
        else:
            await self._app(scope, receive, send)

    def allows(self, host: str) -> bool:
        """Whether the value of a `Host` header, with or without a port, may be served."""
        if "*" in self._names:
            return True
        try:
            parts = urlsplit(f"//{host}")
            name, _ = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            return False
        if not name or parts.path or parts.query or parts.fragment or parts.username is not None:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True

    def _refuse(self, status: int, what: str, received: str, remedy: str) -> JSONResponse:
        self._refused("host")
        return JSONResponse({"what": what, "received": received, "remedy": remedy}, status)
