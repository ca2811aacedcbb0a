"""`make bench`: speed and memory against named opponents, as ratios with their spread.

python -m benchmarks [--case CASE ...] [--precision P ...] [--pairs 15] [--device cpu] [--compiled]
"""

from __future__ import annotations

import argparse
import platform
from datetime import date

import torch

from benchmarks.data import CASES
from benchmarks.train_speed import HEADER, measure


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--case", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--precision", nargs="*", default=None)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compiled", action="store_true")
    given = parser.parse_args()
    cpu = f"{platform.machine()}, {torch.get_num_threads()} threads"
    machine = torch.cuda.get_device_name() if given.device != "cpu" else cpu
    print(f"{date.today()}, torch {torch.__version__}, {machine}\n\n{HEADER}", flush=True)
    precisions = given.precision or (["fp32", "bf16"] if given.device == "cpu" else ["fp32", "tf32", "bf16"])
    for case in given.case:
        for precision in precisions:
            print(measure(case, precision, given.device, given.pairs, given.compiled), flush=True)


if __name__ == "__main__":
    main()
