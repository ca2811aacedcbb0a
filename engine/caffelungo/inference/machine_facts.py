"""What this machine has and can do: memory, packages, driver, and what came of a trial on each device.

this machine, packages -> facts -.
trials (a process each) -> facts -+-> judge -> findings: what works, what does not, and what to do
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from caffelungo import drafts
from caffelungo.inference.device_trial import CPU

CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
TIMEOUT = 180
"""Seconds that one trial may take; the first CUDA call of a machine can take half a minute."""

EXTRAS = {
    "tensorboard": "curves in TensorBoard",
    "tensorrt": "ONNX Runtime on TensorRT",
    "opencv-python-headless": "a second reader of Caffe files, to verify `export --format caffe`",
}
"""Packages that are used where they are, and for what."""


@dataclass
class Facts:
    """What was found out. ``torch`` and ``onnxruntime`` hold the trials by device and by provider."""

    machine: dict[str, Any] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, str] = field(default_factory=dict)
    driver: dict[str, Any] = field(default_factory=dict)
    torch: dict[str, dict[str, Any]] = field(default_factory=dict)
    onnxruntime: dict[str, dict[str, Any]] = field(default_factory=dict)


def examine(progress: Callable[[str], None] | None = None) -> Facts:
    """Look and try; about ten seconds on a machine without a GPU. ``progress`` is called at each step."""
    tell = progress or (lambda step: None)
    facts = Facts(_machine(), *_packages(), _driver())
    tell("PyTorch: a convolution on the CPU")
    facts.torch["cpu"] = trial("torch", "cpu")
    for index in range(int(facts.torch["cpu"].get("devices", 0))):
        tell(f"PyTorch: a convolution on cuda:{index}")
        facts.torch[f"cuda:{index}"] = trial("torch", f"cuda:{index}")
    tell("ONNX Runtime: a convolution on the CPU")
    facts.onnxruntime[CPU] = trial("onnxruntime", CPU)
    for provider in facts.onnxruntime[CPU].get("providers", []):
        needs_card = provider in (CUDA, TENSORRT)
        if provider != CPU and (facts.driver.get("devices") or not needs_card):
            tell(f"ONNX Runtime: a convolution on {provider}")
            facts.onnxruntime[provider] = trial("onnxruntime", provider)
    return facts


def trial(kind: str, target: str, timeout: float = TIMEOUT) -> dict[str, Any]:
    """The facts of one trial; ``failure`` says what went wrong, ``log`` what the library printed."""
    with drafts.scratch() as folder:
        command = [sys.executable, "-m", "caffelungo.inference.device_trial", kind, target, str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            return {"failure": f"no response within {timeout:g} seconds"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    log = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", done.stderr).split())
    if not lines:
        ending = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        return {"failure": f"the process ended with {ending}: {log[-300:]}", "log": log}
    return {**json.loads(lines[-1]), "log": log}


# Looking


def _machine() -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ}
    shared = Path("/dev/shm")
    space = os.statvfs(shared) if shared.is_dir() and hasattr(os, "statvfs") else None
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": cores,
        "quota": _quota(),
        "threads": threads,
        **memory(),
        "shm": space.f_bavail * space.f_frsize if space else None,
    }


def _quota() -> float | None:
    """Cores that the control group grants; None without a limit."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return None


def memory() -> dict[str, int]:
    """Bytes of memory: all and free, within the control group's limit."""
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        return {}
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        total, free = min(total, limit), min(free, max(0, limit - used))
    except (OSError, ValueError):
        pass
    return {"memory": total, "free": free}


def _packages() -> tuple[dict[str, str], dict[str, str]]:
    """Versions of what is installed, and the least versions that this package asks for."""
    installed = {
        str(one.metadata["Name"]).lower().replace("_", "-"): one.version
        for one in metadata.distributions() if one.metadata["Name"]
    }  # fmt: skip
    wanted = {}
    try:
        for requirement in metadata.requires("caffelungo") or []:
            match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*>=([0-9.]+)", requirement)
            if match and "extra ==" not in requirement and not match[1].startswith("onnxruntime"):
                wanted[match[1].lower()] = match[2]
    except metadata.PackageNotFoundError:
        pass
    return installed, wanted


def _driver() -> dict[str, Any]:
    """NVIDIA's driver: the CUDA version it speaks and the devices it shows; empty without one."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError as error:
        return {"missing": str(error)}
    version, count = ctypes.c_int(0), ctypes.c_int(0)
    status = library.cuInit(0)
    if status != 0:
        return {"failure": f"cuInit returned error {status}"}
    library.cuDriverGetVersion(ctypes.byref(version))
    library.cuDeviceGetCount(ctypes.byref(count))
    return {"cuda": f"{version.value // 1000}.{version.value % 1000 // 10}", "devices": count.value}
