"""From the flags of `lungo grow` and `lungo rewrite` to the passes they ask for.

    --slow 'conv*' --slow-factor 0.5   ->   step(slow, SlowOptions(("conv*",), 0.5))

A pass runs when a flag that asks for it is given; the other flags of its options say how. A flag of new units beside a
layer (`--widen fc7:64 --widen fc6:32`) makes one step each time it is given.
"""

from __future__ import annotations

from typing import Any

from caffelungo.passes.base import Step
from caffelungo.passes.option_fields import EVERY, OptionField, argument, build
from caffelungo.passes.registry import Given, PassType, passes


def steps(verb: str, given: Given) -> list[Step]:
    """The passes that the flags ``given`` of ``verb`` ask for, in order."""
    return [step for one in passes().values() if one.verb == verb for step in asked(one, given)]


def asked(one: PassType, given: Given) -> list[Step]:
    """The steps of the pass ``one`` that ``given`` asks for."""
    if one.asked is not None:
        return one.asked(given)
    asking = [option for option in one.fields if option.said.asks]
    if unit := units_of(one):
        return [
            one.bind(build(one.options, modifiers(one, given) | {("layer",): layer, (unit,): made}))
            for layer, made in given.get(argument(one.flag)) or ()
        ]
    switch = one.flag and given.get(argument(one.flag))
    if not switch and not any(is_given(option, given.get(option.argument)) for option in asking):
        return []
    return [one.bind(build(one.options, modifiers(one, given)))]


def units_of(one: PassType) -> str | None:
    """The field of new units in the options of a pass that grows a layer (`--widen LAYER:UNITS`); None for others."""
    return next((option.path[0] for option in one.fields if option.path[1:] == ("units",)), None)


def modifiers(one: PassType, given: Given) -> dict[tuple[str, ...], Any]:
    """The options of ``one`` whose flags are given, by path, but for those of new units, which come whole."""
    return {
        option.path: value(option, given[option.argument])
        for option in one.fields
        if len(option.path) == 1 and option.said.flag and is_given(option, given.get(option.argument))
    }


def is_given(option: OptionField, value: Any) -> bool:
    """Whether ``value`` is one of a flag that was given: not None, not an empty list, not a switch that is off."""
    return value is not None and value is not False and value != () and value != []


def value(option: OptionField, given: Any) -> Any:
    """What a flag says, as its option takes it."""
    if option.said.off:
        return not given
    if not option.many:
        return given
    words = tuple(given)
    return option.said.every if option.said.every is not None and EVERY in words else words
