from __future__ import annotations

import http.client
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from caffelungo.errors import RunError, UserError
from caffelungo.serving import web_page
from caffelungo.serving.options import ServeOptions
from caffelungo.serving.server import address, greeting, listen, serve
from tests.lungo import lungo

LUNGO = "import sys; from caffelungo.cli.main import run; run(sys.argv[1:])"


def test_a_port_in_use_is_told_before_the_model_is_looked_for(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert address(taken) == f"http://127.0.0.1:{port}"
        with pytest.raises(UserError, match="port is in use") as caught:
            serve(ServeOptions(tmp_path / "none.onnx", port=port))
        assert f"--port {port}" in str(caught.value)
        assert "--port (0 for" in str(caught.value)
    with listen("127.0.0.1", port):
        pass


def test_other_places_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="host is not known"):
        listen("no host", 0)
    with pytest.raises(UserError, match="cannot listen on"):
        listen("192.0.2.1", 0)
    with pytest.raises(UserError, match="not found"):
        serve(ServeOptions(tmp_path / "none.onnx", port=0))


def test_how_to_install_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else found(name))
    with pytest.raises(RunError, match=r"needs uvicorn(.|\n)*caffelungo\[serve\]"):
        serve(ServeOptions("m.onnx"))
    ran = lungo("serve", "m.onnx")  # before the model is looked for, and before a port is taken
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.splitlines()[1] == '  to do: pip install "caffelungo[serve]"'


def test_without_the_extra_the_verb_says_what_to_install() -> None:
    """In a process that cannot import any of its packages."""
    hide = (
        "import sys; [sys.modules.__setitem__(name, None) for name in "
        "('starlette', 'uvicorn', 'httptools', 'python_multipart', 'prometheus_client')]; "
    )
    ran = subprocess.run([sys.executable, "-c", hide + LUNGO, "serve", "m.onnx"], capture_output=True, text=True)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert "lungo serve needs starlette, uvicorn, httptools, python-multipart, prometheus-client" in ran.stderr
    assert 'to do: pip install "caffelungo[serve]"' in ran.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize("stop", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_what_was_begun_is_answered_before_the_end(model: Path, photos: list[bytes], stop: signal.Signals) -> None:
    command = [
        sys.executable,
        "-c",
        LUNGO,
        "serve",
        str(model),
        "--port",
        "0",
        "--deadline-ms",
        "1500",
        "--threads",
        "1",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONUNBUFFERED": "1"})  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"small\.onnx on cpu: http://127\.0\.0\.1:(\d+)", line)
        assert found, line
        port, answers = int(found[1]), []

        def ask() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", "/classify", photos[0], {"Content-Type": "image/png"})
            answers.append(connection.getresponse().status)
            connection.close()

        wait_until_ready(port)
        client = threading.Thread(target=ask)
        client.start()
        time.sleep(0.5)  # less than the deadline: the picture waits for others
        assert not answers
        process.send_signal(stop)
        client.join(20)
        _, errors = process.communicate(timeout=20)
        assert answers == [200]
        assert errors == ""
        assert process.returncode == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=2)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_slow_client_holds_the_end_up_only_until_the_second_signal(model: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", LUNGO, "serve", str(model), "--port", "0", "--threads", "1"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONUNBUFFERED": "1"})  # fmt: skip
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition("  ")[0].rpartition(":")[2])
        wait_until_ready(port)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(
                b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 99\r\n\r\nx"
            )
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline().startswith("stopping after requests in progress are finished")
            time.sleep(1)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=2)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        assert errors == ""
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def wait_until_ready(port: int) -> None:
    until: float = time.monotonic() + 30
    status: Any = None
    while status != 200 and time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/ready")
        status = connection.getresponse().status
        connection.close()
    assert status == 200


def test_the_page_loads_nothing_from_elsewhere() -> None:
    assert not re.search(r"""(src|href)=(?!"data:)|https?://|@import|url\(""", web_page.HTML)
    policy = web_page.HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"innerHTML|insertAdjacent|document\.write| on\w+=|style=", web_page.HTML)


def test_a_gpu_that_was_passed_over_is_told() -> None:
    session = SimpleNamespace(passed_over="")
    classifier = SimpleNamespace(path=Path("a/m.onnx"), device="cpu", session=session)
    assert greeting(classifier, "http://x:1") == "m.onnx on cpu: http://x:1  (Ctrl-C stops)"
    session.passed_over = "device cuda:0 cannot be used: no driver"
    assert greeting(classifier, "http://x:1").endswith("(Ctrl-C stops)\ndevice cuda:0 cannot be used: no driver")
