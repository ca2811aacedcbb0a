"""Python values of options, in the forms that the rooms take: lists for comma lists, dicts for ``NAME=VALUE``.

Every function also takes the text that the command line takes, and says the same of a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from caffelungo import option_ranges, option_text
from caffelungo.errors import UserError

Name = str | PathLike[str]
"""A path, or a name (of a net, or weights as ``torchvision:resnet18``)."""
Names = Name | Sequence[Name]
"""One or several; a text may be a comma list."""
Words = str | Sequence[str]
"""One word or several; a text may be a comma list."""
Settings = Mapping[str, Any] | Sequence[str]
"""Template variables: ``{"depth": 50}``, or ``["depth=50"]`` as on the command line."""
Numbers = float | str | Sequence[float]
"""A number or several; a text may be a comma list."""
Side = int | str | tuple[int, int]
"""A height and width in pixels, or one number for both."""
Units = str | Mapping[str, int] | Sequence[str]
"""New units by layer: ``{"fc7": 512}``, ``"fc7:512"``, or several of these texts."""
Shapes = Mapping[str, Sequence[int]] | str | Sequence[str]
"""Shapes of blobs without the batch: ``{"data": (3, 227, 227)}``, or ``"data:3x227x227"``."""


def judge(verb: str, given: Mapping[str, Any]) -> None:
    """UserError with every number among ``given`` that is out of its range, as the command line judges ``verb``."""
    if found := option_ranges.problems(verb, given):
        raise UserError(found)


def path(given: Name | None) -> str | None:
    """A path as text."""
    return None if given is None else fspath(given)


def names(given: Names | None) -> list[str]:
    """The paths and names in ``given``; a text is a comma list, unless a file is called so."""
    if given is None:
        return []
    if isinstance(given, str):
        return [given] if Path(given).is_file() else option_text.words(given)
    if isinstance(given, PathLike):
        return [fspath(given)]
    return [fspath(one) for one in given]


def joined(given: Names | None) -> str | None:
    """``names`` as one comma list; None for none."""
    return None if given is None else ",".join(names(given))


def paths(given: Names) -> list[str]:
    """The paths in ``given``, commas and all."""
    return [fspath(given)] if isinstance(given, str | PathLike) else [fspath(one) for one in given]


def words(given: Words | None) -> list[str]:
    """The words of a comma list or of a sequence."""
    return option_text.words(given) if isinstance(given, str) or given is None else [str(word) for word in given]


def columns(given: Words | None) -> str | None:
    """The names of columns as the text that `--label-column` takes."""
    if given is None or isinstance(given, str):
        return given
    from caffelungo.data.table_columns import joined as joined_columns

    return joined_columns(list(given))


def listed(given: Words | None) -> list[str]:
    """The words of a repeatable option: each may itself be a comma list."""
    return option_text.listed([given] if isinstance(given, str) else list(given or ()))


def repeated(given: Words | None) -> list[str]:
    """The texts of a repeatable option, each as it is."""
    return [given] if isinstance(given, str) else list(given or ())


def variables(given: Settings | None) -> dict[str, Any]:
    """Template variables by name."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    from caffelungo.definition.template import parse_variables

    return parse_variables(repeated(given))  # type: ignore[arg-type]


def settings(given: Settings | None) -> list[str]:
    """Fields of a solver as ``NAME=VALUE``."""
    if isinstance(given, Mapping):
        return [f"{name}={_field(value)}" for name, value in given.items()]
    return repeated(given)


def numbers(given: Numbers | None, flag: str, kind: type[Any] = float) -> list[Any]:
    """The numbers in ``given``, in the range of the command line's ``flag``."""
    if given is None or isinstance(given, str):
        return option_text.numbers(given, flag, kind)
    found = [given] if isinstance(given, int | float) else list(given)
    return option_text.in_range(flag, [kind(number) for number in found], ",".join(map(str, found)))


def side(given: Side | None, flag: str = "--size") -> tuple[int, int] | None:
    """Height and width of a net's input; one number is both."""
    return option_text.size(_sides(given), flag)


def height_width(given: Side | None, flag: str) -> tuple[int, int] | None:
    """Height and width of pictures; of one number, which is the shorter side, the width is 0."""
    return option_text.height_width(_sides(given), flag)


def units(given: Units | None, flag: str) -> list[tuple[str, int]]:
    """(layer, number of units) pairs."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        given = [f"{layer}:{count}" for layer, count in given.items()]
    return [option_text.layer_units(word, flag) for word in repeated(given)]


def shapes(given: Shapes | None) -> dict[str, tuple[int, ...]]:
    """Shapes by blob, without the batch."""
    if given is None:
        return {}
    from caffelungo.deploy.deploy_net import parse_shapes

    if isinstance(given, Mapping):
        whole = {blob: tuple(int(size) for size in shape) for blob, shape in given.items()}
        parse_shapes(
            f"{blob}:{'x'.join(map(str, shape))}" for blob, shape in whole.items() if min(shape, default=0) < 0
        )
        return whole
    return parse_shapes(repeated(given))


def _sides(given: Side | None) -> str | None:
    return "x".join(map(str, given)) if isinstance(given, tuple) else None if given is None else str(given)


def _field(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
