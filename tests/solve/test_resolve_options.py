"""Which solver file is meant."""

from __future__ import annotations

import pytest

from caffelungo import resources
from caffelungo.errors import UserError
from caffelungo.solve.options import TrainOptions
from caffelungo.solve.resolve_options import definition_of


@pytest.mark.parametrize("name", sorted(path.name for path in resources.folder("solvers").glob("*.prototxt.j2")))
def test_a_card_goes_by_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = definition_of(TrainOptions(solver=name, variables={"net": "mine.prototxt"}))
    assert made.message.net == "mine.prototxt"
    # A file of one's own goes before it.
    (tmp_path / name).write_text('net: "own.prototxt" base_lr: 0.1 lr_policy: "fixed"\n')
    assert definition_of(TrainOptions(solver=name)).message.net == "own.prototxt"


@pytest.mark.parametrize("name", ["grown", "nowhere/grown.prototxt.j2", "README.md.j2"])
def test_other_names_are_files(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="solver not found"):
        definition_of(TrainOptions(solver=name))
