"""Cells run once, needs first; what fails, dies or is killed leaves nothing half-done and holds up nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from caffelungo import locks
from caffelungo.errors import RunError, UserError
from caffelungo.study.cells import JSON, Cell, CellResult, CellRunner, Standing
from tests.support import REPOSITORY

posix = pytest.mark.skipif(os.name != "posix", reason="about signals")


def kind(name: str, needs: tuple[Cell, ...] = (), title: str = "", **fields: JSON) -> Cell:
    return Cell(f"tests.study.kinds:{name}", fields, needs, title)


def add(title: str, *needs: Cell, value: int = 0, sleep: float = 0) -> Cell:
    return kind("add", needs, title, value=value, sleep=sleep, called=title)


def log(folder: Path) -> list[str]:
    path = folder / "log.txt"
    return path.read_text().split() if path.exists() else []


def whole(folder: Path) -> None:
    """Nothing half-done in ``folder``: cells are whole, and nothing is partial or locked."""
    assert not list((folder / "partial").iterdir())
    for one in (folder / "cells").iterdir():
        assert json.loads((one / "result.json").read_text())["key"] == one.name
        handle = locks.take(folder / "locks" / one.name)
        assert handle is not None
        locks.release(handle)


def gone(process: int) -> bool:
    """Whether ``process`` has ended; a zombie has."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def eventually(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "study"
    if (tmp_path / "study").exists():
        whole(tmp_path / "study")


def test_needs_come_first_and_nothing_runs_twice(study: Path) -> None:
    a = add("a", value=1)
    b, c = add("b", a, value=2), add("c", a, value=3)
    d = add("d", b, c)
    results = CellRunner(study).run([d, c])
    assert {one.fields["called"]: results[one.key].values["sum"] for one in (a, b, c, d)} == {
        "a": 1,
        "b": 3,
        "c": 4,
        "d": 7,
    }
    assert log(study) == ["a", "b", "c", "d"]
    assert len({result.values["process"] for result in results.values()}) == 1, "one worker, kept alive"
    assert (results[d.key].folder / "left.txt").read_text() == "d"
    assert results[d.key].folder == study / "cells" / d.key

    again = CellRunner(study, workers=2).run([d, add("e", d, value=1)])
    assert log(study) == ["a", "b", "c", "d", "e"]
    assert again[d.key] == results[d.key]


def test_what_only_done_cells_need_is_not_run(study: Path) -> None:
    a = add("a", value=1)
    b = add("b", a)
    CellRunner(study).run([b])
    for path in (study / "cells" / a.key).iterdir():
        path.unlink()
    (study / "cells" / a.key).rmdir()
    assert CellRunner(study).run([b])[b.key].values["sum"] == 1
    assert log(study) == ["a", "b"]


def test_workers_work_at_the_same_time(study: Path) -> None:
    cells = [add(name, sleep=0.5) for name in "abcd"]
    results = CellRunner(study, workers=2).run(cells)
    assert sorted(Counter(result.values["process"] for result in results.values()).values()) == [2, 2]
    assert [result.seconds >= 0.5 for result in results.values()] == [True] * 4
    assert all(result.cpu_seconds < 0.4 for result in results.values())


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("", "ZeroDivisionError: no"),
        ("user", "too large\n  received: 9\n  to do: give 8"),
        ("exit", "SystemExit: left early"),
    ],
)
def test_a_failure_is_kept_shown_and_run_again_on_demand_only(study: Path, how: str, error: str) -> None:
    bad = kind("fail", title="bad", how=how)
    after = add("after", bad)
    last = add("last", after)
    seen: list[Standing] = []
    for runner in (CellRunner(study, workers=2, progress=seen.append), CellRunner(study, progress=seen.append)):
        results = runner.run([last, add("fine")])
        assert (results[bad.key].status, results[bad.key].error) == ("failed", error)
        assert results[after.key].error == results[last.key].error == f"because bad failed: {error}"
        assert not results[last.key].done
        assert results[add("fine").key].done
        assert (seen[-1].done, seen[-1].failed, seen[-1].left) == (1, 3, 0)
    assert log(study) == ["fine"]
    output = (study / "cells" / bad.key / "output.txt").read_text()
    assert output.startswith("on the way\nTraceback")

    (study / "mended").touch()
    assert not CellRunner(study).run([last])[last.key].done
    results = CellRunner(study, retry=True).run([last, add("fine")])
    assert results[last.key].values["sum"] == 1
    assert not (study / "cells" / bad.key / "output.txt").exists()
    assert log(study) == ["fine", "after", "last"]


@posix
@pytest.mark.timeout(30)
def test_a_worker_that_dies_is_one_failed_cell(study: Path) -> None:
    cells = [
        kind("die", title="killed", signal=9), kind("die", signal=11), kind("die", signal=0), kind("orphan"),
        add("fine"),
    ]  # fmt: skip
    found = CellRunner(study).run(cells)
    assert [found[cell.key].error for cell in cells] == [
        "the process that ran it was killed by SIGKILL; the system does this when memory runs out",
        "the process that ran it was killed by SIGSEGV",
        "the process that ran it ended with status 7",
        "the process that ran it ended with status 7",
        None,
    ]
    assert "Segmentation fault" in (found[cells[1].key].folder / "output.txt").read_text()


def test_values_that_cannot_be_kept_fail(study: Path) -> None:
    cells = [kind("bad"), kind("nothing"), kind("no_such_function")]
    found = [CellRunner(study).run([cell])[cell.key].error or "" for cell in cells]
    assert "the value 'loss' cannot be stored" in found[0]
    assert "returned NoneType, not a dict" in found[1]
    assert "no_such_function" in found[2]


def test_what_a_cell_prints_and_reads_stays_away_from_the_runner(study: Path, capfd: pytest.CaptureFixture) -> None:
    noisy = kind("noisy")
    result = CellRunner(study).run([noisy])[noisy.key]
    assert result.values == {"input": "", "left": ["output.txt"]}
    assert (result.folder / "output.txt").read_text() == "from python\nfrom a child\n"
    assert capfd.readouterr() == ("", "")


def test_threads_and_numbers(study: Path) -> None:
    cell = kind("numbers")
    found = CellRunner(study, threads=3).run([cell])[cell.key]
    assert found.values == {"scalar": 0.5, "array": [0, 1, 2], "threads": "3"}
    record = json.loads((found.folder / "result.json").read_text())
    assert (record["kind"], record["version"], record["fields"]) == (cell.kind, 3, {})
    assert set(record["versions"]) == {"caffelungo", "python", "numpy"}


def test_torch_takes_the_threads_it_is_given(study: Path) -> None:
    cell = kind("torch")
    found = CellRunner(study, threads=1).run([cell])[cell.key]
    assert found.values == {"threads": 1}
    assert "torch" in json.loads((found.folder / "result.json").read_text())["versions"]


def test_names_that_are_no_unicode_come_back(study: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    cell = kind("say", title=name, steps=0, file=name)
    first = CellRunner(study).run([cell])[cell.key]
    assert first.done
    assert CellRunner(study).run([cell])[cell.key] == first


def test_files_in_the_working_folder_are_not_taken_for_modules(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("raise ImportError('a file of the user')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(REPOSITORY), *(path for path in sys.path if path)])
    assert CellRunner(study).run([add("a")])[add("a").key].done


def test_what_another_runner_works_on_is_waited_for(study: Path) -> None:
    cell = add("a")
    for name in ("cells", "partial", "locks"):
        (study / name).mkdir(parents=True)
    handle = locks.take(study / "locks" / cell.key)
    assert handle is not None
    waited: list[Standing] = []

    def see(standing: Standing) -> None:
        if standing.elsewhere and not waited:
            waited.append(standing)
            locks.release(handle)

    assert CellRunner(study, progress=see).run([cell])[cell.key].done
    assert (waited[0].left, waited[0].running, waited[0].elsewhere) == (1, (), 1)


def test_inputs(study: Path) -> None:
    runner = CellRunner(study)
    cell = kind("read", file=runner.inputs.add("some text", ".txt"))
    assert runner.run([cell])[cell.key].values == {"text": "some text"}


def test_progress_says_what_runs_and_how_long_the_rest_takes(study: Path) -> None:
    seen: list[Standing] = []
    cells = [kind("say", title=f"say {seed}", steps=4, seed=seed) for seed in range(2)]
    CellRunner(study, progress=seen.append).run(cells)
    assert (seen[0].done, seen[0].left, seen[0].running, seen[0].seconds_left) == (0, 2, (), None)
    assert seen[0].ended is None
    assert [each.ended[0].title for each in seen if each.ended] == ["say 0", "say 1"]
    halves = {
        each.running[0].cell.title: each for each in reversed(seen) if each.running and each.running[0].share == 0.5
    }
    first, second = halves["say 0"], halves["say 1"]
    assert first.running[0].text == second.running[0].text == "step 2"
    assert first.seconds_left is not None
    assert 0.9 < first.seconds_left < 4, "half of this one, at its own pace, and all of the next"
    assert second.seconds_left is not None
    assert 0.25 < second.seconds_left < 1
    assert (seen[-1].done, seen[-1].left, seen[-1].seconds_left) == (2, 0, 0)


def test_no_worker_can_start(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RunError, match="no worker could be started"):
        CellRunner(study).run([add("a")])
    assert not list((study / "cells").iterdir())


def test_wrong_numbers_of_workers_and_threads(tmp_path: Path) -> None:
    for wrong in ({"workers": 0}, {"threads": 0}, {"workers": -1}):
        with pytest.raises(UserError, match="at least one"):
            CellRunner(tmp_path, **wrong)


def test_nothing_to_do(study: Path) -> None:
    assert CellRunner(study).run([]) == {}


def test_a_broken_progress_stops_the_workers(study: Path, tmp_path: Path) -> None:
    tell = tmp_path / "told"

    def broken(standing: Standing) -> None:
        if tell.exists():
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        CellRunner(study, progress=broken).run([kind("stay", tell=str(tell))])
    eventually(lambda: all(gone(int(process)) for process in tell.read_text().split()))


SCRIPT = """
import json, sys
from pathlib import Path
from caffelungo.study.cells import CellRunner
from tests.study.cells import test_runner
try:
    cells = getattr(test_runner, sys.argv[2])(*sys.argv[3:])
    results = CellRunner(sys.argv[1], workers=2).run(cells)
except KeyboardInterrupt:
    sys.exit(130)
print(json.dumps([results[cell.key].values for cell in cells]))
"""


def elsewhere(study: Path, cells: str, *arguments: object) -> subprocess.Popen[str]:
    """A runner in a process of its own, on the cells that the function ``cells`` of this file makes."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(study), cells, *map(str, arguments)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def long(tell: str) -> list[Cell]:
    return [add("before"), kind("stay", (), "stay", tell=tell), add("after")]


def many(sleep: str = "0.05") -> list[Cell]:
    base = add("base", value=1)
    middle = [add(f"m{number}", base, value=number, sleep=float(sleep)) for number in range(12)]
    return [*middle, add("sum", *middle)]


def sums(results: list[dict[str, JSON]]) -> list[int]:
    return [values["sum"] for values in results]


@posix
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_runner_that_is_ended_leaves_nothing_half_done(study: Path, tmp_path: Path, ending: signal.Signals) -> None:
    tell = tmp_path / "told"
    runner = elsewhere(study, "long", tell)
    eventually(lambda: tell.exists() and len(tell.read_text().split()) == 2)
    eventually(lambda: len(list((study / "cells").glob("*"))) == 2)
    runner.send_signal(ending)
    runner.communicate(timeout=20)
    assert runner.returncode == (130 if ending == signal.SIGINT else -ending)
    eventually(lambda: all(gone(int(process)) for process in tell.read_text().split()))
    stay = long(str(tell))[1]
    assert not (study / "cells" / stay.key).exists()
    if ending == signal.SIGINT:
        whole(study)
    else:
        assert len(list((study / "partial").glob(f"{stay.key}.*/half.txt"))) == 1

    before, _, after = long(str(tell))
    results = CellRunner(study).run([before, after])
    assert all(result.done for result in results.values())
    assert sorted(log(study)) == ["after", "before"]


@posix
def test_killed_again_and_again_it_still_comes_to_the_same_end(study: Path) -> None:
    chance = random.Random(7)
    kills = 4
    for _ in range(kills):
        runner = elsewhere(study, "many")
        time.sleep(chance.uniform(0.1, 0.7))
        runner.kill()
        runner.communicate()
        if (study / "cells").exists():
            assert all((one / "result.json").exists() for one in (study / "cells").iterdir())
    cells = many()
    results = CellRunner(study, workers=2).run(cells)
    assert sums([results[cell.key].values for cell in cells]) == [*range(1, 13), sum(range(1, 13))]
    ran = Counter(log(study))
    assert sum(ran.values()) <= len(ran) + 2 * kills, "only what was cut off ran again"


def meeting() -> list[Cell]:
    parties = [kind("meet", title=f"meet{number}", value=number, parties=3) for number in range(3)]
    return [*parties, *many("0.02"), add("end", *parties)]


def test_two_runners_share_a_folder(study: Path) -> None:
    """Three cells wait for each other, and each runner has two workers: both must take part."""
    both = [elsewhere(study, "meeting") for _ in range(2)]
    answers = [json.loads(one.communicate(timeout=60)[0]) for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert answers[0] == answers[1]
    assert sums(answers[0]) == [0, 1, 2, *range(1, 13), sum(range(1, 13)), 3]
    assert set(Counter(log(study)).values()) == {1}
    assert len(log(study)) == 18


def test_a_lock_is_held_once_and_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = locks.take(path)
    assert first is not None
    assert locks.take(path) is None
    locks.release(first)
    code = f"from caffelungo import locks; import os; assert locks.take({str(path)!r}); os._exit(0)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    second = locks.take(path)
    assert second is not None
    locks.release(second)


def test_a_retry_takes_what_another_runner_has_retried(study: Path) -> None:
    """Both want the failed cell again; the one that comes second finds a newer result and does not run it."""
    bad = kind("fail", title="bad")
    CellRunner(study).run([bad])
    (study / "mended").touch()

    def meanwhile(standing: Standing) -> None:
        if not done:
            done.append(CellRunner(study, retry=True).run([bad])[bad.key])

    done: list[CellResult] = []
    results = CellRunner(study, retry=True, progress=meanwhile).run([bad])
    assert results[bad.key] == done[0]
    assert results[bad.key].done
