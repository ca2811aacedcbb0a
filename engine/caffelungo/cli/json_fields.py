"""What `--json` writes, by verb: each field of the document and its meaning. docs/json.md is made of this table.

The fields of all verbs come first: ``caffelungo``, ``verb`` and ``status``; ``problems`` is the last.
"""

from __future__ import annotations

COMMON = {
    "caffelungo": "Version of Caffelungo.",
    "verb": "The verb.",
    "status": "Exit status: 0 done, 1 failed while running or compared and found unequal, 2 the input is wrong.",
    "problems": "Everything that is wrong: `what`, `file`, `line`, `column` (both from 1), `received`, `remedy`; null "
    "where unknown. Empty when nothing is.",
}
"""Fields of every document."""

FIELDS: dict[str, dict[str, str]] = {
    "check": {
        "files": "The files that were checked: `path`, `kind`, `summary`.",
        "notices": "What is allowed, but worth a look.",
    },
    "diff": {
        "before": "The first file (two files).",
        "after": "The second file (two files).",
        "layers": "Change by layer and blob (two files): `name`, `type`, `status`, `relative`, `blobs`.",
        "notices": "What is worth a look (two files).",
        "differences": "The same four fields for each later file (three or more files).",
    },
    "doctor": {
        "facts": "What was found: machine, packages, driver, and the trials of PyTorch and ONNX Runtime by device.",
        "findings": "The lines of the report: `area`, `state` (ok, note or bad), `text`, `remedy`.",
    },
}
"""Verb -> field -> meaning. A verb that failed writes the common fields only."""


def markdown() -> str:
    """The tables of docs/json.md."""
    lines = ["### Fields of every document", "", *_table(COMMON)]
    for verb, fields in FIELDS.items():
        lines += ["", f"### `lungo {verb}`", "", *_table(fields)]
    return "\n".join(lines) + "\n"


def _table(fields: dict[str, str]) -> list[str]:
    return ["| field | meaning |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in fields.items())]
