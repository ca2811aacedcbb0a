"""One net through `lungo convert`, and what is in the file that came out. One cell of the table."""

from __future__ import annotations

import shutil
import time
import warnings
from pathlib import Path
from typing import Any

from caffelungo.errors import RunError, UserError

VERSION = 1


def convert(cell: Any, place: Any) -> dict[str, Any]:
    """Cell function. Fields: ``net`` (input id), ``weights`` (input id, "" for made-up ones), ``flags`` of the command.

    Values: as ``running.Found``; or ``refused``, the complete list of what stands in the way. RunError that begins
    with the step that failed.
    """
    own = place.inputs.path(cell.fields["weights"]) if cell.fields["weights"] else None
    return outcome(place.inputs.path(cell.fields["net"]), own, cell.fields["flags"], place.folder)


def outcome(net: Path, weights: Path | None, flags: dict[str, Any], folder: Path) -> dict[str, Any]:
    """As ``convert``, for files; ``folder`` takes what is written on the way, and keeps nothing."""
    values: dict[str, Any] = {"step": "read"}
    started = time.process_time()
    there = set(folder.iterdir())
    # Its name is what a refusal names; how it ends tells a template from a definition.
    named = folder / f"net{''.join(net.suffixes)}"
    shutil.copyfile(net, named)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from benchmarks.conversion import running

            running.converted(named, weights, flags, folder / "net.onnx", values)
    except UserError as error:
        _nothing_is_left(folder, {*there, named})
        silent = [problem.what for problem in error.problems if not problem.remedy]
        if silent:
            raise RunError(f"{values['step']}: refused without a remedy: {'; '.join(silent)}") from error
        from benchmarks.conversion.subjects import without_places

        values = {"refused": [without_places(str(problem), folder, Path.cwd()) for problem in error.problems]}
    except Exception as error:  # every failure is a result of the table
        raise RunError(f"{values['step']}: {str(error).strip()[:600]} ({type(error).__name__})") from error
    finally:
        named.unlink()
        (folder / "net.onnx").unlink(missing_ok=True)
    values.pop("step", None)
    return {**values, "seconds": round(time.process_time() - started, 2)}


def _nothing_is_left(folder: Path, known: set[Path]) -> None:
    left = [path.name for path in folder.iterdir() if path not in known]
    if left:
        raise RunError(f"refused, but these files were left: {', '.join(left)}")
