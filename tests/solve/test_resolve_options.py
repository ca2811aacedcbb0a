"""Which solver file is meant."""

from __future__ import annotations

import pytest

from caffelungo import resources
from caffelungo.errors import UserError
from caffelungo.solve.options import TrainOptions
from caffelungo.solve.resolve_options import definition_of, with_flags


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


def test_caffe_refuses_the_rate_policies_that_it_does_not_have(tmp_path):
    path = tmp_path / "solver.prototxt"
    more = "stepsize: 5 gamma: 0.1 power: 1 max_iter: 10 stepvalue: 5"
    for policy in ("triangular", "cosine"):
        path.write_text(f'net: "own.prototxt" base_lr: 0.1 lr_policy: "{policy}" {more}\n')
        options = TrainOptions(solver=str(path), caffe=True)
        with pytest.raises(UserError) as refused:
            with_flags(definition_of(options), options)
        (problem,) = refused.value.problems
        assert f'no lr_policy "{policy}"' in problem.what
        assert problem.where.line == 1
        plain = TrainOptions(solver=str(path))
        with_flags(definition_of(plain), plain)
    for policy in ("fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"):  # sgd_solver.cpp, GetLearningRate
        path.write_text(f'net: "own.prototxt" base_lr: 0.1 lr_policy: "{policy}" {more}\n')
        with_flags(definition_of(options), options)
