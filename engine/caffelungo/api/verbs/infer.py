"""`lungo infer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caffelungo.api import values
from caffelungo.api.values import Name
from caffelungo.api.verb_report import DataTable, VerbReport

if TYPE_CHECKING:
    from caffelungo.errors import Problem


@dataclass(frozen=True, repr=False)
class InferReport(VerbReport):
    """What was run: how many pictures in how many seconds, where, and of those whose class was listed how many right.

    ``classes`` has a row per picture and class where nothing is written to a file.

    ``pictures``: how many pictures were run.
    ``seconds``: how long they took.
    ``where``: the device.
    ``known``: of how many pictures the class was listed.
    ``right_first``: of those, how many had it as the most probable.
    ``right_within_top``: of those, how many had it among the most probable.
    ``problems``: pictures that could not be read.
    ``path``: the file written (None: none).
    """

    pictures: int
    seconds: float
    where: str
    known: int
    right_first: int
    right_within_top: int
    classes: DataTable
    problems: list[Problem] = field(default_factory=list)
    path: str | None = None


def infer(
    model: Name,
    given: Name | Sequence[Name],
    *,
    output: Name | None = None,
    device: str = "auto",
    provider: str = "",
    batch_size: int = 16,
    threads: int = 0,
    decoders: int = 0,
    top: int = 5,
    head: str | None = None,
    graphs: bool = False,
) -> InferReport:
    """Run an exported net over many pictures: classes of classifiers, all numbers of other nets.

    ``given`` are pictures, folders, or lists (.txt, a path per line, with or without a class). ``output`` is a .csv,
    .json, .npz or .png to write. The options are those of ``lungo infer``.

    UserError for a file that takes no pictures, and for pictures that cannot be read, after all others are done.

    >>> done = cl.infer("model.onnx", "photos", output="classes.csv")
    >>> done.pictures, done.path
    (15, 'classes.csv')
    """
    values.judge("infer", locals())
    from caffelungo.inference.infer import InferOptions
    from caffelungo.inference.infer import infer as run
    from caffelungo.inference.predictions import rows_of

    rows: list[dict[str, Any]] = []

    def keep(prediction: Any) -> None:
        rows.extend(rows_of(prediction))

    done = run(
        InferOptions(
            values.path(model) or "", values.paths(given), values.path(output), device, provider, batch_size, threads,
            decoders, top, graphs, head=head,
        ),
        each=None if output is not None else keep,
    )  # fmt: skip
    return InferReport(
        done.count, done.seconds, done.where, done.known, *done.right, DataTable(rows), list(done.problems),
        values.path(output),
    )  # fmt: skip
