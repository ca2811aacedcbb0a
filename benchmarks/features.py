"""`features.pooled` against a bare forward pass of the same layers over the same decoded pictures, in turns.

The bare pass holds every picture decoded and ready as float32 in the memory format of the run, keeps nothing of the
blobs, and reads no files. Ours gets its pictures from an ImageData layer (in memory after the first pass), subtracts
the mean, pools by mean and max, and collects the rows. Ratios are ours / bare: 1 is as fast.

    python -m benchmarks.features [--net squeezenet1.1] [--size 224] [--pairs 9] [--pictures 240] [--batch-size 32]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from caffelungo import threads

# As the command line does, and before PyTorch is imported.
threads.settle()

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from benchmarks.inference import folder_of_photos  # noqa: E402
from caffelungo.features.open_net import find_net, make_ready  # noqa: E402
from caffelungo.features.picture_list import listing  # noqa: E402
from caffelungo.features.pooled import POOLS, pooled  # noqa: E402
from caffelungo.net.graph import GraphNet  # noqa: E402
from caffelungo.solve.engine import make_engine  # noqa: E402
from caffelungo.solve.feed import Feed  # noqa: E402
from caffelungo.solve.options import EngineOptions  # noqa: E402


@dataclass(frozen=True)
class Case:
    """What is measured: the net, its weights ("none": the fillers), and how."""

    net: str
    weights: str | None
    size: int | None
    pictures: int
    batch_size: int
    device: str
    pairs: int


def measure(case: Case, folder: Path) -> list[tuple[float, float]]:
    """(bare, ours) in pictures a second, of each pair."""
    engine = make_engine(EngineOptions(device=case.device))
    ready = make_ready(
        find_net(case.net, case.weights, {}), listing(folder / "photos", folder), [], engine, folder, size=case.size,
        batch_size=case.batch_size,
    )  # fmt: skip
    part, store = ready.part, ready.store
    engine.lay_out(store.tensors.values())
    net = GraphNet(part.opened.plan, store)
    batches = [
        [tensor.clone(memory_format=torch.preserve_format) for tensor in tensors]
        for tensors in Feed(part.opened, engine).batches(0, -(-case.pictures // case.batch_size))
    ]

    def bare() -> float:
        return _seconds(engine.device, lambda: _pass(net, batches))

    def ours() -> float:
        # The part's own plan calls its blobs by the numbers of their values.
        return _seconds(engine.device, lambda: pooled(part.opened, store, part.names, engine, pools=POOLS))

    bare(), ours()
    rows = []
    for number in range(case.pairs):
        first, second = (bare, ours) if number % 2 else (ours, bare)
        one, other = first(), second()
        of_bare, of_ours = (one, other) if number % 2 else (other, one)
        rows.append((case.pictures / of_bare, case.pictures / of_ours))
    return rows


@torch.no_grad()
def _pass(net: GraphNet, batches: Sequence[Sequence[Tensor]]) -> None:
    for tensors in batches:
        net(*tensors)


def _seconds(device: torch.device, work: Callable[[], object]) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__)
    parser.add_argument("--net", default="squeezenet1.1")
    parser.add_argument("--weights", default=None)
    parser.add_argument("--size", type=int, default=None)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--pictures", type=int, default=240)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    machine = torch.cuda.get_device_name() if given.device != "cpu" else f"{torch.get_num_threads()} thread(s)"
    print(f"{date.today()}, torch {torch.__version__}, {machine}, {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f} before", flush=True)  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="caffelungo-benchmark-") as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        folder_of_photos(folder / "photos", given.pictures)
        case = Case(given.net, given.weights, given.size, given.pictures, given.batch_size, given.device, given.pairs)
        rows = measure(case, folder)
    for bare, ours in rows:
        print(f"bare {bare:.1f}, features {ours:.1f} a second: {ours / bare:.3f}")
    ratios = [ours / bare for bare, ours in rows]
    print(f"ratio: median {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}; "
          f"load {os.getloadavg()[0]:.1f} after")  # fmt: skip


if __name__ == "__main__":
    main()
