"""`lungo infer`: many pictures through an exported net, in batches, decoded beside it, answers written as they come.

Nets that are no classifiers give their numbers: as .npz or .json.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffelungo import files, option_ranges
from caffelungo.errors import Location, Problem, UserError
from caffelungo.inference import result_files
from caffelungo.inference.classify import TOP, Classifier, Picture, PictureModel, predictions
from caffelungo.inference.classify_files import judges_of, sheet
from caffelungo.inference.inputs import Given, PictureBatch, gather
from caffelungo.inference.predictions import Prediction
from caffelungo.wording import counted

BATCH = 16
SHOWN = 20
"""Bad pictures that are reported one by one; the rest is counted."""
SINKS = {".csv": result_files.csv_file, ".json": result_files.json_file, ".npz": result_files.npz_file}


@dataclass(frozen=True)
class InferOptions:
    """``given``: pictures, folders, lists (.txt). ``output`` ends in .csv, .json, .npz or .png (a sheet); None: none.

    ``device``, ``provider``, ``graphs``, ``threads``: see ``OnnxEngine``. ``decoders`` threads read pictures
    (0: one a core, up to four). ``most`` pictures are on a sheet. ``head``: one of several classifiers, by task, layer
    or output (None: all).
    """

    model: str | Path
    given: Sequence[str | Path]
    output: str | Path | None = None
    device: str = "auto"
    provider: str = ""
    batch: int = BATCH
    threads: int = 0
    decoders: int = 0
    top: int = TOP
    graphs: bool = False
    most: int = 24
    head: str | None = None


@dataclass
class Inferred:
    """What was done. ``right``: how many of ``known`` pictures have their listed class (first, within the ``top``)."""

    where: str
    count: int = 0
    seconds: float = 0.0
    warm_up: float = 0.0
    problems: list[Problem] = field(default_factory=list)
    known: int = 0
    right: tuple[int, int] = (0, 0)
    classifier: bool = True
    outputs: list[str] = field(default_factory=list)
    top: int = TOP

    def lines(self) -> list[str]:
        """For people."""
        rate = self.count / self.seconds if self.seconds else 0.0
        lines = [f"{counted(self.count, 'picture')} in {self.seconds:.1f} s, {rate:.4g} per second, on {self.where}"]
        if not self.classifier:
            lines.append(f"the net is not a classifier: these are the raw outputs {', '.join(self.outputs)}")
        if self.known:
            shares = [f"{count / self.known:.1%}" for count in self.right]
            lines.append(f"top-1 correct for {shares[0]} of {self.known}, within {self.top} for {shares[1]}")
        return lines


def infer(
    options: InferOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
    each: Callable[[Prediction], None] | None = None,
) -> Inferred:
    """Run the net over everything; ``each`` gets every prediction in order, ``progress`` (done, total).

    Raises UserError for what is wrong before anything runs, and at the end for pictures that could not be used, when
    the output is there with all others; RunError when the device cannot be used.
    """
    tell, show = progress or (lambda count, total: None), each or (lambda prediction: None)
    target = _target(options)
    items = gather(options.given)
    model = PictureModel(
        options.model, options.device, provider=options.provider, threads=options.threads, graphs=options.graphs
    )
    judges = _judges(options, model, target)
    done = Inferred(str(model.engine), classifier=bool(judges), outputs=model.engine.outputs, top=options.top)
    everything = not judges or (target is not None and target.suffix.lower() == ".npz")
    wanted = None if everything else [str(one.classifier) for one in judges]
    named: list[tuple[str, Any]] = [(str(path), path) for path in items.paths]
    shown: list[Prediction] = []
    step = max(1, -(-len(named) // options.most))
    # A separate thread for the net, so that it runs on while answers are written and the next batch is put together.
    with ThreadPoolExecutor(1, thread_name_prefix="net") as net, _sink(target) as sink:
        started = time.perf_counter()
        if model.engine.graphs:
            net.submit(model.engine.warm_up, [model.batch or options.batch], wanted).result()
        done.warm_up = time.perf_counter() - started

        started = time.perf_counter()
        for read, outputs in _answered(net, model, named, options, wanted, lambda read: _failed(done, items, read)):
            names = [named[index][0] for index in read.indices]
            found = predictions(judges, names, outputs, options.top) if judges else []
            if sink is not None:
                sink.add(names, found, outputs)
            _count(done, items, read.indices, found if len(judges) == 1 else [])
            shown.extend(one for index, one in zip(read.indices, found, strict=False) if index % step == 0)
            for prediction in found:
                show(prediction)
            tell(done.count + len(done.problems), len(named))
        tell(done.count + len(done.problems), len(named))
        if not done.count:
            raise UserError(done.problems[:SHOWN])
    done.seconds = time.perf_counter() - started
    if target is not None and target.suffix.lower() == ".png" and judges:
        sheet(judges[0], shown, target, options.most)
    if done.problems:
        raise UnansweredError(_told(done, target))
    return done


def _answered(
    net: ThreadPoolExecutor, model: PictureModel, named: Sequence[tuple[str, Picture]], options: InferOptions,
    wanted: Sequence[str] | None, seen: Callable[[PictureBatch], None],
) -> Iterator[tuple[PictureBatch, result_files.Arrays]]:  # fmt: skip
    """Each batch with its outputs, in order; the net runs on the next one while a batch is looked at.

    ``seen`` is shown every batch as it is read, also one without a picture that could be used.
    """
    last: tuple[PictureBatch, Future[result_files.Arrays]] | None = None
    for read in model.batches(named, options.batch, options.decoders):
        seen(read)
        if read.indices:
            before, last = last, (read, net.submit(model.outputs, read.images, wanted))  # type: ignore[arg-type]
            if before is not None:
                yield before[0], before[1].result()
    if last is not None:
        yield last[0], last[1].result()


def _failed(done: Inferred, items: Given, read: PictureBatch) -> None:
    done.problems += [items.placed(index, problem) for index, problem in read.failed]


def _target(options: InferOptions) -> Path | None:
    problems = option_ranges.problems("infer", vars(options) | {"batch": None, "batch_size": options.batch})
    target = Path(options.output) if options.output else None
    if target is not None and target.suffix.lower() not in (*SINKS, ".png"):
        problems.append(
            Problem("the suffix of the output is not a known format", received=f"-o {target}",
                    remedy=f"use {', '.join((*SINKS, '.png'))}")
        )  # fmt: skip
    if target is not None and (wrong := files.obstacle(target)) is not None:
        problems.append(wrong)
    if problems:
        raise UserError(problems)
    return target


def _judges(options: InferOptions, model: PictureModel, target: Path | None) -> list[Classifier]:
    """The classifiers of ``model``; none where it has none, UserError when classes were asked of such a one."""
    if model.heads or model.classifier is not None or model.numbers is not None or options.head is not None:
        return judges_of(model, options.head, target)
    if target is None or target.suffix.lower() not in (".npz", ".json"):
        raise UserError(
            "this net is not a classifier: it has raw outputs, no classes", where=Location(str(model.path)),
            received=f"outputs {', '.join(model.engine.outputs)}" + (f" and -o {target}" if target else ""),
            remedy="write them with -o out.npz or -o out.json",
        )  # fmt: skip
    return []


@contextmanager
def _sink(target: Path | None) -> Iterator[result_files.Sink | None]:
    if target is None or target.suffix.lower() == ".png":
        yield None
        return
    with SINKS[target.suffix.lower()](target) as sink:
        yield sink


def _count(done: Inferred, items: Given, indices: Sequence[int], found: Sequence[Prediction]) -> None:
    done.count += len(indices)
    first, within = done.right
    for index, prediction in zip(indices, found, strict=False):
        truth = items.classes[index]
        if truth is not None and prediction.guesses and not prediction.scores:
            done.known += 1
            first += prediction.best.index == truth
            within += any(guess.index == truth for guess in prediction.guesses)
    done.right = first, within


class UnansweredError(UserError):
    """Some pictures could not be used; the answers for all others are there."""

    exit_status = 1


def _told(done: Inferred, target: Path | None) -> list[Problem]:
    """The bad pictures, and what became of the others."""
    shown = done.problems[:SHOWN]
    more = len(done.problems) - len(shown)
    others = f"{target} holds" if target else "there are"
    end = Problem(
        f"{len(done.problems)} of {done.count + len(done.problems)} pictures could not be used"
        + (f", of which {more} are not shown" if more else ""),
        received=f"{others} the answers for the other {done.count}",
        remedy="replace those pictures, or remove them from the list",
    )
    return [*shown, end]
