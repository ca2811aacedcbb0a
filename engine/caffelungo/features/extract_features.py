"""Caffe's tool extract_features: batches of the net's own data layer into databases of float Datums.

Caffe: tools/extract_features.cpp. Records are called `%010d`, without labels; a label can be extracted as a blob.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffelungo.data.lmdb_writer import check_target, new_database
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST
from caffelungo.errors import Location, Problem, UserError
from caffelungo.features.formats.lmdb import datum, key
from caffelungo.features.open_net import weighted
from caffelungo.features.run_part import PartRunner
from caffelungo.features.upstream import upstream
from caffelungo.plan import states
from caffelungo.plan.read_net import read_net
from caffelungo.solve import nets
from caffelungo.solve.engine import make_engine
from caffelungo.solve.options import EngineOptions
from caffelungo.wording import counted

MODES = ("CPU", "GPU")


@dataclass(frozen=True)
class Arguments:
    """The tool's arguments, in its order."""

    weights: str
    net: str
    blobs: Sequence[str]
    databases: Sequence[str]
    batches: int
    db_type: str
    mode: str = "CPU"
    device_id: str = "0"
    variables: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False


def extract_features(
    given: Arguments, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, int]:
    """Write the databases; records by database. They appear whole, when all batches are through.

    The net runs in phase TEST; its data goes on from the first sample when it ends before the batches do. Raises
    UserError with every wrong argument.
    """
    _check(given)
    gpu = given.mode.upper() == "GPU"
    engine = make_engine(EngineOptions(device=f"cuda:{_number(given.device_id)}" if gpu else "cpu"))
    text = nets.from_definition(states.settled(read_net(given.net, dict(given.variables) or None), TEST))
    opened = nets.open_net_with_data(text, net_state(text.message, TEST))
    part = upstream(opened, given.blobs)
    store, _ = weighted(part, [given.weights], engine)
    running = PartRunner(part, store, engine, batches=given.batches)
    counts = dict.fromkeys(given.databases, 0)
    with ExitStack() as stack:
        writers = [stack.enter_context(new_database(Path(path), overwrite=given.overwrite)) for path in given.databases]
        for done, made in enumerate(running.rows(), 1):
            for writer, path, rows in zip(writers, given.databases, made, strict=True):
                for row in rows:
                    writer.put(key(counts[path]), datum(row))
                    counts[path] += 1
            progress(done, given.batches)
    return counts


def _number(device_id: str) -> str:
    return device_id.removeprefix("DEVICE_ID=")


def _check(given: Arguments) -> None:
    problems = []
    if given.db_type != "lmdb":
        leveldb = given.db_type == "leveldb"
        problems.append(
            Problem("LevelDB databases are not written" if leveldb else "unknown type of database", None,
                    given.db_type, "use lmdb, and `backend: LMDB` in the net that reads it")
        )  # fmt: skip
    if given.batches < 1:
        problems.append(
            Problem("the number of batches must be at least 1", None, str(given.batches), "write 1 or more")
        )
    if given.mode.upper() not in MODES:
        problems.append(Problem("the mode is CPU or GPU", None, given.mode, f"use one of: {', '.join(MODES)}"))
    if not _number(given.device_id).isdecimal():
        problems.append(Problem("DEVICE_ID is the index of a GPU", None, given.device_id, "write DEVICE_ID=0"))
    if len(given.blobs) != len(given.databases):
        problems.append(
            Problem("each blob needs a database", None,
                    f"{counted(len(given.blobs), 'blob')}, {counted(len(given.databases), 'database')}",
                    "name equally many of both")
        )  # fmt: skip
    for position, path in enumerate(given.databases):
        if path in given.databases[:position]:
            problems.append(Problem("two blobs cannot share one database", Location(path), path, "name another"))
        try:
            check_target(Path(path), given.overwrite)
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
