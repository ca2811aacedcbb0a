"""One side of a training benchmark in a process of its own: trains a chunk of iterations each time it is told to.

    python -m benchmarks.side lungo|opponent CASE PRECISION DEVICE CHUNK [compiled]

It prints the seconds of each chunk, waits for a line, and prints its peak memory at the end of its input.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from caffelungo import threads

# As the command line does, and before PyTorch is imported; for both sides, as the comparison is of code.
threads.settle()

import torch  # noqa: E402

from benchmarks.data import CASES, Case  # noqa: E402
from caffelungo.solve import memory  # noqa: E402

WARM_UP = 3
FOREVER = 10**6


class Chunks:
    """Called after every iteration; a chunk's clock runs only between being told to start and its last iteration."""

    def __init__(self, size: int, device: str) -> None:
        self.size, self.device, self.done, self.start = size, device, -WARM_UP, 0.0

    def __call__(self, _iteration: int) -> None:
        self.done += 1
        if self.done < 0 or self.done % self.size:
            return
        if self.device != "cpu":
            torch.cuda.synchronize()
        if self.done:
            print(f"{time.perf_counter() - self.start:.6f}", flush=True)
        if not sys.stdin.readline():
            peak = torch.cuda.max_memory_allocated() if self.device != "cpu" else memory.peak()
            print(f"peak {peak}", flush=True)
            sys.stdout.flush()
            # Loader processes need no tidy end; the parent reads nothing more.
            os._exit(0)
        self.start = time.perf_counter()


def run_lungo(case: Case, precision: str, device: str, compiled: bool, chunks: Chunks) -> None:
    """Train through the same Solver as `lungo train`, from a net of the catalogue with an LMDB source."""
    from caffelungo.definition.reader import read_solver
    from caffelungo.solve.engine import make_engine
    from caffelungo.solve.observer import Observer
    from caffelungo.solve.options import EngineOptions
    from caffelungo.solve.solver import make_solver

    folder = Path(tempfile.mkdtemp(prefix="caffelungo-benchmark-"))
    (folder / "net.prototxt").write_text(net_text(case))
    (folder / "solver.prototxt").write_text(
        f'net: "{folder / "net.prototxt"}"\nbase_lr: {case.rate}\nlr_policy: "fixed"\nmomentum: 0.9\n'
        f"weight_decay: 0.0005\nmax_iter: {FOREVER}\ndisplay: 20\nrandom_seed: 0\n"
    )
    engine = make_engine(EngineOptions(device=device, precision=precision, compile=compiled))

    class Chunks(Observer):
        def on_iteration(self, iteration: int) -> None:
            chunks(iteration)

    make_solver(read_solver(folder / "solver.prototxt"), engine, observers=[Chunks()]).step(FOREVER)


def net_text(case: Case) -> str:
    """The catalogue's train_val of this case, reading the benchmark's database."""
    from caffelungo.definition import catalogue
    from caffelungo.definition.reader import read_net

    net = catalogue.find({"squeezenet": "squeezenet1.1"}.get(case.name, case.name))
    layers = read_net(net.train_val, dict(net.variables) or None).message
    kept = [layer for layer in layers.layer if layer.type not in ("ImageData", "Data", "Accuracy")]
    data = type(layers)().layer.add()
    data.name, data.type = "data", "Data"
    data.top.extend(["data", "label"])
    data.data_param.source, data.data_param.batch_size, data.data_param.backend = str(case.database), case.batch, 1
    transform = data.transform_param
    transform.mirror, transform.scale = case.mirror, case.scale
    if any(case.mean):
        transform.mean_value.extend(case.mean)
    if case.crop != case.stored:
        transform.crop_size = case.crop
    del layers.layer[:]
    layers.layer.extend([data, *kept])
    for layer in layers.layer:
        for index, spec in enumerate(layer.param):
            spec.lr_mult, spec.decay_mult = (1, 1) if index == 0 else (2, 0)
        if layer.type in ("Convolution", "InnerProduct") and not layer.param:
            layer.param.add(lr_mult=1, decay_mult=1)
            layer.param.add(lr_mult=2, decay_mult=0)
    return str(layers)


def run_opponent(case: Case, precision: str, device: str, compiled: bool, chunks: Chunks) -> None:
    """Train by the hand-written loop."""
    from benchmarks.opponent import Trainer

    trainer = Trainer(case.name, precision, device, 1, compiled)
    for iteration in range(FOREVER):
        trainer.run(1)
        chunks(iteration)


def main() -> None:
    side, case, precision, device, chunk, *rest = sys.argv[1:]
    runner = {"lungo": run_lungo, "opponent": run_opponent}[side]
    runner(CASES[case], precision, device, "compiled" in rest, Chunks(int(chunk), device))


if __name__ == "__main__":
    main()
