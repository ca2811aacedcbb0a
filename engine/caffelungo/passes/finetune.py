"""Point a pre-trained net at the user's pictures and classes.

    before:  data (old lists) -> conv1 ... fc7 -> fc8 (1000) -> loss, accuracy        or: Input -> ... -> fc8 -> prob
    after:   ImageData (train.txt | val.txt) -> conv1 ... fc7 -> fc8_pets (37, lr_mult 10/20) -> loss, accuracy
             every other layer keeps its name, and so its pre-trained weights

Every classifier under a loss on the label is renamed (GoogLeNet has three) unless one is named. The old layers, and
what was in the file about mean, scale, crop and mirror, stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from caffelungo import files, shell
from caffelungo.definition.edits import ClearField, DeleteLayer, Edit, InsertLayer, SetField
from caffelungo.definition.schema import PHASE_NAMES, TEST, TRAIN, LayerParameter, Preprocessing
from caffelungo.errors import UserError
from caffelungo.layers.base import shape_text
from caffelungo.passes import channel_names
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.heads import fresh_head
from caffelungo.passes.rates import NEW, OLD
from caffelungo.passes.resize import before_crop
from caffelungo.passes.view import Classifier, View
from caffelungo.plan.plan import PlannedLayer

IMAGENET_MEAN = (104.0, 117.0, 123.0)
"""Blue, green, red mean of ImageNet, which nearly every public Caffe net subtracts."""
DATA_OPTIONS = (
    "data_param", "image_data_param", "hdf5_data_param", "memory_data_param", "dummy_data_param", "window_data_param",
    "input_param",
)  # fmt: skip


@dataclass(frozen=True)
class FinetuneOptions:
    """What ``finetune`` needs to know of the data, and what it may be told of the net.

    ``size`` is the input the net sees and ``resize`` what pictures are scaled to before it is cropped out (both in
    pixels; None: as the file says). ``preprocessing`` is the record that came with the weights, if any. ``fresh``:
    there are no weights, so the classifier is no newer than the layers below it and learns at their pace.
    ``augmented``: in training random parts of pictures, of this share of the area at least, each brought to the size
    of the input (RandomResizedCrop); None: as the file says.
    """

    classes: int
    train_source: str
    val_source: str
    root_folder: str = ""
    head: str | None = None
    suffix: str = "new"
    batch_size: int = 32
    test_batch_size: int = 32
    size: int | None = None
    resize: int | None = None
    channels: int | None = None
    mean_value: tuple[float, ...] | None = None
    preprocessing: Any = None
    fresh: bool = False
    augmented: float | None = None


@dataclass
class _Work:
    view: View
    options: FinetuneOptions
    edits: list[Edit] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def note(self, what: str, index: int | None = None, why: str = "") -> None:
        self.notes.append(Note(what, None if index is None else self.view.where(index), why))


def finetune(view: View, options: FinetuneOptions) -> Rewrite:
    """The rewrite for ``options``; Refusal when the net has no classifier, or inputs that pictures cannot give."""
    work = _Work(view, options)
    if options.classes < 2:
        raise Refusal(
            "one class leaves nothing to tell apart",
            received=f"{options.classes} class(es)",
            remedy="give pictures of two classes or more; what is neither makes a class too",
        )
    heads = view.heads(options.head)
    learned = [one for one in heads if one.label is not None]
    if not learned and len(heads) > 1:
        raise Refusal(
            "the net has several outputs that could be the classifier",
            view.where(heads[0].head.index),
            received=", ".join(one.name for one in heads),
            remedy=f"say which: --head {shell.word(heads[-1].name)}",
        )
    tops: dict[str, str] = {}
    for one in heads:
        _check_flat(view, one)
        rates = OLD if options.fresh else NEW
        fresh = fresh_head(view, one.head, options.suffix, options.classes, rates)
        tops[one.name] = fresh.top
        work.edits += fresh.edits
        work.notes += fresh.notes
        _ends(work, one)
    label = learned[0].label if learned else None
    if label is None or view.deploy_only:
        label = label or view.free("label")
        _add_loss(work, heads[0], label, tops[heads[0].name])
    _data(work, heads, label)
    return Rewrite(tuple(work.edits), (), tuple(work.notes))


def _check_flat(view: View, one: Classifier) -> None:
    """A classifier must answer once a picture, not once a place in it."""
    last = one.between[-1] if one.between else one.head
    end_reads = [bottom for end in one.ends for bottom in end.bottom_shapes[:1]]
    shape = end_reads[0] if end_reads else last.top_shapes[0]
    if shape is not None and any(size not in (1, None) for size in shape[2:]):
        raise Refusal(
            f"`{one.name}` answers for every place of the picture, not for the picture",
            view.where(one.head.index),
            received="outputs of " + "x".join("?" if size is None else str(size) for size in shape),
            remedy='add a layer { type: "Pooling" pooling_param { pool: AVE global_pooling: true } } after it, '
            "or use the definition the net was trained with",
        )


def _ends(work: _Work, one: Classifier) -> None:
    for end in one.ends:
        if end.layer.type == "InfogainLoss":
            raise Refusal(
                f"`{end.name}` weighs the old classes against each other (InfogainLoss)",
                work.view.where(end.index),
                remedy='use type: "SoftmaxWithLoss"',
            )
        top_k = int(end.layer.param.accuracy_param.top_k)
        if end.layer.type == "Accuracy" and top_k >= work.options.classes and top_k > 1:
            work.edits.append(DeleteLayer(end.index))
            work.note(f"`{end.name}` taken out", end.index, f"top {top_k} of {work.options.classes} is always right")


# --- the loss of a net that only answers -------------------------------------------------------------------------


def _add_loss(work: _Work, one: Classifier, label: str, top: str) -> None:
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
        work.note(
            f"`{softmax.name}` (Softmax) -> `{loss}` (SoftmaxWithLoss)", softmax.index, "a net learns from a loss"
        )
        at = softmax.index + 1
    else:
        at = max(end.index for end in (*one.ends, last)) + 1
        layer = LayerParameter(name=loss, type="SoftmaxWithLoss", bottom=[features, label], top=[loss])
        work.edits.append(InsertLayer(at, layer))
        work.note(f"loss `{loss}` on `{features}`", one.head.index, "a net learns from a loss")
    work.edits.append(InsertLayer(at, accuracy))


# --- data --------------------------------------------------------------------------------------------------------


def picture_layers(view: View, heads: list[Classifier], label: str, options: FinetuneOptions) -> Rewrite:
    """The data layers of ``view`` as ImageData of ``options``' lists, with ``label`` as the blob of their classes.

    Raises Refusal when ``heads`` depend on more than one picture, or when its size is told nowhere.
    """
    work = _Work(view, options)
    _data(work, heads, label)
    return Rewrite(tuple(work.edits), (), tuple(work.notes))


def _data(work: _Work, heads: list[Classifier], label: str) -> None:
    view = work.view
    pictures: str | None = None
    sources: dict[int, PlannedLayer] = {}
    images: dict[int, PlannedLayer] = {}
    for phase, graph in view.graphs.items():
        needed = graph.upstream([one for one in graph.plan.layers if one.index in _indices(heads)])
        feeding = [one for one in needed if one.layer.source]
        found = [(one, top) for one in feeding for top in one.tops if top != label and _read(graph, one, top, needed)]
        if len(found) != 1:
            names = ", ".join(f"`{top}`" for _, top in found)
            raise Refusal(
                "the classifier depends on more than the picture" if found else "the classifier reads no data",
                view.where(found[-1][0].index) if found else None,
                received=names or None,
                remedy="finetune gives a net one picture and its label; edit the other inputs by hand",
            )
        images[phase], pictures = found[0]
        for one in graph.plan.sources:
            extra = [top for top in one.tops if top not in (pictures, label) and _used(graph, one, top)]
            if extra:
                raise Refusal(
                    f"data layer `{one.name}` also makes `{extra[0]}`, which pictures and labels do not give",
                    view.where(one.index),
                    received=", ".join(one.tops),
                    remedy="take out the layers that read it first",
                )
            sources[one.index] = one
    assert pictures is not None
    _replace(work, images, sources, pictures, label)


def _indices(heads: list[Classifier]) -> set[int]:
    return {one.head.index for one in heads}


def _read(graph: Any, source: PlannedLayer, top: str, needed: list[PlannedLayer]) -> bool:
    """Whether ``top`` of ``source`` is read by a layer that the classifier depends on."""
    value = source.top_values[source.tops.index(top)]
    inside = {one.index for one in needed}
    return any(one.index in inside for one in graph.consumers(value))


def _used(graph: Any, source: PlannedLayer, top: str) -> bool:
    readers = graph.consumers(source.top_values[source.tops.index(top)])
    return any(one.layer.type != "Silence" for one in readers)


def _replace(
    work: _Work, images: dict[int, PlannedLayer], sources: dict[int, PlannedLayer], pictures: str, label: str
) -> None:
    """One ImageData a phase: in the place of the old layer where there is one, else as a new layer beside it."""
    train = images.get(TRAIN) or images[TEST]
    test = images.get(TEST)
    wanted = {
        phase: _image_data(work, phase, images.get(phase, train), train, pictures, label) for phase in (TRAIN, TEST)
    }
    shared = test is not None and test.index == train.index
    _rewrite(work, train.index, wanted[TRAIN], limit=shared or TRAIN not in images)
    if test is not None and not shared:
        _rewrite(work, test.index, wanted[TEST], limit=False)
    else:
        work.edits.append(InsertLayer(train.index + 1, wanted[TEST], "The pictures that training never sees."))
        work.note(
            f"data layer `{wanted[TEST].name}` for TEST", train.index, "so that each test measures unseen pictures"
        )
    for index, one in sources.items():
        if index not in (train.index, test.index if test else -1):
            work.edits.append(DeleteLayer(index))
            work.note(f"`{one.name}` taken out", index, "the image list carries the labels")


def _rewrite(work: _Work, index: int, wanted: Any, limit: bool) -> None:
    """Edits that turn the layer at ``index`` into ``wanted`` field by field, so that its comments stay.

    ``limit``: it stood in both phases and has to be limited to one.
    """
    old = work.view.net.layer[index]
    path = ("layer", index)
    for name in DATA_OPTIONS:
        if old.HasField(name) and name != "image_data_param":
            work.edits.append(ClearField((*path, name)))
    if old.type != "ImageData":
        work.edits.append(SetField((*path, "type"), "ImageData"))
    for k, top in enumerate(wanted.top):
        if k >= len(old.top) or old.top[k] != top:
            work.edits.append(SetField((*path, "top", k), top))
    if limit:
        work.edits += [ClearField((*path, name)) for name in ("include", "exclude") if len(getattr(old, name))]
        work.edits.append(SetField((*path, "include", 0), wanted.include[0]))
    for name in ("transform_param", "image_data_param"):
        before, after = getattr(old, name), getattr(wanted, name)
        if not old.HasField(name):
            if after.ByteSize():
                work.edits.append(SetField((*path, name), after))
            continue
        given = {field.name for field, _ in after.ListFields()}
        for descriptor, _ in before.ListFields():
            if descriptor.name not in given:
                work.edits.append(ClearField((*path, name, descriptor.name)))
        for descriptor, value in after.ListFields():
            if getattr(before, descriptor.name) == value and _has(before, descriptor):
                continue
            if descriptor.name == "mean_value":
                if before.mean_value:
                    work.edits.append(ClearField((*path, name, "mean_value")))
                work.edits += [SetField((*path, name, "mean_value", k), one) for k, one in enumerate(value)]
            else:
                work.edits.append(SetField((*path, name, descriptor.name), value))
    phase = PHASE_NAMES[wanted.include[0].phase]
    work.note(
        f"data layer `{old.name}` ({old.type}) reads `{wanted.image_data_param.source}` in {phase}",
        index,
        "its scale, crop and mirror stay" if old.HasField("transform_param") else "",
    )


def _has(message: Any, descriptor: Any) -> bool:
    return any(one.name == descriptor.name for one, _ in message.ListFields())


def _image_data(work: _Work, phase: int, old: PlannedLayer, train: PlannedLayer, pictures: str, label: str) -> Any:
    """The ImageData layer of ``phase``, with the transforms of the layer it stands in for."""
    options = work.options
    before = work.view.net.layer[old.index]
    layer = LayerParameter(name=before.name, type="ImageData", top=[pictures, label])
    layer.include.add(phase=phase)
    layer.transform_param.CopyFrom(before.transform_param)
    transform, data = layer.transform_param, layer.image_data_param
    crop, height, width = _sizes(work, old, train)
    if crop and (crop, crop) != (height, width):
        transform.crop_size = crop
    elif transform.crop_size != crop:
        transform.ClearField("crop_size")
    _preprocess(work, phase, old, transform)
    if phase == TEST and transform.mirror:
        transform.mirror = False
    elif phase == TRAIN and not before.HasField("transform_param"):
        transform.mirror = True
    if phase == TRAIN and options.augmented is not None:
        del transform.lungo.augmentation[:]
        transform.lungo.augmentation.add(type="RandomResizedCrop", min_scale=options.augmented)
    data.source = options.train_source if phase == TRAIN else options.val_source
    if options.root_folder:
        data.root_folder = options.root_folder.rstrip("/") + "/"
    data.batch_size = options.batch_size if phase == TRAIN else options.test_batch_size
    data.new_height, data.new_width = height, width
    if phase == TRAIN:
        data.shuffle = True
    if _channels(work, old) == 1:
        data.is_color = False
    return layer


def _channels(work: _Work, old: PlannedLayer) -> int | None:
    before = work.view.net.layer[old.index]
    if work.options.channels is not None:
        return work.options.channels
    if before.transform_param.force_gray or (before.type == "ImageData" and not before.image_data_param.is_color):
        return 1
    shape = old.top_shapes[0]
    return shape[1] if shape is not None and len(shape) == 4 else None


def _preprocess(work: _Work, phase: int, old: PlannedLayer, transform: Any) -> None:
    """The mean: the user's, else the file's, else the record of the weights, else ImageNet's, which is said."""
    options, record = work.options, work.options.preprocessing
    if options.mean_value is not None:
        transform.ClearField("mean_file")
        transform.mean_value[:] = options.mean_value
        return
    lost = None
    if transform.HasField("mean_file"):
        try:
            found = files.find(transform.mean_file, beside=work.view.definition.path, what="mean file")
            if str(found) != transform.mean_file:
                transform.mean_file = str(found.resolve())
            return
        except UserError:
            lost = transform.mean_file
            transform.ClearField("mean_file")
    before = work.view.net.layer[old.index]
    if transform.mean_value or (before.HasField("transform_param") and lost is None and record is None):
        return
    channels = _channels(work, old)
    if record is not None:
        transform.mean_value[:] = list(record.mean_value)
        if record.scale != 1:
            transform.scale = record.scale
        if record.channel_order == type(record).RGB:
            transform.lungo.channel_order = record.channel_order
        why, text = "the record in the weights says so", ", ".join(f"{one:g}" for one in record.mean_value) or "none"
    elif channels in (3, None):
        transform.mean_value[:] = IMAGENET_MEAN
        why, text = "assumed: ImageNet's, as in nearly every public Caffe net", "104, 117, 123"
        if lost:
            why = f"mean_file {lost} is not here; {why}"
    else:
        return
    if phase == TRAIN:
        rgb = transform.lungo.channel_order == Preprocessing.RGB
        work.note(f"mean {text} ({channel_names.named(channels, rgb)})", old.index, why)


def _sizes(work: _Work, old: PlannedLayer, train: PlannedLayer) -> tuple[int, int, int]:
    """Side of the crop (0: none), and height and width that pictures are scaled to before."""
    options, record = work.options, work.options.preprocessing
    before = work.view.net.layer[old.index]
    first = work.view.net.layer[train.index]
    listed = before.image_data_param
    if options.size is None and options.resize is None and listed.new_height and listed.new_width:
        return before.transform_param.crop_size, listed.new_height, listed.new_width
    shape = old.top_shapes[old.tops.index(_picture_top(old))]
    crop = options.size or before.transform_param.crop_size or first.transform_param.crop_size
    if not crop and shape is not None and len(shape) == 4 and shape[2] is not None and shape[3] is not None:
        if shape[2] != shape[3]:
            return 0, shape[2], shape[3]
        crop = shape[2]
    if not crop and shape is not None and len(shape) != 4:
        raise Refusal(
            f"`{old.name}` gives rows of numbers, and finetune is for pictures",
            work.view.where(old.index),
            received=shape_text(shape),
            remedy="give the net a fresh classifier, and its data layers by hand: lungo rewrite --classes N",
        )
    if not crop:
        raise Refusal(
            f"how large the pictures of `{old.name}` are is not written in the file",
            work.view.where(old.index),
            received=f"{before.type} without crop_size",
            remedy="say the side of the net's input in pixels: --size 28",
        )
    resize = options.resize
    if resize is None and record is not None and options.size is None:
        resize = record.resize_height or None
    usual = before_crop(int(crop), before.transform_param.crop_size, listed.new_height)
    side = max(int(crop), int(resize or usual))
    return int(crop), side, side


def _picture_top(old: PlannedLayer) -> str:
    return next(
        (top for top, shape in zip(old.tops, old.top_shapes, strict=True) if shape and len(shape) == 4), old.tops[0]
    )
