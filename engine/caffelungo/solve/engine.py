"""Device, precision, memory format and threads of a run, and what of it is in a state."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from caffelungo import option_ranges, shell
from caffelungo.errors import RunError, UserError, did_you_mean
from caffelungo.solve.options import EngineOptions
from caffelungo.version import __version__

PRECISIONS = ("fp32", "tf32", "bf16")
FORMATS = ("auto", "channels_last", "contiguous")


@dataclass(frozen=True)
class Engine:
    """The machine a net runs on. ``memory_format`` is that of pictures and convolution kernels."""

    device: torch.device
    precision: str = "fp32"
    memory_format: torch.memory_format = torch.contiguous_format
    compile: bool = False
    caffe: bool = False

    @contextlib.contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Within it, forward passes run in this precision."""
        if self.precision == "bf16":
            with torch.autocast(self.device.type, torch.bfloat16):
                yield
        else:
            yield

    def lay_out(self, blobs: Iterable[Tensor]) -> None:
        """Bring convolution kernels among ``blobs`` into the run's memory format; they keep their identity."""
        if self.memory_format == torch.channels_last:
            for blob in blobs:
                if blob.dim() == 4:
                    blob.data = blob.data.contiguous(memory_format=torch.channels_last)

    def notices(self) -> list[str]:
        """What a person should know of this choice before waiting for its results."""
        if self.precision == "bf16" and self.device.type == "cpu" and _emulates_bf16():
            return ["this CPU has no instructions for bf16, so PyTorch emulates it, slower than fp32: --precision fp32"]
        return []

    def settings(self) -> dict[str, str]:
        """What results depend on besides files and seed; it is in the state and is compared at resume."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else platform.machine()
        return {
            "device": f"{self.device.type} {name}",
            "precision": self.precision,
            "memory_format": format_name(self.memory_format),
            "threads": str(torch.get_num_threads()),
            "compile": str(self.compile),
            "caffe": str(self.caffe),
            "caffelungo": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
        }


def _emulates_bf16() -> bool:
    """Whether this CPU is known to lack bf16; False where PyTorch does not say."""
    has: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    known = ("avx512_bf16", "amx_bf16")
    return has.get("architecture") == "x86_64" and not any(has.get(one) for one in known)


def format_name(memory_format: torch.memory_format) -> str:
    """``channels_last`` or ``contiguous``."""
    return "channels_last" if memory_format == torch.channels_last else "contiguous"


def make_engine(options: EngineOptions) -> Engine:
    """The engine that ``options`` ask for, its threads and switches set; UserError when they make no sense."""
    option_ranges.judge("engine", options)
    for value, known, flag in (
        (options.precision, PRECISIONS, "--precision"),
        (options.memory_format, FORMATS, "--memory-format"),
    ):
        if value not in known:
            near = did_you_mean(value, known)
            raise UserError(
                f"unknown value for {flag}",
                received=value,
                remedy=f"did you mean {near}?" if near else f"use one of: {', '.join(known)}",
            )
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = _device(options)
    precision = "fp32" if options.caffe else options.precision
    if precision == "tf32" and device.type != "cuda":
        raise UserError(
            "TF32 is arithmetic of NVIDIA GPUs", received=f"--precision tf32 on {device}", remedy="use fp32 or bf16"
        )
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.benchmark = not options.caffe
    return Engine(device, precision, _format(options, device), options.compile and not options.caffe, options.caffe)


def _device(options: EngineOptions) -> torch.device:
    if options.gpu not in (None, ""):
        if options.gpu == "all" or "," in str(options.gpu):
            raise UserError(
                "training on several GPUs is not supported",
                received=f"-gpu {options.gpu}",
                remedy="name one, as -gpu 0; with one GPU and iter_size twice as large the effective batch is the same",
            )
        if not str(options.gpu).isdigit():
            raise UserError("-gpu takes the number of a GPU", received=f"-gpu {options.gpu}", remedy="as -gpu 0")
        if options.device != "auto":
            raise UserError(
                "-gpu and --device both name a device",
                received=f"-gpu {options.gpu} and --device {options.device}",
                remedy="remove one of them",
            )
        return _cuda(f"cuda:{options.gpu}", f"-gpu {options.gpu}")
    name = options.device
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, number = name.partition(":")
    if kind == "cuda" and (not number or number.isdigit()):
        return _cuda(f"cuda:{number or 0}", f"--device {shell.word(name)}")
    raise UserError(
        "unknown device", received=f"--device {name}", remedy="use one of: auto, cpu, cuda, cuda:0, cuda:1 ..."
    )


def cuda_devices() -> int:
    """How many GPUs this process can use."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _cuda(name: str, received: str) -> torch.device:
    device, count = torch.device(name), cuda_devices()
    if device.index >= count:
        what = f"this machine has {count} usable GPU(s)" if count else "no usable GPU on this machine"
        without = "leave -gpu out to use the CPU" if received.startswith("-gpu") else "use --device cpu"
        raise UserError(what, received=received, remedy=f"use 0 to {count - 1}" if count else without)
    return device


def _format(options: EngineOptions, device: torch.device) -> torch.memory_format:
    if options.caffe or options.memory_format == "contiguous":
        return torch.contiguous_format
    if options.memory_format == "channels_last" or device.type == "cuda":
        return torch.channels_last
    return torch.channels_last if _cpu_likes_channels_last() else torch.contiguous_format


def _cpu_likes_channels_last() -> bool:
    return torch.backends.mkldnn.is_available() and platform.machine().lower() in ("x86_64", "amd64")


class OutOfMemory(RunError):  # noqa: N818
    """A batch does not fit on the device."""


def out_of_memory(error: BaseException, what: str) -> RunError | None:
    """A readable error when ``error`` is torch's out-of-memory, else None."""
    text = str(error)
    if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in text:
        return None
    return OutOfMemory(
        f"not enough memory for {what}\n  received: {text.splitlines()[0]}\n"
        "  to do: halve batch_size and double iter_size, which keeps the effective batch"
    )


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
