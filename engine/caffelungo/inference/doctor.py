"""`lungo doctor`: what this machine can do, tried rather than read.

    this machine, packages -> facts -.
    trials (a process each) -> facts -+-> judge -> findings: what works, what does not, and what to do

ONNX Runtime goes on with the CPU, under a line of log, when a GPU provider fails to load. Here that is a finding, with
the library that was missing.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from caffelungo import drafts
from caffelungo.inference.device_trial import CPU, TOLERANCE

CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
GOOD, NOTE, BAD = "ok", "--", "!!"
TIMEOUT = 180
"""Seconds that one trial may take; the first CUDA call of a machine can take half a minute."""

EXTRAS = {
    "tensorboard": "curves in TensorBoard",
    "tensorrt": "ONNX Runtime on TensorRT",
    "opencv-python-headless": "a second reader of Caffe files, to verify `export --format caffe`",
}
"""Packages that are used where they are, and for what."""

CURAND = {"13": "nvidia-curand", "12": "nvidia-curand-cu12"}


@dataclass(frozen=True)
class Finding:
    """One line of the report: ``state`` is GOOD, NOTE or BAD; ``remedy`` is what to do about a bad one."""

    area: str
    state: str
    text: str
    remedy: str = ""


@dataclass
class Facts:
    """What was found out. ``torch`` and ``onnxruntime`` hold the trials by device and by provider."""

    machine: dict[str, Any] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, str] = field(default_factory=dict)
    driver: dict[str, Any] = field(default_factory=dict)
    torch: dict[str, dict[str, Any]] = field(default_factory=dict)
    onnxruntime: dict[str, dict[str, Any]] = field(default_factory=dict)


def examine(progress: Any = None) -> Facts:
    """Look and try; about ten seconds on a machine without a GPU. ``progress`` is told each step."""
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


def judge(facts: Facts) -> list[Finding]:
    """The findings, in the order in which they are to be read."""
    return [
        *_judge_machine(facts.machine),
        *_judge_packages(facts),
        *_judge_driver(facts),
        *_judge_torch(facts),
        *_judge_onnxruntime(facts),
    ]


def render(findings: Sequence[Finding]) -> str:
    """The report as text."""
    lines = []
    area = ""
    for one in findings:
        lines.append(f"{one.area if one.area != area else '':<12} {one.state}  {one.text}")
        area = one.area
        if one.remedy:
            lines.append(f"{'':<12}     to do: {one.remedy}")
    bad = sum(one.state == BAD for one in findings)
    lines.append(f"{bad} thing(s) to fix" if bad else "everything works")
    return "\n".join(lines)


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


# Judging


def _judge_machine(machine: Mapping[str, Any]) -> list[Finding]:
    found = [Finding("machine", GOOD, f"{machine.get('system', '')}, Python {machine.get('python', '')}")]
    cores, quota = machine.get("cores", 1), machine.get("quota")
    text = f"{cores} core(s)"
    if quota is not None:
        text += f", of which the control group allows {quota:g}"
    if machine.get("threads"):
        text += ", " + ", ".join(f"{name}={value}" for name, value in machine["threads"].items())
    few = quota is not None and quota < cores and not machine.get("threads")
    found.append(
        Finding("machine", BAD, text, f"more threads than cores only wait: export OMP_NUM_THREADS={max(1, int(quota))}")
        if few and quota is not None else Finding("machine", GOOD, text)
    )  # fmt: skip
    if "memory" in machine:
        text = f"{_gib(machine['memory'])} of memory, {_gib(machine['free'])} free"
        small = machine["free"] < 2 * 2**30
        remedy = "training a large net needs more: close other programs, or use a small batch" if small else ""
        found.append(Finding("machine", BAD if small else GOOD, text, remedy))
    if machine.get("shm") is not None and machine["shm"] < 256 * 2**20:
        text = f"{machine['shm'] / 2**20:.0f} MiB of shared memory"
        found.append(Finding("machine", BAD, text, "data loading processes need more: docker run --shm-size 2g"))
    return found


def _judge_packages(facts: Facts) -> list[Finding]:
    packages, found = facts.packages, []
    for name, least in facts.wanted.items():
        if name not in packages:
            found.append(Finding("packages", BAD, f"{name} is missing", f"pip install '{name}>={least}'"))
        elif _number(packages[name]) < _number(least):
            text = f"{name} {packages[name]} is older than {least}"
            found.append(Finding("packages", BAD, text, f"pip install '{name}>={least}'"))
    both = [name for name in ("onnxruntime", "onnxruntime-gpu") if name in packages]
    if len(both) == 2:
        text = "onnxruntime and onnxruntime-gpu are both installed; they share one folder, so only one of them works"
        remedy = "pip uninstall -y onnxruntime onnxruntime-gpu, then install the one you need"
        found.append(Finding("packages", BAD, text, remedy))
    if not both:
        remedy = "pip install onnxruntime (with an NVIDIA card: 'onnxruntime-gpu[cuda,cudnn]')"
        found.append(Finding("packages", BAD, "no ONNX Runtime is installed", remedy))
    if not found:
        found.append(Finding("packages", GOOD, f"all {len(facts.wanted)} needed packages are installed and supported"))
    for name, what in EXTRAS.items():
        there = next((other for other in packages if other.startswith(name.removesuffix("-headless"))), None)
        text = f"{there} {packages[there]}: {what}" if there else f"no {name}: {what}"
        found.append(Finding("packages", GOOD if there else NOTE, text))
    return found


def _judge_driver(facts: Facts) -> list[Finding]:
    driver = facts.driver
    if driver.get("failure"):
        remedy = "fix the driver first (nvidia-smi must work); in a container start it with --gpus all"
        return [Finding("driver", BAD, f"NVIDIA's driver does not start: {driver['failure']}", remedy)]
    if not driver.get("devices"):
        return [Finding("driver", NOTE, "no NVIDIA driver or no card: everything runs on the CPU")]
    found = [Finding("driver", GOOD, f"NVIDIA, CUDA up to {driver['cuda']}, {driver['devices']} card(s)")]
    for name, trials in (("PyTorch", facts.torch), ("ONNX Runtime", facts.onnxruntime)):
        built = next((one.get("cuda", "") for one in trials.values() if one.get("cuda")), "")
        if built and _number(built)[:1] > _number(driver["cuda"])[:1]:
            text = f"{name} was built for CUDA {built}, the driver supports at most {driver['cuda']}"
            remedy = f"update the driver, or install a {name} for CUDA {driver['cuda'].split('.')[0]}"
            found.append(Finding("driver", BAD, text, remedy))
    return found


def _judge_torch(facts: Facts) -> list[Finding]:
    found = []
    for device, one in facts.torch.items():
        where = f"{device}: {one['name']}" if one.get("name") else device
        if "failure" in one:
            found.append(Finding("torch", BAD, f"{where}: {one['failure']}", _torch_remedy(device)))
            continue
        wrong = not one["error"] <= TOLERANCE
        text = f"{where}: {one['version']}, a convolution "
        text += f"is wrong by {one['error']:.2g} of its largest value" if wrong else "correct results"
        if device == "cpu":
            text += f", {one.get('threads', 1)} thread(s)"
        if one.get("total"):
            text += f", {_gib(one['free'])} of {_gib(one['total'])} free{', bf16' if one.get('bf16') else ''}"
        remedy = "reinstall PyTorch; if that does not help, the card or the memory is faulty" if wrong else ""
        found.append(Finding("torch", BAD if wrong else GOOD, text, remedy))
    cpu = facts.torch.get("cpu", {})
    if facts.driver.get("devices") and not cpu.get("devices") and "failure" not in cpu:
        text = f"the driver shows {facts.driver['devices']} card(s), PyTorch {cpu.get('version', '')} none"
        built = cpu.get("cuda")
        remedy = (
            f"its CUDA {built} and the driver's {facts.driver.get('cuda')} do not fit together: update the driver"
            if built else "this PyTorch was built for the CPU: install one with CUDA"
        )  # fmt: skip
        found.append(Finding("torch", BAD, text, remedy))
    return found


def _torch_remedy(device: str) -> str:
    return "reinstall PyTorch" if device == "cpu" else "update the driver, or install a PyTorch for its CUDA version"


def _judge_onnxruntime(facts: Facts) -> list[Finding]:
    found = []
    runtime = facts.onnxruntime.get(CPU, {})
    for provider, one in facts.onnxruntime.items():
        name = provider.removesuffix("ExecutionProvider")
        if "failure" in one:
            remedy = "reinstall onnxruntime" if provider == CPU else _provider_remedy(provider, one, facts)
            found.append(Finding("onnxruntime", BAD, f"{name}: {one['failure']}", remedy))
        elif one["ran_on"] != provider:
            text = f"{name}: requested, but the convolution silently ran on {one['ran_on'] or 'another provider'}"
            reason = _reason(one.get("log", ""))
            remedy = _provider_remedy(provider, one, facts)
            # TensorRT is an extra: whoever has not installed it misses nothing.
            absent = provider == TENSORRT and "libnvinfer" in reason
            text = f"{name}: not installed ({reason})" if absent else text + (f" ({reason})" if reason else "")
            found.append(Finding("onnxruntime", NOTE if absent else BAD, text, "" if absent else remedy))
        else:
            wrong = not one["error"] <= TOLERANCE
            text = f"{name}: {one['version']}, a convolution "
            text += f"is wrong by {one['error']:.2g} of its largest value" if wrong else "correct results"
            found.append(Finding("onnxruntime", BAD if wrong else GOOD, text, "reinstall onnxruntime" if wrong else ""))
    if facts.driver.get("devices") and "failure" not in runtime and CUDA not in runtime.get("providers", []):
        text = "there is a card, but the installed onnxruntime has no CUDA provider"
        remedy = "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"
        found.append(Finding("onnxruntime", BAD, text, remedy))
    ours, theirs = runtime.get("cuda", ""), facts.torch.get("cpu", {}).get("cuda", "")
    if facts.driver.get("devices") and ours and theirs and _number(ours)[:1] != _number(theirs)[:1]:
        text = f"ONNX Runtime is for CUDA {ours}, PyTorch for CUDA {theirs}: they cannot share libraries"
        major = _number(theirs)[0]
        remedy = "pip install 'onnxruntime-gpu[cuda,cudnn]>=1.28'" if major >= 13 else (
            f"pip install 'onnxruntime-gpu[cuda,cudnn]<1.27' (for CUDA {major}), or a PyTorch for CUDA {ours}"
        )  # fmt: skip
        found.append(Finding("onnxruntime", BAD, text, remedy))
    return found


def _reason(log: str) -> str:
    """The library that could not be loaded, in what ONNX Runtime logged."""
    match = re.search(
        r"with error: (\S+?\.so[.\d]*|\S+\.dll)[^:]*: ([^\[]{0,80}?No such file or directory|[^\[]{0,60})", log
    )
    return f"{match[1].rstrip(':')}: {match[2].strip()}" if match else ""


def _provider_remedy(provider: str, one: Mapping[str, Any], facts: Facts) -> str:
    text = f"{one.get('failure', '')} {one.get('log', '')}"
    major = str(one.get("cuda") or "13").split(".")[0]
    if "libcurand" in text:
        return f"pip install {CURAND.get(major, 'nvidia-curand')}"
    if "libcudnn" in text or "CUDNN" in text:
        return f"pip install nvidia-cudnn-cu{major}"
    if "libnvinfer" in text or provider == TENSORRT:
        return "pip install 'tensorrt>=10,<11'"
    if "libcuda.so" in text:
        return "install NVIDIA's driver; in a container start it with --gpus all"
    if provider == CUDA:
        return "pip install 'onnxruntime-gpu[cuda,cudnn]'"
    return f"if you do not need {provider}, name the device to use"


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
