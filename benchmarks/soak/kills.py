"""`kill -9` at random moments: what goes on afterwards ends as the undisturbed run, and nothing else is left."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb

from benchmarks.soak import forked

LIMIT = 300.0
"""Seconds for a run that is not killed."""


@dataclass(frozen=True)
class Case:
    """``command`` is run in a copy of the place and killed; ``again`` goes on; ``result`` are the files compared."""

    name: str
    command: str
    again: str
    result: str


def _train(name: str, solver: str, more: str = "") -> Case:
    words = f"train --solver {solver} --quiet --device cpu {more}"
    return Case(name, words, f"{words} --resume", "out/*_iter_20.*")


RUN = "run"
"""The folder of every run: files that name their place are then alike."""
WITH = "net.prototxt --weights whole.caffemodel"
PHOTOS = f"{WITH} --data photos"


def _same(name: str, command: str, result: str) -> Case:
    """A verb that goes on by being asked again."""
    return Case(name, command, command, result)


CASES = (
    _train("train, pictures", "solver.prototxt"),
    _train("train, pictures, 2 workers", "solver.prototxt", "--workers 2"),
    _train("train, LMDB, keep-last", "lmdb_long.prototxt", "--keep-last 2"),
    _train("train, HDF5, keep-best", "hdf5_long.prototxt", "--keep-best"),
    _same("export", f"export --model {WITH} -o out/x.onnx", "out/x.onnx"),
    _same("convert_imageset", "convert_imageset pictures/ list.txt out/db --overwrite", "out/db/data.mdb"),
    _same("finetune", f"finetune {PHOTOS} -o out/mine --overwrite --quiet", "out/mine/**/*"),
    _same("features", f"features {PHOTOS} --blobs fc -o out/f.npz --quiet --overwrite", "out/f.npz"),
    _same("probe", f"probe {PHOTOS} -o out/probe --quiet --overwrite", "out/probe/*.caffemodel"),
    _same("compare", f"compare --model {PHOTOS} --arms finetune --tune all --seeds 2 --iterations 4 --rates 0.01 "
          "--size 12 -o out/study --quiet", "out/study/cells/**/*.json"),
)  # fmt: skip


def lengthen(place: Path) -> None:
    """Solvers for the other sources, as long as the first."""
    solver = (place / "solver.prototxt").read_text()
    for name in ("lmdb", "hdf5"):
        text = solver.replace("net.prototxt", f"{name}_net.prototxt").replace("out/snap", f"out/{name}")
        (place / f"{name}_long.prototxt").write_text(text)


def run(
    total: int, source: Path, folder: Path, seed: int, until: float, names: Sequence[str] | None
) -> tuple[str, int]:
    """All cases, ``total`` runs shared out; the table and how many went wrong. ``source``: a prepared place."""
    place = copy(source, folder / "place")
    shutil.rmtree(place / "out")
    (place / "out").mkdir()
    lengthen(place)
    chosen = [case for case in CASES if not names or any(name in case.name for name in names)]
    counts = {case.name: [0, 0, 0] for case in chosen}
    whole = {}
    for case in chosen:
        began = time.monotonic()
        target = copy(place, folder / RUN)
        _must(case, case.command, target)
        whole[case.name] = (contents(target, case.result), leftovers(target), time.monotonic() - began)
    rng = random.Random(seed)
    for number in range(total):
        if time.monotonic() > until:
            break
        case = chosen[number % len(chosen)]
        wanted, rests, seconds = whole[case.name]
        target = copy(place, folder / RUN)
        kills, problem = _killed(case, target, rng, seconds, wanted, rests)
        row = counts[case.name]
        row[0] += kills
        row[1] += 1
        if problem:
            row[2] += 1
            kept = folder / "failing" / f"{number}_{case.name.replace(' ', '_').replace(',', '')}"
            shutil.copytree(target, kept, symlinks=True)
            print(f"{case.name} (kept in {kept}):\n{problem}\n", file=sys.stderr, flush=True)
    lines = ["| verb | kills | runs | wrong |", "|---|---|---|---|"]
    lines += [f"| {name} | {row[0]} | {row[1]} | {row[2]} |" for name, row in counts.items()]
    return "\n".join(lines), sum(row[2] for row in counts.values())


def copy(place: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(place, target, symlinks=True)
    return target


def _must(case: Case, command: str, target: Path) -> None:
    log = target / "said.log"
    status = forked.wait(forked.fork(forked.verb(command.split(), target), log), LIMIT)
    if status != 0:
        raise RuntimeError(f"{case.name}: status {status}\n{log.read_text(errors='replace')[-3000:]}")


def _killed(
    case: Case, target: Path, rng: random.Random, seconds: float, wanted: dict[str, str], rests: set[str]
) -> tuple[int, str]:
    """Start, kill once or twice, go on; the kills that hit and what is wrong, if anything."""
    hit, command = 0, case.command
    log = target / "said.log"
    for _ in range(rng.choice((1, 1, 2))):
        child = forked.fork(forked.verb(command.split(), target), log)
        status = forked.wait(child, rng.random() * seconds * 1.1)
        if status is None:
            os.kill(child, signal.SIGKILL)
            forked.wait(child, 10)
            hit += 1
        elif status != 0:
            return hit, f"{command}: status {status}\n{log.read_text(errors='replace')[-3000:]}"
        command = _onwards(case, target)
    status = forked.wait(forked.fork(forked.verb(_onwards(case, target).split(), target), log), LIMIT)
    said = log.read_text(errors="replace")[-3000:]
    if status != 0:
        return hit, f"{case.again}: status {status}\n{said}"
    found = contents(target, case.result)
    different = [name for name in wanted if found.get(name) != wanted[name]]
    if different:
        return hit, f"not as without the kill: {', '.join(different)}\n{said}"
    if more := leftovers(target) - rests:
        return hit, f"left: {', '.join(sorted(more))}\n{said}"
    return hit, ""


def _onwards(case: Case, target: Path) -> str:
    """How to go on: from the start, where a training was killed before its first snapshot; its best weights, which a
    new run would not replace unasked, are given up."""
    if "--resume" not in case.again or list(target.glob("out/*.solverstate")):
        return case.again
    return f"{case.command} --overwrite" if list(target.glob("out/*_best.*")) else case.command


def contents(folder: Path, pattern: str) -> dict[str, str]:
    """A hash of every file that matches; of a database of its records, as LMDB leaves pages that are not in use."""
    found = {}
    for path in sorted(folder.glob(pattern)):
        if path.is_file():
            data = READERS.get(path.name, Path.read_bytes)(path)
            found[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return found


def _records(database: Path) -> bytes:
    with lmdb.open(str(database.parent), readonly=True, lock=False) as opened, opened.begin() as transaction:
        return b"".join(part for record in transaction.cursor() for part in record)


def _values(result: Path) -> bytes:
    """What a cell of a study found, without the time that it took."""
    return json.dumps(_timeless(json.loads(result.read_bytes())["values"]), sort_keys=True).encode()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if not key.endswith("seconds")}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


READERS = {"data.mdb": _records, "result.json": _values}


def leftovers(folder: Path) -> set[str]:
    """Hidden and temporary files; the number of a run is left out of their names."""
    names = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    hidden = {name for name in names if re.search(r"(^|/)\.|\.tmp$", name)}
    return {re.sub(r"_run_\d+", "_run", name) for name in hidden}
