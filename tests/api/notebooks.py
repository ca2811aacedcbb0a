"""Runs notebooks in this process, as far as ours go: code cells in order, the value of the last line shown.

After a change of a notebook, draw its outputs anew: python -m tests.api.notebooks
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from tests.support import REPOSITORY

FOLDER = REPOSITORY / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
WIDEST = 100_000
"""Bytes of one picture that is kept in a notebook."""


def read(path: Path) -> dict[str, Any]:
    """The notebook in ``path``."""
    return json.loads(path.read_text("utf-8"))  # type: ignore[no-any-return]


def write(path: Path, notebook: dict[str, Any]) -> None:
    """Write ``notebook`` as Jupyter does."""
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


def source(cell: dict[str, Any]) -> str:
    """The text of a cell, which the format holds by lines."""
    return "".join(cell["source"])


def run(notebook: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The outputs of the code cells, run from the notebooks' folder; what a cell raises passes through."""
    names: dict[str, Any] = {"__name__": "__main__"}
    before, made = Path.cwd(), []
    os.chdir(FOLDER)
    try:
        made += [run_cell(source(cell), names) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    finally:
        os.chdir(before)
    return made


def run_cell(text: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    """What one cell prints and shows."""
    tree = ast.parse(text)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        exec(compile(tree, "<cell>", "exec"), names)
        if last is not None and not text.rstrip().endswith(";"):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)  # type: ignore[attr-defined]
        elif last is not None:
            exec(compile(ast.Module([last], []), "<cell>", "exec"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": by_lines(printed.getvalue())})
    if value is not None:
        outputs.append({"data": shown(value), "metadata": {}, "output_type": "display_data"})
    return outputs


def shown(value: Any) -> dict[str, Any]:
    """A value as a notebook holds it: a picture alone, else its text and its HTML."""
    if hasattr(value, "_repr_png_"):
        return {"image/png": base64.b64encode(value._repr_png_()).decode(), "text/plain": ["<Figure>"]}
    bundle: dict[str, Any] = {"text/plain": by_lines(repr(value))}
    if hasattr(value, "_repr_html_"):
        bundle["text/html"] = by_lines(value._repr_html_())
    return dict(sorted(bundle.items()))


def text_of(outputs: list[dict[str, Any]]) -> str:
    """What outputs say as text, without what depends on the processor: measured numbers, and how equal floats are."""
    said = [line for one in outputs for line in (*one.get("text", ()), *one.get("data", {}).get("text/plain", ()))]
    text = re.sub(r" *\d+(?:\.\d+(?:e-?\d+)?|e-\d+)", " #", "".join(said))
    text = re.sub(r"at most \(`[^`]*`\)", "at most", text)
    return re.sub(r"All old blobs are .*", "All old blobs are kept.", text)


def by_lines(text: str) -> list[str]:
    """``text`` as the format holds it."""
    return text.splitlines(keepends=True)


def draw_anew() -> None:
    """Run each notebook in a fresh folder, and write its outputs into it."""
    for path in NOTEBOOKS:
        notebook = read(path)
        outputs = iter(run(notebook))
        count = 0
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                count += 1
                cell["execution_count"], cell["outputs"] = count, next(outputs)
        write(path, notebook)
        print(f"drew {path.name}: {count} cells")


if __name__ == "__main__":
    tempfile.gettempdir()
    draw_anew()
