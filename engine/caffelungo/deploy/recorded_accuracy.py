"""Measures the accuracy of an exported classifier on a list of pictures and stores it in the file.

float32 file (proven against PyTorch) -> every picture of the list through it -> the file under its name
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from caffelungo import drafts, files
from caffelungo.deploy.export import Exported, checked_target
from caffelungo.deploy.options import ExportOptions
from caffelungo.errors import Location, UserError
from caffelungo.inference import metadata
from caffelungo.inference.infer import InferOptions, Inferred, infer
from caffelungo.inference.inputs import gather
from caffelungo.wording import counted


def with_accuracy(
    make: Callable[[Path], Exported],
    out: str | Path,
    test: Sequence[str | Path],
    device: str = "cpu",
    *,
    progress: Callable[[str], None] | None = None,
) -> tuple[Exported, Inferred]:
    """Let ``make(path)`` write a classifier, take its accuracy over the lists ``test``, and put both into ``out``.

    Raises UserError for lists without classes, pictures that cannot be read and nets that are no classifiers, and what
    ``make`` raises; then ``out`` is as it was.
    """
    target = checked_target(out, ExportOptions())
    refuse_unlisted(test)
    with drafts.folder(target) as folder:
        whole = folder / target.name
        written = make(whole)
        if written.metadata.heads:
            raise UserError(
                "the net has several tasks, and the lists do not say which one they are for",
                received=", ".join(head.title for head in written.metadata.heads),
                remedy="remove --test, and measure the accuracy of each by `lungo test --head`",
            )
        if written.metadata.thresholds is not None:
            raise UserError(
                "the net tells several labels, and the lists have one class per picture",
                received=f"thresholds of {counted(len(written.metadata.thresholds), 'label')}",
                remedy="remove --test, and measure the labels by `lungo test`",
            )
        if written.metadata.classifier is None:
            raise UserError(
                "accuracy needs a classifier, and no output of this net has one probability per class",
                received=f"outputs {', '.join(written.outputs)}", remedy="remove --test",
            )  # fmt: skip
        if progress is not None:
            progress("measuring the accuracy")
        done = infer(InferOptions(whole, test, device=device))
        proto = onnx.load(whole, load_external_data=False)
        keep(proto, done.right[0], done.known, test)
        data = proto.SerializeToString()
        files.write_bytes(target, data)
    return replace(written, path=target, size=len(data)), done


def refuse_unlisted(test: Sequence[str | Path]) -> None:
    """UserError where a picture of the lists ``test`` has no class."""
    given = gather(test)
    missing = [path for path, truth in zip(given.paths, given.classes, strict=True) if truth is None]
    if missing:
        raise UserError(
            "accuracy needs the class of every picture", where=Location(str(missing[0])),
            received=f"{len(missing)} of {counted(len(given.paths), 'picture')} without a class",
            remedy="use a list with one path and class number per line: photos/cat.jpg 3",
        )  # fmt: skip


def keep(proto: Any, right: int, known: int, test: Sequence[str | Path]) -> None:
    """Put the accuracy into the metadata of a model: how many of how many were right, and on which lists."""
    lists = {Path(path).name: metadata.sha256(Path(path)) for path in test if Path(path).is_file()}
    facts = {"accuracy": round(right / known, 6), "right": right, "pictures": known, "lists": lists}
    proto.metadata_props.add(key="accuracy", value=json.dumps(facts))
