"""`lungo triton`."""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.api import values
from caffelungo.api.values import Name, Numbers
from caffelungo.api.verb_report import VerbReport
from caffelungo.errors import UserError


@dataclass(frozen=True, repr=False)
class TritonReport(VerbReport):
    """What was put into the repository: the model's folder, its version, and the text of its config.pbtxt.

    ``folder``: the model's folder.
    ``version``: the number of the version.
    ``config``: the text of config.pbtxt.
    ``notes``: what was changed or decided, and why.
    """

    folder: str
    version: int
    config: str
    notes: list[str]


def triton(
    model: Name,
    repository: Name | None = None,
    *,
    output: Name | None = None,
    name: str | None = None,
    version: int | None = None,
    max_batch: int = 64,
    delay: int = 2000,
    preferred: Numbers | None = None,
    instances: int = 1,
    device: str = "auto",
    gpus: Numbers | None = None,
    keep: int = 1,
) -> TritonReport:
    """Put an exported net into a model repository of NVIDIA's Triton Inference Server, which is made if it is missing.

    Triton puts at most ``max_batch`` pictures together, and waits ``delay`` microseconds for more. ``output`` is
    another name of ``repository``. The options are those of ``lungo triton``.

    UserError for a file that Triton does not take, and for a version that exists.

    >>> cl.triton("model.onnx", "repository", name="animals").version
    1
    """
    values.judge("triton", locals())
    from caffelungo.inference.triton import TritonOptions
    from caffelungo.inference.triton import triton as run

    if (repository is None) == (output is None):
        raise UserError(
            "one model repository is written",
            received="none" if output is None else f"{repository} and -o {output}",
            remedy='cl.triton("model.onnx", "repository")',
        )
    placed = run(
        values.path(model) or "", values.path(repository if output is None else output) or "",
        TritonOptions(
            name=name, version=version, max_batch=max_batch, delay=delay,
            preferred=values.numbers(preferred, "--preferred", int), instances=instances, device=device,
            gpus=values.numbers(gpus, "--gpus", int), keep=keep,
        ),
    )  # fmt: skip
    return TritonReport(str(placed.folder), placed.version, placed.config, list(placed.notes))
