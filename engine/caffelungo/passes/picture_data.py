"""Data layers that read lists of pictures, in the place of those of a net: the data half of ``finetune``.

before:  Data (lmdb), HDF5Data or Input -> ...                            scale, crop, mirror and mean of the file
after:   ImageData (train.txt) in TRAIN, ImageData (val.txt) in TEST      the same, and what it leaves open
"""

from __future__ import annotations

from typing import Any

from caffelungo import files
from caffelungo.definition import layer_options
from caffelungo.definition.edits import ClearField, DeleteLayer, Edit, InsertLayer, Path, SetField
from caffelungo.definition.option_blocks import AUGMENTATIONS
from caffelungo.definition.schema import PHASE_NAMES, TEST, TRAIN, LayerParameter, Preprocessing
from caffelungo.errors import UserError
from caffelungo.layers.base import shape_text
from caffelungo.passes import channel_names
from caffelungo.passes.base import Refusal, Rewrite
from caffelungo.passes.finetune_options import FinetuneOptions, Work
from caffelungo.passes.resize import before_crop
from caffelungo.passes.view import ClassifierLayer, View
from caffelungo.plan.plan import PlannedLayer

IMAGENET_MEAN = (104.0, 117.0, 123.0)
"""Blue, green, red mean of ImageNet, which nearly every public Caffe net subtracts."""
DATA_OPTIONS = (
    "data_param", "image_data_param", "hdf5_data_param", "memory_data_param", "dummy_data_param", "window_data_param",
    "input_param",
)  # fmt: skip


def picture_layers(view: View, heads: list[ClassifierLayer], label: str, options: FinetuneOptions) -> Rewrite:
    """The data layers of ``view`` as ImageData of ``options``' lists, with ``label`` as the blob of their classes.

    Raises Refusal when ``heads`` depend on more than one picture, or when its size is given nowhere.
    """
    work = Work(view, options)
    read_pictures(work, heads, label)
    return Rewrite(tuple(work.edits), (), tuple(work.notes))


def read_pictures(work: Work, heads: list[ClassifierLayer], label: str) -> None:
    """``picture_layers`` as a part of ``work``."""
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
                    f"data layer `{one.name}` also makes `{extra[0]}`, which a list of pictures does not provide",
                    view.where(one.index),
                    received=", ".join(one.tops),
                    remedy="remove the layers that read it first",
                )
            sources[one.index] = one
    assert pictures is not None
    _replace(work, images, sources, pictures, label)


def _indices(heads: list[ClassifierLayer]) -> set[int]:
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
    work: Work, images: dict[int, PlannedLayer], sources: dict[int, PlannedLayer], pictures: str, label: str
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
            work.note(f"`{one.name}` removed", index, "the image list carries the labels")


def _rewrite(work: Work, index: int, wanted: Any, limit: bool) -> None:
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
        if old.HasField(name):
            work.edits += _field_edits((*path, name), getattr(old, name), getattr(wanted, name))
        elif getattr(wanted, name).ByteSize():
            work.edits.append(SetField((*path, name), getattr(wanted, name)))
    work.edits += _targets(path, old, work.options)
    phase = PHASE_NAMES[wanted.include[0].phase]
    work.note(
        f"data layer `{old.name}` ({old.type}) reads `{wanted.image_data_param.source}` in {phase}",
        index,
        "its scale, crop and mirror are unchanged" if old.HasField("transform_param") else "",
    )


def _targets(path: Path, old: Any, options: FinetuneOptions) -> list[Edit]:
    """Edits of the data layer ``old`` after which it reads what each line holds: one label, numbers, or a pair."""
    block, place, size = _own(old), (*path, "lungo", "image_data"), options.label_size
    edits: list[Edit] = []
    if options.pairs and not block.pairs:
        edits.append(SetField((*place, "pairs"), True))
    elif block.pairs and not options.pairs:
        edits.append(ClearField((*place, "pairs")))
    if (size or options.pairs) and block.class_balanced:
        edits.append(ClearField((*place, "class_balanced")))
    if size and block.label_size != size:
        edits.append(SetField((*place, "label_size"), size))
    elif block.label_size and not size:
        edits.append(ClearField((*place, "label_size")))
    return edits


def _own(layer: Any) -> Any:
    """The options of ImageData's own in ``layer``; their defaults in a layer of another type."""
    layer_options.load()
    held = layer.lungo if layer.type == "ImageData" else LayerParameter().lungo
    return layer_options.value(held, "image_data")


def _field_edits(path: Path, before: Any, after: Any) -> list[Edit]:
    """Edits that turn the message ``before`` at ``path`` into ``after``."""
    edits: list[Edit] = []
    given = {field.name for field, _ in after.ListFields()}
    for descriptor, _ in before.ListFields():
        if descriptor.name not in given:
            edits.append(ClearField((*path, descriptor.name)))
    for descriptor, value in after.ListFields():
        if getattr(before, descriptor.name) == value and _has(before, descriptor):
            continue
        if descriptor.name == "mean_value":
            if before.mean_value:
                edits.append(ClearField((*path, "mean_value")))
            edits += [SetField((*path, "mean_value", k), one) for k, one in enumerate(value)]
        else:
            edits.append(SetField((*path, descriptor.name), value))
    return edits


def _has(message: Any, descriptor: Any) -> bool:
    return any(one.name == descriptor.name for one, _ in message.ListFields())


def _image_data(work: Work, phase: int, old: PlannedLayer, train: PlannedLayer, pictures: str, label: str) -> Any:
    """The ImageData layer of ``phase``, with the transforms of the layer it replaces."""
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
        crop = transform.lungo.augmentation.add(type="RandomResizedCrop")
        AUGMENTATIONS.load()
        AUGMENTATIONS.value(crop, "random_resized_crop").min_scale = options.augmented
    data.source = options.train_source if phase == TRAIN else options.val_source
    if options.root_folder:
        data.root_folder = options.root_folder.rstrip("/") + "/"
    data.batch_size = options.batch_size if phase == TRAIN else options.test_batch_size
    data.new_height, data.new_width = height, width
    if phase == TRAIN:
        data.shuffle = True
    if _channels(work, old) == 1:
        data.is_color = False
    if options.label_size:
        _own(layer).label_size = options.label_size
    if options.pairs:
        _own(layer).pairs = True
    return layer


def _channels(work: Work, old: PlannedLayer) -> int | None:
    before = work.view.net.layer[old.index]
    if work.options.channels is not None:
        return work.options.channels
    if before.transform_param.force_gray or (before.type == "ImageData" and not before.image_data_param.is_color):
        return 1
    shape = old.top_shapes[0]
    return shape[1] if shape is not None and len(shape) == 4 else None


def _preprocess(work: Work, phase: int, old: PlannedLayer, transform: Any) -> None:
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
            why = f"mean_file {lost} is missing; {why}"
    else:
        return
    if phase == TRAIN:
        rgb = transform.lungo.channel_order == Preprocessing.RGB
        work.note(f"mean {text} ({channel_names.named(channels, rgb)})", old.index, why)


def _sizes(work: Work, old: PlannedLayer, train: PlannedLayer) -> tuple[int, int, int]:
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
            f"the size of the pictures of `{old.name}` is not written in the file",
            work.view.where(old.index),
            received=f"{before.type} without crop_size",
            remedy="give the side of the net's input in pixels: --size 28",
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
