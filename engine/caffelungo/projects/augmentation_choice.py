"""What `lungo finetune --augment` asks for: names of augmentations with values as in a net's text.

rand_augment,color_jitter { hue: 0.1 }      beside the random crops that a training has
none                                        no augmentation at all
"""

from __future__ import annotations

import re
from typing import Any

from caffelungo.data import augmentation, augmentation_options
from caffelungo.definition.numeric import range_problems
from caffelungo.definition.reader import parse_net
from caffelungo.errors import Problem, UserError, did_you_mean
from caffelungo.passes.augment import AugmentOptions, augment
from caffelungo.passes.base import Step, step

NONE = "none"
_ITEM = re.compile(r"\s*(\w+)\s*(\{.*\})?\s*\Z", re.DOTALL)


def steps(words: str, mixed: bool = True) -> tuple[Step, ...]:
    """The passes for ``words``; none where they are empty. UserError for what does not exist.

    ``mixed``: pictures have class labels, which can be mixed with them.
    """
    if not words.strip():
        return ()
    if words.strip() == NONE:
        return (step(augment, AugmentOptions(None)),)
    found: list[Any] = []
    problems: list[Problem] = []
    for text in _items(words):
        try:
            found.append(_augmentation(text, mixed))
        except UserError as error:
            problems += [Problem(one.what, None, one.received or text, one.remedy) for one in error.problems]
    if problems:
        raise UserError(problems)
    return (step(augment, AugmentOptions(tuple(found))),)


def _items(words: str) -> list[str]:
    """The parts between commas outside of braces."""
    parts, depth = [""], 0
    for letter in words:
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _augmentation(text: str, mixed: bool) -> Any:
    """``text`` as a lungo.Augmentation; UserError for an unknown name or wrong options."""
    match = _ITEM.match(text)
    kinds = {kind.block: kind for kind in augmentation.augmentation_types().values()}
    names = {_plain(block): block for block in kinds}
    word = _plain(match[1]) if match else ""
    block = names.get(word) or (next((names[one] for one in names if one.startswith(word)), None) if word else None)
    if match is None or block is None:
        near = did_you_mean(text, kinds)
        raise UserError(
            "--augment names an augmentation that does not exist", received=f"--augment {text}",
            remedy=f"did you mean {near}?" if near else f"use some of: {', '.join(kinds)}; or {NONE} alone",
        )  # fmt: skip
    kind = kinds[block]
    if kind.mixes and not mixed:
        raise UserError(
            f"{kind.name} mixes pictures with their classes, and these have none", received=f"--augment {text}",
            remedy=f"remove {block} from --augment",
        )  # fmt: skip
    inside = f"{block} {match[2]}" if match[2] else ""
    net = parse_net(
        f'layer {{ name: "data" type: "ImageData" top: "x" transform_param {{ lungo {{ '
        f'augmentation {{ type: "{kind.name}" {inside} }} }} }} }}'
    )
    transform = net.message.layer[0].transform_param
    problems = [
        *range_problems(net.message, net.where),
        *augmentation_options.problems(transform, True, lambda _: None),
    ]
    if problems:
        raise UserError(problems)
    return transform.lungo.augmentation[0]


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
