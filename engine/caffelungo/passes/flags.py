"""From the flags of `lungo grow` and `lungo rewrite` to the passes they ask for.

    --slow 'conv*' --slow-factor 0.5   ->   step(slow, SlowOptions(("conv*",), 0.5))

A pass runs when a flag that asks for it is given; the other flags of its options say how. A flag of new units beside a
layer (`--widen fc7:64 --widen fc6:32`) makes one step each time it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffelungo import option_ranges
from caffelungo.errors import Problem, UserError, did_you_mean
from caffelungo.passes.base import Step
from caffelungo.passes.option_fields import EVERY, OptionField, argument, build
from caffelungo.passes.registry import Given, PassType, passes


def steps(verb: str, given: Given) -> list[Step]:
    """The passes that the flags ``given`` of ``verb`` ask for, in order; UserError for a flag that belongs to none."""
    made = {one.name: asked(one, given) for one in passes().values() if one.verb == verb}
    if problems := _without_pass(verb, given, [name for name, steps in made.items() if steps]):
        raise UserError(problems)
    return [step for steps in made.values() for step in steps]


def _without_pass(verb: str, given: Given, asked: Sequence[str]) -> list[Problem]:
    """What is wrong with flags that say how a pass is done, where none of the passes that have them is ``asked``."""
    problems = []
    for name, (_, option) in known(verb).items():
        if option is None or option.said.asks or not is_given(option, given.get(name)):
            continue
        owners = [one for one in passes().values() if one.verb == verb and option.said.flag in one.flags]
        usual = [one.flags[option.said.flag] for one in owners]
        said = any(one is None or one.said.asks or value(one, given[name]) == one.default for one in usual)
        if said or any(one.name in asked for one in owners):
            continue
        leads = list(dict.fromkeys(flag for one in owners for flag, other in one.flags.items()
                                   if other is None or other.said.asks))  # fmt: skip
        any_of = " or ".join(filter(None, (", ".join(leads[:-1]), leads[-1])))
        words = " ".join(map(str, given[name] if option.many else (given[name],))) if option.kinds != (bool,) else ""
        problems.append(
            Problem(
                f"{option.said.flag} belongs to {any_of}, which is not given",
                received=f"{option.said.flag} {words}".rstrip(),
                remedy=f"add {any_of}, or remove {option.said.flag}",
            )
        )
    return problems


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


def known(verb: str) -> dict[str, tuple[PassType, OptionField | None]]:
    """Every flag of the passes of ``verb`` by its name as a variable, with the first pass that has it and the option
    that it gives (None: it asks for the pass). Those of new units are the verb's own and left out."""
    found: dict[str, tuple[PassType, OptionField | None]] = {}
    for one in passes().values():
        for flag, option in one.flags.items() if one.verb == verb else ():
            if option is None or len(option.path) == 1:
                found.setdefault(argument(flag), (one, option))
    return found


def judged(verb: str, given: Given) -> dict[str, Any]:
    """``given`` flags as their options take them; UserError with every one that is unknown or out of range."""
    flags, problems, found = known(verb), list[Problem](), dict[str, Any]()
    for name, value in given.items():
        if name not in flags:
            near = did_you_mean(name, flags)
            remedy = f"did you mean `{near}`?" if near else f"`lungo {verb} -h` lists the options"
            problems.append(Problem(f"no pass of `{verb}` has such an option", None, name, remedy))
            continue
        _, option = flags[name]
        words = option is not None and option.many and not isinstance(value, str) and value is not None
        found[name] = tuple(value) if words else (value,) if option and option.many and value else value
        if option is not None and value is not None and value != option.default:
            problems += _problems(option, found[name] if option.many else (value,))
    if problems:
        raise UserError(problems)
    return found


def _problems(option: OptionField, values: Sequence[Any]) -> list[Problem]:
    flag, said = option.said.flag, option.said
    if said.choices:
        wrong = [word for word in values if word not in said.choices]
        return [
            Problem(
                f"unknown value for {flag}",
                None,
                f"{flag} {word}",
                f"did you mean {near}?" if (near := did_you_mean(str(word), said.choices)) else
                f"use one of: {', '.join(said.choices)}",
            )
            for word in wrong
        ]  # fmt: skip
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return [] if said.bounds is None else option_ranges.wrong(flag, numbers, said.bounds)


def modifiers(one: PassType, given: Given) -> dict[tuple[str, ...], Any]:
    """The options of ``one`` whose flags are given, by path, but for those of new units, which come whole."""
    return {
        option.path: value(option, given[option.argument])
        for option in one.fields
        if len(option.path) == 1 and option.said.flag and is_given(option, given.get(option.argument))
    }


def is_given(option: OptionField, value: Any) -> bool:
    """Whether ``value`` is one of a flag that was given: not None, not an empty list, not a switch left as it is."""
    if option.kinds == (bool,) and not option.many:
        return value is not None and value != (False if option.said.off else option.default)
    return value is not None and value != () and value != []


def value(option: OptionField, given: Any) -> Any:
    """What a flag says, as its option takes it."""
    if option.said.off:
        return not given
    if not option.many:
        return given
    words = tuple(given)
    return option.said.every if option.said.every is not None and EVERY in words else words
