"""Damaged inputs to every reader: no traceback, no hang, no death by a signal, no memory beyond reason."""

from __future__ import annotations

import json
import mmap
import os
import random
import resource
import shutil
import signal
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soak import forked
from benchmarks.soak.mutate import mutated

HANG = 10.0
"""Seconds of processor time for one input."""
STUCK = 60.0
"""Seconds of the clock for one input: it waits for something."""
GROWTH = 1 << 20
"""KiB that one input may add to the process's largest size."""

Command = Callable[[Path], Sequence[str]]


@dataclass(frozen=True)
class Kind:
    """Inputs of one kind. ``seeds``: whole files in the place; ``commands``: command lines of a damaged one.

    ``name``: the damaged file's name in the folder; ``text``: whether it is damaged as text.
    """

    seeds: tuple[str, ...]
    name: str
    commands: tuple[Command, ...]
    text: bool = False


def kinds(place: Path) -> dict[str, Kind]:
    """Every kind of input, by files of ``place``. `@` is the damaged file; the whole ones lie beside it."""

    def command(line: str) -> Command:
        return lambda file: [str(file) if word == "@" else word for word in line.split()]

    def kind(seeds: str, name: str, *lines: str, text: bool = False) -> Kind:
        return Kind(tuple(seeds.split()), name, tuple(map(command, lines)), text)

    weights = ("check net.prototxt @", "diff whole.caffemodel @")
    once = "train --quiet --overwrite --solver"
    means = "net_of_means.prototxt"
    return {
        "net": kind("net.prototxt old.prototxt lmdb_net.prototxt", "f.prototxt", "check @", "check @",
                    "upgrade_net_proto_text @ up.prototxt", f"grow @ --widen fc:2 {GROWN}", text=True),
        "solver": kind("solver.prototxt", "f_solver.prototxt", "check @", "upgrade_solver_proto_text @ up.prototxt",
                       text=True),
        "template": kind("template.prototxt.j2", "f.prototxt.j2", "check @", text=True),
        "recipe": kind("recipe.prototxt", "r.prototxt", f"grow net.prototxt --recipe @ {GROWN}", text=True),
        "list": kind("list.txt", "list.txt", "check net.prototxt", "convert_imageset pictures/ @ db --overwrite",
                     text=True),
        "caffemodel": kind("whole.caffemodel", "f.caffemodel", *weights),
        "HDF5 weights": kind("whole.caffemodel.h5", "f.caffemodel.h5", *weights),
        "safetensors": kind("whole.safetensors", "f.safetensors", *weights),
        "solverstate": kind("whole.solverstate", "f.solverstate",
                            f"{once} ended.prototxt --snapshot @"),
        "binaryproto": kind("mean.binaryproto", "mean.binaryproto", f"check {means}"),
        "npy": kind("mean.npy", "mean.npy", f"check {means.replace('means', 'npy')}"),
        "HDF5 data": kind("data.h5", "data.h5", "check hdf5_net.prototxt", f"{once} hdf5_solver.prototxt"),
        "LMDB": kind("train_lmdb/data.mdb", "train_lmdb/data.mdb", "check lmdb_net.prototxt",
                     f"{once} lmdb_solver.prototxt", "compute_image_mean train_lmdb mean.out"),
        ONNX: kind("whole.onnx", "f.onnx", "classify @ pictures/0.png", "infer @ pictures/0.png -o o.csv"),
        PICTURE: kind(" ".join(f"kinds/0.{suffix}" for suffix in SUFFIXES), "f.png", "classify whole.onnx @"),
    }  # fmt: skip


GROWN = "-o grown.prototxt --quiet --overwrite"
ONNX, PICTURE = "ONNX", "picture"
SUFFIXES = ("png", "jpeg", "bmp", "gif", "webp", "tiff", "ppm")


def prepare(place: Path, exported: bool = True) -> None:
    """Make the whole files by the program's own verbs; the ONNX file if ``exported``.

    Raises RuntimeError with what a verb said where it fails.
    """
    import numpy as np
    from PIL import Image

    commands = [
        ["convert_imageset", "pictures/", "list.txt", "train_lmdb"],
        ["compute_image_mean", "train_lmdb", "mean.binaryproto"],
        ["train", "--solver", "solver.prototxt", "--quiet"],
        ["export", "--model", "net.prototxt", "--weights", "out/snap_iter_20.caffemodel", "-o", "whole.onnx"],
    ]
    for words in commands if exported else commands[:-1]:
        log = place / "made.log"
        status = forked.wait(forked.fork(forked.verb(words, place), log), 300)
        if status != 0:
            raise RuntimeError(f"{' '.join(words)}: status {status}\n{log.read_text()[-3000:]}")
    shutil.copy(place / "out" / "snap_iter_20.caffemodel", place / "whole.caffemodel")
    shutil.copy(place / "out" / "snap_iter_20.solverstate", place / "whole.solverstate")
    from caffelungo.definition.reader import read_net
    from caffelungo.weights import formats

    whole = formats.read(place / "whole.caffemodel")
    message = read_net(place / "net.prototxt").message
    for name in ("whole.caffemodel.h5", "whole.safetensors"):
        formats.write(place / name, whole, message)
    np.save(place / "mean.npy", np.full((3, 16, 16), 99, np.float32))
    net, solver = ((place / name).read_text() for name in ("net.prototxt", "solver.prototxt"))
    for name, file in (("means", "mean.binaryproto"), ("npy", "mean.npy")):
        (place / f"net_of_{name}.prototxt").write_text(net.replace("mean_value: 100", f'mean_file: "{file}"'))
    # A run that has reached its end reads the state, and stops.
    (place / "ended.prototxt").write_text(solver.replace("snapshot: 5 ", "").replace("out/snap", "out/ended"))
    short = solver.replace("max_iter: 20", "max_iter: 1").replace("test_interval: 5", "test_interval: 100")
    for name in ("lmdb", "hdf5"):
        text = short.replace("net.prototxt", f"{name}_net.prototxt").replace("out/snap", f"out/{name}")
        (place / f"{name}_solver.prototxt").write_text(text)
    (place / "kinds").mkdir()
    for suffix in SUFFIXES:
        Image.open(place / "pictures" / "0.png").save(place / "kinds" / f"0.{suffix}")


def furnish(folder: Path, name: str, place: Path) -> None:
    """Lay links to the whole files beside the damaged one, called ``name``."""
    own = folder / name
    own.parent.mkdir(parents=True, exist_ok=True)
    (folder / "out").mkdir(exist_ok=True)
    for entry in (*place.iterdir(), place / "out" / "snap_iter_20.caffemodel"):
        link = folder / entry.relative_to(place)
        if not link.exists() and link != own:
            link.symlink_to(entry)


@dataclass
class Counts:
    """What came of the inputs of one kind."""

    statuses: dict[int, int] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)
    done: int = 0


class _Hang(BaseException):
    """An input took too long."""


def run_kind(name: str, count: int, place: Path, folder: Path, seed: int, until: float = float("inf")) -> Counts:
    """Try ``count`` damaged inputs of a kind, each a function of ``seed`` and its number, in restarted children."""
    kind = kinds(place)[name]
    furnish(folder, kind.name, place)
    counts, start = Counts(), 0
    shared = mmap.mmap(-1, 8)
    results = folder / "results.jsonl"
    results.unlink(missing_ok=True)
    while start < count and time.monotonic() < until:
        shared[:8] = start.to_bytes(8, "little")
        child = forked.fork(lambda: _child(kind, name, start, count, place, folder, seed, shared, until))  # noqa: B023
        status = _watch(child, shared)
        at = int.from_bytes(shared[:8], "little")
        if status == 0:
            start = at
        else:
            what = "no answer within 60 s" if status is None else f"status {status}"
            _keep(results, name, at, what, folder / kind.name, kind.commands, folder)
            start = at + 1
    counts.done = start
    for line in results.read_text().splitlines() if results.exists() else []:
        row = json.loads(line)
        if "statuses" in row:
            for key, value in row["statuses"].items():
                counts.statuses[int(key)] = counts.statuses.get(int(key), 0) + value
        else:
            counts.failures.append(row)
    return counts


def _watch(child: int, shared: mmap.mmap) -> int | None:
    last, since = -1, time.monotonic()
    while True:
        status = forked.wait(child, 0.5)
        if status is not None:
            return status
        at = int.from_bytes(shared[:8], "little")
        if at != last:
            last, since = at, time.monotonic()
        elif time.monotonic() - since > STUCK:
            os.kill(child, signal.SIGKILL)
            forked.wait(child, 10)
            return None


def _child(
    kind: Kind, name: str, start: int, stop: int, place: Path, folder: Path, seed: int, shared: mmap.mmap, until: float
) -> int:
    seeds = [(place / one).read_bytes() for one in kind.seeds]
    file = folder / kind.name
    results = folder / "results.jsonl"
    statuses: dict[int, int] = {}
    os.chdir(folder)
    signal.signal(signal.SIGPROF, _hang)
    for number in range(start, stop):
        shared[:8] = number.to_bytes(8, "little")
        if time.monotonic() > until:
            stop = number
            break
        rng = random.Random(zlib.crc32(f"{name}/{seed}/{number}".encode()))
        file.write_bytes(mutated(rng, rng.choice(seeds), seeds, kind.text))
        words = rng.choice(kind.commands)(file)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wrong = ""
        signal.setitimer(signal.ITIMER_PROF, HANG)
        try:
            status, text = forked.lungo(words)
        except _Hang:
            status, text = None, f"more than {HANG:g} s of processor time"
        signal.setitimer(signal.ITIMER_PROF, 0)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        if status is None or "Traceback (most recent" in text:
            wrong = text[-3000:]
        elif status not in (0, 1, 2):
            wrong = f"status {status}\n{text[-1000:]}"
        elif grown > GROWTH:
            wrong = f"memory grew by {grown >> 10} MiB"
        if wrong:
            _keep(results, name, number, wrong, file, [lambda _: words], folder)  # noqa: B023
        else:
            statuses[status or 0] = statuses.get(status or 0, 0) + 1
    shared[:8] = stop.to_bytes(8, "little")
    with results.open("a") as out:
        out.write(json.dumps({"statuses": statuses}) + "\n")
    return 0


def _hang(*_: object) -> None:
    raise _Hang


def _keep(
    results: Path, name: str, number: int, what: str, file: Path, commands: Sequence[Command], folder: Path
) -> None:
    """Keep a failing input beside the others, and say how to repeat it."""
    kept = folder / "failing" / f"{number}_{file.name}"
    kept.parent.mkdir(exist_ok=True)
    shutil.copy(file, kept)
    lines = [" ".join(["lungo", *command(kept)]) for command in commands]
    row = {"kind": name, "number": str(number), "what": what, "kept": str(kept), "repeat": "\n".join(lines)}
    with results.open("a") as out:
        out.write(json.dumps(row) + "\n")


def shares(total: int, names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """``total`` over the kinds, evenly."""
    for index, name in enumerate(names):
        yield name, total // len(names) + (index < total % len(names))


def run(
    total: int, place: Path, folder: Path, seed: int, until: float, names: Sequence[str] | None = None
) -> tuple[str, int]:
    """All kinds; the table, and how many inputs failed. ``until``: on the monotonic clock, shared out evenly."""
    chosen = [name for name in kinds(place) if not names or name in names]
    lines = ["| input | tried | taken | refused (2) | failed in order (1) | wrong |", "|---|---|---|---|---|---|"]
    wrong = 0
    for left, (name, count) in zip(range(len(chosen), 0, -1), shares(total, chosen), strict=True):
        now = time.monotonic()
        print(f"{name}: {count} inputs", file=sys.stderr, flush=True)
        found = run_kind(name, count, place, folder / name.replace(" ", "_"), seed, now + (until - now) / left)
        wrong += len(found.failures)
        by = found.statuses
        lines.append(
            f"| {name} | {found.done} | {by.get(0, 0)} | {by.get(2, 0)} | {by.get(1, 0)} | {len(found.failures)} |"
        )
        for failure in found.failures[:5]:
            print(f"{failure['repeat']}\n{failure['what'][-1500:]}\n", file=sys.stderr, flush=True)
    return "\n".join(lines), wrong
