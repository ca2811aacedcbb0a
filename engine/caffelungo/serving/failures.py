"""Responses to requests that cannot be served: a status, and JSON with what, received, remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from caffelungo.errors import Problem, UserError

LONGEST = 400
"""Most characters of a client's own text that go back to it."""


class Refused(Exception):  # noqa: N818
    """A request that is not served. ``status`` is HTTP's; ``problems`` are everything found."""

    def __init__(
        self,
        status: int,
        problems: Problem | Iterable[Problem],
        *,
        reason: str = "bad_request",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.reason, self.headers = status, reason, dict(headers or {})
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__(self.problems[0].what)

    def body(self) -> dict[str, Any]:
        """The first problem, and the list of all where there are several."""
        body: dict[str, Any] = {**described(self.problems[0])}
        if len(self.problems) > 1:
            body["problems"] = [described(problem) for problem in self.problems]
        return body


def refused(status: int, what: str, received: str, remedy: str, **more: Any) -> Refused:
    """A refusal with one problem."""
    return Refused(status, Problem(what, received=received, remedy=remedy), **more)


def unusable(error: UserError) -> Refused:
    """A picture that is none, or not one that this net takes."""
    return Refused(422, error.problems, reason="bad_picture")


def described(problem: Problem) -> dict[str, str]:
    """A problem as JSON; ``where`` is the name the client gave."""
    body = {"what": problem.what, "received": (problem.received or "")[:LONGEST], "remedy": problem.remedy or ""}
    if problem.where is not None:
        body["where"] = str(problem.where)[:LONGEST]
    return body
