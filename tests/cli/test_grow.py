"""`lungo grow`: what it writes, shows and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.definition.reader import read_net, read_solver
from caffelungo.passes.view import View
from tests.lungo import lungo
from tests.passes.nets import ALEX, FIRE, RESIDUAL

SOLVER = """# As in the paper.
net: "alex.prototxt"
base_lr: 0.001  # small
lr_policy: "fixed"
max_iter: 10
snapshot_prefix: "snapshots/alex"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("alex", ALEX), ("fire", FIRE), ("residual", RESIDUAL), ("solver", SOLVER)):
        (tmp_path / f"{name}.prototxt").write_text(text)
    return tmp_path


def units(path: str, layer: str) -> int:
    """Outputs of an InnerProduct or Convolution."""
    use = next(use for key, use in View(read_net(path)).plan.params.items() if key[0] == layer and key[1] == 0)
    assert use.shape is not None
    return use.shape[0] or 0


def test_widen() -> None:
    ran = lungo("grow", "alex.prototxt", "--widen", "fc7:20", "-o", "wide.prototxt")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        "wrote wide.prototxt\nparameters: 17,294 before, 37,584 now\n"
        "next: lungo train --solver solver.prototxt --set-solver net=wide.prototxt --set-solver snapshot_prefix=wide\n"
        "to compare it with the old net: lungo verify alex.prototxt wide.prototxt\n"
    )
    assert units("wide.prototxt", "fc7_new") == 20
    assert units("wide.prototxt", "fc7") == 10
    text = Path("wide.prototxt").read_text()
    assert "# The features." in text
    assert Path("alex.prototxt").read_text() == ALEX


def test_deepen() -> None:
    assert lungo("grow", "alex.prototxt", "--deepen", "fc7:6", "-o", "deep.prototxt").status == 0
    view = View(read_net("deep.prototxt"))
    assert [entry.name for entry in view.plan.layers if "deep" in entry.name or "new" in entry.name]
    assert view.classifiers[0].classes == 1000


def test_widen_and_deepen_in_one_run() -> None:
    ran = lungo("grow", "alex.prototxt", "--widen", "fc7:4", "--deepen", "fc7:8", "-o", "both.prototxt", "-q")
    assert (ran.status, ran.out) == (0, "")
    assert units("both.prototxt", "fc7_new") == 4


def test_convolutional_tops() -> None:
    assert lungo("grow", "fire.prototxt", "--widen", "fire9/concat:5", "-o", "fire_wide.prototxt").status == 0
    assert lungo("check", "fire_wide.prototxt").status == 0


def test_diff_and_explain() -> None:
    ran = lungo("grow", "alex.prototxt", "--widen", "fc7:20", "-o", "wide.prototxt", "--diff", "--explain", "-q")
    assert ran.out.startswith("alex.prototxt:38:1: 20 new units `fc7_new` beside `fc7`")
    assert "--- alex.prototxt\n+++ wide.prototxt" in ran.out
    removed = [line[1:] for line in ran.out.splitlines() if line.startswith("-") and not line.startswith("---")]
    added = [line[1:] for line in ran.out.splitlines() if line.startswith("+") and not line.startswith("+++")]
    before, after = ALEX.splitlines(), Path("wide.prototxt").read_text().splitlines()
    assert all(line in before for line in removed)
    assert all(line in after for line in added)
    assert len(after) == len(before) - len(removed) + len(added)


def test_solver() -> None:
    Path("grown").mkdir()
    words = ["grow", "alex.prototxt", "--widen", "fc7:20", "-o", "grown/wide.prototxt", "--solver", "solver.prototxt"]
    ran = lungo(*words)
    assert "wrote grown/wide_solver.prototxt" in ran.out
    solver = read_solver("grown/wide_solver.prototxt")
    assert solver.message.net == "wide.prototxt"
    assert solver.message.snapshot_prefix == "snapshots/wide"
    assert "# As in the paper." in solver.text
    assert "# small" in solver.text
    assert Path("solver.prototxt").read_text() == SOLVER


def test_a_net_of_the_catalogue_is_written_plain() -> None:
    ran = lungo("grow", "resnet18", "--widen", "res5b:64", "-o", "wide.prototxt", "--set", "classes=9")
    assert ran.status == 0, ran.err
    text = Path("wide.prototxt").read_text()
    assert "resnet.prototxt.j2" in text.splitlines()[0]
    assert "{{" not in text


@pytest.mark.parametrize("kept", ["wide.prototxt", "wide_solver.prototxt"])
def test_nothing_is_overwritten_unasked(kept: str) -> None:
    Path(kept).write_text("mine")
    before = sorted(Path().iterdir())
    words = ["grow", "alex.prototxt", "--widen", "fc7:20", "-o", "wide.prototxt", "--solver", "solver.prototxt"]
    ran = lungo(*words)
    assert ran.status == 2
    assert f"received: {kept}" in ran.err
    assert "--overwrite" in ran.err
    assert Path(kept).read_text() == "mine"
    assert sorted(Path().iterdir()) == before
    assert lungo(*words, "--overwrite").status == 0
    assert Path(kept).read_text() != "mine"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("alex.prototxt", ["nothing to add", "--widen fc7:2048"]),
        ("alex.prototxt --widen fc7", ["received: --widen fc7", "write it as --widen fc7:2048"]),
        ("alex.prototxt --deepen :5", ["received: --deepen :5", "write it as --deepen fc7:2048"]),
        ("alex.prototxt --widen fc7:0", ["--widen must be at least 1", "received: --widen fc7:0"]),
        ("alex.prototxt --widen fc7:-3", ["received: --widen fc7:-3"]),
        ("alex.prototxt --widen nope:4", ["no layer called `nope`", "fc7"]),
        ("alex.prototxt --widen fc8:4", ["alex.prototxt:44:1", "`fc8` is the classifier", "fc7"]),
        ("alex.prototxt --widen relu6:4", ["alex.prototxt:35:1", "no units to widen", "name an InnerProduct"]),
        ("alex.prototxt --deepen loss:4", ["alex.prototxt:54:1", "feeds no classifier", "fc7"]),
        ("alex.prototxt --widen fc6:4", ["alex.prototxt:38:1", "`fc6` feeds `fc7`", "pre-trained"]),
        ("residual.prototxt --widen conv2:4", ["residual.prototxt", "feeds `res2` (Eltwise)"]),
        ("alex.prototxt --widen fc7:4 --filler xaver", ["xaver", "did you mean xavier?"]),
        ("alex.prototxt --widen fc7:4 --scale 0", ["above 0", "scale 0", "--scale 20"]),
        ("alex.prototxt --widen fc7:4 --solver no.prototxt", ["solver not found", "no.prototxt"]),
        ("nowhere.prototxt --widen fc7:4", ["no such file", "nowhere.prototxt"]),
        ("alexnett --widen fc7:4", ["did you mean `alexnet`?"]),
    ],
)
def test_refusals_write_nothing(words: str, told: list[str]) -> None:
    before = sorted(Path().iterdir())
    ran = lungo("grow", *words.split(), "-o", "new/wide.prototxt")
    assert ran.status == 2
    for part in told:
        assert part in ran.err
    assert not ran.out
    assert sorted(Path().iterdir()) == before


def test_names_that_begin_with_a_dash() -> None:
    assert lungo("grow", "alex.prototxt", "--widen", "fc7:2", "-o", "-my_net.prototxt").status == 0
    assert Path("-my_net.prototxt").is_file()
