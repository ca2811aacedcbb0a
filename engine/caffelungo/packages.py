"""What other packages add by entry points: their modules are loaded here, and a name that two give is refused here.

Layer types, passes, rate policies and augmentations have a registry each; these are the parts that they share.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points, packages_distributions
from typing import Any

from caffelungo.errors import Problem, UserError


def load(group: str, what: str) -> list[Problem]:
    """Import the modules that entry points of ``group`` name; a problem for each one that fails.

    ``what`` is what they bring, in the plural: "the layer types". Nothing is raised, since a net may need none of them.
    """
    problems = []
    for point in entry_points(group=group):
        try:
            point.load()
        except Exception as error:  # a module of others may raise anything
            problems.append(_failure(point, what, error))
    return problems


def load_all(group: str, what: str) -> None:
    """As ``load``; UserError with every package that fails."""
    if problems := load(group, what):
        raise UserError(problems)


def refuse_second(what: str, name: str, known: Any, new: Any) -> None:
    """UserError where ``name`` is ``known`` already and ``new`` is another class or function; ``what`` as "layer type".

    A module or a cell of a notebook may be run again: the same name in the same module is the same one.
    """
    if known is not None and _place(known) != _place(new):
        raise UserError(
            f"{what} {name!r} is registered twice",
            received=f"{_place(known)} and {_place(new)}",
            remedy="give one of them another name, or uninstall the package of one",
        )


def is_own(given: Any) -> bool:
    """Whether a class or function belongs to Caffelungo itself, not to a package or a notebook."""
    return str(given.__module__).startswith("caffelungo.")


def owner(given: Any) -> str:
    """The name of the package that a class or function comes from; empty for Caffelungo's own and for a notebook's."""
    top = str(given.__module__).partition(".")[0]
    if is_own(given) or top == "__main__":
        return ""
    return packages_distributions().get(top, [top])[0]


def _place(given: Any) -> str:
    return f"{given.__module__}.{given.__qualname__}"


def _failure(point: EntryPoint, what: str, error: Exception) -> Problem:
    package = point.dist.name if point.dist is not None else point.name
    if isinstance(error, UserError):
        reasons = [one.what + (f": {one.received}" if one.received else "") for one in error.problems]
        reason, own = "; ".join(reasons), error.problems[0].remedy
    else:
        reason, own = f"{type(error).__name__}: {error}", None
    return Problem(
        f"{what} of the package `{package}` cannot be loaded",
        received=f"{point.value}: {reason}",
        remedy="update the package or uninstall it" + (f" (its author: {own})" if own else ""),
    )
