"""`lungo bench` for nets of the catalogue: ONNX Runtime beside PyTorch by batch size, as one page of Markdown.

Nets without weights of their own get msra's, and statistics of BatchNorm that do something.

    python -m benchmarks.deployed [--nets resnet50 squeezenet1.1 caffenet] [--batch 1,8,64,256] [--device cpu]
                                  [--minutes 30] [--precision fp32 fp16] [-o page.md]
"""

from __future__ import annotations

# As the command line does, and before PyTorch is imported.
from caffelungo import threads

threads.settle()

import argparse  # noqa: E402
import contextlib  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from datetime import date  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402

from benchmarks.conversion.running import made_up  # noqa: E402
from caffelungo import files  # noqa: E402
from caffelungo.definition import catalogue  # noqa: E402
from caffelungo.definition.reader import read_net  # noqa: E402
from caffelungo.deploy.bench import Benched, bench  # noqa: E402
from caffelungo.deploy.bench_options import BenchOptions  # noqa: E402
from caffelungo.deploy.deploy_net import DeployNet, deploy_net  # noqa: E402
from caffelungo.deploy.export import export  # noqa: E402
from caffelungo.deploy.exportable_net import fitted  # noqa: E402
from caffelungo.deploy.lower_precision import PrecisionOptions, lower  # noqa: E402
from caffelungo.deploy.options import ExportOptions  # noqa: E402
from caffelungo.errors import LungoError  # noqa: E402
from caffelungo.net.graph import GraphNet  # noqa: E402
from caffelungo.net.store import Store  # noqa: E402
from caffelungo.weights import caffemodel  # noqa: E402
from caffelungo.weights.load import load  # noqa: E402
from caffelungo.weights.weights import Weights  # noqa: E402

NETS = ("resnet50", "squeezenet1.1", "caffenet")
SPREAD = 2.0
"""Standard deviation of what the softmax reads: probabilities of random nets would be 0 and 1, and show nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.deployed", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=catalogue.names(), metavar="NET")
    parser.add_argument("--batch", default="1,8,64,256" if torch.cuda.is_available() else "1,8")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--provider", default="", help="tensorrt: TensorRT first")
    parser.add_argument("--precision", nargs="+", default=["fp32"], choices=["fp32", "fp16"], help="of the files")
    parser.add_argument("--graphs", action="store_true", help="CUDA graphs on both sides")
    parser.add_argument("--no-compiled", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--minutes", type=float, default=30, help="longest time for all nets together")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    if given.output:
        files.refuse_obstacle(given.output)
    ends = time.monotonic() + 60 * given.minutes
    page = [_head(given)]
    left = len(given.nets) * len(given.precision)
    with tempfile.TemporaryDirectory(prefix="caffelungo-benchmark-") as name, contextlib.suppress(KeyboardInterrupt):
        for net in given.nets:
            started = time.monotonic()
            _say(f"{net}: making the file")
            folder = Path(name) / net
            folder.mkdir()
            make(net, folder)
            _say(f"{net}: made in {time.monotonic() - started:.0f} s")
            for precision in given.precision:
                minutes = max(0.1, (ends - time.monotonic()) / 60 / left)
                left -= 1
                page.append(_section(net, precision, folder, minutes, given))
                if given.output:
                    files.write_text(given.output, "\n".join(page))
    page.append(f"Load of the machine at the end: {os.getloadavg()[0]:.1f}.\n")
    if given.output:
        files.write_text(given.output, "\n".join(page))
    print("\n".join(page))


def make(name: str, folder: Path) -> None:
    """``net.prototxt``, ``net.caffemodel`` and the proven ``fp32.onnx`` of net ``name`` of the catalogue."""
    found = catalogue.find(name)
    definition = read_net(found.deploy, found.deploy_variables or None)
    net = deploy_net(definition)
    (folder / "net.prototxt").write_text(definition.text)
    weights = load(str(found.weights)) if found.weights else random_weights(definition, net)
    caffemodel.write(folder / "net.caffemodel", weights, definition.message)
    export(folder / "net.prototxt", str(folder / "net.caffemodel"), folder / "fp32.onnx", ExportOptions(batches=(1, 2)))


def random_weights(definition: Any, net: DeployNet) -> Weights:
    """Weights with the classifier scaled so that what the softmax reads spreads as a trained net's does."""
    ((blob, shape),) = net.inputs.items()
    x = np.random.default_rng(4).normal(0, 50, (4, *shape[1:])).astype(np.float32)
    weights = made_up(net, {blob: x})
    softmax = next(one for one in net.plan.layers if one.layer.type == "Softmax")
    last = [one for one in net.plan.layers if one.layer.type in ("InnerProduct", "Convolution")][-1]
    store = Store(net.plan, seed=0)
    store.load(fitted(net, weights, definition)[0])
    watched = GraphNet(net.plan, store, watch=softmax.bottom_values[:1])
    with torch.inference_mode():
        *_, (logits,) = watched.look(torch.from_numpy(x))
    factor = np.float32(SPREAD / float(logits.std()))
    for blob in weights.layers[last.name]:
        blob *= factor
    return weights


def _section(net: str, precision: str, folder: Path, minutes: float, given: argparse.Namespace) -> str:
    """The heading, the table and the notes of one file."""
    batches = [int(batch) for batch in given.batch.split(",")]
    try:
        if precision != "fp32":
            lower(folder / "fp32.onnx", folder / f"{precision}.onnx", PrecisionOptions(precision, device=given.device))
        options = BenchOptions(
            folder / f"{precision}.onnx", folder / "net.prototxt", str(folder / "net.caffemodel"), batches,
            given.rounds, given.seconds, given.threads, given.device, given.provider, given.graphs,
            not given.no_compiled, minutes,
        )  # fmt: skip
        _say(f"{net}, {precision}: at most {minutes:.1f} minutes")
        done = bench(options, progress=_progress(f"{net}, {precision}"))
    except LungoError as error:
        return f"## {net}, {precision}\n\nNot measured: {error}\n"
    return f"## {net}, {precision}\n\n{_body(done)}\n"


def _body(done: Benched) -> str:
    rounds = ", ".join(f"{many} at batch {batch}" for batch, many in done.rounds.items())
    notes = [f"{note[0].upper()}{note[1:]}." for note in done.notes]
    return "\n\n".join([f"{done.where}. Rounds: {rounds or 'none'}.", done.markdown(), *notes])


def _head(given: argparse.Namespace) -> str:
    machine = torch.cuda.get_device_name(given.device) if given.device != "cpu" else _processor()
    return (
        f"# Exported nets beside PyTorch, {date.today()}\n\n"
        f"`{_command(given)}`\n\n"
        f"{machine}; PyTorch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}, Python "
        f"{platform.python_version()}; load of the machine before: {os.getloadavg()[0]:.1f}.\n\n"
        "All sides take turns; latencies are of a batch, from arrays in main memory to arrays in main memory. Ratio: "
        "how many times as fast as that side ONNX Runtime is, the median over rounds, and its quartiles.\n"
    )


def _command(given: argparse.Namespace) -> str:
    """What was typed, but for where the page goes."""
    words = ["python", "-m", "benchmarks.deployed", *sys.argv[1:]]
    hidden = {"-o", "--output", str(given.output)} if given.output else set()
    return " ".join(word for word in words if word not in hidden)


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()}, {threads.physical_cores()} cores"
    return f"{platform.machine()}, {threads.physical_cores()} cores"


def _progress(what: str) -> Callable[[str, int, int], None]:
    last = [""]

    def told(stage: str, _done: int, _total: int) -> None:
        if stage != last[0]:
            last[0] = stage
            _say(f"{what}: {stage}")

    return told


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
