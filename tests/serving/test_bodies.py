from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from caffelungo.serving.bodies import Body, parse, receive
from caffelungo.serving.failures import Refused
from caffelungo.serving.options import ServeOptions

FORM = "multipart/form-data; boundary=edge"


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """A form of (field, file name or None, content)."""
    made = b""
    for field, name, content in parts:
        file = "" if name is None else f'; filename="{name}"'
        made += f'--edge\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'.encode() + content + b"\r\n"
    return made + b"--edge--\r\n"


def parsed(kind: str, data: bytes, most: int = 4) -> Body:
    return asyncio.run(parse({"content-type": kind}, data, most))


def test_the_three_kinds_of_body() -> None:
    assert parsed("image/jpeg", b"abc") == Body([("picture", b"abc")])
    assert parsed("Application/Octet-Stream", b"abc") == Body([("picture", b"abc")])
    large = bytes(range(256)) * 10_000
    data = form(("a", "ä one.jpg", large), ("top", None, b"3"), ("a", "two.png", b"\r\n--edg"))
    assert parsed(FORM, data) == Body([("ä one.jpg", large), ("two.png", b"\r\n--edg")], {"top": "3"})
    text = base64.b64encode(b"abc").decode()
    assert parsed("application/json; charset=utf-8", json.dumps({"image": text, "top": 2}).encode()) == Body(
        [("picture 1", b"abc")], {"top": 2}
    )
    images = ["data:image/png;base64," + text, "YW\nJj"]
    assert parsed("application/json", json.dumps({"images": images}).encode()).files == [
        ("picture 1", b"abc"), ("picture 2", b"abc")]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "data", "status", "what"),
    [
        ("", b"abc", 415, "unsupported Content-Type"),
        ("application/x-www-form-urlencoded", b"abc", 415, "unsupported Content-Type"),
        ("text/html", b"abc", 415, "unsupported Content-Type"),
        ("image/png", b"", 400, "contains no picture"),
        ("application/json", b"{", 400, "not JSON"),
        ("application/json", b"\xff\xfe", 400, "not JSON"),
        ("application/json", b"[" * 5_000, 400, "not JSON"),
        ("application/json", b"[" * 100_000, 400, "the JSON is too large"),
        ("application/json", b'{"images": [' + b'"",' * 20_000 + b'""]}', 400, "the JSON is too large"),
        ("application/json", b"[1]", 400, "no pictures"),
        ("application/json", b'{"picture": "YWJj"}', 400, "no pictures"),
        ("application/json", b'{"image": 5}', 400, "no pictures"),
        ("application/json", b'{"images": ["YWJj", null]}', 400, "no pictures"),
        ("application/json", b'{"images": []}', 400, "contains no picture"),
        ("application/json", b'{"image": "not base64!"}', 400, "not base64"),
        ("application/json", b'{"images": ["YQ==", "YQ==", "YQ=="]}', 413, "too many"),
        ("multipart/form-data", b"abc", 400, "damaged"),
        (FORM, b"abc", 400, "damaged"),
        (FORM, form(("top", None, b"3")), 400, "contains no picture"),
        (FORM, form(*[("a", "a.jpg", b"1")] * 3), 413, "too many"),
        (FORM, form(("top", None, b"3" * 5000)), 400, "damaged"),
    ],
)
def test_what_is_refused(kind: str, data: bytes, status: int, what: str) -> None:
    with pytest.raises(Refused, match=what) as caught:
        parsed(kind, data, 2)
    assert caught.value.status == status
    assert all(caught.value.body()[part] for part in ("what", "received", "remedy"))


class Sent:
    """A request whose body comes in chunks."""

    def __init__(self, chunks: list[bytes], headers: dict[str, str] | None = None, pause: float = 0) -> None:
        self.chunks, self.headers, self.pause = chunks, headers or {}, pause

    async def stream(self) -> Any:
        for chunk in self.chunks:
            await asyncio.sleep(self.pause)
            yield chunk


def received(sent: Any, seconds: float = 5) -> bytes:
    return asyncio.run(receive(sent, 10, lambda size: None, seconds))


def test_a_body_is_bounded_in_size_and_time() -> None:
    assert received(Sent([b"12345", b"67890"])) == b"1234567890"
    for sent in (Sent([b"12345", b"678901"]), Sent([], {"content-length": "11"})):
        with pytest.raises(Refused, match="too large") as caught:
            received(sent)
        assert caught.value.status == 413
        assert "--max-bytes" in caught.value.body()["remedy"]
    with pytest.raises(Refused, match="in time") as caught:
        received(Sent([b"1"] * 9, pause=0.05), 0.1)
    assert caught.value.status == 408


def test_options_out_of_range_are_all_told() -> None:
    with pytest.raises(Exception, match="--max-batch") as caught:
        ServeOptions("m.onnx", port=70_000, max_batch=0, deadline_ms=-1, max_pixels=10**9, queue=0, max_bytes=1)
    for flag in ("--port", "--deadline-ms", "--max-pixels", "--queue", "--max-bytes"):
        assert flag in str(caught.value)
