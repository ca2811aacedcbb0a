"""A pre-trained net made to predict numbers of a picture, in their own units, in the place of its classes.

before:  data, label -> conv1 ... fc7 -> fc8 (1000) -> loss (SoftmaxWithLoss), accuracy
after:   data, label -> conv1 ... fc7 -> fc8_ages (1) -> age (Scale, frozen) -> loss (EuclideanLoss or HuberLoss)
                                                                             -> mae, rmse, r2 (RegressionScore, TEST)

`fc8_ages` gives standardised numbers, of mean 0 and deviation 1 over the training pictures; the frozen Scale turns them
into those of the lists, so that the deployed net answers in their units. The loss divides differences by the
deviations, so that outputs of different units count alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffelungo.definition import layer_options
from caffelungo.definition.edits import ClearField, Edit, InsertLayer, SetField
from caffelungo.definition.schema import TEST, FillerParameter, LayerParameter, message_class
from caffelungo.passes.base import Refusal, Rewrite
from caffelungo.passes.finetune import check_flat, replaced_heads
from caffelungo.passes.finetune_options import FinetuneOptions, Work
from caffelungo.passes.fresh_head import fresh_head
from caffelungo.passes.moves import Blobs, Move
from caffelungo.passes.other_ends import FreeNames, led, without_ends
from caffelungo.passes.param_blocks import FROZEN, NEW, OLD, give_rates
from caffelungo.passes.picture_data import read_pictures
from caffelungo.passes.view import View
from caffelungo.wording import counted, listed

LOSSES = {"euclidean": "EuclideanLoss", "huber": "HuberLoss"}
LONGEST = 40
"""Characters of a layer that is called as the numbers it gives."""


@dataclass(frozen=True)
class NumberColumn:
    """One number to predict: what it is called, its unit (may be empty), and its ``mean`` and standard ``deviation``
    over the training pictures."""

    name: str
    unit: str
    mean: float
    deviation: float

    @property
    def title(self) -> str:
        """For people: with its unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class NumberOptions:
    """``columns`` are the numbers in the order of the lists, ``loss`` a word of ``LOSSES``; ``pointed`` as for
    ``finetune``, whose classes they replace."""

    columns: tuple[NumberColumn, ...]
    pointed: FinetuneOptions
    loss: str = "euclidean"


def predict_numbers(view: View, options: NumberOptions) -> Rewrite:
    """The rewrite; Refusal as ``finetune`` does, and where what follows the classifier bends its outputs."""
    work = Work(view, options.pointed)
    heads = replaced_heads(view, options.pointed.head)
    main = heads[-1]
    check_flat(view, main)
    rates = OLD if options.pointed.fresh else NEW
    fresh = fresh_head(view, main.head, options.pointed.suffix, len(options.columns), rates)
    work.edits += fresh.edits
    work.notes += fresh.notes
    label = next((one.label for one in heads if one.label is not None), None)
    if label is None or view.deploy_only:
        label = label or view.free("label")
    unread = without_ends(work, heads, main, "it is of classes, and the net predicts numbers")
    features = led(work, main, fresh.top, unread)
    at = max(one.index for one in (*main.ends, *main.between, main.head)) + 1
    answer, made = _new_layers(FreeNames(view, unread, features), options, features, label)
    work.edits += [InsertLayer(at, layer, comment) for layer, comment in made]
    work.edits += list(_described(view, options.columns))
    read_pictures(work, [main], label)
    return Rewrite(tuple(work.edits), (_standardisation(answer, options.columns),), tuple(work.notes))


def answer_layer(definition: Any) -> str:
    """The Scale that gives the predicted numbers their units, in a net that ``predict_numbers`` made."""
    main = View(definition).heads()[-1]
    return next(end.name for end in main.ends if end.layer.type == "Scale")


def unit_blobs(columns: tuple[NumberColumn, ...]) -> list[Any]:
    """The blobs of that Scale: deviations and means."""
    return [np.array([getattr(one, name) for one in columns], np.float32) for name in ("deviation", "mean")]


def _standardisation(answer: str, columns: tuple[NumberColumn, ...]) -> Move:
    def apply(blobs: Blobs) -> None:
        blobs[answer] = unit_blobs(columns)

    return Move(f"give `{answer}` the means and deviations of the training pictures", apply)


def _new_layers(
    names: FreeNames, options: NumberOptions, features: str, label: str
) -> tuple[str, list[tuple[Any, str]]]:
    """The name of the Scale; it, the loss and the score, each with the comment above it."""
    columns = options.columns
    answer = names.take(_layer_name([one.name for one in columns]))
    scale = LayerParameter(name=answer, type="Scale", bottom=[features], top=[answer])
    give_rates(scale, [FROZEN, FROZEN])
    scale.scale_param.bias_term = True
    if len(columns) == 1:
        scale.scale_param.filler.CopyFrom(FillerParameter(type="constant", value=columns[0].deviation))
        scale.scale_param.bias_filler.CopyFrom(FillerParameter(type="constant", value=columns[0].mean))
    loss = LayerParameter(name=names.take("loss"), type=LOSSES[options.loss], bottom=[answer, label])
    loss.top.append(loss.name)
    layer_options.load()
    block = layer_options.value(loss.lungo, layer_options.key(loss.type))
    block.deviation.extend(_short(one.deviation) for one in columns)
    score = LayerParameter(name=names.take("score"), type="RegressionScore", bottom=[answer, label])
    score.top.extend(names.take(name) for name in ("mae", "rmse", "r2"))
    score.include.add(phase=TEST)
    each = listed([f"{one.title}, mean {one.mean:.6g}, deviation {one.deviation:.6g}" for one in columns], 6)
    return answer, [
        (scale, f"From standardised numbers to those of the lists: {each}. It does not learn."),
        (loss, "Differences are divided by the deviations before they count."),
        (score, "Of the whole test set, in the units of the lists."),
    ]


def _short(value: float) -> float:
    """With the digits that are worth reading; the loss need not be exact to more."""
    return float(f"{value:.6g}")


def _layer_name(names: list[str]) -> str:
    """What the answer is called: as its numbers, where these are few and their names short."""
    name = re.sub(r"\W+", "_", "_".join(names)).strip("_")
    return name if name and len(name) <= LONGEST else "numbers"


def _described(view: View, columns: tuple[NumberColumn, ...]) -> list[Edit]:
    """Edits after which the net says what its numbers are, and no longer what its classes were."""
    edits: list[Edit] = [
        ClearField(("lungo", name)) for name in ("label", "head", "number") if len(getattr(view.net.lungo, name))
    ]
    entries = [message_class("lungo.NumberOutput")(name=one.name, unit=one.unit or None) for one in columns]
    return [*edits, SetField(("lungo", "number"), entries)]


def refuse_constant(columns: tuple[NumberColumn, ...]) -> None:
    """Refusal where a number is the same for all training pictures, or is no finite number."""
    flat = [one.title for one in columns if not (np.isfinite(one.deviation) and one.deviation > 0)]
    if flat:
        raise Refusal(
            "a number is the same for every training picture, so there is nothing to predict",
            received=f"{counted(len(flat), 'column')}: {listed(flat)}",
            remedy="leave it out of --label-column",
        )
