"""One runner for all: Python, recipes and the command line give the same bytes, and steps see the net before growth."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.definition.reader import read_net
from caffelungo.errors import UserError
from caffelungo.passes.base import Note, Refusal, Rewrite, Step, run, step
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.head import HeadOptions, head
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.remember import Remembering, RememberOptions
from caffelungo.passes.tune import tune_step
from caffelungo.passes.view import View
from caffelungo.passes.widen import WidenOptions, widen
from tests.lungo import lungo
from tests.passes.nets import ALEX, lines, net


def rates(view: View) -> dict[str, float]:
    return {one.name: one.params[0].lr_mult for one in view.plan.layers if one.params}


@pytest.mark.parametrize("tune", ["new", "top", "top-two", "all"])
def test_python_and_the_command_line_write_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tune: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("alex.prototxt").write_text(ALEX)
    ran = lungo("grow", "alex.prototxt", "--widen", "fc7:20", "--tune", tune, "-o", "grown.prototxt")
    assert ran.status == 0, ran.err
    steps = [step(widen, WidenOptions("fc7", UnitOptions(20))), tune_step(tune.upper().replace("-", "_"))]
    grown = run(read_net("alex.prototxt"), steps)
    assert grown.definition.text == Path("grown.prototxt").read_text()


@pytest.mark.parametrize("first", [["--classes", "5"], []])
def test_remembering_from_python_writes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: list[str]
) -> None:
    """As the weights are needed, the moves are compared by what they say."""
    from caffelungo.rewriting.rewrite import RewriteOptions, rewrite

    monkeypatch.chdir(tmp_path)
    Path("alex.prototxt").write_text(ALEX)
    steps: list[Step] = [step(head, HeadOptions(5))] if first else []
    done = run(read_net("alex.prototxt"), [*steps, Remembering(RememberOptions())])
    told = lungo("rewrite", "alex.prototxt", *first, "--remember", "-o", "out.prototxt")
    assert "this rewrite changes pre-trained weights, so it needs them" in told.err
    assert all(move.what in told.err for move in done.moves[:4])
    with pytest.raises(UserError, match="needs them") as caught:
        rewrite(RewriteOptions("alex.prototxt", "out.prototxt", [*steps, Remembering(RememberOptions())]))
    assert str(caught.value) in told.err


def test_what_is_new_learns_and_what_was_there_does_not() -> None:
    """`tune_step("NEW")` looks at the net before `widen` ran, whoever calls the runner."""
    grown = run(net(ALEX), [step(widen, WidenOptions("fc7", UnitOptions(4))), tune_step("NEW")]).definition
    found = rates(View(grown))
    assert {name: rate for name, rate in found.items() if not rate} == {"conv1": 0, "fc6": 0, "fc7": 0}
    assert found["fc7_new"] == 10


class Asking:
    """A step that notes when it is called, and with which net."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def look(self, view: View) -> None:
        self.calls.append(("look", len(view.net.layer)))

    def first(self, view: View) -> Rewrite:
        self.calls.append(("first", len(view.net.layer)))
        return Rewrite(notes=(Note("first"),))

    def __call__(self, view: View) -> Rewrite:
        self.calls.append(("call", len(view.net.layer)))
        return Rewrite(notes=(Note("call"),))


def test_the_order_in_which_a_step_is_asked() -> None:
    asking = Asking()
    before = len(net(ALEX).message.layer)
    result = run(net(ALEX), [step(widen, WidenOptions("fc7", UnitOptions(4))), asking])
    after = len(result.definition.message.layer)
    assert asking.calls == [("look", before), ("first", before), ("call", after)]
    assert after > before
    notes = [note.what for note in result.notes]
    assert (notes.index("first"), notes.index("call")) == (0, len(notes) - 1)


def test_a_refusal_of_the_first_look_changes_nothing() -> None:
    class Refusing(Asking):
        def look(self, view: View) -> None:
            raise Refusal("not this net")

    refusing = Refusing()
    with pytest.raises(Refusal, match="not this net"):
        run(net(ALEX), [step(freeze, FreezeOptions("conv1")), refusing])
    assert refusing.calls == []


def test_a_net_with_mistakes_is_not_shown_to_anybody() -> None:
    asking = Asking()
    with pytest.raises(UserError):
        run(net(ALEX.replace('bottom: "fc6" top: "fc7"', 'bottom: "fc9" top: "fc7"')), [asking])
    assert asking.calls == []


def test_a_step_may_be_used_again_on_another_net() -> None:
    """What it noted of the first net is not used for the second one."""
    steps = [step(widen, WidenOptions("fc7", UnitOptions(4))), tune_step("NEW")]
    renamed = ALEX.replace('"fc6"', '"hidden6"')
    first, second = run(net(ALEX), steps).definition, run(net(renamed), steps).definition
    assert lines(second) == [line.replace("fc6", "hidden6") for line in lines(first)]
    assert rates(View(second))["hidden6"] == 0
