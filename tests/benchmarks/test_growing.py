"""The benchmark of growth: photos drawn by a seed, and a page from results that are there."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from benchmarks.growing import SETS, Setting, page, settings
from benchmarks.photos import classes_of, subset


def photos(folder: Path, classes: int, each: int) -> None:
    for name in range(classes):
        (folder / f"c{name}").mkdir(parents=True)
        for number in range(each):
            (folder / f"c{name}" / f"{number}.png").write_bytes(bytes([name, number]))


def names(folder: Path) -> list[str]:
    return sorted(f"{path.parent.name}/{path.name}" for path in folder.glob("*/*.png"))


def test_a_subset_is_a_function_of_its_seed(tmp_path: Path) -> None:
    photos(tmp_path / "set", 6, 9)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        subset(tmp_path / "set", tmp_path / name, 4, 3, seed)
    assert names(tmp_path / "a") == names(tmp_path / "b") != names(tmp_path / "c")
    assert [len(list(one.iterdir())) for one in sorted((tmp_path / "a").iterdir())] == [4, 4, 4]
    assert {(tmp_path / "a" / one).read_bytes() for one in names(tmp_path / "a")} <= {
        (tmp_path / "set" / one).read_bytes() for one in names(tmp_path / "set")
    }


def test_parts_are_drawn_from_together(tmp_path: Path) -> None:
    for part in ("train", "validation", "test"):
        photos(tmp_path / "set" / part, 2, 2)
    found = classes_of(tmp_path / "set")
    assert {name: len(each) for name, each in found.items()} == {"c0": 6, "c1": 6}
    assert len({name for name, _ in found["c0"]}) == 6
    subset(tmp_path / "set", tmp_path / "all", 9)
    assert len(names(tmp_path / "all")) == 12


def row(arm: str, accuracy: float, gain: float | None, p: float = 1.0, **more: Any) -> dict[str, Any]:
    ends = {"over_bar_low": gain - 1, "over_bar_high": gain + 1} if gain is not None else {}
    return {"arm": arm, "accuracy": accuracy, "bar": False, "over_bar": gain, **ends, "over_bar_p": p, "edge": False,
            "failure": "", "read": "", **more}  # fmt: skip


def kept(one: Setting, *rows: dict[str, Any]) -> None:
    one.tables.parent.mkdir(parents=True, exist_ok=True)
    found = {"command": shlex.join(one.command), "cpu_seconds": 240, "results": rows}
    one.result.write_text(json.dumps(found))
    one.tables.write_text("what it was.\n\nThe bar is this.\n\n| arm |\n")


def test_a_page_of_what_is_there(tmp_path: Path) -> None:
    new, all_of_it = settings(tmp_path, ["elpv"], [64], ["new", "all"], 3)
    bar = row("probe", 70.0, None, bar=True, read="fire6/concat")
    kept(
        new,
        bar,
        row("finetune", 60.0, -10.0, 0.01),
        row("wider", 71.5, 1.5, edge=True),
        row("longer", 0, None, failure="x"),
    )
    text = page([new, all_of_it])
    assert "| the bar | 70.0 (fire6/concat) |" in text
    assert "| finetune | 60.0 (**-10.0 [-11.0, -9.0]**) |" in text
    assert "| wider | 71.5\\* (+1.5 [+0.5, +2.5]) |" in text
    assert "| longer | failed |" in text
    assert "| CPU minutes | 4 |" in text
    assert "The bar is this" not in text
    assert "Not run yet: elpv-64-all." in text


def test_a_result_of_another_command_is_none(tmp_path: Path) -> None:
    (three,), (five,) = (settings(tmp_path, ["clothing"], [64], ["new"], seeds) for seeds in (3, 5))
    kept(three, row("finetune", 60.0, None))
    assert three.found is not None
    assert five.found is None
    assert three.command[0] == "lungo"
    assert SETS["clothing"].near
