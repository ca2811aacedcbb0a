"""`lungo doctor`: tests what this machine can do.

    this machine, packages -> facts -.
    trials (a process each) -> facts -+-> judge -> findings: what works, what does not, and what to do

ONNX Runtime goes on with the CPU, under a line of log, when a GPU provider fails to load. Here that is a finding, with
the library that was missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from caffelungo.inference.device_trial import CPU, TOLERANCE
from caffelungo.inference.machine_facts import CUDA, EXTRAS, TENSORRT, Facts
from caffelungo.wording import counted

GOOD, NOTE, BAD = "ok", "--", "!!"

CURAND = {"13": "nvidia-curand", "12": "nvidia-curand-cu12"}


@dataclass(frozen=True)
class Finding:
    """One line of the report: ``state`` is GOOD, NOTE or BAD; ``remedy`` is what to do about a bad one."""

    area: str
    state: str
    text: str
    remedy: str = ""


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
    lines.append(f"{counted(bad, 'thing')} to fix" if bad else "everything works")
    return "\n".join(lines)


# Judging


def _judge_machine(machine: Mapping[str, Any]) -> list[Finding]:
    found = [Finding("machine", GOOD, f"{machine.get('system', '')}, Python {machine.get('python', '')}")]
    cores, quota = machine.get("cores", 1), machine.get("quota")
    text = counted(cores, "core")
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
        found.append(
            Finding("packages", GOOD, f"all needed packages ({len(facts.wanted)}) are installed and supported")
        )
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
    found = [Finding("driver", GOOD, f"NVIDIA, CUDA up to {driver['cuda']}, {counted(driver['devices'], 'card')}")]
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
        text = f"{where}: {one['version']}, {_convolved(one['error'])}"
        if device == "cpu":
            text += f", {counted(one.get('threads', 1), 'thread')}"
        if one.get("total"):
            text += f", {_gib(one['free'])} of {_gib(one['total'])} free{', bf16' if one.get('bf16') else ''}"
        remedy = "reinstall PyTorch; if that does not help, the card or the memory is faulty" if wrong else ""
        found.append(Finding("torch", BAD if wrong else GOOD, text, remedy))
    cpu = facts.torch.get("cpu", {})
    if facts.driver.get("devices") and not cpu.get("devices") and "failure" not in cpu:
        text = f"the driver shows {counted(facts.driver['devices'], 'card')}, PyTorch {cpu.get('version', '')} none"
        built = cpu.get("cuda")
        remedy = (
            f"its CUDA {built} and the driver's {facts.driver.get('cuda')} do not fit together: update the driver"
            if built else "this PyTorch was built for the CPU: install one with CUDA"
        )  # fmt: skip
        found.append(Finding("torch", BAD, text, remedy))
    return found


def _convolved(error: float) -> str:
    """What the convolution that was computed shows; ``error`` is a share of its largest value."""
    return "convolution correct" if error <= TOLERANCE else f"convolution wrong by {error:.2g} of its largest value"


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
            text = f"{name}: {one['version']}, {_convolved(one['error'])}"
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
