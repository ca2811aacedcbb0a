"""The recipe cards of solvers/: each reads, holds no mistake, and says what it is for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from caffelungo import resources
from caffelungo.check.files import check_files
from caffelungo.definition.reader import read_solver
from caffelungo.definition.template import meant_for
from caffelungo.errors import UserError
from caffelungo.solve import nets
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


NET = """name: "n"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: {{ width }} } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 2 } }
"""


def test_solver_and_net_each_take_their_variables(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt.j2").write_text(NET)
    card = resources.folder("solvers") / "finetune.prototxt.j2"
    given = {"net": str(tmp_path / "net.prototxt.j2"), "images": 320, "width": 7}
    solver = read_solver(card, meant_for(card, given))
    assert solver.message.test_interval == 10
    assert nets.train_net(solver, given).message.layer[0].input_param.shape[0].dim == [1, 7]


def test_a_variable_that_neither_reads_is_refused(tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt.j2"
    net.write_text(NET)
    card = resources.folder("solvers") / "finetune.prototxt.j2"
    given = {"net": str(net), "image": 320, "width": 7}
    with pytest.raises(UserError, match="no variable `image`"):
        nets.train_net(read_solver(card, meant_for(card, given)), given)
    net.write_text(NET.replace("{{ width }}", "3"))
    with pytest.raises(UserError, match="no variable `image`"):
        nets.train_net(read_solver(card, meant_for(card, given)), given)


def test_check_shares_variables_too(tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt.j2"
    net.write_text(NET)
    card = resources.folder("solvers") / "finetune.prototxt.j2"
    found = [str(problem) for problem in check_files([card], {"net": str(net), "images": 320, "width": 7})]
    assert not [text for text in found if "no variable" in text]
    found = [str(problem) for problem in check_files([card], {"net": str(net), "images": 320, "wdth": 7})]
    assert [text for text in found if "no variable `wdth`" in text]
