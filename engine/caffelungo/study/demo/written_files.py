"""What `lungo demo` has written into its folder: only that is ever removed for another demo.

    demo/files.json    {"files": {"finetuned/solver.prototxt": [bytes, time in ns], ...}}

The record is written anew after each of the demo's commands, so that a demo that was stopped can be replaced, too. A
file that is not in it, or that has changed since, is the user's.
"""

from __future__ import annotations

import json
from pathlib import Path

from caffelungo import files
from caffelungo.errors import Location, UserError

RECORD = "files.json"
SHOWN = 5
"""Files of the user's that a message names."""


def note(out: Path) -> None:
    """Write down all files that are in ``out`` now as the demo's."""
    known = {str(path.relative_to(out)): _state(path) for path in _all(out)}
    known.pop(RECORD, None)
    files.write_text(out / RECORD, json.dumps({"files": known}, indent=1, ensure_ascii=False) + "\n")


def clear(out: Path, overwrite: bool) -> None:
    """Remove an older demo from ``out``; UserError when that is not asked for, or when anything else is there."""
    if not out.exists():
        return
    there = _all(out) if out.is_dir() else [out]
    if out.is_dir() and not there:
        return
    known = _read(out)
    foreign = [path for path in there if path != out / RECORD and known.get(_name(path, out)) != _state(path)]
    if foreign or not overwrite:
        shown = ", ".join(_name(path, out) for path in (foreign or there)[:SHOWN])
        more = len(foreign or there) - SHOWN
        raise UserError(
            "the folder contains files that no demo wrote, or that were changed since" if foreign
            else "the demo's folder exists",
            where=Location(str(out)),
            received=shown + (f" and {more} more" if more > 0 else ""),
            remedy="name another folder with -o" if foreign else "add --overwrite, or choose another with -o",
        )  # fmt: skip
    for path in there:
        path.unlink()
    for folder in sorted((path for path in out.rglob("*") if path.is_dir()), reverse=True):
        folder.rmdir()


def _all(out: Path) -> list[Path]:
    """Whatever is in ``out`` and no folder; links are not followed."""
    return sorted(path for path in out.rglob("*") if path.is_symlink() or not path.is_dir())


def _name(path: Path, out: Path) -> str:
    return path.name if path == out else str(path.relative_to(out))


def _state(path: Path) -> list[int]:
    found = path.lstat()
    return [found.st_size, found.st_mtime_ns]


def _read(out: Path) -> dict[str, list[int]]:
    """The record in ``out``; empty where there is none, or one that cannot be read."""
    try:
        return dict(json.loads((out / RECORD).read_text("utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
