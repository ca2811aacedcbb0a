"""What is different from the run that wrote a state: its solver and its nets, a line a field. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from caffelungo.definition import message_diff
from caffelungo.definition.printer import print_lines, print_net
from caffelungo.definition.reader import parse_net, parse_solver
from caffelungo.errors import UserError

MOST = 40
"""Lines that are said; of more, how many they are."""


def record(extras: Any, solver: Any, net: Any, tests: Sequence[Any]) -> None:
    """Keep the solver and its nets (messages) in the lungo.StateExtras ``extras``."""
    extras.solver = "\n".join(print_lines(solver)) + "\n"
    extras.net = print_net(net)
    extras.test_net.extend(print_net(test) for test in tests if test != net)


def differences(extras: Any, solver: Any, net: Any, tests: Sequence[Any]) -> list[str]:
    """A line for each field that ``record`` kept otherwise; none for states that keep nothing."""
    if not extras.HasField("solver"):
        return []
    try:
        lines = list(_lines(extras, solver, net, [test for test in tests if test != net]))
    except UserError:
        return ["the state keeps its solver and nets in a form that this version does not read"]
    more = len(lines) - MOST
    return lines if more <= 0 else [*lines[:MOST], f"and {more} more fields have changed"]


def _lines(extras: Any, solver: Any, net: Any, tests: Sequence[Any]) -> Iterator[str]:
    for change in message_diff.changes(parse_solver(extras.solver).message, solver):
        own = "; a resumed run keeps its own seed" if change.path == "random_seed" else ""
        yield f"{change}{own}"
    yield from map(str, message_diff.changes(parse_net(extras.net).message, net))
    if len(extras.test_net) != len(tests):
        yield f"there are {len(tests)} separate test nets, were {len(extras.test_net)}"
    for number, (was, now) in enumerate(zip(extras.test_net, tests, strict=False)):
        yield from (f"test net #{number}: {change}" for change in message_diff.changes(parse_net(was).message, now))
