"""`lungo serve`."""

from __future__ import annotations

from caffelungo.api import values
from caffelungo.api.values import Name, Words


def serve(
    model: Name,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    device: str = "auto",
    max_batch: int = 16,
    deadline_ms: float = 5.0,
    max_bytes: int = 16 * 2**20,
    max_pixels: int = 25_000_000,
    queue: int = 256,
    threads: int = 0,
    head: str | None = None,
    allow_host: Words | None = None,
) -> None:
    """Serve an exported classifier over HTTP, with a page; returns when it is stopped by SIGINT or SIGTERM.

    A picture waits at most ``deadline_ms`` milliseconds for others to go through the net with; ``queue`` pictures wait
    at most. ``max_bytes`` and ``max_pixels`` limit a request. The options are those of ``lungo serve``; the extra
    ``serve`` must be installed.

    UserError for a file that is no classifier, a port that is taken, and when the extra is missing.

    >>> cl.serve("photos/red/0.png")
    Traceback (most recent call last):
    ...
    caffelungo.errors.UserError: photos/red/0.png: this is a PNG picture, not an ONNX file
    """
    values.judge("serve", locals())
    from caffelungo.serving import options, server

    server.serve(
        options.ServeOptions(
            values.path(model) or "", host, port, device, max_batch, deadline_ms, max_bytes, max_pixels, queue,
            threads, head, tuple(values.repeated(allow_host)),
        )
    )  # fmt: skip
