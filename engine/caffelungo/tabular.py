"""CSV files as all verbs write them: text that a spreadsheet would take for a formula begins with an apostrophe.

A picture or a class may be called ``=cmd|...``. Spreadsheets compute a cell that begins with one of =, +, -, @, a tab
or a line end; behind an apostrophe they show it. Numbers stay numbers, ``-0.5`` too.
See https://owasp.org/www-community/attacks/CSV_Injection.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from caffelungo import files

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def escaped(cell: Any) -> Any:
    """``cell``, with an apostrophe before text that would be a formula."""
    if not isinstance(cell, str) or not cell.startswith(_FORMULA) or cell == "-" or _is_number(cell):
        return cell
    return f"'{cell}"


def plain(cell: str) -> str:
    """What ``escaped`` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text


class Writer:
    """A ``csv.writer`` whose cells are ``escaped``."""

    def __init__(self, stream: TextIO, end: str = "\n") -> None:
        self._stream, self._end = stream, end

    def row(self, cells: Iterable[Any]) -> None:
        """Write one row."""
        line = io.StringIO()
        csv.writer(line).writerow([escaped(cell) for cell in cells])  # with its own line end it quotes both kinds
        self._stream.write(line.getvalue().removesuffix("\r\n") + self._end)

    def rows(self, rows: Iterable[Iterable[Any]]) -> None:
        """Write several rows."""
        for cells in rows:
            self.row(cells)


def as_text(head: Sequence[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A table as the text of a CSV file."""
    text = io.StringIO()
    Writer(text).rows([head, *rows])
    return text.getvalue()


@contextmanager
def written(path: str | Path, end: str = "\r\n") -> Iterator[Writer]:
    """The ``Writer`` of a CSV file that is written whole; names that are no UTF-8 keep their bytes."""
    with (
        files.written_whole(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
    ):
        yield Writer(stream, end)
