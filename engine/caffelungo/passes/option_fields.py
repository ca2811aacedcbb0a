"""What a pass says of its options, on the fields of their dataclass: help, range, and how they are spelled elsewhere.

    @dataclass(frozen=True)                                              recipe   step { slow { layer: "conv*" } }
    class SlowOptions:                                                   flag     lungo rewrite --slow 'conv*'
        layers: tuple[str, ...] = option("Layers ...", recipe="layer", flag="--slow", asks=True)
        factor: float = option("Factor of ...", default=0.5, bounds=POSITIVE, flag="--slow-factor")

A field without ``option`` is for Python alone. One that is itself a dataclass of options (``UnitOptions``) is written
as if its fields stood in its place.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from caffelungo.bounds import Bounds

KEY = "caffelungo.option"
EVERY = "all"
"""What a flag says instead of layers' names: all that the pass can be done to."""
SEED = Bounds(0, 2**63 - 1)
"""What a random seed may be."""
_SCALARS = (bool, int, float, str)


@dataclass(frozen=True)
class Said:
    """What ``option`` says of a field; see there."""

    help: str
    absent: Any
    bounds: Bounds | None = None
    choices: tuple[str, ...] = ()
    recipe: str | None = ""
    flag: str = ""
    asks: bool = False
    off: bool = False
    metavar: str = ""
    every: tuple[str, ...] | None = None
    parts: tuple[str, ...] = ()


def option(
    help: str,
    *,
    default: Any = MISSING,
    absent: Any = MISSING,
    bounds: Bounds | None = None,
    choices: tuple[str, ...] = (),
    recipe: str | None = "",
    flag: str = "",
    asks: bool = False,
    off: bool = False,
    metavar: str = "",
    every: tuple[str, ...] | None = None,
    parts: tuple[str, ...] = (),
) -> Any:
    """A dataclass's field that people write: ``help`` says what it does, as a sentence.

    ``default`` as of any field; without one it must be given, save where ``absent`` says what a recipe means that
    leaves it out. ``bounds`` is the range of a number, ``choices`` the words that a text may be. ``recipe``: what it is
    called in a recipe (empty: as the field; None: it cannot be written there). ``flag``: what it is called on the
    command line (empty: it has no flag); ``asks``: the pass runs when this flag is given; ``off``: the flag is a switch
    that turns it off; ``metavar`` names the flag's value in the help; ``every``: what the word ``all`` means.
    ``parts`` are the names of the numbers in each item of a tuple of tuples.
    """
    said = Said(help, absent, bounds, choices, recipe, flag, asks, off, metavar, every, parts)
    return field(default=default, metadata={KEY: said})


@dataclass(frozen=True)
class OptionField:
    """One option of a pass. ``path`` leads to it from the options, ``kinds`` is its type without ``None``: one, or one
    for each of the ``parts`` of an item.

    ``many``: it is a tuple of such items; ``optional``: it may be None.
    """

    path: tuple[str, ...]
    kinds: tuple[type, ...]
    many: bool
    optional: bool
    default: Any
    said: Said

    @property
    def name(self) -> str:
        """What it is called in Python."""
        return self.path[-1]

    @property
    def recipe(self) -> str | None:
        """What it is called in a recipe; None where it cannot be written there."""
        return None if self.said.recipe is None else self.said.recipe or self.name

    @property
    def required(self) -> bool:
        """Whether a recipe has to say it."""
        return self.default is MISSING and self.said.absent is MISSING

    @property
    def argument(self) -> str:
        """The name of the flag as that of a variable: ``freeze_to`` for ``--freeze-to``."""
        return argument(self.said.flag)


def argument(flag: str) -> str:
    """The name of ``flag`` as that of a variable."""
    return flag.lstrip("-").replace("-", "_")


@cache
def fields_of(options: type) -> tuple[OptionField, ...]:
    """The options that are written of the dataclass ``options``, in order. TypeError for what cannot be written."""
    return tuple(_fields(options, ()))


def build(options: type, values: Mapping[tuple[str, ...], Any]) -> Any:
    """An object of the dataclass ``options`` with ``values`` by path; the rest is as by default.

    A path to a dataclass within gives it whole. KeyError for a required one that is not there.
    """
    given: dict[str, Any] = {}
    hints = get_type_hints(options)
    for one in fields(options):
        inside = {path[1:]: value for path, value in values.items() if path[0] == one.name and len(path) > 1}
        if (one.name,) in values:
            given[one.name] = values[one.name,]
        elif is_dataclass(hints[one.name]) and (inside or _lacks(one)):
            given[one.name] = build(_class(hints[one.name]), inside)
        elif _lacks(one):
            raise KeyError(one.name)
    return options(**given)


def _lacks(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _class(hint: Any) -> type:
    assert isinstance(hint, type)
    return hint


def _fields(options: type, prefix: tuple[str, ...]) -> list[OptionField]:
    found: list[OptionField] = []
    hints = get_type_hints(options)
    for one in fields(options):
        said = one.metadata.get(KEY)
        if is_dataclass(hints[one.name]):
            found += _fields(_class(hints[one.name]), (*prefix, one.name))
        elif said is not None:
            kinds, many, optional = _kinds(hints[one.name], said, f"{options.__name__}.{one.name}")
            found.append(OptionField((*prefix, one.name), kinds, many, optional, one.default, said))
    return found


def _kinds(hint: Any, said: Said, name: str) -> tuple[tuple[type, ...], bool, bool]:
    """The types of one value, whether there are many, and whether it may be None."""
    optional = get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)
    if optional:
        (hint,) = (one for one in get_args(hint) if one is not type(None))
    many = get_origin(hint) is tuple
    if many:
        inner = {one for one in get_args(hint) if one is not Ellipsis}
        if len(inner) != 1:
            raise TypeError(f"{name}: the items of an option that is a tuple must be of one type")
        (hint,) = inner
    kinds = get_args(hint) if said.parts and get_origin(hint) is tuple else (hint,)
    if len(kinds) != max(1, len(said.parts)) or not set(kinds) <= set(_SCALARS):
        raise TypeError(f"{name}: an option is a bool, a whole number, a number, a text, or a tuple of one of these")
    if said.choices and kinds != (str,):
        raise TypeError(f"{name}: only a text has choices")
    return kinds, many, optional
