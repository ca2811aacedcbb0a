"""`lungo serve`: bind the port, load the model, serve until stopped, and finish requests in progress."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from caffelungo import threads
from caffelungo.errors import RunError, UserError
from caffelungo.serving.options import ServeOptions

if TYPE_CHECKING:
    from caffelungo.inference.classify import Classifier
    from caffelungo.serving.service import Service

M_ARENA_MAX = -8
GRACE = 30
"""Seconds that requests have to end after the signal to stop."""


def serve(options: ServeOptions, say: Callable[[str], None] = print) -> None:
    """Serve ``options.model`` until SIGINT or SIGTERM; returns when all that was begun is answered.

    ``say`` is called with the address once the port is open and the model loaded. Raises UserError for a model that is
    none, a port that is taken or an unknown host, RunError without the packages of the extra ``serve``.
    """
    _needed()
    from caffelungo.inference.classify import open_judge
    from caffelungo.serving.logs import rate_limited
    from caffelungo.serving.service import Service

    _few_arenas()
    listener = listen(options.host, options.port)
    try:
        # The net's own threads are made here, and take over this one's priority.
        with ThreadPoolExecutor(1, initializer=threads.step_back) as opener:
            opened = opener.submit(open_judge, options.model, options.device, options.head, threads=options.threads)
            classifier = opened.result()
        service = Service(classifier, options)
        server = server_of(service, say)
        say(greeting(classifier, address(listener)))
        with rate_limited():
            server.run(sockets=[listener])
    finally:
        listener.close()
    if not server.started:
        raise RunError("the service could not start; see the lines above")


def greeting(classifier: Classifier, url: str) -> str:
    """What is served where; and why a GPU that is there is not used."""
    text = f"{classifier.path.name} on {classifier.device}: {url}  (Ctrl-C stops)"
    passed_over = classifier.session.passed_over
    return f"{text}\n{passed_over}" if passed_over else text


def _few_arenas() -> None:
    """Let the threads share glibc's memory: otherwise each keeps an arena, grown to its largest picture."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _needed() -> None:
    """RunError that says how to install the web framework, where it is not."""
    import importlib.util

    missing = [name for name, module in (("starlette", "starlette"), ("uvicorn", "uvicorn"), ("httptools", "httptools"),
               ("python-multipart", "python_multipart"), ("prometheus-client", "prometheus_client"))
               if importlib.util.find_spec(module) is None]  # fmt: skip
    if missing:
        raise RunError(
            f'lungo serve needs {", ".join(missing)}, which are not installed\n  to do: pip install "caffelungo[serve]"'
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound, so that a port in use is found before the model is loaded. ``port`` 0: any free one."""
    flag = f"--host {host} --port {port}"
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        remedy = "use an address of this machine: 127.0.0.1, or 0.0.0.0 for all"
        raise UserError("the host is not known", received=f"{flag}; {error}", remedy=remedy) from error
    listener = socket.socket(family, kind, protocol)
    if hasattr(socket, "SO_REUSEADDR") and hasattr(socket, "AF_UNIX"):  # on Windows it would share a port in use
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(place)
        # Listening takes the port for good: two sockets may be bound to one that nobody listens on.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        what, remedy = _bind_failure(error)
        raise UserError(what, received=f"{flag}; {error.strerror}", remedy=remedy) from error
    listener.setblocking(False)
    return listener


def _bind_failure(error: OSError) -> tuple[str, str]:
    if error.errno == errno.EADDRINUSE:
        return "the port is in use", "stop what uses it, or choose another with --port (0 for any free port)"
    if error.errno == errno.EACCES:
        return "no permission to use this port", "use a port above 1023: --port"
    return "cannot listen on the address", "use an address of this machine: 127.0.0.1, or 0.0.0.0 for all"


def address(listener: socket.socket) -> str:
    """The URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def server_of(service: Service, say: Callable[[str], None] = lambda text: None) -> Any:
    """A uvicorn server for ``service`` whose process outlives the signal that stops it; ``say`` is called about it."""
    import uvicorn

    from caffelungo.serving.app import app_of
    from caffelungo.serving.connections import Connections, room

    most, backlog = room()
    connections = Connections(most, service.refused)

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn raises the signal again when it is done; here a stop that was asked for is a good end.
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            before = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for one, handler in before.items():
                    signal.signal(one, handler)

        def handle_exit(self, sig: int, frame: Any) -> None:
            if service.state != "stopping" and service.admission.visits:
                say(f"stopping after requests in progress are finished, in {GRACE} s at most (Ctrl-C again: at once)")
            service.state = "stopping"
            service.metrics.ready.set(0)
            super().handle_exit(sig, frame)

        async def shutdown(self, sockets: Any = None) -> None:
            await super().shutdown(sockets)
            if self.force_exit:  # the service's threads go then, too, and no traceback tells of it
                await self.lifespan.shutdown()

    config = uvicorn.Config(
        app_of(service), http=connections.protocol(), backlog=backlog, ws="none", loop="asyncio", lifespan="on",
        log_config=None, log_level="warning", access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=GRACE, timeout_keep_alive=15,
    )  # fmt: skip
    return Server(config)
