"""How long rewrites of a deep net take, and that they load no PyTorch.

python -m benchmarks.rewriting [--net resnet152] [--repeat 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

from caffelungo.definition import catalogue
from caffelungo.definition.reader import parse_recipe, read_net
from caffelungo.passes.base import run
from caffelungo.rewriting import recipes

REWRITES = (
    "step { widen { units: 256 } }",
    "step { deepen { units: 256 } }",
    "step { joint { units: 256 } }",
    "step { recursive { units: 256 } }",
    "step { normalize { } }",
    "step { read { } }",
    "step { side { } }",
    "step { adapters { rank: 4 } }",
    "step { deploy { } }",
    "step { deploy { } } step { cast { } }",
    "step { deploy { } } step { fold { } }",
    "head { classes: 37 } step { widen { units: 256 } } tune: TOP_TWO rate_decay: 0.9",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rewriting", description=__doc__)
    parser.add_argument("--net", default="resnet152", help="a name of `lungo nets`")
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    found = catalogue.find(given.net)
    started = time.process_time()
    definition = read_net(found.train_val, dict(found.variables) or None)
    read = time.process_time() - started
    print(f"{given.net}: {len(definition.message.layer)} layers, read in {read:.2f} s of CPU\n")
    print(f"| rewrite | s of CPU, median of {given.repeat} | most |\n|---|---|---|")
    for text in REWRITES:
        steps = recipes.recipe(parse_recipe(text)).steps
        took = []
        for _ in range(given.repeat):
            started = time.process_time()
            run(definition, steps)
            took.append(time.process_time() - started)
        print(f"| `{text}` | {statistics.median(took):.2f} | {max(took):.2f} |", flush=True)
    print(f"\nPyTorch was {'loaded' if 'torch' in sys.modules else 'not loaded'}.")


if __name__ == "__main__":
    main()
