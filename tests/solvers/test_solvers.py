"""The recipe cards of solvers/: each reads, holds no mistake, and says what it is for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from caffelungo import resources
from caffelungo.definition.reader import read_solver
from caffelungo.solve.validate import solver_problems

CARDS = sorted(resources.folder("solvers").glob("*.prototxt.j2"))


def test_every_card_is_in_the_list() -> None:
    listed = re.findall(r"\]\(([\w.]+\.j2)\)", (resources.folder("solvers") / "README.md").read_text("utf-8"))
    assert sorted(listed) == [card.name for card in CARDS]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
@pytest.mark.parametrize("settings", [{}, {"images": 1, "batch_size": 64}, {"images": 50_000, "net": "x.prototxt"}])
def test_a_card_is_a_sound_solver(card: Path, settings: dict[str, object]) -> None:
    solver = read_solver(card, settings)
    assert solver_problems(solver.message, solver.where) == []
    assert solver.message.net == settings.get("net", "train_val.prototxt")
    assert not solver.notes


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_iterations_follow_from_images(card: Path) -> None:
    solver = read_solver(card, {"images": 2001, "batch_size": 100, "passes": 10}).message
    assert solver.test_interval == 21
    assert solver.max_iter == 210
    assert all(0 < step < 210 for step in solver.stepvalue)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_card_opens_with_purpose_command_and_what_to_change(card: Path) -> None:
    header = card.read_text("utf-8").split("{#")[0]
    assert all(line.startswith("#") for line in header.splitlines())
    assert f"lungo train --solver {card.name}" in header
    assert "What to change" in header
