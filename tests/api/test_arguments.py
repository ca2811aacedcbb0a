"""Arguments of a wrong kind or name: whatever is given, a user gets a message that names the argument."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffelungo as cl
from caffelungo.api import kinds, public_call
from caffelungo.api.verb_report import VerbReport

FUNCTIONS = [name for name in cl.__all__ if inspect.isfunction(getattr(cl, name))]
METHODS = [
    name for name, member in vars(cl.Net).items()
    if inspect.isfunction(member) and not name.startswith("_") and name not in ("forward", "loss")
]  # fmt: skip
NOTHING_TAKES = (object(), 3j, b"bytes", [object()], {object(): object()}, ("a", object()), len, type)
EMPTY = inspect.Parameter.empty


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function and method by its name."""
    for name in FUNCTIONS:
        yield name, getattr(cl, name)
    for name in METHODS:
        yield f"Net.{name}", getattr(cl.Net, name)


ALL = dict(public())


def arguments(name: str) -> dict[str, inspect.Parameter]:
    """The arguments of a public function that have an annotation which refuses something."""
    parameters = inspect.signature(ALL[name]).parameters
    return {
        key: one for key, one in parameters.items()
        if key != "self" and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL) and one.annotation != "Any"
    }  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("value", NOTHING_TAKES, ids=lambda value: type(value).__name__)
def test_what_no_argument_takes_is_refused_everywhere_and_all_at_once(name: str, value: Any) -> None:
    wanted = arguments(name)
    if name == "train" and callable(value):
        del wanted["callbacks"]
    if name == "Net.rewritten" and isinstance(value, list | tuple):
        return  # any object may be a step
    if not wanted:
        return
    given = dict.fromkeys(wanted, value)
    needed = [None] if name.startswith("Net.") else []
    with pytest.raises(cl.UserError) as caught:
        ALL[name](*needed, **given)
    assert {problem.what.split("`")[1] for problem in caught.value.problems} == wanted.keys()
    for problem in caught.value.problems:
        assert problem.received, problem
        assert problem.remedy, problem


@pytest.mark.parametrize("name", ALL)
def test_a_name_that_is_no_argument_is_refused(name: str) -> None:
    if name == "Net.export":
        return  # what it passes on is judged by cl.export, below
    needed = {key: "absent" for key, one in arguments(name).items() if one.default is EMPTY}
    first = [None] if name.startswith("Net.") else []
    with pytest.raises(cl.UserError, match="has no option `qqqqqq`"):
        ALL[name](*first, **needed, qqqqqq=3)


@pytest.mark.parametrize("name", ALL)
def test_annotations_can_be_resolved(name: str) -> None:
    hints = typing.get_type_hints(ALL[name])
    assert hints.keys() - {"self"} == {*inspect.signature(ALL[name]).parameters, "return"} - {"self"}
    assert not any(isinstance(one, str) for one in hints.values())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cl.train("s.prototxt", max_iter=4), "set_solver={'max_iter': 4}"),
        (lambda: cl.train("s.prototxt", weigths="x"), "did you mean `weights`"),
        (lambda: cl.grow("lenet", output="x.prototxt", classes=3), "cl.finetune|cl.rewrite"),
        (lambda: cl.train("a", "b", "c"), "takes solver and weights without a name"),
        (lambda: cl.train(), "`solver` is missing"),
        (lambda: cl.classify("model.onnx", []), "`pictures` is empty"),
        (lambda: cl.open("lenet", shape={"data": "x"}), "`shape` takes a dict of lists of whole numbers"),
        (lambda: cl.train("s.prototxt", callbacks=3), "`callbacks` takes a cl.Observer, a function or a list"),
        (lambda: cl.train("s.prototxt", seed=3, resume=1), "`resume` takes True or False"),
    ],
)
def test_the_message_says_what_to_write(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(cl.UserError, match=words):
        call()


def test_an_opened_net_where_only_files_are_taken(tmp_path: Path) -> None:
    net = cl.open("lenet", "none", shape="data:1x28x28")
    with pytest.raises(cl.UserError, match=r'net.export\("model.onnx"\)'):
        cl.classify(net, "photos")
    with pytest.raises(cl.UserError, match=r'net.save\("net.prototxt", "net.caffemodel"\)'):
        cl.finetune(net, "photos", tmp_path / "out")
    with pytest.raises(cl.UserError, match="`blobs` takes"):
        net(np.zeros((1, 1, 28, 28)), blobs=3)
    with pytest.raises(cl.UserError, match="did you mean `blobs`"):
        net(np.zeros((1, 1, 28, 28)), blob="ip1")
    with pytest.raises(cl.UserError, match="blob `data` takes a tensor or an array"):
        net("photo.png")
    with pytest.raises(cl.UserError, match="has no option `siz`"):
        net.export(tmp_path / "x.onnx", siz=3)


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        (np.int64(3), int, 3), (np.float32(0.5), float, 0.5), (3, float, 3), (np.True_, bool, True),
        ([1, 2], tuple[int, int], (1, 2)), (iter(["a", "b"]), str | Sequence[str], ["a", "b"]),
        ({"fc": np.int64(3)}, Mapping[str, int], {"fc": 3}), (Path("x"), str | PathLike[str], Path("x")),
        (None, str | None, None), (("a",), Sequence[str], ("a",)),
    ],
)  # fmt: skip
def test_what_means_the_same_is_taken(value: Any, kind: Any, wanted: Any) -> None:
    found = kinds.taken(value, kind)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, int), (True, float), (1, bool), (3.0, int), ("3", int), ("ab", Sequence[str]), (b"a", Sequence[int]),
        ({"a": 1}, Sequence[str]), ([1, "a"], Sequence[int]), ((1, 2, 3), tuple[int, int]), (Path("x"), Sequence[str]),
        ({"a": "b"}, Mapping[str, int]), (None, str), ("x", PathLike[str]),
    ],
)  # fmt: skip
def test_what_means_something_else_is_not(value: Any, kind: Any) -> None:
    assert kinds.taken(value, kind) is kinds.NOT_OF_KIND


def reports() -> list[type[VerbReport]]:
    """Every class of reports."""
    for name in FUNCTIONS:
        getattr(cl, name)
    found, queue = [], [VerbReport]
    while queue:
        one = queue.pop()
        found.append(one)
        queue += one.__subclasses__()
    return [one for one in found if one.__module__.startswith("caffelungo.") and one is not VerbReport]


@pytest.mark.parametrize("report", reports(), ids=lambda report: report.__name__)
def test_every_field_of_a_report_is_explained(report: type[VerbReport]) -> None:
    base = " ".join(one.__doc__ or "" for one in report.__mro__ if one.__module__.startswith("caffelungo."))
    missing = [name for name in report.__dataclass_fields__ if f"``{name}``" not in base]  # type: ignore[attr-defined]
    assert missing == []


def test_no_type_is_looked_up_that_public_functions_do_not_have() -> None:
    used = {word for _, one in public() for text in inspect.signature(one).parameters.values()
            for word in str(text.annotation).replace("|", " ").replace("[", " ").replace("]", " ").split()}  # fmt: skip
    used |= {str(inspect.signature(one).return_annotation).strip("'") for _, one in public()}
    assert public_call.ONLY_TYPES.keys() <= used
