"""`lungo features`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffelungo.api import on_disk, values
from caffelungo.api.values import Name, Names, Settings, Words
from caffelungo.api.verb_report import VerbReport

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule


@dataclass(frozen=True, repr=False)
class FeaturesReport(VerbReport):
    """The file written. ``shapes``: those of one picture by blob; ``before``: pictures done in an earlier run.

    ``path``: the file written.
    ``pictures``: how many pictures are in the file.
    ``labelled``: whether the pictures have classes.
    ``notices``: what was done differently from what could be expected.
    """

    path: str
    pictures: int
    shapes: dict[str, tuple[int, ...]]
    labelled: bool
    before: int
    notices: list[str]


def features(
    net: Name | NetModule,
    data: Name,
    output: Name,
    *,
    weights: Names | None = None,
    blobs: Words | None = None,
    size: int | None = None,
    crops: int = 1,
    pool: str = "mean",
    batch_size: int | None = None,
    path_column: str | None = None,
    label_column: Words | None = None,
    corrections: Name | None = None,
    set: Settings | None = None,
    level: int = 0,
    stage: Words | None = None,
    device: str = "auto",
    precision: str = "fp32",
    overwrite: bool = False,
    quiet: bool = False,
) -> FeaturesReport:
    """Write the activations of a net's layers for pictures to a file; an interrupted run goes on where it was.

    ``net`` is a prototxt, a name of ``cl.nets()`` or an opened net; ``data`` a folder with one sub-folder per class, a
    folder of pictures, or a list of ``path label``; ``output`` a .npz, .h5, .safetensors or .lmdb. ``blobs`` default to
    the ends of the net's stages, and are pooled over the plane by ``pool`` (``mean``, ``max`` or ``none``). ``size`` is
    the input in pixels. The options are those of ``lungo features``.

    UserError with everything that is wrong with the net, the pictures or the options.

    >>> done = cl.features("squeezenet1.1", "photos", "features.npz", blobs="pool10", size=64, quiet=True)
    >>> done.pictures, done.shapes
    (15, {'pool10': (1000,)})
    """
    values.judge("features", locals())
    from caffelungo.features.run_features import FeatureOptions, extract
    from caffelungo.report.progress_bar import stages

    with on_disk.net_and_weights(net, weights) as (path, named), stages(quiet) as progress:
        done = extract(
            FeatureOptions(
                net=path, data=values.path(data) or "", output=values.path(output) or "", weights=named,
                blobs=values.words(blobs), size=size, crops=crops, pool=pool, batch_size=batch_size,
                variables=values.variables(set), device=device, precision=precision, overwrite=overwrite,
                stages=values.listed(stage), level=level, path_column=path_column,
                label_column=values.columns(label_column),
                corrections=values.path(corrections),
            ),
            progress,
        )  # fmt: skip
    return FeaturesReport(str(done.path), done.count, dict(done.shapes), done.labelled, done.before, list(done.notices))
