"""A model held ready to answer many times, on the device and the providers that were asked for.

    engine = OnnxEngine("model.onnx", "cuda", graphs=True)
    engine.warm_up([1, 8])
    engine.run({"image": pictures})

On a GPU inputs and outputs have buffers there that are used again (IO binding), so that a batch costs one copy each
way. With ``graphs`` each batch size that was warmed up is one CUDA graph: its buffers stay where they are.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.errors import Problem, RunError, UserError
from caffelungo.inference import profile
from caffelungo.inference.runtime import CUDA, TENSORRT, Session, open_session

Array = NDArray[Any]
Key = tuple[tuple[str, tuple[int, ...]], ...]

KEPT = 8
"""Sets of buffers that are kept, one for each shape of inputs; the one used longest ago goes first."""
NO_GRAPH = "-1"
"""The graph id by which ONNX Runtime neither captures nor replays."""
TYPES: dict[str, Any] = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(int32)": np.int32, "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}  # fmt: skip


class OnnxEngine:
    """One ONNX file on one device; ``device`` and ``providers`` say where it runs, asked-for GPUs are never the CPU.

    ``device``: auto, cpu, cuda or cuda:N. ``provider``: cpu, cuda or tensorrt (then CUDA for what TensorRT lacks).
    ``threads`` 0: as many as cores. ``cache``: where TensorRT's engines are kept (none: the user's cache folder).
    ``binding``: buffers on the device (None: on GPUs). Raises UserError for the file and for inputs
    that do not fit it, RunError for the device.
    """

    def __init__(
        self,
        model: str | Path | bytes,
        device: str = "auto",
        *,
        provider: str = "",
        threads: int = 0,
        graphs: bool = False,
        cache: str | Path | None = None,
        binding: bool | None = None,
    ) -> None:
        settings = {}
        if provider == "tensorrt":
            settings[TENSORRT] = _tensorrt(model, cache, graphs)
        if graphs:
            settings[CUDA] = {"enable_cuda_graph": "1"}
        self.session = open_session(model, device, threads=threads, provider=provider, settings=settings)
        plain = {name: values for name, values in settings.items() if name != CUDA}  # a captured graph shows no nodes
        self._profiled = partial(open_session, model, self.session.device, threads=threads, provider=provider,
                                 settings=plain)  # fmt: skip
        if graphs and self.session.device == "cpu":
            raise UserError(
                "CUDA graphs need a GPU",
                received=f"device {self.session.device}",
                remedy="use device cuda, or disable graphs",
            )
        self.device, self.providers = self.session.device, self.session.providers
        self.inputs, self.outputs, self.shapes = self.session.inputs, self.session.outputs, self.session.shapes
        self.metadata = self.session.metadata
        self.graphs = graphs
        self.binding = self.device != "cpu" if binding is None else binding
        self._bound: dict[tuple[Key, tuple[str, ...]], _Bound] = {}
        self._captured = 0

    def __str__(self) -> str:
        text = f"{self.device} ({', then '.join(self.providers)})"
        return f"{text}; {self.session.passed_over}" if self.session.passed_over else text

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """The outputs (all, or those named) for the input arrays ``feeds``.

        Raises UserError for inputs that do not fit the file, RunError when the runtime fails.
        """
        wanted = tuple(outputs) if outputs is not None else tuple(self.outputs)
        try:
            if not self.binding:
                return self.session.run(feeds, wanted)
            key = tuple((name, np.shape(array)) for name, array in sorted(feeds.items())), wanted
            bound = self._bound.pop(key, None)
            if bound is None:
                self._refuse(feeds, wanted)
                bound = self._bind(feeds, wanted, NO_GRAPH)
            self._bound[key] = bound
            self._forget()
            return bound.run(feeds)
        except RunError:
            self._refuse(feeds, wanted)  # looked at now, so that a run that succeeds costs nothing
            raise

    def warm_up(self, batches: Sequence[int] = (1,), outputs: Sequence[str] | None = None, runs: int = 3) -> None:
        """Run zeros at the batch sizes ``batches``, so that the first real batch is as fast as any.

        With graphs each of these sizes becomes one. UserError for a file with other free sizes than the batch.
        """
        wanted = tuple(outputs) if outputs is not None else tuple(self.outputs)
        for batch in batches:
            feeds = self.zeros(batch)
            if self.graphs:
                key = tuple((name, array.shape) for name, array in sorted(feeds.items())), wanted
                if key not in self._bound:
                    self._captured += 1
                    self._bound[key] = self._bind(feeds, wanted, str(self._captured))
            for _ in range(runs):
                self.run(feeds, wanted)

    def ran_on(self, feeds: Mapping[str, Array]) -> dict[str, int]:
        """Provider -> how many nodes of the optimized graph ran there, as the runtime's own profile of a run tells."""
        return profile.providers(lambda prefix: self._profiled(profile=prefix), feeds)

    def _refuse(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> None:
        """UserError with all that is wrong with inputs and names of outputs."""
        problems = [
            Problem(f"the file has no {kind} `{name}`", None, name, f"use {', '.join(known)}")
            for kind, names, known in (("input", feeds, self.inputs), ("output", outputs, self.outputs))
            for name in names if name not in known
        ]  # fmt: skip
        for given in self.session.raw.get_inputs():
            array, wanted = feeds.get(given.name), TYPES.get(given.type)
            sizes = "x".join(map(str, given.shape))
            remedy = f"give a NumPy array of {np.dtype(wanted) if wanted else given.type}, {sizes}"
            if array is None:
                problems.append(Problem(f"input `{given.name}` is missing", None, ", ".join(feeds) or "none", remedy))
            elif not isinstance(array, np.ndarray):
                problems.append(Problem(f"input `{given.name}` is not an array", None, type(array).__name__, remedy))
            elif array.dtype != wanted or not _fits(array.shape, given.shape):
                received = f"{array.dtype}, {'x'.join(map(str, array.shape))}"
                problems.append(Problem(f"the array does not fit input `{given.name}`", None, received, remedy))
        if problems:
            raise UserError(problems)

    def zeros(self, batch: int) -> dict[str, Array]:
        """Inputs of zeros for ``batch`` pictures (or as many as the file is for)."""
        feeds = {}
        for given in self.session.raw.get_inputs():
            sizes = [
                batch if place == 0 and not isinstance(size, int) else size for place, size in enumerate(given.shape)
            ]
            free = [size for size in sizes if not isinstance(size, int)]
            if free:
                raise UserError(
                    f"input `{given.name}` has open sizes besides the batch",
                    received="x".join(map(str, given.shape)), remedy="run a first batch of your own instead",
                )  # fmt: skip
            if given.type not in TYPES:
                raise UserError(
                    f"input `{given.name}` has an unsupported type", received=given.type,
                    remedy="run the file with onnxruntime directly",
                )  # fmt: skip
            feeds[given.name] = np.zeros(sizes, TYPES[given.type])
        return feeds

    def _bind(self, feeds: Mapping[str, Array], outputs: tuple[str, ...], graph: str) -> _Bound:
        return _Bound(self.session, self.graphs, feeds, outputs, graph)

    def _forget(self) -> None:
        """Buffers of graphs stay, whose addresses are in the graphs."""
        loose = [key for key, bound in self._bound.items() if bound.graph == NO_GRAPH]
        for key in loose[: max(0, len(loose) - KEPT)]:
            del self._bound[key]


def _fits(shape: Sequence[int], wanted: Sequence[Any]) -> bool:
    """Whether ``shape`` is ``wanted``, whose open sizes are names."""
    return len(shape) == len(wanted) and all(
        size == one for size, one in zip(shape, wanted, strict=True) if isinstance(one, int)
    )


class _Bound:
    """Buffers on the device for one shape of inputs, bound once."""

    def __init__(
        self, session: Session, graphs: bool, feeds: Mapping[str, Array], outputs: tuple[str, ...], graph: str
    ) -> None:
        import onnxruntime

        self.session, self.graph, self.names = session, graph, outputs
        kind, _, index = session.device.partition(":")
        place = (kind, int(index or 0))
        self.options = onnxruntime.RunOptions()
        if graphs:
            self.options.add_run_config_entry("gpu_graph_id", NO_GRAPH)
        self.binding = session.raw.io_binding()
        make = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        self.given = {}
        self.types = {name: array.dtype for name, array in feeds.items()}
        for name, array in feeds.items():
            self.given[name] = make(list(array.shape), array.dtype, *place)
            self.binding.bind_ortvalue_input(name, self.given[name])
        # The first run lets the runtime choose buffers, which tells the outputs' shapes.
        for name in outputs:
            self.binding.bind_output(name, *place)
        first = self.run(feeds)
        self.binding.clear_binding_outputs()
        made = {name: make(list(array.shape), array.dtype, *place) for name, array in first.items()}
        for name, value in made.items():
            self.binding.bind_ortvalue_output(name, value)
        self.made = made  # the binding does not hold them
        if graphs and graph != NO_GRAPH:
            self.options = onnxruntime.RunOptions()
            self.options.add_run_config_entry("gpu_graph_id", graph)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        try:
            for name, array in feeds.items():
                if array.dtype != self.types[name]:  # its bytes would be taken for another type's
                    raise TypeError(f"input {name} is {array.dtype}, bound to {self.types[name]}")
                self.given[name].update_inplace(np.ascontiguousarray(array))
            self.session.raw.run_with_iobinding(self.binding, self.options)
            return dict(zip(self.names, self.binding.copy_outputs_to_cpu(), strict=True))
        except Exception as error:  # the runtime's exceptions have no common base
            text = str(error).strip().split(os.linesep)[0][:400]
            raise RunError(f"ONNX Runtime failed on {self.session.device}: {text}") from error


def _tensorrt(model: str | Path | bytes, cache: str | Path | None, graphs: bool) -> dict[str, str]:
    """TensorRT builds an engine for minutes: it is kept in a folder of this file's own."""
    data = model if isinstance(model, bytes) else Path(model).read_bytes() if Path(model).is_file() else b""
    base = Path(cache) if cache else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "caffelungo"
    folder = base / "tensorrt" / hashlib.sha256(data).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
        **({"trt_cuda_graph_enable": "1"} if graphs else {}),
    }
