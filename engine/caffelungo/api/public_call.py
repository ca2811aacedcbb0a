"""The boundary of the Python interface: every public function is called through here.

Arguments are judged by the function's annotations before it runs, all at once, and a message that leaves it speaks of
Python's arguments instead of the command line's options. ``caffelungo/__init__.py`` puts the functions in here when
they are first used; ``methods`` does so for those of a class.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from caffelungo.api import kinds, option_help
from caffelungo.api.python_words import Vocabulary, reworded
from caffelungo.errors import LungoError, Problem, UserError, did_you_mean

ONLY_TYPES = {
    "Callbacks": "api.training", "Net": "api.net",
    "NetModule": "api.net_module", "TrainReport": "api.training", "Weights": "weights.weights",
}  # fmt: skip
"""Where names are defined that annotations of public functions have and their modules import for type checkers alone:
they need PyTorch."""
Class = TypeVar("Class", bound=type[Any])


def public(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` as a user calls it: its arguments judged, its messages in Python's words, its options explained."""
    if getattr(function, "is_public", False):
        return function

    @functools.wraps(function)
    def called(*given: Any, **named: Any) -> Any:
        try:
            arguments = judged(function, given, named)
            return function(*arguments.args, **arguments.kwargs)
        except LungoError as error:
            reworded(error, vocabulary())
            raise

    called.__annotations__ = _Hints(function)
    called.__doc__ = option_help.explained(function)
    called.is_public = True  # type: ignore[attr-defined]
    return called


def methods(made: Class) -> Class:
    """``made`` with its public methods as ``public`` makes them; those of tensors alone, which compile, stay."""
    for name, member in list(vars(made).items()):
        if inspect.isfunction(member) and not name.startswith("_") and name not in ("forward", "loss"):
            setattr(made, name, public(member))
    return made


def judged(function: Callable[..., Any], given: tuple[Any, ...], named: Mapping[str, Any]) -> inspect.BoundArguments:
    """The arguments of a call, converted; UserError with everything that is wrong with them."""
    signature = inspect.signature(function)
    problems = list(_unknown(function, signature, named)) + list(_too_many(function, signature, given))
    known = {name: value for name, value in named.items() if name in signature.parameters or _more(signature)}
    try:
        bound = signature.bind_partial(*given, **known)
    except TypeError as error:
        if not problems:
            problems.append(Problem(str(error), received=_called(function), remedy=_help(function)))
        raise UserError(problems) from None
    for name, parameter in signature.parameters.items():
        starred = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if name not in bound.arguments:
            if parameter.default is parameter.empty and not starred:
                problems.append(
                    Problem(f"`{name}` is missing", received=f"{_called(function)} without it",
                            remedy=f"give {kinds.described(_kind(function, name))}; {_help(function)}")
                )  # fmt: skip
        elif not starred and name != "self" and bound.arguments[name] is not parameter.default:
            value = kinds.taken(bound.arguments[name], _kind(function, name))
            if value is kinds.NOT_OF_KIND:
                problems.append(_wrong_kind(function, parameter, bound.arguments[name]))
            elif parameter.default is parameter.empty and isinstance(value, list | tuple) and not value:
                problems.append(Problem(f"`{name}` is empty", received=f"{name}={value!r}", remedy="name at least one"))
            else:
                bound.arguments[name] = value
    if problems:
        raise UserError(problems)
    return bound


def _unknown(function: Callable[..., Any], signature: inspect.Signature, named: Mapping[str, Any]) -> Iterator[Problem]:
    """A problem for each name that the function has no argument of, with where it may belong."""
    known = [name for name, one in signature.parameters.items() if one.kind is one.KEYWORD_ONLY or _by_name(one)]
    if _more(signature):
        further = further_options(function)
        if further is None:
            return
        known += further
    for name, value in named.items():
        if name in known:
            continue
        near = did_you_mean(name, known)
        if "set_solver" in known and name in _solver_fields():
            remedy = f"it is a field of the solver: set_solver={{{name!r}: {shown(value)}}}"
        elif others := [f"cl.{verb}" for verb in sorted(option_help.verbs()) if name in option_help.options(verb)]:
            remedy = f"{' and '.join(others[:2])} {'has' if len(others) == 1 else 'have'} it; {_help(function)}"
        elif near:
            remedy = f"did you mean `{near}`?"
        else:
            remedy = _help(function)
        yield Problem(f"`{function.__name__}` has no option `{name}`", received=f"{name}={shown(value)}", remedy=remedy)


def _by_name(one: inspect.Parameter) -> bool:
    return one.kind is one.POSITIONAL_OR_KEYWORD and one.name != "self"


def _more(signature: inspect.Signature) -> bool:
    return any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values())


def further_options(function: Callable[..., Any]) -> list[str] | None:
    """The options of further passes that ``grow`` and ``rewrite`` take besides their own; None: any, judged later."""
    if function.__name__ not in ("grow", "rewrite"):
        return None
    from caffelungo.passes import flags

    return list(flags.known(function.__name__))


@functools.cache
def _solver_fields() -> frozenset[str]:
    from caffelungo.definition import schema

    return frozenset(field.name for field in schema.descriptor("SolverParameter").fields)


def _too_many(function: Callable[..., Any], signature: inspect.Signature, given: tuple[Any, ...]) -> Iterator[Problem]:
    """A problem where more arguments come without a name than may."""
    if any(one.kind is one.VAR_POSITIONAL for one in signature.parameters.values()):
        return
    names = [name for name, one in signature.parameters.items() if one.kind is not one.KEYWORD_ONLY]
    names = names[:-1] if _more(signature) else names
    if len(given) > len(names):
        mine = [name for name in names if name != "self"]
        yield Problem(
            f"`{function.__name__}` takes {' and '.join(mine) or 'nothing'} without a name, and all else by name",
            received=", ".join(map(shown, given[len(names) :])),
            remedy=f"write its name before it, as {_named_only(signature)}; {_help(function)}",
        )


def _named_only(signature: inspect.Signature) -> str:
    """The first arguments that are given by name."""
    names = [f"{name}=" for name, one in signature.parameters.items() if one.kind is one.KEYWORD_ONLY]
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _wrong_kind(function: Callable[..., Any], parameter: inspect.Parameter, value: Any) -> Problem:
    name, kind = parameter.name, _kind(function, parameter.name)
    if type(value).__name__ == "Net" and hasattr(value, "definition"):
        onnx = "ONNX" in option_help.options(function.__name__).get(name, "")
        write = 'net.export("model.onnx")' if onnx else 'net.save("net.prototxt", "net.caffemodel")'
        remedy = f"write a file and name it: {write}"
    elif parameter.default is None:
        remedy = "correct it, or leave it out"
    elif parameter.default is parameter.empty:
        remedy = _help(function)
    else:
        remedy = f"correct it, or leave it out: the default is {parameter.default!r}"
    return Problem(
        f"`{name}` takes {kinds.described(kind)}", received=f"{name}={shown(value)}, of type {type(value).__name__}",
        remedy=remedy,
    )  # fmt: skip


def shown(value: Any) -> str:
    """``value`` for a message: short, on one line."""
    if type(value).__name__ == "Net" and hasattr(value, "definition"):
        return "an opened net"
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _called(function: Callable[..., Any]) -> str:
    return _call_name(function) + "(...)"


def _help(function: Callable[..., Any]) -> str:
    return f"help({_call_name(function)}) lists the arguments"


def _call_name(function: Callable[..., Any]) -> str:
    first = next(iter(inspect.signature(function).parameters), "")
    return f"{'cl.Net' if first == 'self' else 'cl'}.{function.__name__}"


def _kind(function: Callable[..., Any], name: str) -> Any:
    return _evaluated(function, name, load=False)


def _evaluated(function: Callable[..., Any], name: str, load: bool) -> Any:
    """The annotation ``name`` of ``function``; classes that need PyTorch only where it is loaded, or with ``load``."""
    given = function.__annotations__.get(name, Any)
    if not isinstance(given, str):
        return given
    code = compile(given, f"<annotation of {name}>", "eval")
    names = dict(function.__globals__)
    for used in code.co_names:
        if used in ONLY_TYPES and used not in names:
            names[used] = _class(used, load)
    return eval(code, names)


def _class(name: str, load: bool) -> Any:
    """The class or alias ``name`` of ``ONLY_TYPES``; without ``load`` a stand-in where nobody has imported it.

    Of a class that is not imported there are no objects, so that a stand-in judges as it would.
    """
    module = f"caffelungo.{ONLY_TYPES[name]}"
    if not load and name != "Callbacks" and module not in sys.modules:
        return type(name, (), {})
    return getattr(importlib.import_module(module), name)


class _Hints(dict[str, Any]):
    """The annotations of a function as classes, looked up when they are asked for: some need PyTorch."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function.__annotations__)
        self._function = function

    def __getitem__(self, name: str) -> Any:
        if name not in self._function.__annotations__:
            raise KeyError(name)
        return _evaluated(self._function, name, load=True)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._function.__annotations__))

    def keys(self) -> Any:
        return list(self)

    def items(self) -> Any:
        return [(name, self[name]) for name in self]

    def values(self) -> Any:
        return [self[name] for name in self]

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self._function.__annotations__ else default


@functools.cache
def vocabulary() -> Vocabulary:
    """The verbs and the switches of their options."""
    return Vocabulary(option_help.verbs(), option_help.switches())
