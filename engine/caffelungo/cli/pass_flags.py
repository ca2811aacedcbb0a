"""Flags of `lungo grow` and `lungo rewrite` that passes bring along and the verbs themselves do not know.

The verbs list the flags that they have always had. Those of any other pass (of a package, or one added later) are read
from its options when its verb is called, so that `lungo --help` does not load the passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from caffelungo import option_ranges
from caffelungo.errors import Problem, UserError, did_you_mean

if TYPE_CHECKING:
    from caffelungo.passes.option_fields import OptionField
    from caffelungo.passes.registry import PassType

_GIVEN: ContextVar[Mapping[str, Any]] = ContextVar("flags of passes", default={})  # noqa: B039, never changed


class PassCommand(TyperCommand):
    """A verb whose command also takes the flags of further passes; ``given`` has their values while it runs."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self._own: list[Any] = []
        self._more: list[Any] | None = None
        super().__init__(*args, **more)
        self._verb, self.callback = self.callback, self._run

    @property
    def params(self) -> list[Any]:
        """The options of the verb, and those of the passes that it does not list."""
        if self._more is None:
            known = {name for one in self._own for name in (*one.opts, *one.secondary_opts)}
            self._more = _options(str(self.name), known)
            self._own += self._more  # one list for good: its owner puts the help option in and takes it out
        return self._own

    @params.setter
    def params(self, own: list[Any]) -> None:
        self._own = own

    def _run(self, **values: Any) -> Any:
        assert self._verb is not None
        names = {one.name for one in self._more or ()}
        token = _GIVEN.set({name: values.pop(name) for name in list(values) if name in names})
        try:
            return self._verb(**values)
        finally:
            _GIVEN.reset(token)


def given(verb: str, units: Callable[[list[str] | None, str], Any] | None = None) -> dict[str, Any]:
    """The values of the further flags of ``verb``, as its passes take them; UserError with all that are out of range.

    ``units`` makes new units of the words of a flag that takes LAYER:UNITS.
    """
    found: dict[str, Any] = dict(_GIVEN.get())
    problems: list[Problem] = []
    for one, option in _further(verb, set(found)):
        value = found[_argument(one, option)]
        if option is None:
            if units is not None and value and not isinstance(value, bool):
                found[_argument(one, option)] = units(value, one.flag)
        elif value is not None and value != option.default:
            problems += _problems(option, value)
            found[option.argument] = tuple(value) if option.many else value
    if problems:
        raise UserError(problems)
    return found


def _problems(option: OptionField, value: Any) -> list[Problem]:
    flag, said = option.said.flag, option.said
    words = value if option.many else [value]
    if said.choices:
        return [
            Problem(
                f"{flag} takes one of a few words",
                None,
                f"{flag} {word}",
                f"did you mean {near}?" if (near := did_you_mean(word, said.choices)) else
                f"one of {', '.join(said.choices)}",
            )
            for word in words
            if word not in said.choices
        ]  # fmt: skip
    if said.bounds is None:
        return []
    return option_ranges.wrong(flag, words, said.bounds)


def _further(verb: str, arguments: set[str]) -> Iterator[tuple[PassType, OptionField | None]]:
    """The flags whose names as variables are ``arguments``, each with its pass; a flag of several passes once."""
    from caffelungo.passes.registry import passes

    seen: set[str] = set()
    for one in passes().values():
        for option in one.flags.values() if one.verb == verb else ():
            name = _argument(one, option)
            if name in arguments and name not in seen and not _of_units(option):
                seen.add(name)
                yield one, option


def _argument(one: PassType, option: OptionField | None) -> str:
    from caffelungo.passes.option_fields import argument

    return argument(one.flag if option is None else option.said.flag)


def _of_units(option: OptionField | None) -> bool:
    """Whether an option is one of new units, whose flags are the verb's own."""
    return option is not None and len(option.path) > 1


def _options(verb: str, known: set[str]) -> list[Any]:
    """Typer's options for the flags of passes of ``verb`` that are not ``known``."""
    from caffelungo.passes.flags import units_of
    from caffelungo.passes.registry import passes

    parameters: dict[str, tuple[Any, Any]] = {}
    for one in passes().values():
        for flag, option in one.flags.items() if one.verb == verb else ():
            asks = option is None or option.said.asks
            if asks and flag in known and not one.function.__module__.startswith("caffelungo."):
                raise ValueError(f"pass {one.name!r}: `lungo {verb}` has a flag {flag} already")
            name = _argument(one, option)
            if flag not in known and name not in parameters and not _of_units(option):
                if option is None:
                    parameters[name] = _switch(one, units_of(one) is not None)
                else:
                    parameters[name] = _option(option, one.help if asks else "")
    return _made(parameters)


def _switch(one: PassType, units: bool) -> tuple[Any, Any]:
    if units:
        return Annotated[list[str] | None, typer.Option(one.flag, metavar="LAYER:UNITS", help=one.help)], None
    return Annotated[bool, typer.Option(one.flag, help=one.help)], False


def _option(option: OptionField, what: str) -> tuple[Any, Any]:
    """Type and default of the option for a flag, as Typer takes them; ``what`` the pass does stands before its help."""
    said, (kind, *rest) = option.said, option.kinds
    default = None if option.many or option.said.asks or option.required else option.default
    names, value = [said.flag], kind
    if kind is bool:
        default = False if said.off else bool(default)
        names = [f"{said.flag}/--no-{said.flag.lstrip('-')}"] if default else names
    elif option.many:
        value = list[str if rest else kind]  # type: ignore[valid-type]
    text = f"{what} {said.help}".strip() + (f" One of {', '.join(said.choices)}." if said.choices else "")
    made = typer.Option(*names, metavar=said.metavar or None, help=text)
    return Annotated[value if kind is bool else value | None, made], default


def _made(parameters: Mapping[str, tuple[Any, Any]]) -> list[Any]:
    """Typer's own options for ``parameters``: those of a command that takes nothing else."""
    import inspect

    def command(**_: Any) -> None:
        return None

    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for name, (kind, default) in parameters.items()
        ]
    )
    command.__annotations__ = {name: kind for name, (kind, _) in parameters.items()}
    app = typer.Typer(add_completion=False)
    app.command()(command)
    made: Any = typer.main.get_command(app)
    return [one for one in made.params if one.name in parameters]
