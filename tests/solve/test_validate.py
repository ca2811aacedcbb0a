"""Mistakes in a solver file: all at once, each with line, received value and remedy."""

from __future__ import annotations

import pytest

from caffelungo.definition.partial import UnreadableError
from caffelungo.definition.reader import parse_solver
from caffelungo.errors import UserError
from caffelungo.solve.read_solver import problems_of
from caffelungo.solve.validate import count_test_nets as count_nets
from caffelungo.solve.validate import solver_problems

GOOD = 'net: "n"\nbase_lr: 0.1\nlr_policy: "fixed"\nmax_iter: 5\n'


def problems(text: str):
    definition = parse_solver(text, "s.prototxt")
    return solver_problems(definition.message, definition.where)


@pytest.mark.parametrize(
    ("change", "what", "line", "received", "mended"),
    [
        (('lr_policy: "fixed"', 'lr_policy: "fixd"'), "unknown learning rate policy", 3, "fixd", 'lr_policy: "fixed"'),
        (('lr_policy: "fixed"', 'lr_policy: "step"'), "stepsize > 0", 3, "no stepsize", None),
        (('"fixed"\nmax_iter: 5', '"poly"'), "max_iter > 0", 3, "no max_iter", None),
        (("base_lr: 0.1\n", ""), "needs base_lr", 2, "no base_lr", None),
        (("max_iter: 5", 'test_net: "m"'), "test_interval > 0", 4, "0", None),
        (('lr_policy: "fixed"', 'lr_policy: "exp" gamma: -1'), "gamma >= 0", 3, "-1", None),
        (
            ('lr_policy: "fixed"', 'lr_policy: "multistep" stepvalue: 5 stepvalue: 2'),
            "stepvalue must increase", 3, "5, 2", None,
        ),
        (("max_iter: 5", 'type: "Adm"'), "unknown solver type", 4, "Adm", None),
        (("max_iter: 5", 'type: "AdaGrad" momentum: 0.9'), "momentum cannot be used", 4, "0.9", None),
        (("max_iter: 5", 'type: "RMSProp" momentum: 0.9'), "momentum cannot be used", 4, "0.9", None),
        (("max_iter: 5", 'type: "RMSProp" rms_decay: 1.5'), "rms_decay", 4, "1.5", None),
        (("max_iter: 5", "average_loss: 0"), "average_loss must be at least 1", 4, "0", None),
        (("max_iter: 5", "iter_size: -2"), "iter_size must be at least 1", 4, "-2", None),
        (("max_iter: 5", 'weight_decay: 1 regularization_type: "L3"'), "unknown regularization", 4, "L3", None),
        (("max_iter: 5", 'train_net: "m"'), "exactly one field", 4, "net and train_net", None),
        (('net: "n"', ""), "exactly one field", None, "none", None),
        (("max_iter: 5", "test_iter: 3"), "test_interval > 0", 4, "0", None),
        (("max_iter: 5", "test_interval: 3 test_iter: -1"), "test_iter must be at least 0", 4, "-1", None),
        (("max_iter: 5", "lungo { keep_best: true }"), "keep_best judges a run by its tests", 4, "true", None),
        (
            ("max_iter: 5", "test_interval: 3 test_iter: 0 lungo { early_stop: 2 }"),
            "early_stop judges a run by its tests", 4, "2", None,
        ),
        (
            ("max_iter: 5", 'test_interval: 3 test_net: "a" test_net: "b" test_iter: 1'),
            "once for each test net", 4, "1 test_iter for 2", None,
        ),
    ],
)  # fmt: skip
def test_one_mistake(change, what, line, received, mended):
    found = problems(GOOD.replace(*change))
    assert len(found) == 1
    problem = found[0]
    assert what in problem.what
    assert received in problem.received
    assert problem.remedy
    if line:
        assert problem.where.line == line
    if mended:
        assert not problems(GOOD.replace(change[0], mended))


LACKING = ['lr_policy: "step"', 'lr_policy: "poly"', 'test_net: "m"', "test_iter: 1", "lungo { keep_best: true }"]


@pytest.mark.parametrize("field", [*LACKING, ""])
def test_nothing_is_said_to_lack_where_a_field_cannot_be_read(field: str):
    """It may be the very field that is misspelt."""
    policy = "" if "lr_policy" in field else 'lr_policy: "fixed"\n'
    text = f'net: "n"\n{policy}{field}\n' if field else "display: 5\n"
    definition = parse_solver(text, "s.prototxt")
    assert solver_problems(definition.message, definition.where)
    assert solver_problems(definition.message, definition.where, whole=False) == []
    with pytest.raises(UserError) as caught:
        parse_solver(f"{text}baselr_: 3\nzzz: 4\n", "s.prototxt")
    assert isinstance(caught.value, UnreadableError)
    assert problems_of(caught.value.rest) == []


def test_all_mistakes_come_at_once():
    found = problems('net: "n" lr_policy: "zorro" type: "Zorro" iter_size: 0')
    assert len(found) == 3


def test_a_good_file_has_none():
    assert not problems(GOOD)
    assert not problems(GOOD + 'type: "AdamW" test_interval: 5')
    assert not problems(GOOD + "test_interval: 5 test_iter: 0")
    assert not problems(GOOD + "test_interval: 5 lungo { early_stop: 3 keep_best: true }")


@pytest.mark.parametrize(
    ("extra", "count"),
    [("", 0), ("test_interval: 5", 1), ("test_interval: 5 test_iter: 2", 1),
     ("test_interval: 5 test_iter: 2 test_iter: 3", 2),
     ('test_interval: 5 test_net: "a" test_iter: 2 test_iter: 3', 2), ('test_interval: 5 test_net: "a"', 1)],
)  # fmt: skip
def test_number_of_test_nets(extra, count):
    assert count_nets(parse_solver(GOOD + extra).message) == count
