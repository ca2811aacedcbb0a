"""What passes say on themselves: of every one the same, and what may not be said."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_args

import pytest
import typer.main

from caffelungo import option_ranges
from caffelungo.cli.main import app
from caffelungo.cli.pass_flags import PassCommand
from caffelungo.definition import recipe_steps
from caffelungo.definition.reader import parse_recipe
from caffelungo.errors import UserError
from caffelungo.passes import documentation, recipe_block, registry
from caffelungo.passes.base import Rewrite
from caffelungo.passes.flags import judged, known, steps
from caffelungo.passes.option_fields import OptionField, build, option
from caffelungo.passes.registry import GROW, REWRITE, PassType, passes, register
from caffelungo.passes.view import View
from caffelungo.rewriting import recipes
from caffelungo.rewriting.grow_steps import GrowOptions
from caffelungo.rewriting.rewrite_steps import Changes
from tests.support import REPOSITORY

PASSES = passes()
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def options() -> Iterator[tuple[PassType, OptionField]]:
    for one in PASSES.values():
        yield from ((one, option) for option in one.fields)


def test_there_are_passes_of_both_verbs() -> None:
    assert len(PASSES) > 18
    assert {one.verb for one in PASSES.values()} == {GROW, REWRITE}


@pytest.mark.parametrize("one", PASSES.values(), ids=PASSES)
def test_a_pass_says_what_it_is(one: PassType) -> None:
    assert one.help.endswith(".")
    assert (inspect.getdoc(inspect.getmodule(one.function)) or "").count("before:"), "a picture of before and after"
    assert one.flags, "a pass that no flag asks for"
    for given in one.fields:
        assert given.said.help.strip().endswith((".", ").")), given.name
        assert (
            given.default is MISSING
            or given.said.bounds is None
            or given.said.parts
            or given.default is None
            or (given.said.bounds.admits(given.default))
        ), given.name


@pytest.mark.parametrize("verb", [GROW, REWRITE])
def test_every_flag_is_one_of_the_command_line_with_the_same_default(verb: str) -> None:
    command = COMMANDS[verb]
    assert isinstance(command, PassCommand)
    params = {flag: param for param in command.params for flag in (*param.opts, *param.secondary_opts)}
    for one in PASSES.values():
        for flag, given in one.flags.items() if one.verb == verb else ():
            if verb == REWRITE or flag in params:
                assert flag in params, f"{one.name}: {flag}"
            if given is None or given.said.asks or given.many or given.said.parts or given.said.off:
                continue
            default = params[flag].default
            shown = type(given.default)(default) if default is not None and given.default is not None else default
            assert shown == given.default or flag == "--suffix", f"{one.name}: {flag}"


def test_the_verbs_own_options_belong_to_passes() -> None:
    """The typed options of the verbs and what passes say cannot drift apart."""
    of_passes = {name for verb in (GROW, REWRITE) for name in known(verb)}
    own = {one.name for one in fields(Changes)} - {"learned", "rates", "more"}
    assert own <= of_passes
    grown = {one.name for one in fields(GrowOptions)} - {"files", "more"}
    assert grown == {name for name, one in PASSES.items() if one.verb == GROW}


def test_numbers_have_one_range_wherever_they_are_written() -> None:
    for one, given in options():
        bounds = option_ranges.bounds(one.verb, given.argument) if given.said.flag else None
        if bounds is not None and given.said.bounds is not None and one.name not in ("head", "join", "adapters"):
            assert given.said.bounds.low == bounds.low or given.optional, f"{one.name} {given.name}"
            assert given.said.bounds.above == bounds.above, f"{one.name} {given.name}"


@pytest.mark.parametrize("name", [name for name, one in PASSES.items() if one.in_recipe])
def test_every_field_of_a_step_is_read(name: str) -> None:
    """A recipe that says everything that the pass takes makes options that have it all."""
    one = PASSES[name]
    wanted: dict[tuple[str, ...], Any] = {}
    words = []
    for given in (field for field in one.fields if field.recipe is not None):
        value, text = _other(given)
        wanted[given.path] = value
        words.append(text)
    message = parse_recipe(f"step {{ {name} {{ {' '.join(words)} }} }}").message.step[0]
    ((_, block),) = message.ListFields()
    values, problems = recipe_block.read(block, one.fields, lambda *path: None)
    assert (values, problems) == (wanted, [])
    made = build(one.options, values)
    for path, value in wanted.items():
        found = made
        for part in path:
            found = getattr(found, part)
        assert found == value, path
    assert one.bind(made) is not None


def _other(given: OptionField) -> tuple[Any, str]:
    """A value that is not the default, and how a recipe writes it."""
    name = given.recipe
    if given.said.parts:
        pairs = ((3.0, 0.5), (6.0, 0.25))
        blocks = (zip(given.said.parts, pair, strict=True) for pair in pairs)
        return pairs, " ".join(f"{name} {{ {' '.join(f'{part}: {n:g}' for part, n in one)} }}" for one in blocks)
    if given.said.choices:
        word = next(one for one in reversed(given.said.choices) if one != given.default)
        return (word,) if given.many else word, f"{name}: {recipe_block.word(word)}"
    kind = given.kinds[0]
    value: Any = {bool: given.default is False, int: 3, float: 0.625, str: "some"}[kind]
    written = f'"{value}"' if kind is str else str(value).lower()
    return (value,) if given.many else value, f"{name}: {written}"


@pytest.mark.parametrize("words", [["--help"], ["nets"], ["train", "--help"]])
def test_other_verbs_do_not_load_the_passes(words: list[str]) -> None:
    """They take longer to load than the help takes to print."""
    code = (
        "import sys\n"
        "from caffelungo.cli import main\n"
        f"main.call({words!r})\n"
        "loaded = [name for name in sys.modules if name.startswith('caffelungo.passes')]\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_is_current() -> None:
    """After a change: python -m caffelungo.passes.documentation > docs/recipes.md"""
    assert (REPOSITORY / "docs/recipes.md").read_text(encoding="utf-8") == documentation.markdown()


def test_the_page_has_every_pass() -> None:
    text = documentation.markdown()
    for one, given in options():
        assert f"### {one.name}\n" in text
        assert given.said.help in text


def test_messages_about_a_step_list_every_pass() -> None:
    with pytest.raises(Exception, match="exactly one pass") as caught:
        recipes.recipe(parse_recipe("step { }"))
    assert all(name in str(caught.value) for name, one in PASSES.items() if one.in_recipe)


# --- what may not be said -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plain:
    size: int = option("A number.", default=1)


@dataclass(frozen=True)
class Silent:
    size: int = option(" ", default=1)


@dataclass(frozen=True)
class Shouting:
    size: int = option("A number.", default=1, flag="-Size", asks=True)


@dataclass(frozen=True)
class Taken:
    layer: str = option("A layer.", default="", flag="--side", asks=True)


@dataclass(frozen=True)
class Other:
    scale: str = option("Not a number.", default="", flag="--scale")


@dataclass(frozen=True)
class Parts:
    pairs: tuple[tuple[str, float], ...] = option("Pairs.", default=(), parts=("a", "b"), flag="--pairs")


@pytest.mark.parametrize(
    ("given", "more", "reason"),
    [
        (Plain, {"verb": "shrink"}, "the verb is 'grow' or 'rewrite'"),
        (Plain, {"help": " "}, "it has no help"),
        (int, {}, "options are a dataclass"),
        (Silent, {}, "option 'size' has no help"),
        (Shouting, {}, "a flag is two dashes and lower-case words"),
        (Taken, {}, "the flag --side is one of pass 'side' already"),
        (Other, {}, "the flag --scale is one of pass 'normalize' already"),
        (Taken, {"module": "caffelungo.passes.shrink"}, "the flag --side asks for pass 'side' already"),
        (Other, {"module": "caffelungo.passes.shrink"}, "the flag --scale of pass 'normalize' takes something else"),
        (Plain, {"flag": "--help"}, "the flag --help is an option of `lungo rewrite` itself"),
        (Plain, {"flag": "--weights", "verb": GROW}, "the flag --weights is an option of `lungo grow` itself"),
        (Parts, {}, "which one flag cannot give"),
        (Plain, {"name": "Upper"}, "a plain word in lower case"),
        (Plain, {"name": "fold"}, "pass 'fold' is registered twice"),
    ],
)
def test_what_a_pass_may_not_say(given: type, more: dict[str, str], reason: str) -> None:
    def shrink(view: View, options: Any) -> Rewrite:
        return Rewrite()

    said = {"name": "shrinking", "verb": REWRITE, "help": "It shrinks.", **more}
    shrink.__module__ = said.pop("module", shrink.__module__)
    with pytest.raises((ValueError, UserError), match=reason):
        register(**said, options=given)(shrink)
    assert passes() == PASSES
    assert said["name"] in PASSES or all(one.key != said["name"] for one in recipe_steps.declared())


def test_the_flags_that_packages_may_not_take_are_those_of_the_verbs() -> None:
    """All that the commands have beside what their passes ask for, and the one for help, which is put in later."""
    found = {"help"}
    for verb in (GROW, REWRITE):
        flags = {flag for param in COMMANDS[verb].params for flag in (*param.opts, *param.secondary_opts)}
        of_passes = {flag for one in PASSES.values() if one.verb == verb for flag in one.flags}
        found |= {flag.removeprefix("--") for flag in flags - of_passes if flag.startswith("--")}
    assert found == registry.RESERVED


@pytest.mark.parametrize("kind", [bytes, tuple[int, str], list[int], dict])
def test_what_an_option_may_not_be(kind: Any) -> None:
    made = dataclass(frozen=True)(type("Odd", (), {"__annotations__": {"odd": kind}, "odd": option("It is odd.")}))
    with pytest.raises(TypeError, match="option"):
        registry.fields_of(made)
    assert get_args(kind) is not None


def test_options_from_python_are_judged() -> None:
    from caffelungo.errors import UserError

    with pytest.raises(UserError) as caught:
        judged(REWRITE, {"dropot": 0.5, "dropout": 1.5, "kind": "paralel"})
    told = str(caught.value)
    for part in ("did you mean `dropout`?", "--dropout must be at least 0 and below 1", "did you mean parallel?"):
        assert part in told
    assert judged(REWRITE, {"dropout": 0.25, "dropout_layer": ["drop*"]}) == {
        "dropout": 0.25, "dropout_layer": ("drop*",),
    }  # fmt: skip


def modifiers() -> list[tuple[str, OptionField]]:
    """Every flag that says how a pass is done, with a value that is not its default."""
    found = {
        (one.verb, option.said.flag): option
        for one, option in options()
        if option.said.flag and not option.said.asks and len(option.path) == 1
    }
    asking = {
        (one.verb, flag) for one in PASSES.values() for flag, of in one.flags.items() if of is None or of.said.asks
    }
    return [(verb, option) for (verb, flag), option in found.items() if (verb, flag) not in asking]


def other(option: OptionField) -> Any:
    kind = option.kinds[0]
    value = {bool: not option.default or option.said.off, str: "another", int: 7, float: 0.75}[kind]
    return (value,) if option.many else value


@pytest.mark.parametrize(("verb", "option"), modifiers(), ids=lambda one: getattr(one, "argument", one))
def test_a_flag_without_the_one_it_belongs_to_is_refused(verb: str, option: OptionField) -> None:
    flag = option.said.flag
    with pytest.raises(UserError) as error:
        steps(verb, {"freeze_to": "conv1", option.argument: other(option)})
    (problem,) = error.value.problems
    assert problem.what.startswith(f"{flag} belongs to --")
    assert problem.received is not None
    assert problem.received.startswith(flag)
    lead = problem.what.removeprefix(f"{flag} belongs to ").split(",")[0].split(" or ")[0]
    assert lead in str(problem.remedy)


def test_all_flags_that_belong_to_none_are_reported_at_once() -> None:
    with pytest.raises(UserError) as error:
        steps(REWRITE, {"dropout_layer": ("drop7",), "temperature": 3.0, "suffix": "new", "scale": 20.0})
    assert [one.received for one in error.value.problems] == ["--temperature 3.0", "--dropout-layer drop7"]
