"""`make small-sets`: what `lungo probe` and `lungo finetune` reach on small sets of photos, against what they replace.

python -m benchmarks.small_sets [--folder runs/small_sets] [--data FOLDER] [--sets NAME ...] [--seeds 0 1 2]
                                [--arms ARM ...] [--size 112] [--precision fp32] [--records FOLDER] [--survey] [-o FILE]

Each arm is the commands a user would type, run as processes. What came of each is a small file in
benchmarks/results/small_sets, so a table of several days' runs grows, and one that was stopped goes on where it was;
delete the files of an arm, or name another `--records`, to run it again. `--data` has one folder per set, with train
and test folders, or one that is split by the seed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.cells import SHARED
from benchmarks.small_sets.arms import ARMS, Job, run
from benchmarks.small_sets.splits import SETS, split
from benchmarks.small_sets.table import page

RECORDS = Path(__file__).resolve().parents[1] / "results" / "small_sets"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_sets", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/small_sets"))
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--precision", default="fp32", help="of the trainings of every arm: fp32 or bf16")
    parser.add_argument("--records", type=Path, help=f"default: {RECORDS}/SIZE-PRECISION")
    parser.add_argument("--survey", action="store_true", help="run nothing; show what is there")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    records = given.records or RECORDS / f"{given.size}-{given.precision}"
    jobs = [
        Job(name, seed, arm, given.folder / name / str(seed), records, given.size, given.precision)
        for seed in given.seeds
        for name in given.sets
        for arm in given.arms
    ]
    for number, job in enumerate(jobs, 1):
        if not given.survey and not job.done:
            print(f"[{number} of {len(jobs)}] {job.name}, seed {job.seed}: {job.arm}", file=sys.stderr, flush=True)
            split(given.data / job.name, job.folder, job.seed)
            run(job)
    text = page(jobs, given.precision, given.size)
    if given.output:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
