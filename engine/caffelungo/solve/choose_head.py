"""Chooses the classifier to test by what is asked for and by the data's classes; ``tested_head`` finds and attaches it.

No torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from caffelungo.definition.filter import included
from caffelungo.errors import Location, UserError
from caffelungo.layers.kinds import HEADS
from caffelungo.plan.build_plan import build_plan
from caffelungo.solve import nets
from caffelungo.solve.net_text import NetText
from caffelungo.solve.tested_head import head_of, judged_head, judges, pointed
from caffelungo.weights import task_heads as named


def named_head(text: NetText, state: Any, word: str) -> str:
    """The layer of the classifier ``word``: a task, or a layer's name; UserError when there is none."""
    heads = named.heads_of(text.message.lungo)
    layers = {layer.name for layer in text.message.layer if included(layer, state) and layer.type in HEADS}
    return word if word in layers else str(named.find(heads, word, str(text.path or "")).name)


def judging(text: NetText, state: Any, head: str) -> NetText:
    """``text`` with the classifier ``head`` compared with the data's label, where it is not yet.

    UserError where the data have several labels, and none of them is for it.
    """
    plan = build_plan(text.message, state, where=text.where, problems=[])
    on = {head_of(plan, one): one for one in judges(plan)}
    if head in on or len(on) < 2:
        return text if head in on else pointed(text, state, head)
    raise UserError(
        f"the data have several labels, and none of them is compared with the output of `{head}`",
        where=text.where(),
        received=f"--head {head}",
        remedy=f"add an Accuracy layer with its scores and its label, or test {', '.join(map(str, on))}",
    )


def meant_head(opened: nets.OpenedNet) -> str | None:
    """The classifier whose classes the data are, where that is another than the one that the net is tested on."""
    heads = named.heads_of(opened.text.message.lungo)
    for source in opened.sources:
        if names := nets.class_names(source):
            fitting = [head.name for head in heads.values() if list(head.label[: len(names)]) == names]
            if len(fitting) == 1 and fitting[0] != judged_head(opened.plan):
                return str(fitting[0])
    return None


def refuse_other_classes(opened: nets.OpenedNet, trained: Any, data: str | Path) -> None:
    """UserError when the classes of ``data`` are known to be numbered otherwise than those of the weights."""
    head = judged_head(opened.plan)
    heads = named.heads_of(opened.text.message.lungo, trained, layers=[head] if head else ())
    known = [label for one in heads.values() for label in one.label]
    if not heads and trained is not None:
        known = list(trained.label)
    for source in opened.sources:
        names = nets.class_names(source)
        if names and known and names != known[: len(names)]:
            apart = next(i for i, name in enumerate(names) if i >= len(known) or name != known[i])
            raise UserError(
                "the classes of these pictures are not those that the net was trained on",
                where=Location(str(data)),
                received=f"class {apart} is {names[apart]}, in the weights "
                f"{known[apart] if apart < len(known) else 'there is none'}",
                remedy="name the folders as the classes of the weights, or write a list with the weights' numbers",
            )
