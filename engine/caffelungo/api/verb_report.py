"""What the public functions return: records and tables with a readable ``repr`` that convert to JSON."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, SupportsIndex, overload

from caffelungo.report.json_output import plain

ROWS = 60
"""A longer table is printed without its middle; all rows are there."""
LINE = 88
"""Characters of a list on one line; a longer one has a line per item."""


class DataTable(list[dict[str, Any]]):
    """Rows as dictionaries with the same keys; ``pandas.DataFrame(table)`` takes it as it is.

    >>> table = cl.DataTable([{"iteration": 0, "loss": 2.5}, {"iteration": 10, "loss": 0.75}])
    >>> table
    iteration  loss
            0   2.5
           10  0.75
    >>> table.columns["loss"]
    [2.5, 0.75]
    """

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The values of each column, by name, in the order of the rows; None where a row lacks it."""
        return {name: [row.get(name) for row in self] for name in self.names}

    @property
    def names(self) -> list[str]:
        """The names of the columns, in the order of their first appearance."""
        return list(dict.fromkeys(name for row in self for name in row))

    @overload
    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> DataTable: ...
    def __getitem__(self, index: SupportsIndex | slice) -> dict[str, Any] | DataTable:
        return DataTable(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)

    def plain(self) -> list[dict[str, Any]]:
        """The rows as JSON can hold them."""
        return [plain(row) for row in self]

    def __repr__(self) -> str:
        names = self.names
        if not names:
            return "(no rows)"
        cells = [[shown(row.get(name)) for name in names] for row in self]
        left = [any(isinstance(row.get(name), str | list | tuple) for row in self) for name in names]
        lines = [names, *_middle_out(cells, ["..."] * len(names))]
        widths = [max(len(line[k]) for line in lines) for k in range(len(names))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if is_left else cell.rjust(width)
                for cell, width, is_left in zip(line, widths, left, strict=True)
            ).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        names = self.names
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        cells = [[html.escape(shown(row.get(name))) for name in names] for row in self]
        rows = _middle_out(cells, ["&hellip;"] * len(names))
        body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Text(str):
    """A text that a prompt shows as it is, without quotes: a net's definition, or a unified diff.

    >>> cl.Text("conv1: frozen")
    conv1: frozen
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


class VerbReport:
    """Base of what the verbs return: dataclasses whose fields are shown by name, tables and texts below them.

    >>> result = cl.layers("ReLU")
    >>> sorted(result.plain())
    ['text', 'type']
    """

    def plain(self) -> dict[str, Any]:
        """All fields as JSON can hold them: paths are texts, what is not finite is None."""
        return {name: plain(value) for name, value in self._parts()}

    def _parts(self) -> list[tuple[str, Any]]:
        return [(one.name, getattr(self, one.name)) for one in fields(self) if one.repr]  # type: ignore[arg-type]

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        for name, value in self._parts():
            if value is None or value in ((), [], {}, ""):
                continue
            inside = _lines(value)
            if inside is None:
                lines.append(f"  {name}: {shown(value)}")
            else:
                lines += [f"  {name}:", *(f"    {line}" for line in inside)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = []
        for name, value in self._parts():
            if value is None or value in ((), [], {}, ""):
                continue
            inside = _lines(value)
            if isinstance(value, DataTable | Text):
                drawn = value._repr_html_()
            else:
                drawn = "<br>".join(html.escape(line) for line in (inside or [shown(value)]))
            rows.append(f"<tr><th>{html.escape(name)}</th><td style='text-align:left'>{drawn}</td></tr>")
        return f"<b>{type(self).__name__}</b><table>{''.join(rows)}</table>"


def _lines(value: Any) -> list[str] | None:
    """A table, a text of several lines or a long list of texts, line by line; None for what fits on one."""
    if isinstance(value, DataTable | Text) or (isinstance(value, str) and "\n" in value):
        return str(value).rstrip("\n").splitlines()
    if isinstance(value, list | tuple) and (not all(isinstance(one, str) for one in value) or len(shown(value)) > LINE):
        return [line for one in value for line in shown(one).splitlines()]
    return None


def shown(value: Any) -> str:
    """``value`` for a person, on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {shown(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(shown(one) for one in value)
    return str(value)


def _middle_out(rows: list[list[str]], gap: list[str]) -> list[list[str]]:
    """``rows``, of a long table only the first and the last."""
    if len(rows) <= ROWS:
        return rows
    return [*rows[: ROWS // 2], gap, *rows[-ROWS // 2 :]]
