"""`lungo triton`: a model repository for NVIDIA's Triton Inference Server from files that `lungo export` wrote.

    repo/<name>/config.pbtxt     name, onnxruntime backend, inputs, outputs, batching, instances
    repo/<name>/labels.txt       one class per line, by which Triton's classification extension names its answers
    repo/<name>/1/model.onnx     a version a number; a new file becomes the next one

The configuration is read back, with the names and types of Triton's model_config.proto, before anything is written.
Source: Triton's docs, user_guide/model_repository.md and model_configuration.md.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from caffelungo import drafts, files, option_ranges
from caffelungo.errors import Location, Problem, UserError
from caffelungo.inference import metadata
from caffelungo.inference.runtime import read_file, refuse_external_data
from caffelungo.wording import counted

BACKEND = "onnxruntime"
LABELS = "labels.txt"
KINDS = {"auto": "KIND_AUTO", "cpu": "KIND_CPU", "gpu": "KIND_GPU"}
TYPES = {1: "TYPE_FP32", 2: "TYPE_UINT8", 3: "TYPE_INT8", 6: "TYPE_INT32", 7: "TYPE_INT64", 9: "TYPE_BOOL",
         10: "TYPE_FP16", 11: "TYPE_FP64"}  # fmt: skip
"""ONNX's numbers of types and Triton's names for them."""

SCHEMA: Mapping[str, Mapping[str, str]] = {
    "ModelConfig": {
        "name": "string", "platform": "string", "backend": "string", "version_policy": "ModelVersionPolicy",
        "max_batch_size": "int32", "input": "ModelInput*", "output": "ModelOutput*",
        "instance_group": "ModelInstanceGroup*", "dynamic_batching": "ModelDynamicBatching",
    },
    "ModelInput": {"name": "string", "data_type": "DataType", "format": "Format", "dims": "int64*"},
    "ModelOutput": {"name": "string", "data_type": "DataType", "dims": "int64*", "label_filename": "string"},
    "ModelVersionPolicy": {"latest": "Latest"},
    "Latest": {"num_versions": "uint32"},
    "ModelInstanceGroup": {"name": "string", "kind": "Kind", "count": "int32", "gpus": "int32*"},
    "ModelDynamicBatching": {"preferred_batch_size": "int32*", "max_queue_delay_microseconds": "uint64"},
}  # fmt: skip
ENUMS: Mapping[str, Sequence[str]] = {
    "DataType": ("TYPE_INVALID", *TYPES.values()),
    "Format": ("FORMAT_NONE", "FORMAT_NHWC", "FORMAT_NCHW"),
    "Kind": ("KIND_AUTO", "KIND_GPU", "KIND_CPU"),
}
"""The part of model_config.proto that is written; in text form names count, not numbers."""


@dataclass(frozen=True)
class TritonOptions:
    """How Triton runs the model.

    ``name``: the model's (None: the file's); ``version``: its number (None: the next). ``max_batch``: the most pictures
    that it puts together, waiting ``delay`` microseconds at most and preferring batches of ``preferred`` sizes.
    ``instances`` copies run on ``device`` (auto, cpu, gpu), on the cards ``gpus``; the newest ``keep`` versions serve.
    """

    name: str | None = None
    version: int | None = None
    max_batch: int = 64
    delay: int = 2000
    preferred: Sequence[int] = ()
    instances: int = 1
    device: str = "auto"
    gpus: Sequence[int] = ()
    keep: int = 1


@dataclass(frozen=True)
class Placed:
    """What was written, and notes for the user."""

    folder: Path
    version: int
    config: str
    notes: tuple[str, ...] = ()


def triton(model: str | Path, repository: str | Path, options: TritonOptions | None = None) -> Placed:
    """Put the ONNX file ``model`` into ``repository``, which is made if it is missing.

    Raises UserError: no ONNX file, weights in other files, types that Triton does not take, a version that exists, a
    model of that name with other inputs or outputs; then the repository is as it was.
    """
    options = options or TritonOptions()
    source, repository = Path(model), Path(repository)
    _check(options)
    data = read_file(source)
    refuse_external_data(data, str(source))
    graph, properties = _graph(data, str(source))
    name = options.name or re.sub(r"[^A-Za-z0-9_.-]", "_", source.stem)
    folder = repository / name
    labels, layouts = _described(properties, str(source))
    config, notes = config_of(graph, properties, name, labels is not None, options, str(source), layouts)
    text = text_format.MessageToString(config)
    read_config(text, str(folder / "config.pbtxt"))
    _fits(folder / "config.pbtxt", config)
    version, same = _version(folder, data, options)
    if same:
        notes.append(f"version {version} is already this file")
    if same:
        files.write_text(folder / "config.pbtxt", text)
    else:
        beside = {"config.pbtxt": text}
        if labels is not None:
            beside = {LABELS: "".join(f"{' '.join(label.split())}\n" for label in labels), **beside}
        _place(folder, version, data, beside)
    return Placed(folder, version, text, tuple(notes))


def _place(folder: Path, version: int, data: bytes, beside: Mapping[str, str]) -> None:
    """Write a version of the model, and the files ``beside`` it; whole or not at all, since Triton may be polling."""
    repository = folder.parent
    above = [place for place in (repository, *repository.parents) if not place.exists()]
    try:
        repository.mkdir(parents=True, exist_ok=True)
        with drafts.folder(folder) as draft:
            made = draft / folder.name
            (made / str(version)).mkdir(parents=True)
            files.write_bytes(made / str(version) / "model.onnx", data)
            for name, text in beside.items():
                files.write_text(made / name, text)
            if not folder.exists():
                made.rename(folder)
                return
            for name in beside:
                os.replace(made / name, folder / name)
            (made / str(version)).rename(folder / str(version))
    except BaseException:
        with contextlib.suppress(OSError):  # what is not empty stays
            for place in above:
                place.rmdir()
        raise


def _described(properties: Mapping[str, str], file: str) -> tuple[list[str] | None, dict[str, str]]:
    """(labels, layouts by input) that the file's metadata tell; UserError when they are damaged."""
    entries = metadata.Entries(properties, file)
    labels, given = entries.get("labels", metadata.read_names), entries.get("input", metadata.read_input)
    if entries.problems:
        raise UserError(entries.problems)
    return labels, {} if given is None else {given.name: given.layout}


def config_of(
    graph: Any, properties: Mapping[str, str], name: str, labelled: bool, options: TritonOptions, file: str,
    layouts: Mapping[str, str],
) -> tuple[Any, list[str]]:  # fmt: skip
    """(ModelConfig, notes) for an ONNX ``graph`` with the metadata ``properties``; UserError."""
    config = message("ModelConfig")(name=name, backend=BACKEND)
    given, made = list(graph.input), list(graph.output)
    free = [_sizes(one)[:1] == [-1] for one in (*given, *made)]
    batched = all(free)
    config.max_batch_size = options.max_batch if batched else 0
    notes = []
    if not batched:
        notes.append("the file has a fixed batch size, so Triton cannot batch requests")
    unknown = [one.name for one in (*given, *made) if one.type.tensor_type.elem_type not in TYPES]
    if unknown:
        raise UserError(
            "Triton does not support the types of inputs or outputs of this file",
            where=Location(file),
            received=", ".join(unknown),
            remedy="export the net with float inputs and outputs",
        )  # fmt: skip
    for one in given:
        entry = config.input.add(name=one.name, data_type=TYPES[one.type.tensor_type.elem_type])
        entry.dims.extend(_sizes(one)[1:] if batched else _sizes(one))
        form = f"FORMAT_{layouts.get(one.name, 'NONE')}"
        if batched and form in ENUMS["Format"][1:] and len(entry.dims) == 3:
            entry.format = form
    for one in made:
        entry = config.output.add(name=one.name, data_type=TYPES[one.type.tensor_type.elem_type])
        entry.dims.extend(_sizes(one)[1:] if batched else _sizes(one))
        if labelled and one.name == properties.get("classifier"):
            entry.label_filename = LABELS
    config.version_policy.latest.num_versions = options.keep
    group = config.instance_group.add(kind=KINDS[options.device], count=options.instances)
    group.gpus.extend(options.gpus)
    if batched and options.max_batch > 1:
        config.dynamic_batching.preferred_batch_size.extend(options.preferred)
        config.dynamic_batching.max_queue_delay_microseconds = options.delay
    return config, notes


def read_config(text: str, file: str = "config.pbtxt") -> Any:
    """The ModelConfig in ``text``; UserError for fields and values that are not those written here."""
    try:
        return text_format.Parse(text, message("ModelConfig")())
    except text_format.ParseError as error:
        raise UserError(
            "this Triton configuration cannot be read", where=Location(file), received=str(error),
            remedy="its changes by hand are not supported here: use another model name, or move the file",
        ) from error  # fmt: skip


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="model_config.proto", package="inference", syntax="proto3")
    for name, values in ENUMS.items():
        # An enum's values share one scope in a file, as Triton's do.
        kind = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            kind.value.add(name=value, number=number)
    scalars = descriptor_pb2.FieldDescriptorProto
    for name, entries in SCHEMA.items():
        made = file.message_type.add(name=name)
        for number, (field, kind_name) in enumerate(entries.items(), 1):
            bare = kind_name.removesuffix("*")
            entry = made.field.add(name=field, number=number)
            entry.label = scalars.LABEL_REPEATED if kind_name.endswith("*") else scalars.LABEL_OPTIONAL
            if bare in SCHEMA:
                entry.type, entry.type_name = scalars.TYPE_MESSAGE, f".inference.{bare}"
            elif bare in ENUMS:
                entry.type, entry.type_name = scalars.TYPE_ENUM, f".inference.{bare}"
            else:
                entry.type = getattr(scalars, f"TYPE_{bare.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def message(name: str) -> Any:
    """The class of one of Triton's messages."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"inference.{name}"))


def _check(options: TritonOptions) -> None:
    problems = option_ranges.problems("triton", vars(options))
    if any(not 1 <= size <= options.max_batch for size in options.preferred):
        received = ", ".join(map(str, options.preferred))
        remedy = f"use sizes from 1 to {options.max_batch}"
        problems.append(Problem("a preferred batch size is larger than the largest batch", None, received, remedy))
    if options.device not in KINDS:
        problems.append(Problem("unknown device", received=options.device, remedy="use auto, cpu or gpu"))
    if options.gpus and options.device == "cpu":
        received = ", ".join(map(str, options.gpus))
        problems.append(Problem("--gpus needs --device gpu", None, received, "use --device gpu"))
    if options.name is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", options.name):
        remedy = "use letters, digits, _ . and -"
        problems.append(Problem("invalid model name", received=options.name, remedy=remedy))
    if problems:
        raise UserError(problems)


def _graph(data: bytes, file: str) -> tuple[Any, dict[str, str]]:
    """The graph and the metadata of an ONNX file; UserError where no runtime could load it."""
    import onnx

    model = onnx.load_model_from_string(data)
    try:
        newest = onnx.defs.onnx_opset_version()
        for entry in model.opset_import:
            if not entry.domain and entry.version > newest:
                raise ValueError(f"opset {entry.version}, the newest supported one is {newest}")
        onnx.checker.check_model(model)
    except Exception as error:  # the checker's own, and what it makes of versions that it does not know
        raise UserError(
            "this ONNX file is damaged, or of a newer version", where=Location(file),
            received=(str(error).strip().splitlines() or [type(error).__name__])[0][:300],
            remedy="use a file that `lungo export` wrote",
        ) from error  # fmt: skip
    return model.graph, {entry.key: entry.value for entry in model.metadata_props}


def _sizes(value: Any) -> list[int]:
    """The tensor's sizes, -1 for free ones."""
    return [size.dim_value if size.HasField("dim_value") else -1 for size in value.type.tensor_type.shape.dim]


def _fits(path: Path, config: Any) -> None:
    """UserError when the model that is there already has other inputs or outputs: its clients would break."""
    if not path.is_file():
        return
    old = read_config(path.read_text(encoding="utf-8"), str(path))
    changes = [
        f"{one.name} {'x'.join(map(str, one.dims))}"
        for side in ("input", "output")
        for one in getattr(old, side)
        if not any((new.name, list(new.dims), new.data_type) == (one.name, list(one.dims), one.data_type)
                   for new in getattr(config, side))
    ]  # fmt: skip
    if changes or len(old.input) != len(config.input) or len(old.output) != len(config.output):
        raise UserError(
            f"model `{config.name}` exists with other inputs or outputs", where=Location(str(path)),
            received=", ".join(changes)
            or f"{counted(len(old.input), 'input')} and {counted(len(old.output), 'output')}",
            remedy="versions of a model must have the same inputs and outputs: use another --name",
        )  # fmt: skip


def _version(folder: Path, data: bytes, options: TritonOptions) -> tuple[int, bool]:
    """(the version to write, whether it is there with the same content)."""
    there = sorted(int(path.name) for path in folder.glob("*") if path.name.isdigit()) if folder.is_dir() else []
    newest = there[-1] if there else 0
    for version in [options.version] if options.version else [newest]:
        place = folder / str(version) / "model.onnx"
        if version in there and place.is_file() and place.read_bytes() == data:
            return int(version or 0), True
    if options.version in there:
        raise UserError(
            f"version {options.version} of this model exists, with another file",
            where=Location(str(folder / str(options.version))), received=f"--version {options.version}",
            remedy=f"remove --version (the next is {newest + 1}), or remove that folder",
        )  # fmt: skip
    return options.version or newest + 1, False
