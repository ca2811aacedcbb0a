"""Point a pre-trained net at the user's pictures and classes.

    before:  data (old lists) -> conv1 ... fc7 -> fc8 (1000) -> loss, accuracy        or: Input -> ... -> fc8 -> prob
    after:   ImageData (train.txt | val.txt) -> conv1 ... fc7 -> fc8_pets (37, lr_mult 10/20) -> loss, accuracy
             every other layer keeps its name, and so its pre-trained weights

Every classifier under a loss on the label is renamed (GoogLeNet has three) unless one is named. The old layers, and
what was in the file about mean, scale, crop and mirror, stay as they are.
"""

from __future__ import annotations

from caffelungo import shell
from caffelungo.definition.edits import ClearField, DeleteLayer, InsertLayer, SetField
from caffelungo.definition.schema import TEST, LayerParameter
from caffelungo.layers.kinds import AFFINE, LABEL_LOSSES, NUMBER_LOSSES
from caffelungo.passes import class_lists
from caffelungo.passes.base import Refusal, Rewrite
from caffelungo.passes.finetune_options import FinetuneOptions, Work
from caffelungo.passes.fresh_head import fresh_head
from caffelungo.passes.param_blocks import NEW, OLD
from caffelungo.passes.picture_data import read_pictures
from caffelungo.passes.view import ClassifierLayer, View
from caffelungo.wording import counted


def finetune(view: View, options: FinetuneOptions) -> Rewrite:
    """The rewrite for ``options``; Refusal when the net has no classifier, or inputs that pictures cannot give."""
    work = Work(view, options)
    if options.classes < 2:
        raise Refusal(
            "a classifier needs at least two classes",
            received=counted(options.classes, "class"),
            remedy="give pictures of at least two classes; pictures of neither can be a class, too",
        )
    heads = replaced_heads(view, options.head)
    # Names of what it told or predicted before; those of the new classes are beside their list.
    work.edits += [ClearField(("lungo", name)) for name in ("label", "number") if len(getattr(view.net.lungo, name))]
    learned = [one for one in heads if one.label is not None]
    tops: dict[str, str] = {}
    for one in heads:
        check_flat(view, one)
        rates = OLD if options.fresh else NEW
        fresh = fresh_head(view, one.head, options.suffix, options.classes, rates)
        tops[one.name] = fresh.top
        work.edits += fresh.edits
        work.notes += fresh.notes
        _ends(work, one)
    label = learned[0].label if learned else None
    others = [end for one in heads for end in one.ends if end.layer.type in NUMBER_LOSSES | LABEL_LOSSES]
    if label is None or view.deploy_only or others:
        label = label or view.free("label")
        _add_loss(work, heads[0], label, tops[heads[0].name])
    read_pictures(work, heads, label)
    return Rewrite(tuple(work.edits), (), tuple(work.notes))


def replaced_heads(view: View, head: str | None) -> list[ClassifierLayer]:
    """The classifiers in whose place a new one is put: ``head``, or all on the label; Refusal where that is unclear."""
    heads = view.heads(head)
    if len(heads) > 1 and all(one.label is None for one in heads):
        raise Refusal(
            "the net has several outputs that could be the classifier",
            view.where(heads[0].head.index),
            received=", ".join(one.name for one in heads),
            remedy=f"name one: --head {shell.word(heads[-1].name)}",
        )
    return heads


def check_flat(view: View, one: ClassifierLayer) -> None:
    """A classifier must answer once a picture, not once a place in it."""
    last = one.between[-1] if one.between else one.head
    end_reads = [bottom for end in one.ends for bottom in end.bottom_shapes[:1]]
    shape = end_reads[0] if end_reads else last.top_shapes[0]
    if shape is not None and any(size not in (1, None) for size in shape[2:]):
        raise Refusal(
            f"`{one.name}` gives one answer per position, not one per picture",
            view.where(one.head.index),
            received="outputs of " + "x".join("?" if size is None else str(size) for size in shape),
            remedy='add a layer { type: "Pooling" pooling_param { pool: AVE global_pooling: true } } after it, '
            "or use the definition the net was trained with",
        )


def _ends(work: Work, one: ClassifierLayer) -> None:
    for end in one.ends:
        if end.layer.type in NUMBER_LOSSES | AFFINE | {"RegressionScore"}:
            work.edits.append(DeleteLayer(end.index))
            work.note(f"`{end.name}` removed", end.index, "it is of numbers, and the net tells classes apart")
            continue
        if end.layer.type in LABEL_LOSSES | {"MultiLabelScore"}:
            work.edits.append(DeleteLayer(end.index))
            work.note(f"`{end.name}` removed", end.index, "it is of several labels, and each picture has one class")
            continue
        if end.layer.type == "InfogainLoss":
            raise Refusal(
                f"`{end.name}` (InfogainLoss) has a matrix for the old classes",
                work.view.where(end.index),
                remedy='use type: "SoftmaxWithLoss"',
            )
        edits, notes = class_lists.cleared(work.view, end)
        work.edits += edits
        work.notes += notes
        top_k = int(end.layer.param.accuracy_param.top_k)
        if end.layer.type == "Accuracy" and top_k >= work.options.classes and top_k > 1:
            work.edits.append(DeleteLayer(end.index))
            work.note(f"`{end.name}` removed", end.index, f"top {top_k} of {work.options.classes} is always right")


# --- the loss of a net that only answers -------------------------------------------------------------------------


def _add_loss(work: Work, one: ClassifierLayer, label: str, top: str) -> None:
    """Put a loss and an accuracy on the classifier, whose blob is now called ``top``."""
    view = work.view
    softmax = next((end for end in one.ends if end.layer.type == "Softmax"), None)
    last = one.between[-1] if one.between else one.head
    features = softmax.bottoms[0] if softmax else last.tops[0]
    if features == one.head.tops[0]:
        features = top
    accuracy = LayerParameter(name=view.free("accuracy"), type="Accuracy", bottom=[features, label], top=["accuracy"])
    accuracy.top[0] = accuracy.name
    accuracy.include.add(phase=TEST)
    loss = view.free("loss")
    if softmax is not None and not view.graph.consumers(softmax.top_values[0]):
        path = ("layer", softmax.index)
        for name, value in (("name", loss), ("type", "SoftmaxWithLoss")):
            work.edits.append(SetField((*path, name), value))
        work.edits += [SetField((*path, "bottom", 1), label), SetField((*path, "top", 0), loss)]
        work.note(f"`{softmax.name}` (Softmax) -> `{loss}` (SoftmaxWithLoss)", softmax.index, "training needs a loss")
        at = softmax.index + 1
    else:
        at = max(end.index for end in (*one.ends, last)) + 1
        layer = LayerParameter(name=loss, type="SoftmaxWithLoss", bottom=[features, label], top=[loss])
        work.edits.append(InsertLayer(at, layer))
        work.note(f"loss `{loss}` on `{features}`", one.head.index, "training needs a loss")
    work.edits.append(InsertLayer(at, accuracy))
