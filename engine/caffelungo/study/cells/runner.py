"""Runs cells: needs first, each once, in worker processes, and so that nothing that ends badly leaves half a result.

A study's folder holds ``cells/<key>/`` (one a cell that ended, with ``result.json`` and the files it left),
``partial/`` (cells at work), ``locks/`` (who works on what) and ``inputs/``. A cell's folder comes into being by one
rename when the cell has ended, so whatever is killed, the next run finds it whole or not at all.
"""

from __future__ import annotations

import datetime
import json
import queue
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from caffelungo import drafts, files, locks
from caffelungo.errors import RunError, UserError
from caffelungo.study.cells.cell import RESULT, Cell, CellResult, in_order, load
from caffelungo.study.cells.input_files import Inputs
from caffelungo.study.cells.progress import Clock, RunningCell, Standing
from caffelungo.study.cells.worker_handle import Hand, Message

TICK = 0.25
"""Seconds between two looks at cells that another runner works on, and between two reports."""


class CellRunner:
    """Runs cells in the folder ``folder`` with ``workers`` processes of ``threads`` threads each.

    ``retry`` runs cells again that failed before. ``device`` is where nets run, as in ``Place``. ``progress`` is called
    with a ``Standing`` after each change. Several runners may work in one folder at the same time.
    """

    def __init__(
        self,
        folder: str | Path,
        workers: int = 1,
        threads: int = 1,
        retry: bool = False,
        progress: Callable[[Standing], None] | None = None,
        device: str = "cpu",
    ) -> None:
        for name, value in (("workers", workers), ("threads", threads)):
            if value < 1:
                raise UserError(f"a study runs with at least one of its {name}", received=str(value), remedy="give 1")
        self.folder = Path(folder).absolute()
        self.workers, self.threads, self.retry, self.progress = workers, threads, retry, progress
        self.device = device

    @property
    def inputs(self) -> Inputs:
        """The files that cells read."""
        return Inputs(self.folder)

    def run(self, cells: Iterable[Cell]) -> dict[str, CellResult]:
        """What came of ``cells`` and of what they need, by key; failed cells among them.

        A cell of which a need failed is failed, too, but only in this answer: it runs as soon as the need is done.
        KeyboardInterrupt passes through once all is stopped; RunError when workers cannot start.
        """
        for name in ("cells", "partial", "locks"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        drafts.sweep(self.folder / "cells")
        _sweep(self.folder)
        run = _Run(self, list(cells))
        try:
            return run.go()
        finally:
            run.stop()


class _Run:
    """One call of ``CellRunner.run``."""

    def __init__(self, runner: CellRunner, cells: list[Cell]) -> None:
        self.runner, self.folder = runner, runner.folder
        self.clock = Clock()
        self.results: dict[str, CellResult] = {}
        self.stale: dict[str, int] = {}
        """Failures from before, which are run again: when each was written."""
        self.waiting: dict[str, Cell] = {}
        self.running: dict[Hand, RunningCell] = {}
        self.partial: dict[str, Path] = {}
        self.locked: dict[str, int] = {}
        self.elsewhere = 0
        self.idle: list[Hand] = []
        self.heard: queue.Queue[tuple[Hand, Message | None]] = queue.Queue()
        self._plan(cells)

    def _plan(self, cells: list[Cell]) -> None:
        wanted = {cell.key for cell in cells}
        # From the last to the first, so that what only done cells need is not run.
        for cell in reversed(in_order(cells)):
            if cell.key not in wanted:
                continue
            found = load(self.folder, cell.key)
            if found is not None and (found.done or not self.runner.retry):
                self._know(cell, found)
                continue
            if found is not None:
                self.stale[cell.key] = _written(found)
            self.waiting[cell.key] = cell
            wanted.update(need.key for need in cell.needs)
        self.waiting = dict(reversed(self.waiting.items()))

    def _know(self, cell: Cell, result: CellResult) -> None:
        self.results[cell.key] = result
        if result.done:
            self.clock.measured(cell, result.seconds)

    def go(self) -> dict[str, CellResult]:
        """Until nothing waits or runs."""
        self.tell()
        while self.waiting or self.running:
            while len(self.running) < self.runner.workers and (cell := self._next()):
                self._start(cell)
            if not self.waiting and not self.running:
                break
            try:
                self._hear(*self.heard.get(timeout=TICK))
            except queue.Empty:
                self.tell()
        return self.results

    def _next(self) -> Cell | None:
        """A waiting cell that can run now, locked; what came to an end elsewhere is taken on the way."""
        self.elsewhere = 0
        for key, cell in list(self.waiting.items()):
            if bad := next((need for need in cell.needs if need.key in self.results and not self._ok(need)), None):
                self._end(cell, self._because(cell, bad))
                continue
            if not all(need.key in self.results for need in cell.needs):
                continue
            handle = locks.take(self.folder / "locks" / key)
            if handle is None:
                self.elsewhere += 1
                continue
            found = load(self.folder, key)
            if found is None or self.stale.get(key) == _written(found):
                self.locked[key] = handle
                return cell
            locks.release(handle)
            self._end(cell, found)
        return None

    def _ok(self, need: Cell) -> bool:
        return self.results[need.key].done

    def _because(self, cell: Cell, need: Cell) -> CellResult:
        error = self.results[need.key].error or ""
        reason = error if error.startswith("because ") else f"because {need.name} failed: {error}"
        return CellResult(cell.key, "failed", {}, reason, 0.0, 0.0, self.folder / "cells" / cell.key)

    def _start(self, cell: Cell) -> None:
        del self.waiting[cell.key]
        partial = self.partial[cell.key] = self._fresh(cell.key)
        partial.mkdir()
        hand = self.idle.pop() if self.idle else Hand(self.runner.threads, self.heard)
        self.running[hand] = RunningCell(cell, time.monotonic())
        hand.give(cell, partial, self.folder, self.runner.device)
        self.tell()

    def _hear(self, hand: Hand, message: Message | None) -> None:
        if hand in self.idle and message is None:
            self.idle.remove(hand)
            hand.end()
        if hand not in self.running:
            return
        running = self.running[hand]
        if message is None:
            death = hand.death()
            if not hand.ready:
                raise RunError(f"no worker could be started: {death}")
            del self.running[hand]
            hand.end()
            gone = time.monotonic() - running.since
            self._commit(running.cell, {"values": "{}", "error": death, "seconds": gone, "cpu_seconds": 0.0})
        elif "ready" in message:
            hand.ready = True
        elif "say" in message:
            done, total, text = message["say"]
            self.running[hand] = replace(running, share=done / total if total > 0 else 0.0, text=text)
            self.tell()
        else:
            del self.running[hand]
            self.idle.append(hand)
            self._commit(running.cell, message)

    def _commit(self, cell: Cell, message: Message) -> None:
        """Make the cell's folder be there, whole, with its result in it."""
        partial, final = self.partial.pop(cell.key), self.folder / "cells" / cell.key
        status = "done" if message["error"] is None else "failed"
        record = {
            "key": cell.key, "kind": cell.kind, "version": cell.version, "title": cell.title, "fields": cell.fields,
            "needs": [need.key for need in cell.needs], "status": status, "error": message["error"],
            "seconds": message["seconds"], "cpu_seconds": message["cpu_seconds"],
            "versions": message.get("versions", {}),
            "ended": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "values": json.loads(message["values"]),
        }  # fmt: skip
        files.write_text(partial / RESULT, json.dumps(record, indent=1) + "\n")
        for path in partial.rglob("*"):
            files.sync_folder(path)
        drafts.replace(partial, final)
        files.sync_folder(final.parent)
        locks.release(self.locked.pop(cell.key))
        result = load(self.folder, cell.key)
        assert result is not None
        self._end(cell, result)

    def _end(self, cell: Cell, result: CellResult) -> None:
        self.waiting.pop(cell.key, None)
        self._know(cell, result)
        self.tell((cell, result))

    def tell(self, ended: tuple[Cell, CellResult] | None = None) -> None:
        """Report how far it is."""
        if self.runner.progress is None:
            return
        running = tuple(self.running.values())
        done = sum(result.done for result in self.results.values())
        left = self.clock.left(running, self.waiting.values(), self.runner.workers)
        count = len(self.waiting) + len(running)
        self.runner.progress(Standing(done, len(self.results) - done, count, running, left, self.elsewhere, ended))

    def stop(self) -> None:
        """End the workers; what they were at leaves nothing."""
        for hand in [*self.running, *self.idle]:
            hand.end()
        for partial in self.partial.values():
            shutil.rmtree(partial, ignore_errors=True)
        for handle in self.locked.values():
            locks.release(handle)

    def _fresh(self, key: str) -> Path:
        """A name that no worker of a killed runner can still write to."""
        return self.folder / "partial" / f"{key}.{secrets.token_hex(4)}"


def _written(result: CellResult) -> int:
    return (result.folder / RESULT).stat().st_mtime_ns


def _sweep(folder: Path) -> None:
    """Remove what killed runners left."""
    for path in (folder / "partial").iterdir():
        handle = locks.take(folder / "locks" / path.stem)
        if handle is not None:
            shutil.rmtree(path, ignore_errors=True)
            locks.release(handle)
