"""A pre-trained net made to tell several labels of a picture, each by itself, in the place of one class.

before:  data, label -> conv1 ... fc7 -> fc8 (1000) -> loss (SoftmaxWithLoss), accuracy
after:   data, label -> conv1 ... fc7 -> fc8_tags (12) -> loss (SigmoidCrossEntropyLoss)
                                                       -> mAP, micro_f1, macro_f1 (MultiLabelScore, TEST)

The label is a row of numbers: 1 where the picture has a label, 0 where not, -1 where nobody knows. The net is deployed
with a Sigmoid in the place of the loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from caffelungo.definition import layer_options
from caffelungo.definition.edits import ClearField, Edit, InsertLayer, SetField
from caffelungo.definition.schema import TEST, FillerParameter, LayerParameter
from caffelungo.layers.class_balance import NONE
from caffelungo.layers.label_measures import UNKNOWN
from caffelungo.passes.base import Rewrite
from caffelungo.passes.finetune import check_flat, replaced_heads
from caffelungo.passes.finetune_options import FinetuneOptions, Work
from caffelungo.passes.fresh_head import fresh_head
from caffelungo.passes.other_ends import FreeNames, led, without_ends
from caffelungo.passes.param_blocks import NEW, OLD, options_field
from caffelungo.passes.picture_data import read_pictures
from caffelungo.passes.view import View

CROSS_ENTROPY, ASYMMETRIC = "cross-entropy", "asymmetric"
LOSSES = (CROSS_ENTROPY, ASYMMETRIC)
SETTINGS = {"positive_gamma": 1.0, "negative_gamma": 4.0, "margin": 0.05}
"""Those of the authors of the asymmetric loss (Ridnik et al. 2021)."""


@dataclass(frozen=True)
class LabelOptions:
    """``names`` are the labels in the order of the lists; ``pointed`` as for ``finetune``, whose classes they replace.

    ``share``: that of the labels which are 1, for the initial bias (None: it stays 0). ``balance``: class weights of
    the loss (``class_balance.WORDS``). ``loss``: a word of ``LOSSES``.
    """

    names: tuple[str, ...]
    pointed: FinetuneOptions
    share: float | None = None
    balance: str = NONE
    loss: str = CROSS_ENTROPY


def multi_label(view: View, options: LabelOptions) -> Rewrite:
    """The rewrite; Refusal as ``finetune`` does."""
    work = Work(view, replace(options.pointed, classes=len(options.names), label_size=len(options.names)))
    heads = replaced_heads(view, options.pointed.head)
    main = heads[-1]
    check_flat(view, main)
    rates = OLD if options.pointed.fresh else NEW
    fresh = fresh_head(view, main.head, options.pointed.suffix, len(options.names), rates)
    work.edits += fresh.edits
    work.notes += fresh.notes
    work.edits += _biased(view, main.head.name, options.share)
    label = next((one.label for one in heads if one.label is not None), None)
    if label is None or view.deploy_only:
        label = label or view.free("label")
    unread = without_ends(work, heads, main, "it is of one class, and a picture has several labels")
    features = led(work, main, fresh.top, unread)
    at = max(one.index for one in (*main.ends, *main.between, main.head)) + 1
    made = _new_layers(FreeNames(view, unread, features), options, features, label)
    work.edits += [InsertLayer(at, layer, comment) for layer, comment in made]
    work.edits += _described(view, options.names)
    read_pictures(work, [main], label)
    return Rewrite(tuple(work.edits), (), tuple(work.notes))


def bias_of(share: float) -> float:
    """The bias at which a Sigmoid gives ``share``: training need not begin with learning that most labels are 0."""
    return math.log(share / (1 - share))


def _biased(view: View, head: str, share: float | None) -> list[Edit]:
    """Edits that start the bias of the new classifier at ``share``."""
    if share is None or not 0 < share < 1:
        return []
    filler = FillerParameter(type="constant", value=float(f"{bias_of(share):.4g}"))
    found: list[Edit] = []
    for index in view.named(head):
        options = options_field(view.net.layer[index])
        if getattr(view.net.layer[index], options).bias_term:
            found.append(SetField(("layer", index, options, "bias_filler"), filler))
    return found


def _new_layers(names: FreeNames, options: LabelOptions, features: str, label: str) -> list[tuple[Any, str]]:
    """The loss and the measures, each with the comment above it."""
    layer_options.load()
    loss = LayerParameter(name=names.take("loss"), type="SigmoidCrossEntropyLoss", bottom=[features, label])
    loss.top.append(loss.name)
    loss.loss_param.ignore_label = UNKNOWN
    block = layer_options.value(loss.lungo, layer_options.key(loss.type))
    if options.balance != NONE:
        numbers = type(block).DESCRIPTOR.fields_by_name["class_weights"].enum_type.values_by_name
        block.class_weights = numbers[options.balance].number
    if options.loss == ASYMMETRIC:
        for name, value in SETTINGS.items():
            setattr(block, name, value)
    score = LayerParameter(name=names.take("score"), type="MultiLabelScore", bottom=[features, label])
    score.top.extend(names.take(name) for name in ("mAP", "micro_f1", "macro_f1"))
    score.include.add(phase=TEST)
    return [
        (loss, "Each label by itself: 1 where the picture has it, 0 where not; -1 (unknown) is passed over."),
        (score, "Of the whole test set: the mean over labels of their average precision, and F1."),
    ]


def _described(view: View, names: tuple[str, ...]) -> list[Edit]:
    """Edits after which the net says what its labels are, and no longer what its classes or numbers were."""
    given = [name for name in ("label", "head", "number") if len(getattr(view.net.lungo, name))]
    return [*(ClearField(("lungo", name)) for name in given), SetField(("lungo", "label"), list(names))]
