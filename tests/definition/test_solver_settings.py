"""Fields of a solver from the command line: every kind of field, and every kind of mistake."""

from __future__ import annotations

import pytest

from caffelungo.definition import solver_settings
from caffelungo.definition.reader import parse_solver
from caffelungo.errors import UserError

SOLVER = 'net: "net.prototxt"\nbase_lr: 0.1\nlr_policy: "fixed"\nstepvalue: 5\nlungo { keep_last: 1 keep_best: true }\n'


@pytest.mark.parametrize(
    ("given", "path", "wanted"),
    [("base_lr=0.5", ("base_lr",), 0.5), ("max_iter=100", ("max_iter",), 100), ("type=Adam", ("type",), "Adam"),
     ('type="Adam"', ("type",), "Adam"), ("debug_info=true", ("debug_info",), True),
     ("snapshot_format=HDF5", ("snapshot_format",), 0), ("solver_mode=CPU", ("solver_mode",), 0),
     ("stepvalue=10, 20", ("stepvalue",), [10, 20]), ("weights=a.caffemodel,b.caffemodel", ("weights",),
                                                     ["a.caffemodel", "b.caffemodel"]),
     ("lungo.keep_last=3", ("lungo", "keep_last"), 3), ("lungo.delta.weight=0.5", ("lungo", "delta", "weight"), 0.5),
     ("snapshot_prefix=out/a=b c", ("snapshot_prefix",), "out/a=b c"), ("lungo.keep_best=false",
                                                                      ("lungo", "keep_best"), False)],
)  # fmt: skip
def test_a_field_is_what_a_file_would_say(given, path, wanted):
    solver = parse_solver(SOLVER)
    made = solver_settings.with_settings(solver, [given])
    value = made.message
    for part in path:
        value = getattr(value, part)
    assert (list(value) if isinstance(wanted, list) else value) == wanted
    assert solver.message == parse_solver(SOLVER).message
    assert str(made.where(*path)) == f"--set-solver {given}"
    assert made.where("net").line == 1


@pytest.mark.parametrize(
    ("given", "remedy"),
    [("bse_lr=1", "did you mean base_lr?"), ("keep_last=3", "did you mean lungo.keep_last?"),
     ("lungo.kep_last=1", "did you mean lungo.keep_last?"), ("base_lr=abc", "decimal number"),
     ("max_iter=1.5", "an integer"), ("snapshot_format=HDF", "did you mean HDF5?"), ("debug_info=maybe", "true or"),
     ("lungo=3", "name one of them: lungo.warmup_iter"), ("lr_policy.x=3", "name lr_policy alone"),
     ("max_iter", "write --set-solver base_lr"), ("=3", "write --set-solver base_lr"),
     ("base_lr=0.1 max_iter: 5", "one value"), ("stepvalue=1,x", "digits"), ("max_iter=1 } net {", ""),
     ("zzzzzz=1", "name a field of the solver")],
)  # fmt: skip
def test_a_mistake_names_the_flag_and_the_remedy(given, remedy):
    with pytest.raises(UserError) as caught:
        solver_settings.with_settings(parse_solver(SOLVER), [given, "momentum=x"])
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0].received == f"--set-solver {given}"
    assert remedy in caught.value.problems[0].remedy


@pytest.mark.parametrize("text", ['a "b" c', 'Adam" max_iter: 5 type: "SGD', "c:\\models\\net", "it's", "a b"])
def test_names_with_quotes_and_backslashes_are_taken_as_they_are(text: str) -> None:
    assert solver_settings.value(("net",), text) == text


@pytest.mark.parametrize("text", ["[3, 4]", "3,4", "3, 4", "[3,4]"])
def test_a_list_with_or_without_its_brackets(text: str) -> None:
    assert solver_settings.value(("stepvalue",), text) == [3, 4]
