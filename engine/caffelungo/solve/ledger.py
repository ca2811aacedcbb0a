"""Which files a run has written: only these are ever removed, whatever others beside them are called.

    <prefix>_run_NNN/files.json    {"files": {"<name>": "whole", ...}}, names beside the prefix

    begun   is about to get its name        whole   is in place
    going   is about to be removed          gone    is removed

The record is written whole before a file gets its name and before it goes, so that a kill in between is distinguished
from what a user has removed or put there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from caffelungo import files

BEGUN, WHOLE, GOING, GONE = "begun", "whole", "going", "gone"
RECORD = "files.json"


class Ledger:
    """The record in ``path``; without one, in memory. ``earlier`` are the entries of older runs, oldest first."""

    def __init__(self, path: Path | None = None, earlier: Iterable[Mapping[str, str]] = ()) -> None:
        self.path = path
        self.own: dict[str, str] = {}
        self.before: dict[str, str] = {}
        for entries in earlier:
            self.before.update(entries)

    def note(self, names: Iterable[str], status: str) -> None:
        """Record the status of ``names``, on disk. OSError where that fails."""
        fresh = {name: status for name in names if self.own.get(name) != status}
        if not fresh:
            return
        self.own |= fresh
        if self.path is not None:
            files.write_text(self.path, json.dumps({"files": self.own}, indent=1, ensure_ascii=False) + "\n")

    def status(self, name: str) -> str | None:
        """The status of the file ``name``; None where no run has written it."""
        return self.own.get(name) or self.before.get(name)

    def ours(self, path: Path) -> bool:
        """Whether a run has written ``path``, so that it may be removed."""
        return self.status(path.name) in (BEGUN, WHOLE, GOING)

    def names(self, *statuses: str) -> list[str]:
        """Files with one of these statuses, of all runs."""
        known = {**self.before, **self.own}
        return [name for name, status in known.items() if status in statuses]

    def remove(self, paths: Iterable[Path]) -> list[Path]:
        """Remove those of ``paths`` that runs have written, in this order; those that are not ours are given back."""
        given = list(paths)
        ours = [path for path in given if self.ours(path)]
        self.note([path.name for path in ours], GOING)
        for path in ours:
            path.unlink(missing_ok=True)
        self.note([path.name for path in ours], GONE)
        return [path for path in given if path not in ours and path.exists()]


def read(folder: Path) -> dict[str, str]:
    """The entries of the run folder ``folder``; none where there is no record, or one that cannot be read."""
    try:
        found = json.loads((folder / RECORD).read_text("utf-8"))["files"]
        return {str(name): str(status) for name, status in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
