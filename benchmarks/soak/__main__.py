"""`make soak`: kills at random moments, damaged inputs, and values at the ends of their ranges. Seeded and bounded.

python -m benchmarks.soak [kills] [inputs] [extremes] [--kills 300] [--inputs 100000] [--minutes M] [--seed 0]
                          [--kinds NAME ...] [--cases NAME ...] [--folder runs/soak] [-o FILE]

What fails is kept under the folder, with the command that repeats it. Exit status 1 if anything failed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from benchmarks.soak import extremes, forked, inputs, kills
from benchmarks.soak.place import make

PARTS = ("kills", "inputs", "extremes")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="of each part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", help="of inputs: all if not given")
    parser.add_argument("--cases", nargs="*", help="of kills, by parts of their names: all if not given")
    parser.add_argument("--folder", type=Path, default=Path("runs/soak"))
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    forked.warm()
    folder = given.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    texts, failed = [], 0
    place = make(folder / "place")
    if set(given.parts) != {"extremes"}:
        inputs.prepare(place, not given.kinds or bool({inputs.ONNX, inputs.PICTURE} & set(given.kinds)))
    for part in given.parts:
        until = time.monotonic() + 60 * given.minutes
        if part == "kills":
            text, wrong = kills.run(given.kills, place, folder / part, given.seed, until, given.cases)
        elif part == "inputs":
            text, wrong = inputs.run(given.inputs, place, folder / part, given.seed, until, given.kinds)
        else:
            text, wrong = extremes.run(folder / part, until)
        print(text, flush=True)
        texts.append(text)
        failed += wrong
    if given.output:
        given.output.write_text("\n\n".join(texts) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
