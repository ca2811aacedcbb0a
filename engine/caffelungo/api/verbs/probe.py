"""`lungo probe`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffelungo.api import on_disk, values
from caffelungo.api.values import Name, Names, Settings, Words
from caffelungo.api.verb_report import DataTable, VerbReport

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule


@dataclass(frozen=True, repr=False)
class ProbeReport(VerbReport):
    """What was found: a row per candidate in ``layers``, the ``chosen`` one, and how it did on ``test`` (or None).

    Accuracies are shares, ``low`` and ``high`` the ends of their 95 % intervals. ``kept``: whether a trained net's own
    classifier stays (None where there was none).

    ``classes``: the names of the classes.
    ``pictures``: how many pictures were fitted.
    ``penalty``: the L2 penalty of the chosen classifier.
    ``files``: the files that were written.
    ``notices``: what was done differently from what could be expected.
    """

    classes: list[str]
    pictures: int
    layers: DataTable
    chosen: str
    penalty: float | None
    test: dict[str, Any] | None
    kept: bool | None
    files: list[str]
    notices: list[str]


def probe(
    net: Name | NetModule,
    data: Name | None = None,
    *,
    test: Name | None = None,
    weights: Names | None = None,
    layers: Words = "auto",
    classifier: str = "logistic",
    scaling: str = "unit",
    mirror: bool = False,
    penalty: float | None = None,
    before: Names | None = None,
    no_refit: bool = False,
    folds: int = 5,
    size: int | None = None,
    batch_size: int = 32,
    suffix: str | None = None,
    output: Name | None = None,
    cache: Name | None = None,
    groups: str | None = None,
    per_class: int | None = None,
    path_column: str | None = None,
    label_column: Words | None = None,
    corrections: Name | None = None,
    balance: str | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "fp32",
    threads: int | None = None,
    head: str | None = None,
    set: Settings | None = None,
    level: int = 0,
    stage: Words | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> ProbeReport:
    """Fit linear classifiers to a net's frozen layers, and see how well each tells the classes of ``data`` apart.

    ``net`` is a prototxt, a name of ``cl.nets()`` or an opened net; ``data`` a folder with one sub-folder per class, or
    a list of pictures. ``layers`` are blobs, ``a+b`` for several at once, ``all``, ``head`` or ``auto``. The L2
    ``penalty`` is on the sum of losses, by default chosen by cross-validation in ``folds``. With ``output`` the best
    classifier is written as a net into that folder. The options are those of ``lungo probe``.

    UserError with everything that is wrong with the net, the pictures or the options.

    >>> found = cl.probe("squeezenet1.1", "photos", layers="fire2/concat, fire9/concat", size=64, quiet=True)
    >>> found.chosen in ("fire2/concat", "fire9/concat"), len(found.layers)
    (True, 2)
    """
    values.judge("probe", locals())
    from caffelungo.probes.options import ProbeOptions
    from caffelungo.probes.run_probe import probe as run
    from caffelungo.report.progress_bar import stages

    with on_disk.net_and_weights(net, weights) as (model, blobs), stages(quiet) as say:
        found = run(
            ProbeOptions(
                net=model, data=values.path(data), test=values.path(test), weights=blobs,
                layers=tuple(values.words(layers)), classifier=classifier, scaling=scaling, mirrored=mirror,
                penalty=penalty, before=values.joined(before), refit=not no_refit, folds=folds, size=size,
                batch_size=batch_size, suffix=suffix, output=values.path(output), cache=values.path(cache), seed=seed,
                device=device, precision=precision, threads=threads, variables=values.variables(set), head=head,
                stages=values.listed(stage), level=level, overwrite=overwrite,
                groups=groups, per_class=per_class, path_column=path_column, label_column=values.columns(label_column),
                corrections=values.path(corrections),
                balance=balance,
            ),
            say,
        )  # fmt: skip
    plain = found.plain()
    return ProbeReport(
        plain["classes"], plain["pictures"], DataTable(plain["layers"]), found.chosen.name, plain["chosen"]["penalty"],
        plain["test"], found.kept, [str(path) for path in found.files], list(found.notices),
    )  # fmt: skip
