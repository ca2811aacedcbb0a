"""Sessions of ONNX Runtime that run where they were asked to, or say why not.

ONNX Runtime itself goes on with the CPU, under a warning, when a GPU provider fails to load; here a device that was
named is the device that is used. Weights beside the file (external data) are refused: a foreign file could name any
path of this machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from caffelungo import files
from caffelungo.errors import Location, RunError, UserError
from caffelungo.wording import counted

Array = NDArray[Any]
LIMIT = 2**31 - 1
"""Most bytes that one ONNX file holds: protobuf's limit."""

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
PROVIDERS = {"cpu": (CPU,), "cuda": (CUDA,), "tensorrt": (TENSORRT, CUDA)}
"""What `--provider` takes, and who is asked in this order for each operator. For a GPU, the CPU never is."""
EXACT = {CUDA: {"use_tf32": "0"}}
"""Settings under which float32 is float32: ONNX Runtime multiplies in TF32 on GPUs that can, and that has ten bits."""
_REMEDY = (
    "use --device cpu, or install what the CUDA provider needs: an NVIDIA driver and "
    "`onnxruntime-gpu[cuda,cudnn]` instead of `onnxruntime`"
)


class Session:
    """A loaded model. ``device`` is where it runs: ``cpu`` or ``cuda:N``; ``providers`` are asked in that order.

    ``passed_over``: why a GPU that is there is not used, where the choice was left to the machine.
    """

    passed_over = ""

    def __init__(self, session: Any, device: str, providers: Sequence[str] = (CPU,)) -> None:
        self.raw, self.device, self.providers = session, device, tuple(providers)
        self.inputs: list[str] = [given.name for given in session.get_inputs()]
        self.outputs: list[str] = [made.name for made in session.get_outputs()]
        self.shapes: dict[str, list[Any]] = {given.name: list(given.shape) for given in session.get_inputs()}
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """The outputs (all, or those named) for the input arrays ``feeds``; RunError when the runtime fails."""
        wanted = list(outputs) if outputs is not None else self.outputs
        try:
            return dict(zip(wanted, self.raw.run(wanted, dict(feeds)), strict=True))
        except Exception as error:  # the runtime's exceptions have no common base
            raise RunError(f"ONNX Runtime failed on {self.device}: {_first_line(error)}") from error


def open_session(
    model: str | Path | bytes,
    device: str = "auto",
    *,
    threads: int = 0,
    optimize: bool = True,
    provider: str = "",
    settings: Mapping[str, Mapping[str, str]] | None = None,
    profile: str = "",
) -> Session:
    """A session for ``model`` (a file, or a serialized model) on ``device``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    ``auto`` takes the first CUDA device that works, else the CPU. ``threads`` 0: as many as cores. ``provider`` is one
    of ``PROVIDERS`` (none: that of the device), ``settings`` are options by a provider's full name. ``profile`` begins
    the name of a profile that the runtime writes (none: no profile).
    Raises UserError for a missing or foreign file and an unknown device, RunError when the device cannot be used.
    """
    kind, index = parse_device(device)
    wanted = provider or kind
    _agree(kind, provider)
    data = model if isinstance(model, bytes) else read_file(model)
    name = None if isinstance(model, bytes) else str(model)
    refuse_external_data(data, name or "model")
    options = partial(_options, threads, optimize, profile)
    if wanted == "cpu":
        return _cpu(data, name, options)
    if wanted != "auto":
        return _gpu(data, index, options, PROVIDERS[wanted], settings or {})
    if cuda_devices() and CUDA in _runtime().get_available_providers():
        try:
            return _gpu(data, index, options, PROVIDERS["cuda"], settings or {})
        except RunError as error:
            session = _cpu(data, name, options)
            session.passed_over = _first_line(error)
            return session
    return _cpu(data, name, options)


def _agree(kind: str, provider: str) -> None:
    """UserError for an unknown provider, and for one that does not run on the device that was named."""
    if provider and provider not in PROVIDERS:
        raise UserError("unknown provider", received=provider, remedy=f"use {', '.join(PROVIDERS)}, or remove it")
    if provider and kind != "auto" and (kind == "cpu") != (provider == "cpu"):
        raise UserError(
            "provider and device contradict each other", received=f"provider {provider}, device {kind}",
            remedy="remove one of them",
        )  # fmt: skip


def cuda_devices() -> int:
    """How many CUDA devices the driver of this machine offers; 0 without a driver."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def refuse_external_data(data: bytes, name: str) -> None:
    """UserError when ``data`` is no ONNX model, or keeps weights in other files."""
    import onnx

    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError, and what onnx makes of others
        raise UserError(
            "this is not an ONNX file",
            where=Location(name),
            received=f"{counted(len(data), 'byte')}; {_first_line(error)}",
            remedy="use a file that `lungo export` wrote",
        ) from error
    if not model.graph.node:
        raise UserError(
            "this is not an ONNX file, or is empty", where=Location(name),
            received=f"{counted(len(data), 'byte')}, no operator", remedy="use a file that `lungo export` wrote",
        )  # fmt: skip
    tensors = chain(_tensors(model.graph), *(_attributes(node) for one in model.functions for node in one.node))
    outside = [tensor for tensor in tensors if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if outside:
        raise UserError(
            "this ONNX file stores its weights in other files, which is not supported",
            where=Location(name),
            received=f"{counted(len(outside), 'tensor')} in other files, the first is {_stands(outside[0])}",
            remedy="export the net as one file, as `lungo export` does; a file that you trust becomes one by "
            "onnx.save(onnx.load(old), new)",
        )


def _stands(tensor: Any) -> str:
    places = [entry.value for entry in tensor.external_data if entry.key == "location"]
    return f"`{tensor.name}` in {', '.join(map(repr, places)) or 'an unnamed file'}"[:300]


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    for node in graph.node:
        yield from _attributes(node)


def _attributes(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for graph in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
            yield from _tensors(graph)


def parse_device(device: str) -> tuple[str, int]:
    """(``auto``, ``cpu`` or ``cuda``, index); UserError for anything else."""
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and (kind != "cuda" or not index.isdigit())):
        raise UserError(
            "unknown device", received=f"device {device!r}", remedy="use auto, cpu, cuda or cuda:N (as cuda:0)"
        )
    return kind, int(index or 0)


def read_file(given: str | Path) -> bytes:
    """The bytes of an ONNX file; UserError when there is none, or none that one file can be."""
    path = Path(given)
    if path.is_dir():
        raise UserError(
            "this is a folder, not an ONNX file", where=Location(str(path)), received=str(path.absolute()),
            remedy="name the file inside it",
        )  # fmt: skip
    if not path.exists():
        raise UserError(
            "ONNX file not found", where=Location(str(path)), received=str(path.absolute()),
            remedy="correct the path, or write the file with `lungo export`",
        )  # fmt: skip
    size = files.refuse_special(path)
    if size > LIMIT:
        raise UserError(
            "the file is larger than an ONNX file can be", where=Location(str(path)), received=counted(size, "byte"),
            remedy="use a file that `lungo export` wrote",
        )  # fmt: skip
    return files.read(path, what="this is not an ONNX file")


def _runtime() -> Any:
    """The package, with its log turned down before it looks for devices."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    return onnxruntime


def _options(threads: int, optimize: bool, profile: str) -> Any:
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    if not optimize:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def _cpu(data: bytes, name: str | None, options: Callable[[], Any]) -> Session:
    try:
        return Session(_runtime().InferenceSession(data, options(), providers=[CPU]), "cpu")
    except Exception as error:
        if name is None:  # made here
            raise RunError(f"ONNX Runtime cannot load the model: {_first_line(error)}") from error
        raise UserError(
            "ONNX Runtime cannot load this file", where=Location(name), received=_first_line(error),
            remedy="give a file that `lungo export` or `lungo convert` wrote; if it is one, copy it again",
        ) from error  # fmt: skip


def _gpu(
    data: bytes, index: int, options: Callable[[], Any], order: Sequence[str],
    settings: Mapping[str, Mapping[str, str]],
) -> Session:  # fmt: skip
    runtime, device = _runtime(), f"cuda:{index}"
    count = cuda_devices()
    missing = [name for name in order if name not in runtime.get_available_providers()]
    if missing:
        raise _unusable(device, f"the installed onnxruntime has no {_short(missing[0])} provider", order)
    if index >= count:
        raise _unusable(
            device,
            "no CUDA device was found"
            if not count
            else f"{counted(count, 'CUDA device was', 'CUDA devices were')} found",
            order,
        )
    _preload(runtime)
    made = options()
    made.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    providers = [(name, {"device_id": str(index), **settings.get(name, {})}) for name in order]
    try:
        session = runtime.InferenceSession(data, made, providers=providers)
    except Exception as error:
        raise _unusable(device, _first_line(error), order) from error
    running = session.get_providers()
    if list(running[: len(order)]) != list(order):
        raise _unusable(device, f"the session runs on {', '.join(running)} instead", order)
    return Session(session, device, order)


def _short(provider: str) -> str:
    return provider.removesuffix("ExecutionProvider")


def _preload(runtime: Any) -> None:
    """Load the CUDA libraries that came as Python packages; it prints rather than raises, and the session will tell."""
    if hasattr(runtime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):
            runtime.preload_dlls()


def _unusable(device: str, why: str, order: Sequence[str] = (CUDA,)) -> RunError:
    more = ""
    if TENSORRT in order:
        more = "; for --provider tensorrt also `tensorrt` below 11 on the library path, or remove --provider"
    return RunError(f"device {device} cannot be used: {why}\n  to do: {_REMEDY}{more}")


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.split(os.linesep)[0][:400]
