"""The pictures of a request: a raw picture, a multipart form, or JSON with base64.

| Content-Type | body |
|---|---|
| `image/...`, `application/octet-stream` | the picture's bytes |
| `multipart/form-data` | every file is a picture; a field `top` |
| `application/json` | `{"image": base64}` or `{"images": [base64, ...]}`, and `"top"`; data URIs, too |
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from caffelungo.serving.failures import Refused, refused
from caffelungo.wording import counted

SECONDS = 30.0
"""How long a body may take to arrive."""
WINDOW, LEAST = 5.0, 5 * 1024
"""In ``WINDOW`` seconds ``LEAST`` more bytes must arrive, or the end of the body."""
MOST_SIGNS = 10_000
"""Brackets, colons and commas of a JSON: each may become an object of Python's, many times its size."""
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
"""RFC 2046, section 5.1.1."""
_KINDS = "send a picture (Content-Type: image/jpeg), a form (multipart/form-data), or JSON (application/json)"
_JSON = '{"image": "<base64>"} or {"images": ["<base64>", ...]}'


@dataclass
class Body:
    """The files of a request, (name, bytes) each, and its options as the client wrote them."""

    files: list[tuple[str, bytes]]
    options: dict[str, Any] = field(default_factory=dict)


async def receive(
    request: Request, max_bytes: int, hold: Callable[[int], None], seconds: float = SECONDS, window: float = WINDOW
) -> bytes:
    """The body; Refused when it is too large (by its header, before a byte is read) or too slow: not there in
    ``seconds``, or less than ``LEAST`` bytes in ``window`` seconds.

    ``hold`` is called with each chunk's size and may refuse it.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > max_bytes:
        raise _too_large(f"{stated} bytes", max_bytes)
    chunks, size, mark = [], 0, 0
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    try:
        async with asyncio.timeout_at(min(end, clock() + window)) as scope:
            async for chunk in request.stream():
                size += len(chunk)
                if size - mark >= LEAST:
                    mark = size
                    scope.reschedule(min(end, clock() + window))
                if size > max_bytes:
                    raise _too_large(f"more than {max_bytes} bytes", max_bytes)
                hold(len(chunk))
                chunks.append(chunk)
    except TimeoutError as error:
        received = f"{counted(size, 'byte')}: fewer than {LEAST} in {window:g} s, or not all in {seconds:g} s"
        raise refused(408, "the request did not arrive in time", received, "send it faster, or in smaller parts",
                      reason="slow") from error  # fmt: skip
    except ClientDisconnect as error:
        raise refused(
            400, "the client disconnected", counted(size, "byte"), "send the whole body", reason="gone"
        ) from error
    return b"".join(chunks)


async def parse(headers: Mapping[str, str], data: bytes, most: int) -> Body:
    """The files and options in ``data``, ``most`` files at most; Refused for anything else."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("image/") or kind == "application/octet-stream":
        body = Body([("picture", data)] if data else [])
    elif kind == "multipart/form-data":
        body = await _form(headers, data, most)
    elif kind == "application/json":
        body = await asyncio.to_thread(_json, data, most)
    else:
        raise refused(415, "unsupported Content-Type", f"Content-Type: {kind or '(none)'}", _KINDS)
    if not body.files:
        raise refused(400, "the request contains no picture", f"{counted(len(data), 'byte')} of {kind}", _KINDS)
    if len(body.files) > most:
        raise _too_many(counted(len(body.files), "picture"), most)
    return body


class _InMemory(MultiPartParser):
    """The body is in memory already, so its parts need not go to the disk."""

    spool_max_size = 2**40

    def close(self) -> None:
        """Let the parts go, those without an end, which no form lists, among them."""
        for file in self._files_to_close_on_error:
            file.close()


async def _form(headers: Mapping[str, str], data: bytes, most: int) -> Body:
    async def once() -> AsyncGenerator[bytes, None]:
        yield data

    boundary = parse_options_header(headers.get("content-type", ""))[1].get(b"boundary", b"")
    if not _BOUNDARY.fullmatch(boundary):
        received = repr(boundary[:100]) if boundary else "none"
        raise refused(400, "the form is damaged: it has no valid boundary", received, _KINDS)
    # A form's own charset is not asked for: Python knows some that give no text (unicode_escape, utf-7).
    plain = Headers({"content-type": f'multipart/form-data; boundary="{boundary.decode()}"'})
    parser = _InMemory(plain, once(), max_files=most, max_fields=8, max_part_size=1024)

    try:
        form = await asyncio.to_thread(asyncio.run, parser.parse())  # a large form would hold all other requests up
        body = Body([])
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                body.files.append((value.filename or f"picture {len(body.files) + 1}", value.file.read()))
            else:
                body.options[name] = value
    except (MultiPartException, KeyError, ValueError) as error:
        text = getattr(error, "message", str(error))
        if "Too many files" in text:
            raise _too_many(f"more than {counted(most, 'picture')}", most) from error
        raise refused(400, "the form is damaged", text or type(error).__name__, _KINDS) from error
    finally:
        parser.close()
    return body


def _json(data: bytes, most: int) -> Body:
    if sum(map(data.count, (b",", b":", b"[", b"{"))) > MOST_SIGNS:
        raise refused(400, "the JSON is too large", f"more than {MOST_SIGNS} values", f"send {_JSON}")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise refused(400, "the body is not JSON", str(error) or type(error).__name__, f"send {_JSON}") from error
    given = content.get("images", content.get("image")) if isinstance(content, dict) else None
    texts = given if isinstance(given, list) else [given]
    if given is None or not all(isinstance(text, str) for text in texts):
        keys = ", ".join(map(repr, list(content)[:8])) if isinstance(content, dict) else type(content).__name__
        raise refused(400, "the JSON contains no pictures", keys or "an empty object", f"send {_JSON}")
    if len(texts) > most:
        raise _too_many(counted(len(texts), "picture"), most)
    files = [(f"picture {number}", _decoded(text, number)) for number, text in enumerate(texts, 1)]
    return Body(files, {key: value for key, value in content.items() if key not in ("image", "images")})


def _decoded(text: str, number: int) -> bytes:
    if text[:5] == "data:":
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise refused(400, f"picture {number} is not base64", f"{counted(len(text), 'character')}; {error}",
                      "encode the file's bytes as base64") from error  # fmt: skip


def _too_large(received: str, max_bytes: int) -> Refused:
    remedy = f"send at most {max_bytes} bytes, or start the service with a larger --max-bytes"
    return refused(413, "the request is too large", received, remedy, reason="too_large")


def _too_many(received: str, most: int) -> Refused:
    return refused(413, "too many pictures in one request", received, f"send at most {most}", reason="too_large")
