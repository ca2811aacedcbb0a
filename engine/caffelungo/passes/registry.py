"""The only list of passes that people ask for: in-tree ones, and those of the entry points ``caffelungo.passes``.

A pass says here what it is called, which verb it belongs to, and what its options are; recipes, flags, help and the
docs follow from that::

    @register("slow", verb=REWRITE, help="Layers that learn slower than the rest.")
    def slow(view: View, options: SlowOptions) -> Rewrite: ...
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from typing import Any, TypeVar, get_type_hints

from caffelungo import packages
from caffelungo import passes as room
from caffelungo.definition import recipe_steps
from caffelungo.passes import base, recipe_block
from caffelungo.passes.base import Rewrite, Step
from caffelungo.passes.option_fields import OptionField, fields_of

ENTRY_POINTS = "caffelungo.passes"
GROW, REWRITE = "grow", "rewrite"
"""The verbs that a pass can belong to: one adds units or layers, the other changes what is there."""
LAST = 1000
"""The place of a pass that names none, in the order in which the flags of one command are done."""
RESERVED = frozenset({
    "balance", "batch-size", "corrections", "cost", "device", "diff", "draw", "explain", "groups", "head",
    "help", "json", "label-column", "level", "name", "no-normalize", "output", "overwrite", "passes",
    "path-column", "per-class", "quiet", "read", "recipe", "resize",
    "set", "shape", "size", "solver", "stage", "task", "tune", "val", "weights",
})  # fmt: skip
"""Flags of `lungo grow` and `lungo rewrite` themselves, without dashes: no package's pass may have one of these."""

Given = Mapping[str, Any]
"""Values of flags by their names as variables; absent, None, False or empty: not given."""
F = TypeVar("F", bound=Callable[..., Rewrite])


@dataclass(frozen=True)
class PassType:
    """A pass as people ask for it.

    ``name`` is that of its step in a recipe (``in_recipe``), ``options`` the dataclass that recipe and flags fill, and
    ``bind`` makes a step of one. ``flag``: the switch of a pass whose options have no flag that asks for it.
    ``asked``: the steps that flags ask for, where they do not follow from the options' own.
    """

    name: str
    verb: str
    help: str
    function: Callable[..., Rewrite]
    options: type
    bind: Callable[[Any], Step]
    flag: str = ""
    in_recipe: bool = True
    order: int = LAST
    asked: Callable[[Given], list[Step]] | None = None

    @property
    def fields(self) -> tuple[OptionField, ...]:
        """The options that people write."""
        return fields_of(self.options)

    @property
    def flags(self) -> dict[str, OptionField | None]:
        """Every flag, with the option that it gives; None for the switch of the pass."""
        switch: dict[str, OptionField | None] = {self.flag: None} if self.flag else {}
        return switch | {one.said.flag: one for one in self.fields if one.said.flag}


_registered: dict[str, PassType] = {}
_FLAG = re.compile(r"--[a-z][a-z0-9]*(-[a-z0-9]+)*")


def register(
    name: str,
    *,
    verb: str,
    help: str,
    flag: str = "",
    options: type | None = None,
    bind: Callable[[Any], Step] | None = None,
    in_recipe: bool = True,
    order: int = LAST,
    asked: Callable[[Given], list[Step]] | None = None,
) -> Callable[[F], F]:
    """Decorator of a pass: make it one that recipes and flags ask for. See ``PassType`` for what is said of it.

    ``options`` and ``bind`` where a person asks in other words than the pass takes; else they follow from its
    signature. UserError for a name that another pass has, ValueError for a flag that is taken, or for what cannot be a
    step of a recipe. Only passes that come together may share a flag, which then means the same in both.
    """

    def decorate(function: F) -> F:
        kind = options or get_type_hints(function).get("options") or object
        binding = bind or (lambda given: base.step(function, given))
        _add(PassType(name, verb, help, function, kind, binding, flag, in_recipe, order, asked))
        return function

    return decorate


def passes() -> dict[str, PassType]:
    """Every pass that people can ask for, by name, in the order in which the flags of one command are done."""
    _load()
    return dict(sorted(_registered.items(), key=lambda item: (item[1].order, item[0])))


@cache
def _load() -> None:
    for module in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{room.__name__}.{module.name}")
    packages.load_all(ENTRY_POINTS, "the passes")


def _check(made: PassType) -> None:
    """ValueError for what a pass may not say of itself."""
    if problem := _declaration_problem(made) or _flag_problem(made):
        raise ValueError(f"pass {made.name!r}: {problem}")


def _declaration_problem(made: PassType) -> str | None:
    if made.verb not in (GROW, REWRITE):
        return f"the verb is {GROW!r} or {REWRITE!r}, not {made.verb!r}"
    if not made.help.strip():
        return "it has no help"
    if not is_dataclass(made.options):
        return "it takes (view, options), and options are a dataclass"
    if made.verb != GROW and any(one.path[1:] == ("units",) for one in made.fields):
        return "a pass with options of new units belongs to `grow`"
    for one in made.fields:
        if not one.said.help.strip():
            return f"option {one.name!r} has no help"
        if one.said.flag and one.said.parts and not made.function.__module__.startswith(f"{room.__name__}."):
            return f"option {one.name!r} has several parts, which one flag cannot give"
    return None


def _flag_problem(made: PassType) -> str | None:
    own = packages.is_own(made.function)
    for flag, option in made.flags.items():
        if not own and flag.removeprefix("--") in RESERVED:
            return f"the flag {flag} is an option of `lungo {made.verb}` itself; choose another name"
        if not _FLAG.fullmatch(flag):
            return f"a flag is two dashes and lower-case words with dashes between them, not {flag!r}"
        for other in _registered.values():
            if other.name == made.name or other.verb != made.verb or flag not in other.flags:
                continue
            if not own and packages.owner(made.function) != packages.owner(other.function):
                return f"the flag {flag} is one of pass {other.name!r} already; choose another name"
            theirs = other.flags[flag]
            if _asks(option) and _asks(theirs):
                return f"the flag {flag} asks for pass {other.name!r} already"
            if option is not None and theirs is not None and (option.kinds, option.many) != (theirs.kinds, theirs.many):
                return f"the flag {flag} of pass {other.name!r} takes something else"
    return None


def _asks(option: OptionField | None) -> bool:
    return option is None or option.said.asks


def _add(made: PassType) -> None:
    known = _registered.get(made.name)
    packages.refuse_second("pass", made.name, known and known.function, made.function)
    _check(made)
    if made.in_recipe:
        message, bounds = recipe_block.described(made.name, made.fields)
        recipe_steps.declare(made.name, message, bounds)
    _registered[made.name] = made
