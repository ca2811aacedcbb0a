"""The net of an exported file in PyTorch, as whoever trained it would run it: eager, compiled, in half precision."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from caffelungo.data.preprocess import mean
from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy import metadata
from caffelungo.deploy.engine import Engine
from caffelungo.deploy.export import ExportOptions, fitted, read_weights, record_and_shapes
from caffelungo.deploy.given import cores
from caffelungo.errors import UserError
from caffelungo.net.graph import Net
from caffelungo.net.store import Store

Arrays = Mapping[str, NDArray[Any]]


class _Pictures(nn.Module):
    """uint8 pictures to the net's blob (see ``pictures.apply``), then the net."""

    mean: Tensor | None

    def __init__(self, net: nn.Module, record: Any) -> None:
        super().__init__()
        self.net, self.scale = net, float(record.scale)
        self.reverse = record.channel_order == Preprocessing.BGR
        subtract = mean(record)
        self.register_buffer("mean", None if subtract is None else torch.from_numpy(subtract.copy())[None])

    def forward(self, image: Tensor) -> Any:
        values = image.permute(0, 3, 1, 2)
        if self.reverse:
            values = values.flip(1)
        values = values.float()
        if self.mean is not None:
            values = values - self.mean
        return self.net(values * self.scale if self.scale != 1 else values)


def _other(received: str) -> UserError:
    return UserError(
        "PyTorch's net does not take the inputs of the file: this is not the same net", received=received,
        remedy="give the definition and the weights that the file was made of",
    )  # fmt: skip


class Opponents:
    """``bench.BenchOptions.net`` with its weights on the device of ``engine``; UserError when they do not fit."""

    def __init__(self, options: Any, engine: Engine, notes: list[str]) -> None:
        definition, weights = read_net(options.net), read_weights(options.weights)
        properties = engine.metadata
        described = metadata.read(properties, options.model) if "caffelungo.format" in properties else None
        record = described.record if described else None
        net, _, _ = record_and_shapes(definition, weights, ExportOptions(record=record))
        arrays, problems = fitted(net, weights, definition)
        if problems:
            raise UserError(problems)
        store = Store(net.plan, seed=0)
        store.load(arrays)
        made = Net(net.plan, store)
        module: nn.Module = made.module
        if described is not None and described.input.takes_pictures:
            module = _Pictures(module, described.record)
            self.inputs = [described.input.name]
        else:
            self.inputs = [source.blob for source in made.inputs]
        self.device = torch.device(engine.device)
        self.module = module.eval().to(self.device)
        self.outputs = {place: blob for place, blob in enumerate(made.outputs, 1) if blob in engine.outputs}
        if not self.outputs or sorted(self.inputs) != sorted(engine.inputs):
            file = f"{', '.join(engine.inputs)} -> {', '.join(engine.outputs)} in the file"
            raise _other(f"{file}, {', '.join(self.inputs)} -> {', '.join(made.outputs)} in the net")
        self.compiled, self.notes = options.compiled, notes
        if self.device.type == "cpu":
            torch.set_num_threads(options.threads or cores())

    def sides(self, feeds: Arrays) -> dict[str, Callable[[Arrays], dict[str, NDArray[Any]]]]:
        """The sides that can run ``feeds``; what cannot is noted."""
        made = {"torch eager": self._side(self.module)}
        try:
            made["torch eager"](feeds)
        except (RuntimeError, IndexError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            shapes = ", ".join(f"{name} {'x'.join(map(str, array.shape))}" for name, array in feeds.items())
            raise _other(f"{shapes}; {str(error).splitlines()[0][:200]}") from error
        if self.device.type == "cuda":
            half = self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            made["torch channels-last bf16"] = self._side(half, torch.bfloat16)
        if self.compiled:
            torch.compiler.reset()  # one batch size a time, so that sizes stay constants
            compiled = self._side(torch.compile(self.module, dynamic=False))
            try:
                compiled(feeds)
                made["torch compiled"] = compiled
            except Exception as error:  # whatever the compiler lacks: a C++ compiler, an operator
                first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
                self.notes.append(f"torch.compile does not run here and is left out: {first}")
        return made

    def _side(self, module: Any, half: torch.dtype | None = None) -> Callable[[Arrays], dict[str, NDArray[Any]]]:
        def run(feeds: Arrays) -> dict[str, NDArray[Any]]:
            tensors = [torch.from_numpy(np.ascontiguousarray(feeds[name])).to(self.device) for name in self.inputs]
            cast = torch.autocast(self.device.type, half) if half else contextlib.nullcontext()
            with torch.inference_mode(), cast:
                answers = module(*tensors)
                return {blob: answers[place].float().cpu().numpy() for place, blob in self.outputs.items()}

        return run
