"""`lungo advise`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from caffelungo.api import values
from caffelungo.api.values import Name, Words
from caffelungo.api.verb_report import DataTable, Text, VerbReport


@dataclass(frozen=True, repr=False)
class AdviseReport(VerbReport):
    """What to do with the pictures (``text``), and the numbers that it rests on.

    ``recommended`` is "features only", "fine-tune" or "not sure". ``expected`` is the accuracy to expect on other
    pictures, with the ends ``low`` and ``high`` of its 95 % interval. ``layers`` has a row per net, input size and
    layers, ``trials`` one per fine-tuning that was tried, ``doubtful_labels`` one per picture to look at.

    ``quadrant``: how many pictures there are, and how far from the source.
    ``net``: the net to use.
    ``size``: its input size in pixels.
    ``chosen``: the layers to read.
    ``freeze_to``: the layer up to which nothing should learn (None: all learns).
    ``rate``: the learning rate of the project.
    ``source``: distances to the source and transferability scores.
    ``solver``: the solver file to train with.
    ``report``: the page with figures.
    ``files``: the files that were written.
    ``notices``: what was done differently from what could be expected.
    """

    text: Text
    recommended: str
    quadrant: str
    net: str
    size: int
    chosen: str
    freeze_to: str | None
    rate: float
    expected: dict[str, Any]
    layers: DataTable
    source: DataTable
    trials: DataTable
    doubtful_labels: DataTable
    solver: str
    report: str
    files: list[str]
    notices: list[str]


def advise(
    nets: Name | Sequence[Name],
    data: Name,
    output: Name,
    *,
    weights: Sequence[Name] | None = None,
    source: Name | None = None,
    minutes: float = 3.0,
    size: int | None = None,
    groups: str | None = None,
    per_class: int | None = None,
    path_column: str | None = None,
    label_column: Words | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "fp32",
    threads: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> AdviseReport:
    """Look at pictures and nets, and recommend net, layers, training and what accuracy to expect.

    ``nets`` is one net or several: a prototxt, or a name of ``cl.nets()``. ``output`` becomes a folder as
    ``cl.finetune`` makes it, with a page of figures and the numbers as JSON. ``minutes`` is how long it may take; a
    call that was stopped goes on where it stood. ``source`` is a folder with a sample of what the nets were trained on.
    The options are those of ``lungo advise``.

    UserError with everything that is wrong with the nets, the pictures or the options.

    >>> found = cl.advise("squeezenet1.1", "photos", "advised", size=64, minutes=0.1, quiet=True)
    >>> found.recommended in ("features only", "fine-tune", "not sure"), found.solver
    (True, 'advised/solver.prototxt')
    """
    values.judge("advise", locals())
    from caffelungo.advising.options import REPORT, AdviseOptions
    from caffelungo.advising.run_advise import advise as run
    from caffelungo.report.progress_bar import stages

    several = [nets] if isinstance(nets, str) or not isinstance(nets, Sequence) else list(nets)
    options = AdviseOptions(
        nets=[values.path(net) or "" for net in several], data=values.path(data) or "",
        output=values.path(output) or "", weights=[values.path(one) or "" for one in weights or ()],
        source=values.path(source), minutes=minutes, size=size, groups=groups, per_class=per_class,
        path_column=path_column, label_column=values.columns(label_column), seed=seed, device=device,
        precision=precision,
        threads=threads, overwrite=overwrite,
    )  # fmt: skip
    with stages(quiet) as say:
        found = run(options, say)
    plain, decision = found.plain(), found.decision
    return AdviseReport(
        Text("\n".join(decision.sentences)), decision.what, decision.quadrant, plain["net"], plain["size"],
        plain["chosen_layers"], decision.freeze_to or None, found.rate, decision.expected.plain(),
        DataTable(plain["layers"]), DataTable(plain["source"]), DataTable(plain["trials"]),
        DataTable(plain["doubtful_labels"]), str(found.files["solver.prototxt"]), str(found.files[REPORT]),
        [str(path) for path in found.files.values()], list(found.notices),
    )  # fmt: skip
