"""Comments survive every rewrite, and text that a rewrite does not mean stays as it is."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from caffelungo import recipes
from caffelungo.definition import editor
from caffelungo.definition.reader import Definition, parse_net, parse_recipe, read_net, read_solver
from caffelungo.errors import UserError
from caffelungo.passes.base import step
from caffelungo.passes.unfreeze import UnfreezeOptions, unfreeze
from caffelungo.passes.view import View
from caffelungo.rewriting import apply
from tests.passes.nets import ALEX, ANSWER, FIRE, RESIDUAL, THREE_HEADS, comments
from tests.support import needs_shared, shared

RECIPES = {
    "head": "head { classes: 7 }",
    "widen": "step { widen { units: 8 } }",
    "keep": "step { widen { units: 8 keep_head: true } }",
    "deepen": "step { deepen { units: 8 } }",
    "joint": "step { joint { units: 8 } }",
    "recursive": "step { recursive { units: 8 } }",
    "normalize": "step { normalize { } }",
    "read": "step { read { } }",
    "adapters": "step { adapters { rank: 2 } }",
    "side": "step { side { } }",
    "cast": "step { cast { } }",
    "tune": "tune: NEW",
    "rates": "rate_decay: 0.5",
}
"""Rewrites that take no layer out."""


def commented(text: str, seed: int) -> str:
    """``text`` with comments of its own on some lines, between layers, and inside them."""
    rng = random.Random(seed)
    lines = []
    for number, line in enumerate(text.splitlines()):
        if rng.random() < 0.3:
            lines.append(f"{' ' * rng.randrange(6)}# line {seed}.{number}")
        lines.append(f"{line}  # {seed}.{number}" if rng.random() < 0.4 and "#" not in line else line)
        if rng.random() < 0.1:
            lines.append("")
    return "\n".join([*lines, "# the end"]) + "\n"


FILES = [(name, seed) for name in ("ALEX", "ANSWER", "FIRE", "RESIDUAL", "THREE_HEADS") for seed in range(6)]
TEXTS = {"ALEX": ALEX, "ANSWER": ANSWER, "FIRE": FIRE, "RESIDUAL": RESIDUAL, "THREE_HEADS": THREE_HEADS}


def check(before: Definition, name: str) -> bool:
    """Apply one recipe; whether it does not refuse."""
    try:
        after = apply(before, recipes.recipe(parse_recipe(RECIPES[name])).steps).definition
    except UserError as error:
        if any(not problem.remedy for problem in error.problems):
            raise
        return False
    lost = Counter(comments(before.text)) - Counter(comments(after.text))
    if name == "cast":  # a field that convolutions do not have takes its comment along, as do Flatten layers
        lost = Counter()
    assert not lost, name
    unchanged = {layer.SerializeToString() for layer in after.message.layer}
    assert before.document is not None
    for block, layer in zip(layers(before), before.message.layer, strict=True):
        if layer.SerializeToString() in unchanged:
            assert block in after.text, layer.name
    return True


def layers(definition: Definition) -> list[str]:
    """The text of each layer."""
    assert definition.document is not None
    values = definition.document.root.values("layer")
    return [definition.text[entry.values[k].start : entry.values[k].end] for entry, k in values]


@pytest.mark.parametrize(("name", "seed"), FILES)
def test_generated_files(name: str, seed: int) -> None:
    before = parse_net(commented(TEXTS[name], seed))
    assert len(comments(before.text)) > 5
    done = [recipe for recipe in RECIPES if check(before, recipe)]
    assert len(done) >= len(RECIPES) - 2


def test_freezing_and_back_leaves_the_text_as_it_was_but_for_rates() -> None:
    before = parse_net(commented(ALEX, 9))
    frozen = apply(before, recipes.recipe(parse_recipe('freeze: "fc6"')).steps).definition
    after = apply(frozen, [step(unfreeze, UnfreezeOptions(("fc6",)))]).definition
    changed = [line for line in editor.diff(before, after).splitlines()[2:] if line.startswith(("-", "+"))]
    assert all("param" in line or "mult" in line for line in changed if line.strip("-+ }"))


def corpus() -> list[Path]:
    try:
        return sorted(path for path in shared("corpus", "bvlc").rglob("*.prototxt") if "solver" not in path.name)
    except AssertionError:
        return []


@needs_shared
@pytest.mark.parametrize("path", corpus(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_real_files(path: Path) -> None:
    try:
        definition = read_net(path)
        view = View(definition)
    except UserError:
        pytest.skip("a file that does not stand by itself")
    if not view.classifiers or len(definition.message.layer) > 200:
        pytest.skip("no classifier, or a file that takes long")
    for recipe in RECIPES:
        check(definition, recipe)


def solvers() -> list[Path]:
    try:
        return sorted(path for path in shared("corpus", "bvlc").rglob("*solver*.prototxt"))
    except AssertionError:
        return []


@needs_shared
@pytest.mark.parametrize("path", solvers(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_real_solvers(path: Path) -> None:
    changes = 'solver { name: "base_lr" value: "0.0123" } solver { name: "max_iter" value: "77" }'
    try:
        before = read_solver(path)
    except UserError:
        pytest.skip("no solver")
    after = editor.apply(before, recipes.solver_edits(parse_recipe(changes)))
    assert (after.message.base_lr, after.message.max_iter) == (pytest.approx(0.0123), 77)
    assert comments(before.text) == comments(after.text)
