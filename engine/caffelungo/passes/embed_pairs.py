"""A pre-trained net made to give vectors that are near for pictures that belong together, in the place of its classes.

before:  data, label -> conv1 ... fc7 -> fc8 (1000) -> loss (SoftmaxWithLoss), accuracy
after:   data (2 N: first, then second pictures), label (N) -> conv1 ... fc7 -> fc8_pairs (64) -> embedding (Normalize)
         embedding -> Slice along the batch -> first, second -> loss (ContrastiveLoss), auc, eer, accuracy (PairScore)

Both pictures of a pair go through the same layers in one batch, so that nothing need be written twice or shared by
name. The deployed net gives the embedding, of unit length, of each picture. Hadsell et al. 2006.
"""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.definition.edits import ClearField, InsertLayer
from caffelungo.definition.schema import TEST, FillerParameter, LayerParameter
from caffelungo.passes.base import Rewrite
from caffelungo.passes.finetune import check_flat, replaced_heads
from caffelungo.passes.finetune_options import FinetuneOptions, Work
from caffelungo.passes.fresh_head import fresh_head
from caffelungo.passes.other_ends import FreeNames, led, without_ends
from caffelungo.passes.param_blocks import FROZEN, NEW, OLD, give_rates
from caffelungo.passes.picture_data import read_pictures
from caffelungo.passes.view import View

MARGIN = 1.0
"""Distance up to which pairs that do not belong together are driven apart; two of unit length are at most 2."""


@dataclass(frozen=True)
class EmbedOptions:
    """``width``: numbers of an embedding. ``pointed`` as for ``finetune``; its ``pairs`` must be set."""

    width: int
    pointed: FinetuneOptions


def embed_pairs(view: View, options: EmbedOptions) -> Rewrite:
    """The rewrite; Refusal as ``finetune`` does."""
    work = Work(view, options.pointed)
    heads = replaced_heads(view, options.pointed.head)
    main = heads[-1]
    check_flat(view, main)
    rates = OLD if options.pointed.fresh else NEW
    fresh = fresh_head(view, main.head, options.pointed.suffix, options.width, rates)
    work.edits += fresh.edits
    work.notes += fresh.notes
    label = next((one.label for one in heads if one.label is not None), None)
    label = label or view.free("label")
    gone = without_ends(work, heads, main, "it is of classes, and the net compares pictures")
    features = led(work, main, fresh.top, gone)
    at = max(one.index for one in (*main.ends, *main.between, main.head)) + 1
    made = _ends(FreeNames(view, gone, features), features, label)
    work.edits += [InsertLayer(at, layer, comment) for layer, comment in made]
    named = view.net.lungo
    work.edits += [ClearField(("lungo", name)) for name in ("label", "head", "number") if len(getattr(named, name))]
    read_pictures(work, [main], label)
    return Rewrite(tuple(work.edits), (), tuple(work.notes))


def _ends(names: FreeNames, features: str, label: str) -> list[tuple[LayerParameter, str | None]]:
    """What follows the vectors, each layer with the comment above it."""
    unit = LayerParameter(name=names.take("embedding"), type="Normalize", bottom=[features])
    unit.top.append(unit.name)
    unit.norm_param.across_spatial, unit.norm_param.channel_shared = False, True
    unit.norm_param.scale_filler.CopyFrom(FillerParameter(type="constant", value=1))
    give_rates(unit, [FROZEN])
    both = [names.take("first"), names.take("second")]
    parted = LayerParameter(name=names.take("pairs"), type="Slice", bottom=[unit.name], top=both)
    parted.slice_param.axis = 0
    loss = LayerParameter(name=names.take("loss"), type="ContrastiveLoss", bottom=[*both, label])
    loss.top.append(loss.name)
    loss.contrastive_loss_param.margin = MARGIN
    score = LayerParameter(name=names.take("score"), type="PairScore", bottom=[*both, label])
    score.top.extend(names.take(name) for name in ("auc", "eer", "accuracy"))
    score.include.add(phase=TEST)
    return [
        (unit, "What a picture is compared by: a vector of unit length."),
        (parted, "The first pictures of all pairs, and the second ones."),
        (loss, "Together: near. Apart: at least the margin away."),
        (score, "Of the whole test set, by the distance of the two vectors."),
    ]
