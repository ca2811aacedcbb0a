"""`lungo probe`: what the frozen net knows of the user's pictures, layer by layer, and the best of it as a net.

pictures -> features of every stage (kept in a cache) -> a linear classifier for each, judged on pictures held out
-> the best candidate, fitted to all pictures -> a row each, and a net whose classifier is an ordinary layer
"""

from __future__ import annotations

import time
from pathlib import Path

from caffelungo import drafts, locks, option_ranges
from caffelungo.data.picture_table import PictureColumns
from caffelungo.errors import Problem, UserError
from caffelungo.passes.view import View
from caffelungo.probes import write_net
from caffelungo.probes.candidates import HEAD, before_replacing
from caffelungo.probes.choose_candidate import (
    CLASSIFIERS,
    SCALES,
    choose,
)
from caffelungo.probes.options import ProbeOptions
from caffelungo.probes.picture_entries import Choice, gather, own
from caffelungo.probes.probed_net import ProbedNet, Stage
from caffelungo.probes.results import Probed
from caffelungo.rewriting.folder_files import refuse_overwriting, word_of
from caffelungo.rewriting.retarget import PointOptions, needed, open_net


def _silent(what: str, done: int, total: int) -> None:
    pass


@locks.exclusive(lambda options: options.output)
def probe(options: ProbeOptions, say: Stage = _silent) -> Probed:
    """Fit, choose, judge, and write what ``options.output`` asks for. UserError with everything wrong, as it is found.

    The cache makes a second call quick and a killed one go on: features and finished candidates are kept there.
    """
    begin = time.monotonic()
    _check(options)
    out = Path(options.output) if options.output else None
    if out is not None:
        refuse_overwriting(out, write_net.FILES, options.overwrite)
    wanted = _wanted(options)
    opened = open_net(wanted)
    # Asked for before every picture is looked at, which may take minutes.
    weights = needed(opened, options.net)
    if tuple(options.layers) != (HEAD,) and (
        wrong := before_replacing(View(opened.definition), options.layers, options.head)
    ):
        raise UserError(wrong)

    def reading(done: int, total: int) -> None:
        say("reading pictures", done, total)

    if options.data is not None:
        columns = PictureColumns(options.path_column, options.label_column)
        choice = Choice(columns, options.groups, options.per_class, options.seed, options.corrections)
        gathered = gather(options.data, options.test, reading, choice)
    else:
        gathered = own(opened.definition, options.test, reading)
    with drafts.scratch() as folder:
        return _probe(ProbedNet(options, gathered, wanted, opened, weights, say), begin, out, folder)


def _probe(work: ProbedNet, begin: float, out: Path | None, folder: Path) -> Probed:
    options, gathered = work.options, work.gathered
    # What is decided already is not tried: its features may have been learned from the very pictures.
    decided = not options.refit or (options.penalty is not None and len(work.candidates) == 1)
    again = None
    if options.before is not None:
        again = work.use_better(options.before, folder, refit=not decided)
    elif gathered.aside is not None and not decided:
        again = work.refitted(gathered.aside)
    rows = [again.row] if again else [] if decided else [work.tried(one) for one in work.candidates]
    best = choose(rows, options.classifier) if rows else None
    chosen = best.candidate if best is not None else work.candidates[0]
    penalty = options.penalty if options.penalty is not None else best.penalty if best is not None else 1.0
    head = again.head if again else work.head(chosen, penalty) if options.refit else work.as_it_is()
    heads = {row.candidate: work.head(row.candidate, row.penalty) for row in rows if row is not best and options.test}
    judged = {one.name: found for one, fitted in {**heads, chosen: head}.items() if (found := work.judged(one, fitted))}
    tested = judged.get(chosen.name)
    kept = again.kept if again else None if options.refit else True
    result = Probed(
        gathered.classes, len(work.learned), rows, chosen, head, tested, judged, 0.0, work.notices(rows, head), again,
        kept,
    )  # fmt: skip
    result.seconds = time.monotonic() - begin
    if out is not None:
        result.files, result.commands = work.write(out, result)
    return result


def _check(options: ProbeOptions) -> None:
    problems = option_ranges.problems("probe", vars(options))
    if options.classifier not in CLASSIFIERS:
        problems.append(Problem("no such classifier", None, f"--classifier {options.classifier}",
                                f"use one of: {', '.join(CLASSIFIERS)}"))  # fmt: skip
    if options.scaling not in SCALES:
        problems.append(Problem("no such scaling", None, f"--scaling {options.scaling}",
                                f"use one of: {', '.join(SCALES)}"))  # fmt: skip
    if options.data is None and tuple(options.layers) != (HEAD,):
        problems.append(
            Problem("no training pictures are named", None, f"--layers {','.join(options.layers)}",
                    "add --data photos/; only --layers head uses the net's own")
        )  # fmt: skip
    if options.data is None:
        flags = {"--groups": options.groups, "--per-class": options.per_class, "--path-column": options.path_column,
                 "--label-column": options.label_column, "--corrections": options.corrections}  # fmt: skip
        problems += [
            Problem(f"{flag} is for pictures that are named", None, f"{flag} {value}", "add --data photos/")
            for flag, value in flags.items() if value is not None
        ]  # fmt: skip
    if options.data is None and options.classifier != "logistic" and options.penalty is None:
        problems.append(
            Problem("refitting a trained net's own classifier needs log losses, as of logistic regression", None,
                    f"--classifier {options.classifier}", "remove it, or name pictures: --data photos/")
        )  # fmt: skip
    if not options.refit and (options.before is None or options.penalty is not None):
        given = "--no-refit" if options.penalty is None else f"--no-refit --penalty {options.penalty:g}"
        problems.append(
            Problem("--no-refit only compares weights before and after training", None, given,
                    "name the weights before training, and no penalty: --before start.caffemodel")
        )  # fmt: skip
    if problems:
        raise UserError(problems)


def _wanted(options: ProbeOptions) -> PointOptions:
    return PointOptions(
        options.net, options.weights, head=options.head, suffix=options.suffix or word_of(options.data or ""),
        size=options.size, batch_size=options.batch_size, device=options.device, variables=options.variables,
        stages=options.stages, level=options.level,
    )  # fmt: skip
