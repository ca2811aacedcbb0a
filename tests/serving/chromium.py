"""A headless Chromium, driven through its DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
          "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
          "--remote-allow-origins=*", "--window-size=1000,900", "--disable-dev-shm-usage")  # fmt: skip


class Chromium:
    """One page. ``run`` evaluates JavaScript in it (awaiting promises), ``drop`` lets go of a file over an element."""

    def __init__(self, profile: Path) -> None:
        from websockets.sync.client import connect

        assert BROWSER is not None
        self.process = subprocess.Popen(
            [BROWSER, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": str(profile)},
        )  # fmt: skip
        port_file, until = profile / "DevToolsActivePort", time.monotonic() + 60
        while not (port_file.is_file() and port_file.read_text().count("\n")):
            assert time.monotonic() < until, "Chromium does not start"
            time.sleep(0.05)
        port = port_file.read_text().split("\n")[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            pages = [one for one in json.load(answer) if one["type"] == "page"]
        self.open_things = contextlib.ExitStack()
        self.socket = self.open_things.enter_context(connect(pages[0]["webSocketDebuggerUrl"], max_size=2**27))
        self.numbers, self.events = itertools.count(1), []  # type: ignore[var-annotated]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **given: Any) -> Any:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": given}))
        while True:
            message = json.loads(self.socket.recv(timeout=60))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def run(self, script: str) -> Any:
        result = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)
        self.wait("document.body && document.body.dataset.ready === 'yes'")

    def wait(self, condition: str, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < until, f"{condition}: {self.run('document.body.innerText')}"
            time.sleep(0.05)

    def drop(self, selector: str, name: str, data: bytes, kind: str = "image/jpeg") -> None:
        text = base64.b64encode(data).decode()
        self.run(f"""(() => {{
            const bytes = Uint8Array.from(atob({json.dumps(text)}), c => c.charCodeAt(0));
            const carried = new DataTransfer();
            carried.items.add(new File([bytes], {json.dumps(name)}, {{type: {json.dumps(kind)}}}));
            const drop = document.querySelector({json.dumps(selector)});
            for (const kind of ["dragenter", "dragover", "drop"])
                drop.dispatchEvent(new DragEvent(kind, {{dataTransfer: carried, bubbles: true, cancelable: true}}));
        }})()""")

    def screenshot(self, path: Path, width: int = 1000, height: int = 900) -> None:
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def requested(self) -> list[str]:
        """Every address that the page asked for."""
        return [event["params"]["request"]["url"] for event in self.events
                if event.get("method") == "Network.requestWillBeSent"]  # fmt: skip

    def complaints(self) -> list[Any]:
        """Errors in the console: exceptions, refused resources."""
        return [event for event in self.events if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]

    def close(self) -> None:
        self.open_things.close()
        self.process.terminate()
        self.process.wait(20)
