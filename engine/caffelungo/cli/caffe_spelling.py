"""Translate Caffe's spelling of flags: `-solver x`, `--solver=x`, `-sighup_effect stop`, `-gray=true`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_FLAG = re.compile(r"-{1,2}([A-Za-z]\w[\w-]*)(?:=(.*))?", re.DOTALL)
_DEFAULTS = {"--json": "-"}
"""The value of an option that may be given without one."""
_TRUE, _FALSE = ("true", "t", "1", "yes", "y"), ("false", "f", "0", "no", "n")


def caffe_spelling(arguments: Sequence[str], commands: Mapping[str, Any]) -> list[str]:
    """Rewrite ``arguments``: flags of more than one letter to `--long-name`, `switch=true` to the switch.

    ``commands`` are click's commands by verb. Values of options and everything after `--` are left unchanged, as are
    single letters such as `-o`, which Caffe does not have.
    """
    verb = next((argument for argument in arguments if argument in commands), None)
    takes_value, switches = _options(commands[verb].params if verb else ())
    result: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*result, argument, *rest]
        match = _FLAG.fullmatch(argument)
        flag = f"--{match[1].replace('_', '-')}" if match else argument
        value = match[2] if match else None
        if value is None:
            result.append(flag)
            if flag in takes_value:
                result += _value(flag, next(rest, None))
        elif flag in switches and value.lower() in _TRUE:
            result.append(flag)
        elif flag in switches and value.lower() in _FALSE:
            result += switches[flag]
        else:
            result.append(f"{flag}={value}")
    return result


def _value(flag: str, following: str | None) -> list[str]:
    """What replaces the value of ``flag`` and the argument after it, which is another flag if the value is missing."""
    lacks = following is None or (following.startswith("-") and following != "-")
    default = [_DEFAULTS[flag]] if lacks and flag in _DEFAULTS else []
    return [*default, *([] if following is None else [following])]


def _options(params: Iterable[Any]) -> tuple[set[str], dict[str, list[str]]]:
    """The options that take a value, and the switches, each with its opposite (empty if it has none)."""
    takes_value: set[str] = set()
    switches: dict[str, list[str]] = {}
    for param in params:
        if param.param_type_name != "option":
            continue
        if param.is_flag:
            switches |= dict.fromkeys(param.opts, param.secondary_opts[:1])
        else:
            takes_value |= set(param.opts)
    return takes_value, switches
