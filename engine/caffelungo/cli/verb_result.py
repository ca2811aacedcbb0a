"""What a verb found, and `--json FILE`, the option that writes it; every verb in ``json_fields.FIELDS`` has it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, get_type_hints

import typer

from caffelungo.cli.json_fields import FIELDS
from caffelungo.errors import LungoError, Problem, UserError, of_system
from caffelungo.report import json_output
from caffelungo.version import __version__

NAME = "json_"
Json = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the results to this JSON file; - is standard output. See docs/json.md."
    ),
]


@dataclass(frozen=True)
class VerbResult:
    """``fields`` are those that ``json_fields.FIELDS`` documents; ``problems`` what is wrong; ``status`` the exit's."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    status: int = 0
    problems: Iterable[Problem] = ()

    def document(self, verb: str) -> dict[str, Any]:
        """What `--json` writes."""
        head = {"caffelungo": __version__, "verb": verb, "status": self.status}
        return {**head, **self.fields, "problems": [json_output.problem(one) for one in self.problems]}


def with_json(verb: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, the verb, with the option `--json` behind its own; it returns the exit status."""

    @functools.wraps(function)
    def called(**given: Any) -> int:
        target = given.pop(NAME)
        if target is None:
            return _status(function(**given))
        json_output.refuse(target, given.get("overwrite"))
        with json_output.kept_free(target) as stdout:
            try:
                found = function(**given)
            except (LungoError, OSError) as error:
                json_output.write(target, _failed(error).document(verb), stdout)
                raise
        json_output.write(target, found.document(verb), stdout)
        return _status(found)

    hints = get_type_hints(function, include_extras=True)
    parameters = [one.replace(annotation=hints[one.name]) for one in inspect.signature(function).parameters.values()]
    parameters.append(inspect.Parameter(NAME, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Json))
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called


def has_json(verb: str) -> bool:
    """Whether ``verb`` has the option."""
    return verb in FIELDS


def _status(found: VerbResult) -> int:
    return found.status


def _failed(error: LungoError | OSError) -> VerbResult:
    """What is written of a verb that failed: its exit status and its problems, and no other field."""
    failure = error if isinstance(error, LungoError) else of_system(error)
    problems = failure.problems if isinstance(failure, UserError) else [Problem(str(failure))]
    return VerbResult({}, failure.exit_status, problems)
