"""The net of an exported file in PyTorch, as whoever trained it would run it: eager, compiled, in half precision."""

from __future__ import annotations

import contextlib
import copy
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from caffelungo.data.preprocess import mean, output_size
from caffelungo.definition.definition import Definition
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy import requested_size
from caffelungo.deploy.bench_options import BenchOptions
from caffelungo.deploy.exportable_net import open_exportable
from caffelungo.deploy.options import ExportOptions
from caffelungo.deploy.resize_proof import resized
from caffelungo.errors import UserError
from caffelungo.inference import metadata
from caffelungo.inference.onnx_engine import OnnxEngine
from caffelungo.net.graph import GraphNet
from caffelungo.net.store import Store
from caffelungo.plan.read_net import read_net
from caffelungo.report.console import duration

Arrays = Mapping[str, NDArray[Any]]
Side = Callable[[Arrays], dict[str, NDArray[Any]]]
Tell = Callable[[str, int, int], None]
Form = tuple[nn.Module, torch.dtype | None]
"""A module, and the type that autocast computes in."""

EAGER, LAST, COMPILED = "torch eager", "torch channels-last", "torch compiled"
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
NOISY = ("torch.utils.cpp_extension", "torch._inductor", "torch._dynamo")
"""Loggers that say on a machine without CUDA's compiler, or with few cores, what nobody asked."""


class _Pictures(nn.Module):
    """uint8 pictures, as the file's input ``given`` takes them, to the net's blob, then the net."""

    mean: Tensor | None

    def __init__(self, net: nn.Module, record: Any, given: metadata.ImageInput) -> None:
        super().__init__()
        self.order = torch.contiguous_format
        self.net, self.scale, self.layout = net, float(record.scale), given.layout
        self.geometry = record if given.resize else None
        self.reverse = record.channel_order == Preprocessing.BGR
        subtract = mean(record)
        self.register_buffer("mean", None if subtract is None else torch.from_numpy(subtract.copy())[None])

    def forward(self, image: Tensor) -> Any:
        values = image.permute(0, 3, 1, 2) if self.layout == "NHWC" else image
        if self.reverse:
            values = values.flip(1)
        values = values.float()
        if self.geometry is not None:
            values = resized(self.geometry, values).round()
        values = values.contiguous(memory_format=self.order)
        if self.mean is not None:
            values = values - self.mean
        return self.net(values * self.scale if self.scale != 1 else values)


def _size(definition: Definition, record: Any | None) -> tuple[int, int] | None:
    """The size that the file was exported at, where the Input of ``definition`` has another; else None."""
    made = (0, 0) if record is None else output_size(record, 0, 0)
    own = requested_size.plane(definition, None, {})
    return made if all(made) and own not in (None, made) else None


def _other(received: str) -> UserError:
    return UserError(
        "the net in PyTorch has other inputs than the file: they are different nets", received=received,
        remedy="name the definition and the weights that the file was exported from",
    )  # fmt: skip


class Opponents:
    """``BenchOptions.net`` with its weights on the device of ``engine``; UserError when they do not fit."""

    def __init__(self, options: BenchOptions, engine: OnnxEngine, threads: int, notes: list[str]) -> None:
        assert options.net is not None
        assert options.weights is not None
        definition = read_net(options.net, dict(options.variables) or None)
        properties = engine.metadata
        described = metadata.read(properties, options.model) if "caffelungo.format" in properties else None
        record = described.record if described else None
        size = _size(definition, record)
        try:
            opened = open_exportable(definition, options.weights, ExportOptions(record=record, size=size))
        except UserError as error:
            if size is None:
                raise
            # At its own size the net may be in order; at the file's it is another one than the file was made from.
            raise _other("; ".join(str(problem.what) for problem in error.problems)) from error
        plan = opened.net.plan
        store = Store(plan, seed=0)
        store.load(opened.arrays)
        made = GraphNet(plan, store)
        module: nn.Module = made.module
        if described is not None and described.input.takes_pictures:
            module = _Pictures(module, described.record, described.input)
            self.inputs = [described.input.name]
        else:
            self.inputs = [source.blob for source in made.inputs]
        self.device = torch.device(engine.device)
        self.module = module.eval().requires_grad_(False).to(self.device)
        self.outputs = {place: blob for place, blob in enumerate(made.outputs, 1) if blob in engine.outputs}
        if not self.outputs or sorted(self.inputs) != sorted(engine.inputs):
            file = f"{', '.join(engine.inputs)} -> {', '.join(engine.outputs)} in the file"
            raise _other(f"{file}, {', '.join(self.inputs)} -> {', '.join(made.outputs)} in the net")
        self.compiled, self.notes, self.graphs = options.compiled, notes, options.graphs
        self.took = 0.0
        last = _channels_last(self.module)
        self.plain: dict[str, Form] = {EAGER: (self.module, None)}
        self.to_compile: dict[str, Form] = {COMPILED: (last, None)}
        if self.device.type == "cpu":
            torch.set_num_threads(threads)
            self.plain[LAST] = (last, None)
        else:
            torch.set_float32_matmul_precision("high")
            notes.append("on GPUs both sides multiply float32 in TF32, as ONNX Runtime does by default")
            self.plain |= {f"{LAST} {name}": (_halved(last, half), half) for name, half in HALVES.items()}
            self.to_compile[f"{COMPILED} fp16"] = self.plain[f"{LAST} fp16"]

    def sides(self, feeds: Arrays, where: str, ends: float, tell: Tell) -> dict[str, Side]:
        """The sides that can run ``feeds``; what cannot, and what the clock ``ends`` leaves no time for, is noted.

        ``tell`` is called with each stage, after ``where``. What was compiled for the sizes before is forgotten first.
        """
        if self.device.type != "cpu":
            torch.cuda.empty_cache()
        made = {name: self._side(*form) for name, form in self.plain.items()}
        try:
            made[EAGER](feeds)
        except (RuntimeError, IndexError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            shapes = ", ".join(f"{name} {'x'.join(map(str, array.shape))}" for name, array in feeds.items())
            raise _other(f"{shapes}; {str(error).splitlines()[0][:200]}") from error
        torch.compiler.reset()
        for name, form in self.to_compile.items() if self.compiled else ():
            if self.took and time.monotonic() + self.took > ends:
                self.notes.append(f"{where}{name} is skipped: compiling would exceed the time limit (--minutes)")
                continue
            before = f"{duration(self.took)} the last time" if self.took else "may take a minute or two"
            tell(f"{where}compiling PyTorch's net, {before}", 0, 0)
            started = time.monotonic()
            try:
                made[name] = self._compiled(form, feeds)
            except Exception as error:  # whatever the compiler lacks: a C++ compiler, an operator
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                self.compiled = False
                self.notes.append(f"torch.compile does not work here and is skipped: {_reason(error)}")
                break
            self.took = time.monotonic() - started
        return made

    def _compiled(self, form: Form, feeds: Arrays) -> Side:
        """One batch size at a time, so that sizes stay constants; weights are constants, too, and BatchNorm folded."""
        module, half = form
        options: dict[str, Any] = {"freezing": True}
        if self.graphs:
            options["triton.cudagraphs"] = True
        side = self._side(torch.compile(module, dynamic=False, options=options), half)
        with _quiet():
            side(feeds)
        return side

    def _side(self, module: Any, half: torch.dtype | None = None) -> Side:
        def run(feeds: Arrays) -> dict[str, NDArray[Any]]:
            tensors = [torch.from_numpy(np.ascontiguousarray(feeds[name])).to(self.device) for name in self.inputs]
            cast = torch.autocast(self.device.type, half) if half else contextlib.nullcontext()
            with torch.inference_mode(), cast:
                answers = module(*tensors)
                return {blob: answers[place].float().cpu().numpy() for place, blob in self.outputs.items()}

        return run


def _channels_last(module: nn.Module) -> nn.Module:
    """A copy whose kernels, and pictures, lie in memory with their channels last."""
    made = copy.deepcopy(module).to(memory_format=torch.channels_last)
    if isinstance(made, _Pictures):
        made.order = torch.channels_last
    return made


def _halved(module: nn.Module, half: torch.dtype) -> nn.Module:
    """A copy whose kernels are in ``half`` already: autocast would cast them in every run; it sees to the rest."""
    made = copy.deepcopy(module)
    for blob in made.parameters():
        if blob.ndim > 1:
            blob.data = blob.data.to(half)
    return made


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in NOISY}
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _reason(error: BaseException) -> str:
    """What a compiler's error says at its root, in a line."""
    while (inner := getattr(error, "inner_exception", None) or error.__cause__) is not None:
        error = inner
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:200]
