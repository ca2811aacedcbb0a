"""What of a demo's folder is removed for another demo: the demo's own files, and nothing of the user's."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from caffelungo.errors import UserError
from caffelungo.study.demo.demo import Demo
from caffelungo.study.demo.written_files import RECORD, clear, note


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A demo's folder, with folders below it."""
    made = tmp_path / "demo"
    for name in ("results.json", "finetuned/solver.prototxt", "finetuned/final/probe.caffemodel"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text("the demo's")
    note(made)
    return made


def everything(out: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in out.rglob("*") if path.is_file()}


def test_an_older_demo_is_replaced_only_when_asked(out: Path) -> None:
    before = everything(out)
    with pytest.raises(UserError, match="--overwrite"):
        clear(out, overwrite=False)
    assert everything(out) == before
    clear(out, overwrite=True)
    assert not list(out.iterdir())
    clear(out, overwrite=False)  # an empty folder is as good as none


def add(name: str) -> Callable[[Path], None]:
    return lambda out: (out / name).write_text("mine") and None


def link(out: Path) -> None:
    (out.parent / "thesis.tex").write_text("mine")
    (out / "finetuned" / "thesis.tex").symlink_to(out.parent / "thesis.tex")


@pytest.mark.parametrize(
    ("user", "named"),
    [
        (add("notes.txt"), "notes.txt"),
        (add("finetuned/mine.prototxt"), "finetuned/mine.prototxt"),
        (add("finetuned/final/mine"), "finetuned/final/mine"),
        (add("finetuned/solver.prototxt"), "finetuned/solver.prototxt"),  # edited
        (link, "finetuned/thesis.tex"),
        (lambda out: (out / RECORD).unlink(), "results.json"),  # an older program's demo, or none at all
        (lambda out: (out / RECORD).write_text('{"files"'), "results.json"),
    ],
)
def test_a_user_s_file_is_never_removed(out: Path, user: Callable[[Path], None], named: str) -> None:
    user(out)
    before = everything(out)
    with pytest.raises(UserError) as caught:
        clear(out, overwrite=True)
    assert named in str(caught.value.problems[0].received)
    assert everything(out) == before


def test_a_file_in_the_place_of_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(UserError):
        clear(tmp_path / "demo", overwrite=True)
    assert (tmp_path / "demo").read_text() == "mine"


def test_a_demo_that_was_stopped_can_be_replaced(tmp_path: Path) -> None:
    out = tmp_path / "demo"

    def stopped(words: list[str]) -> int:
        (out / "probed").mkdir(parents=True)
        (out / "probed" / "half.json").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Demo(out, stopped, Console(file=StringIO())).lungo("probe")  # type: ignore[arg-type]
    clear(out, overwrite=True)
    assert not list(out.iterdir())
