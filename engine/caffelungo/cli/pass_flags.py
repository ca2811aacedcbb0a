"""Flags of `lungo grow` and `lungo rewrite` that passes bring along and the verbs themselves do not know.

The verbs list the flags that they have always had. Those of any other pass (of a package, or one added later) are read
from its options when its verb is called, so that `lungo --help` does not load the passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

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
            taken = {name for one in self._own for name in (*one.opts, *one.secondary_opts)}
            self._more = _options(str(self.name), taken)
            self._own += self._more  # one list for good: its owner puts the help option in and takes it out
        return self._own

    @params.setter
    def params(self, own: list[Any]) -> None:
        self._own = own

    @property
    def further(self) -> list[Any]:
        """Those of ``params`` that the verb does not list."""
        return self.params and list(self._more or ())

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
    values = dict(_GIVEN.get())
    if not values:
        return {}
    from caffelungo.passes.flags import judged, known, units_of

    found = judged(verb, values)
    for name, (one, option) in known(verb).items():
        if units is not None and option is None and found.get(name) and units_of(one):
            found[name] = units(found[name], one.flag)
    return found


def _options(verb: str, taken: set[str]) -> list[Any]:
    """Typer's options for the flags of passes of ``verb`` that are not ``taken`` by the verb itself."""
    from caffelungo.passes.flags import known, units_of

    parameters: dict[str, tuple[Any, Any]] = {}
    for name, (one, option) in known(verb).items():
        flag = one.flag if option is None else option.said.flag
        if flag not in taken:
            parameters[name] = _switch(one, units_of(one) is not None) if option is None else _option(one, option)
    return _made(parameters)


def _switch(one: PassType, units: bool) -> tuple[Any, Any]:
    if units:
        return Annotated[list[str] | None, typer.Option(one.flag, metavar="LAYER:UNITS", help=one.help)], None
    return Annotated[bool, typer.Option(one.flag, help=one.help)], False


def _option(one: PassType, option: OptionField) -> tuple[Any, Any]:
    """Type and default of the option for a flag, as Typer takes them."""
    said, kind = option.said, option.kinds[0]
    default = None if option.many or option.said.asks or option.required else option.default
    names: list[str] = [said.flag]
    value: Any = kind
    if kind is bool:
        default = False if said.off else bool(default)
        off = f"no-{said.flag.lstrip('-')}"
        names = [f"{said.flag}/--{off}"] if default else names
    elif option.many:
        value = GenericAlias(list, (kind,))
    words = f" One of {', '.join(said.choices)}." if said.choices else ""
    text = (f"{one.help} " if said.asks else "") + said.help + words
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
