"""A comparison as page, tables, CSV and JSON, and on a terminal of 80 columns."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from caffelungo.report import loss_panels
from caffelungo.study import reporting
from caffelungo.study.arms import ARMS, SETS, Configuration
from caffelungo.study.compare import Comparison
from caffelungo.study.comparison_task import Task
from caffelungo.study.search import ArmCandidate
from caffelungo.study.study_console import print_plan, print_tables
from tests.study.compared import LISTS, PICTURES, TASK, comparison, done, pictures, probe, right, row

COMMAND = ["lungo", "compare", "--data", "my photos", "-o", "out"]


def whole() -> Comparison:
    return comparison(
        probe("conv1", 3, 3), row("finetune", "NEW", 2, 2), row("wider", "NEW", 9, 9, units=256, edge=True),
        row("joint", "NEW", units=256, failure="net.prototxt:3: iteration 4:\n the loss | is not finite"),
        row("finetune", "ALL", 5, 5, seconds=12), row("wider", "ALL", 5, 5, units=256),
        row("finetune", "ALL", 6, 6, after="finetune", recalled=right(2, 2)),
        row("wider-remember", "ALL", 6, 6, units=256, after="finetune", recalled=right(6, 6)),
        between=[row("finetune", "ALL", 8, 8)],
    )  # fmt: skip


def test_tables() -> None:
    made = {table.title: table for table in reporting.tables(whole())}
    assert list(made) == [
        "Only a linear classifier on the frozen net learns", "Only new layers learn", "Everything learns",
        "What reproduced", "What is left of the intermediate task",
    ]  # fmt: skip
    new = made["Only new layers learn"]
    assert new.lines[0][0] == "FT: fine-tuned as it is"
    assert new.lines[1][1:5] == ["90.0 [70.0, 100.0]", "+60.0 [+30.0, +90.0]", "+70.0 [+40.0, +100.0]", "0.01*"]
    assert new.lines[2][1].startswith("failed: net.prototxt:3")
    assert new.tones == {(1, 2): "good", (1, 3): "good", (2, 1): "bad"}
    first = made["Only a linear classifier on the frozen net learns"]
    assert first.lines == [["linear classifier on conv1", "30.0 [0.0, 60.0]", "", "", "", "22", "1.0"]]
    assert "The bar is" in first.text
    assert "*" in first.text
    claims = made["What reproduced"]
    assert claims.lines[0] == [
        "new units beside the top layer beat fine-tuning", "only new layers learn", "+70.0 [+40.0, +100.0]", "0.001",
        "+3.2 (table 1)", "reproduced",
    ]  # fmt: skip
    assert claims.tones[0, 5] == "good"
    (bar,) = [line for line in claims.lines if line[:2] == ["width beats the bar", "only new layers learn"]]
    assert (bar[2], bar[4:]) == ("+60.0 [+30.0, +90.0]", ["not measured", "yes"])
    assert float(bar[3]) < 0.05
    assert [
        "new units add to as much training",
        "only new layers learn",
        "",
        "",
        "not measured",
        "not run",
    ] in claims.lines
    recalled = made["What is left of the intermediate task"]
    assert [line[3][:5] for line in recalled.lines] == ["-60.0", "-20.0"]
    assert (recalled.tones[0, 3], recalled.tones[1, 4]) == ("bad", "good")


def test_files(tmp_path: Path) -> None:
    written = reporting.write(whole(), tmp_path, COMMAND)
    assert [path.name for path in written] == [
        "index.html", "tables.md", "intervals.png", "results.csv", "rates.csv", "summary.json",
    ]  # fmt: skip
    assert all(path.stat().st_size for path in written)
    text = (tmp_path / "tables.md").read_text()
    assert text.startswith("tiny on photos/train: 2 classes, 8 training pictures, 4 for choosing rates, 10 for")
    assert "lungo compare --data 'my photos' -o out" in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (6, 7, 8), line
    assert "iteration 4: the loss \\| is not finite" in text
    assert "- look" in text
    page = (tmp_path / "index.html").read_text()
    assert "What to use" in page
    assert "the loss | is not finite" in page
    with (tmp_path / "results.csv").open() as file:
        results = list(csv.DictReader(file))
    assert [(line["arm"], line["tune"], line["accuracy"], line["over_bar"], line["gain"]) for line in results[:4]] == [
        ("probe", "probe", "30.0", "", ""), ("finetune", "new", "20.0", "-10.0", ""),
        ("wider", "new", "90.0", "60.0", "70.0"), ("joint", "new", "", "", ""),
    ]  # fmt: skip
    assert [line["bar"] for line in results[:2]] == ["True", "False"]
    assert results[-1]["after"] == "finetune"
    with (tmp_path / "rates.csv").open() as file:
        rates = list(csv.DictReader(file))
    assert [line["validation"] for line in rates[:2]] == ["50.0", "40.0"]
    assert [line["chosen"] for line in rates[:2]] == ["True", "False"]
    failed = next(line for line in rates if line["failed"] == "1")
    assert (failed["validation"], failed["loss"]) == ("", "")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["failed"] == 1
    assert summary["claims"][0]["difference"] == 70
    assert [one["change"] for one in summary["recalls"]] == [-60, -20]


def test_nothing_could_be_trained(tmp_path: Path) -> None:
    made = comparison(row("finetune", "NEW", failure="cannot be built: no classifier"))
    reporting.write(made, tmp_path, COMMAND)
    assert "Nothing could be trained." in (tmp_path / "index.html").read_text()
    assert "cannot be built: no classifier" in (tmp_path / "tables.md").read_text()


def test_without_a_bar_the_reference_of_the_picture_is_fine_tuning() -> None:
    failed = comparison(row("finetune", "NEW", failure="no"), row("wider", "NEW", 9))
    assert [one.reference for one in reporting._drawn(failed)] == [False, False]
    plain = comparison(row("finetune", "ALL", 5, 5), row("wider", "ALL", 5, 5))
    assert [one.reference for one in reporting._drawn(plain)] == [True, False]


def test_the_bar_is_the_reference_where_there_is_one() -> None:
    drawn = reporting._drawn(whole())
    assert [one.reference for one in drawn] == [True, *[False] * (len(drawn) - 1)]
    assert drawn[2].difference is not None
    assert drawn[2].difference.mean == pytest.approx(60)


def test_how_pictures_were_divided_is_said() -> None:
    made = comparison(row("finetune", "NEW", 2, 2))
    assert "10 for testing, the first two drawn anew for each seed; 7 iter" in reporting.setting(made)
    made.task = Task([pictures(9), pictures(10)], [LISTS] * 2)
    assert "9 for testing, drawn anew for each seed; 7 iter" in reporting.setting(made)
    assert "testing; 7 iter" in reporting.setting(comparison(row("finetune", "NEW", 2), seeds=1))


def test_training_losses_are_means_over_seeds() -> None:
    one, other = row("finetune", "NEW", 2, 2), row("wider", "NEW", failure="no")
    one.results = [done("a", {"loss_curve": [[4, 2.0], [9, 1.0]]}), done("b", {"loss_curve": [[4, 4.0], [9, 2.0]]})]
    (run,) = reporting._runs(comparison(one, other))
    assert (run.title, run.group, run.points) == ("finetune", "only new layers learn", [(50, 3.0), (100, 1.5)])
    figure = loss_panels.figure([run, loss_panels.Run("wider", "everything learns", run.points)])
    assert [axis.get_title() for axis in figure.axes] == ["only new layers learn", "everything learns"]
    assert list(figure.axes[0].lines[0].get_ydata()) == [3.0, 1.5]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["finetune", "wider"]
    assert not loss_panels.figure([]).legends


def test_names_of_data() -> None:
    assert reporting.subject(comparison(data="a/animals", model="squeezenet1.1")) == "squeezenet1.1 on animals"
    assert reporting.subject(comparison(data="a/animals/train/", model="n.prototxt.j2")) == "n on animals/train"
    assert reporting.subject(comparison(via="b/test")) == "tiny on photos/train after b/test"


def test_iterations_by_depth() -> None:
    new, every, longer = row("finetune", "NEW", 1), row("finetune", "ALL", 1), row("longer", "ALL", 1)
    longer.iterations = 70
    assert "; 7 iterations of 16" in reporting.setting(comparison(new, every, longer))
    new.iterations = 600
    assert "; 600 (new) and 7 (all) iterations of 16" in reporting.setting(comparison(new, every, longer))


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.usefixtures("narrow")
def test_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    arms = [row(name, "ALL", 5, 5, units=256 if arm.grows else 0, edge=True) for name, arm in ARMS.items()]
    arms += [row("wider-remember", "ALL", 5, 5, units=256, after="finetune", recalled=right(5, 5))]
    arms += [row(name, "ALL", 5, 5, units=256, after="wider") for name in ("wider", "finetune")]
    arms += [row("wider", "ALL", 5, 5, units=256, after="finetune"), row("joint", "TOP", failure="far too wide " * 9)]
    arms += [probe("inception_3a/output", 5, 5)]
    made = comparison(*arms, between=[row("finetune", "ALL", 8, 8)])
    print_tables(reporting.brief(made), reporting.words(made))
    lines = capsys.readouterr().out.splitlines()
    tables = [line for line in lines if "far too wide" not in line]
    assert max(len(line) for line in tables) <= 80
    text = "\n".join(" ".join(line.split()) for line in lines)
    assert "wider 256 50.0 +0.0 [+0.0, +0.0] 0.01* 2.0" in text
    assert "wider > finetune all +0.0 [+0.0, +0.0] +3.0 not distinguishable" in text
    assert "wider > normalized all +0.0 [+0.0, +0.0] - not distinguishable" in text
    assert "joint: far too wide" in text
    assert "Highest accuracy on the validation pictures" in text


def test_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    good = ArmCandidate(Configuration(ARMS["finetune"], "NEW"), TASK, iterations=150)
    long = ArmCandidate(Configuration(ARMS["longer"], "NEW"), TASK, iterations=300)
    bad = ArmCandidate(Configuration(ARMS["wide"], "NEW", 8), TASK, refusal="cannot be built: `conv` has groups")
    print_plan(PICTURES, [good, long, bad], 3, 2)
    assert capsys.readouterr().out.splitlines() == [
        "2 classes: 8 training pictures, 4 for choosing rates, 10 for testing",
        "notice: look",
        "wide 8, new: cannot be built: `conv` has groups",
        "2 nets x 3 rates x 2 seeds: 12 trainings of 150 to 300 iterations",
    ]
    print_plan(PICTURES, [good], 1, 1, PICTURES)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("the intermediate task: 2 classes")
    assert lines[-1] == "1 net x 1 rate x 1 seed: 1 training of 150 iterations; plus those of the intermediate task"


def test_sets_are_short_of_nothing() -> None:
    assert set(ARMS) - {name for names in SETS.values() for name in names} == {"remember", "wider-remember"}
