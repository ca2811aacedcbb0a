"""Every numeric option has a range, and a number out of it is refused before the verb does anything."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import pytest
import typer

from caffelungo import option_ranges
from caffelungo.cli import main, options
from caffelungo.errors import UserError
from caffelungo.option_text import layer_rate

COMMANDS: dict[str, Any] = typer.main.get_command(main.app).commands  # type: ignore[attr-defined]
EXTREMES = ("-1", "0", "1", "1025", str(2**31), str(2**63), "nan", "inf", "-inf")


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for verb in main.VERBS:
        yield verb, getattr(importlib.import_module(f"caffelungo.cli.{verb}"), verb)


def numeric() -> Iterator[tuple[str, str, type]]:
    """(verb, parameter, int or float) of every numeric option and argument."""
    for verb, function in functions():
        for name, kind in get_type_hints(function).items():
            for one in () if name == "return" else get_args(kind) or (kind,):
                if one in (int, float):
                    yield verb, name, one


NUMERIC = list(numeric())


def test_every_numeric_option_has_a_range() -> None:
    assert len(NUMERIC) > 80
    assert [(verb, name) for verb, name, _ in NUMERIC if option_ranges.bounds(verb, name) is None] == []


def test_the_table_has_no_option_that_is_gone() -> None:
    known = {name for _, name, _ in NUMERIC} | {f"{verb}.{name}" for verb, name, _ in NUMERIC}
    assert set(option_ranges.OPTIONS) <= known


def test_every_option_with_numbers_in_its_text_has_a_range() -> None:
    found = set()
    for verb, command in COMMANDS.items():
        for param in command.params:
            default = param.default if isinstance(param.default, str) else ""
            told = param.metavar in ("LAYER:UNITS", "LAYERS=LR_MULT", "SIZES", "NUMBERS")
            words = "crops" in param.opts[-1] and verb == "test"  # 1, 10 or flip
            if told or (not words and default.replace(",", "").isdigit() and param.param_type_name == "option"):
                found.add(param.opts[-1])
                assert param.opts[-1] in option_ranges.IN_WORDS, verb
    assert {"--widen", "--rate", "--batch", "--iterations", "--units", "--gpus", "--scale"} <= found


@pytest.fixture(scope="module")
def call() -> Callable[[str, list[str]], Any]:
    """Calls a verb that does nothing but take its options."""
    app = typer.Typer()
    for verb, function in functions():
        app.command(verb)(main._judged(verb, functools.wraps(function)(lambda **given: "called")))
    command = typer.main.get_command(app)

    def call(verb: str, given: list[str]) -> Any:
        return command.main([verb, *given], prog_name="lungo", standalone_mode=False)

    return call


def needed(verb: str, but: str) -> list[str]:
    """Words for what ``verb`` cannot do without, besides ``but``."""
    words = []
    for param in COMMANDS[verb].params:
        if param.required and param.name != but:
            words += [param.opts[0], "x"] if param.param_type_name == "option" else ["1"]
    return words


@pytest.mark.parametrize(("verb", "name", "kind"), NUMERIC, ids=[f"{verb}-{name}" for verb, name, _ in NUMERIC])
def test_extremes(call: Callable[..., Any], verb: str, name: str, kind: type) -> None:
    option = f"--{name.replace('_', '-')}"
    argument = verb == "extract_features"
    before = ["x"] * 4 if argument else [*needed(verb, name), option]
    after = ["lmdb"] if argument else []
    for value in EXTREMES:
        words = [*before, "--", value, *after] if argument else [*before[:-1], f"{option}={value}"]
        try:
            right = option_ranges.bounds(verb, name).admits(kind(value))  # type: ignore[union-attr]
        except ValueError:  # a whole number is asked for
            right = False
        if right:
            assert call(verb, words) == "called", value
            continue
        with pytest.raises(Exception) as caught:
            call(verb, words)
        error: Any = caught.value
        assert getattr(error, "exit_status", getattr(error, "exit_code", None)) == 2, value
        told = str(error) if isinstance(error, UserError) else error.format_message()
        assert "BATCHES" in told.upper() if argument else option in told


def test_all_wrong_numbers_are_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        main.call(["train", "--solver", "x", "--workers", "-1", "--early-stop", "-3", "--keep-last", "0"])
    assert [problem.received for problem in caught.value.problems] == [
        "--workers -1",
        "--early-stop -3",
        "--keep-last 0",
    ]


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda text: options.numbers(text, "--batch", int), "8,0"),
        (lambda text: options.numbers(text, "--rates"), "0.1,nan"),
        (lambda text: options.numbers(text, "--mean"), "104,inf"),
        (lambda text: options.numbers(text, "--gpus", int), "-1"),
        (lambda text: options.numbers(text, "--units", int), "9" * 5000),
        (lambda text: options.by_name(text, "--iterations", 1), "new:0,all:5"),
        (lambda text: options.by_name(text, "--iterations", 1), "9" * 5000),
        (lambda text: options.by_name(text, "--iterations", 1), "new:²"),
        (lambda text: options.layer_units(text, "--widen"), "fc7:0"),
        (lambda text: options.layer_units(text, "--widen"), "fc7:-4"),
        (lambda text: options.by_name(text, "--iterations", 1), "new:-5"),
        (lambda text: options.layer_units(text, "--widen"), "fc7:²"),
        (lambda text: options.layer_units(text, "--widen"), "fc7:" + "9" * 5000),
        (lambda text: options.height_width(text, "--resize"), "0x5"),
        (lambda text: options.height_width(text, "--resize"), "²"),
        (lambda text: options.size(text), "0"),
        (lambda text: layer_rate(text, "--rate"), "conv*=nan"),
        (lambda text: layer_rate(text, "--rate"), "conv*=inf"),
    ],
)
def test_numbers_in_words(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(UserError) as caught:
        read(text)
    assert all(problem.received and problem.remedy for problem in caught.value.problems)


def test_numbers_in_words_that_are_right() -> None:
    assert options.numbers("8,64", "--batch", int) == [8, 64]
    assert options.by_name("new:600,all:0150", "--iterations", 9) == (9, {"new": 600, "all": 150})
    assert options.layer_units("fc:7:2048", "--widen") == ("fc:7", 2048)
    assert options.height_width("256x340", "--resize") == (256, 340)
    assert options.size("000000000000384x512") == (384, 512)
    assert layer_rate("conv*=-0.1", "--rate") == ("conv*", -0.1)
    assert inspect.signature(main._judged("train", lambda a: a)) == inspect.signature(lambda a: a)
