"""Comments survive every rewrite, and text that a rewrite does not mean stays as it is."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from caffelungo.definition import editor
from caffelungo.definition.reader import Definition, parse_net, parse_recipe, read_net, read_solver
from caffelungo.errors import UserError
from caffelungo.passes.base import run, step
from caffelungo.passes.unfreeze import UnfreezeOptions, unfreeze
from caffelungo.passes.view import View
from caffelungo.rewriting import recipe_solver, recipes
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
    "freeze": 'freeze: "*1*"',
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
        after = run(before, recipes.recipe(parse_recipe(RECIPES[name])).steps).definition
    except UserError as error:
        if any(not problem.remedy for problem in error.problems):
            raise
        return False
    lost = Counter(comments(before.text)) - Counter(comments(after.text))
    if name == "cast":  # Flatten layers, and fields that convolutions do not have, take their comments along
        gone = [line for line in before.text.splitlines() if re.search(r"\b(axis|transpose)\s*:|Flatten", line)]
        lost -= Counter(comments("\n".join(gone)))
    assert not lost, name
    hold_the_rest(before, after, name)
    return True


def hold_the_rest(before: Definition, after: Definition, name: str) -> None:
    """Outside the layers that a rewrite changes or adds nothing changes, save that new layers bring comments; and no
    line inside them goes that says only what is still said."""
    old, new = rest(before, after), rest(after, before)
    at = 0
    for line in new:
        if at < len(old) and line == old[at]:
            at += 1
        else:
            assert line.startswith("#"), f"{name}: {line}"
    assert at == len(old), f"{name}: {old[at]}"
    theirs = changed(after, before)
    names = [layer.name for layer in only(after, before).values()]
    for block, layer in zip(changed(before, after), only(before, after).values(), strict=True):
        same = [text for text, other in zip(theirs, names, strict=True) if other == layer.name]
        pair = max(same or theirs, key=lambda other: (Counter(said(block)) & Counter(said(other))).total())
        still, kept, seen = lines_of(pair), set(numbered(said(pair))), 0
        for line in lines_of(block):
            mine = numbered(said(block))[seen : seen + len(said(line))]
            seen += len(mine)
            if line not in still and mine:
                gained = any(set(said(line)) < set(said(other)) for other in still)
                assert gained or not kept.issuperset(mine), f"{name}: {line}\n{pair}"


def numbered(fields: list[str]) -> list[tuple[str, int]]:
    """Each field with how often its name stood before it: the second `lr_mult` is another than the first."""
    before: Counter[str] = Counter()
    found = []
    for field in fields:
        name = field.partition(":")[0].strip()
        found.append((field, before[name]))
        before[name] += 1
    return found


def said(text: str) -> list[str]:
    """The fields of ``text`` with their values."""
    return [
        one
        for line in text.splitlines()
        for one in re.findall(r'[\w.]+\s*:\s*(?:"[^"]*"|[^\s{}#]+)', line.partition("#")[0])
    ]


def lines_of(block: str) -> list[str]:
    return [line.strip() for line in block.splitlines()]


def only(definition: Definition, other: Definition) -> dict[int, Any]:
    """The layers that ``other`` has not, by position."""
    theirs = Counter(layer.SerializeToString() for layer in other.message.layer)
    found = {}
    for index, layer in enumerate(definition.message.layer):
        text = layer.SerializeToString()
        theirs[text] -= 1
        if theirs[text] < 0:
            found[index] = layer
    return found


def spans(definition: Definition, other: Definition) -> list[tuple[int, int]]:
    """Where the layers stand, from their keyword to their brace, that ``other`` has not."""
    assert definition.document is not None
    entries = list(definition.document.root.values("layer"))
    return [(entries[k][0].start, entries[k][0].values[entries[k][1]].end) for k in only(definition, other)]


def rest(definition: Definition, other: Definition) -> list[str]:
    """The lines of ``definition`` without the layers that ``other`` has not."""
    text = definition.text
    for start, end in reversed(spans(definition, other)):
        text = text[:start] + text[end:]
    return [line.strip() for line in text.splitlines() if line.strip()]


def changed(definition: Definition, other: Definition) -> list[str]:
    """The texts of the layers that ``other`` has not."""
    return [definition.text[start:end] for start, end in spans(definition, other)]


@pytest.mark.parametrize(("name", "seed"), FILES)
def test_generated_files(name: str, seed: int) -> None:
    before = parse_net(commented(TEXTS[name], seed))
    assert len(comments(before.text)) > 5
    done = [recipe for recipe in RECIPES if check(before, recipe)]
    assert len(done) >= len(RECIPES) - 2


def test_freezing_and_back_leaves_the_text_as_it_was_but_for_rates() -> None:
    before = parse_net(commented(ALEX, 9))
    frozen = run(before, recipes.recipe(parse_recipe('freeze: "fc6"')).steps).definition
    after = run(frozen, [step(unfreeze, UnfreezeOptions(("fc6",)))]).definition
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
    if not view.classifiers:
        pytest.skip("no classifier")
    if len(definition.message.layer) > 60 and not comments(definition.text):
        pytest.skip("no comment in a file that takes long")
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
    after = editor.apply(before, recipe_solver.solver_edits(parse_recipe(changes)))
    assert (after.message.base_lr, after.message.max_iter) == (pytest.approx(0.0123), 77)
    assert comments(before.text) == comments(after.text)
