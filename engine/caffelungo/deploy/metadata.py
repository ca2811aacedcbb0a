"""What an exported file says of itself: ONNX ``metadata_props`` that make `classify` need no flags.

| key | value |
|---|---|
| `caffelungo.format` | `1` |
| `input` | JSON: name, layout (`NHWC`, `NCHW`), type (`uint8`, `float32`), channels (`RGB`, `BGR`, `GRAY`), resize |
| `preprocessing` | text form of `lungo.Preprocessing`: what the graph does, and what is to be done before it |
| `labels` | JSON list of class names in the order of the classifier's outputs; absent when unknown |
| `classifier` | the output that holds one probability a class; absent when there is none, or several |
| `heads` | JSON list, of a net for several tasks: `output`, layer `name`, `task`, `labels` or null of each |
| `opset`, `prototxt`, `prototxt_sha256`, `weights`, `weights_sha256` | what it was made of |
| `accuracy` | JSON: `accuracy`, `right` of `pictures`, `lists` with their hashes; absent when none was taken |
| `parity` | JSON: what was compared before the file was given its name, and the largest difference |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from caffelungo.definition.schema import Preprocessing
from caffelungo.errors import Location, UserError

FORMAT = "1"
LONGEST_LABELS = 16 * 2**20
"""Most bytes of labels that are read from a file that others made."""


@dataclass(frozen=True)
class ImageInput:
    """The graph's input: pictures as decoders give them (``uint8``), or the net's own blob (``NCHW float32``).

    ``resize`` is empty where pictures come at the net's size. Else they come at their own, one size a batch; the graph
    resizes and crops them, and ``resize`` says with which interpolation.
    """

    name: str
    layout: str
    type: str
    channels: str
    resize: str = ""

    @property
    def takes_pictures(self) -> bool:
        return self.type == "uint8"

    @property
    def plane(self) -> tuple[int, int]:
        """The axes of height and width."""
        return (1, 2) if self.layout == "NHWC" else (2, 3)


@dataclass(frozen=True)
class Head:
    """One of several classifiers: the ``output`` with its probabilities, its layer's ``name``, its task and classes."""

    output: str
    name: str
    task: str
    labels: tuple[str, ...] | None = None

    @property
    def title(self) -> str:
        """For people: the task, and the layer where that is called otherwise."""
        return self.task or self.name


@dataclass
class Metadata:
    """The content of ``metadata_props`` as values."""

    input: ImageInput
    record: Any
    labels: list[str] | None = None
    classifier: str | None = None
    more: dict[str, str] = field(default_factory=dict)
    heads: tuple[Head, ...] = ()

    @property
    def classifiers(self) -> tuple[str, ...]:
        """Every output that holds one probability a class."""
        return tuple(head.output for head in self.heads) or ((self.classifier,) if self.classifier else ())

    def properties(self) -> dict[str, str]:
        """The strings to store."""
        result = {
            "caffelungo.format": FORMAT,
            "input": json.dumps(asdict(self.input)),
            "preprocessing": text_format.MessageToString(self.record),
        }
        if self.labels is not None:
            result["labels"] = json.dumps(self.labels, ensure_ascii=False)
        if self.classifier is not None:
            result["classifier"] = self.classifier
        if self.heads:
            result["heads"] = json.dumps([asdict(head) for head in self.heads], ensure_ascii=False)
        return {**result, **self.more}


def read(properties: Mapping[str, str], file: str | Path) -> Metadata:
    """The metadata of a file that ``lungo export`` wrote; UserError for one that it did not write."""
    if "caffelungo.format" not in properties:
        raise UserError(
            "this ONNX file does not say how pictures become its input: another program wrote it",
            where=Location(str(file)),
            received=f"metadata {', '.join(sorted(properties))[:200] or '(none)'}, no `caffelungo.format`",
            remedy="make it from the net with `lungo export` or `lungo convert`, which put preprocessing and labels "
            "into it; or feed this one arrays of your own: caffelungo.deploy.engine.Engine in Python, `lungo triton`",
        )
    if properties["caffelungo.format"] != FORMAT:
        raise UserError(
            "this ONNX file was exported by another version",
            where=Location(str(file)),
            received=f"caffelungo.format {properties['caffelungo.format']!r:.40}; this version reads {FORMAT}",
            remedy="export the net again with this version, or install the version that exported it",
        )
    try:
        given = ImageInput(**json.loads(properties["input"]))
        record = text_format.Parse(properties.get("preprocessing", ""), Preprocessing())
        labels = _labels(properties.get("labels"))
        heads = _heads(properties.get("heads"))
    except (KeyError, TypeError, ValueError, RecursionError, text_format.ParseError) as error:
        raise UserError(
            "the metadata of this ONNX file is damaged",
            where=Location(str(file)),
            received=f"{type(error).__name__}: {error}"[:300],
            remedy="export the net again",
        ) from error
    known = {"caffelungo.format", "input", "preprocessing", "labels", "classifier", "heads"}
    more = {key: value for key, value in properties.items() if key not in known}
    return Metadata(given, record, labels, properties.get("classifier"), more, heads)


def _labels(text: str | None) -> list[str] | None:
    if text is None:
        return None
    if len(text) > LONGEST_LABELS:
        raise ValueError(f"{len(text)} bytes of labels")
    labels = json.loads(text)
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ValueError("labels are no list of strings")
    return labels


def _heads(text: str | None) -> tuple[Head, ...]:
    if text is None:
        return ()
    if len(text) > LONGEST_LABELS:
        raise ValueError(f"{len(text)} bytes of heads")
    found = [Head(**entry) for entry in json.loads(text)]
    for one in found:
        if not all(isinstance(word, str) for word in (one.output, one.name, one.task, *(one.labels or ()))):
            raise ValueError("a head is no record of strings")
    return tuple(replace(one, labels=None if one.labels is None else tuple(one.labels)) for one in found)


def read_labels(path: str | Path) -> list[str]:
    """Class names from a text file, one a line, in the order of the classifier's outputs (``synset_words.txt`` too)."""
    place = Path(path)
    if not place.is_file():
        raise UserError(
            "labels file not found",
            where=Location(str(place)),
            received=str(place.absolute()),
            remedy="give a text file with one class name a line",
        )
    try:
        lines = place.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(
            "labels file is no UTF-8 text", where=Location(str(place)), received=str(error),
            remedy="save the file as UTF-8, one class name a line",
        ) from error  # fmt: skip
    return [line.strip() for line in lines if line.strip()]


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(text: str) -> str:
    """The SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
