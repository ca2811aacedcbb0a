"""Text of a user's files -> text that a terminal shows as it is and that cannot steer it.

Names of layers, classes and files may hold anything: escape sequences that clear the screen or set its title,
characters that reverse the reading order, line ends that look like a line of the program. All that is written for a
person passes here; data that a program reads (files) keeps its bytes.
"""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

_STEERING = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line end
    r"\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff"  # order of reading, other line ends, a mark
    r"\ud800-\udfff"  # halves of characters: bytes that were no UTF-8
)
_CONTROL = re.compile(f"[{_STEERING}]")
_CONTROL_OR_LINE_END = re.compile(f"[{_STEERING}\n]")
_STREAMS = {"stdout": "output", "stderr": "error"}
_NAMED = {"\n": "\\n", "\r": "\\r"}


def visible(text: str) -> str:
    """``text`` with each character that would steer a terminal written as an escape, ``\\x1b``; lines stay lines."""
    return text if text.isascii() and text.isprintable() else _CONTROL.sub(_escape, text)


def on_one_line(text: str) -> str:
    """``text`` as ``visible`` shows it, its line ends written as ``\\n`` too: a name cannot look like another line."""
    return text if text.isascii() and text.isprintable() else _CONTROL_OR_LINE_END.sub(_escape, text)


def shortened(text: str, most: int) -> str:
    """``text``, its middle left out where it has more than ``most`` characters."""
    return text if len(text) <= most else f"{text[: most * 2 // 3]} ... {text[-most // 4 :]}"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # the byte that was read
    return _NAMED.get(match[0]) or (f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}")


class VisibleStream:
    """A text stream on which all that is written is made ``visible``; the rest of it is the stream below."""

    def __init__(self, below: IO[str]) -> None:
        self.rich_proxied_file = below
        """Where a Rich console writes, which escapes text itself and steers the terminal on purpose."""

    def write(self, text: str) -> int:
        """As a text stream's."""
        with self._named():
            self.rich_proxied_file.write(visible(text))
        return len(text)

    def flush(self) -> None:
        """As a text stream's."""
        with self._named():
            self.rich_proxied_file.flush()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """An error of a full disk says that it is this stream's; a pipe that nobody reads is no such error."""
        try:
            yield
        except OSError as error:
            if error.errno == errno.EPIPE or error.filename is not None:
                raise
            name = str(getattr(self.rich_proxied_file, "name", "")).strip("<>")
            raise OSError(error.errno, error.strerror, f"standard {_STREAMS.get(name, 'output')}") from error

    def writelines(self, lines: Iterable[str]) -> None:
        """As a text stream's."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def visible_streams() -> Iterator[None]:
    """Standard output and error escape what would steer the terminal while the body runs."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = VisibleStream(sys.stdout), VisibleStream(sys.stderr)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def below(stream: IO[str]) -> IO[str]:
    """The stream itself, for a progress bar, which steers the terminal on purpose."""
    while (inner := getattr(stream, "rich_proxied_file", None)) is not None:
        stream = inner
    return stream
