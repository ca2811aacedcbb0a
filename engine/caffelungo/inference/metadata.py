"""The metadata of an exported file: ONNX ``metadata_props`` that make `classify` need no flags.

| key | value |
|---|---|
| `caffelungo.format` | `1` |
| `input` | JSON: name, layout (`NHWC`, `NCHW`), type (`uint8`, `float32`), channels (`RGB`, `BGR`, `GRAY`), resize |
| `preprocessing` | text form of `lungo.Preprocessing`: what the graph does, and what is to be done before it |
| `labels` | JSON list of class names in the order of the classifier's outputs; absent when unknown |
| `classifier` | the output that holds one probability per class; absent when there is none, or several |
| `numbers` | JSON, of a net that predicts numbers: `output`, and `name` and `unit` of each; absent for others |
| `thresholds` | JSON list, of a net that tells several labels: the probability from which on each is given |
| `heads` | JSON list, of a net for several tasks: `output`, layer `name`, `task`, `labels` or null of each |
| `embedding` | JSON, of a net that compares pictures: `output`, `threshold` (up to this distance two belong together) |
| `opset`, `prototxt`, `prototxt_sha256`, `weights`, `weights_sha256` | what it was made of |
| `accuracy` | JSON: `accuracy`, `right` of `pictures`, `lists` with their hashes; absent when none was taken |
| `parity` | JSON: what was compared before the file was given its name, and the largest difference |
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import text_format

from caffelungo import files
from caffelungo.data import preprocess
from caffelungo.definition.schema import Preprocessing
from caffelungo.errors import Location, Problem, UserError
from caffelungo.wording import counted

FORMAT = "1"
LONGEST_LABELS = 16 * 2**20
"""Most bytes of a file of labels."""
LONGEST = 2**26
"""Most characters of one entry that are read from a file that others made; a mean picture takes millions."""
LONGEST_SIDE = 2**16
"""Of a picture, in pixels."""

T = TypeVar("T")


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


@dataclass(frozen=True)
class NumberField:
    """One number that a net predicts, and its unit, which may be empty."""

    name: str
    unit: str = ""

    @property
    def title(self) -> str:
        """For people: with its unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class NumberAnswer:
    """The ``output`` with the numbers that a net predicts, and what they are, in its order."""

    output: str
    fields: tuple[NumberField, ...]


@dataclass
class Metadata:
    """The content of ``metadata_props`` as values."""

    input: ImageInput
    record: Any
    labels: list[str] | None = None
    classifier: str | None = None
    more: dict[str, str] = field(default_factory=dict)
    heads: tuple[Head, ...] = ()
    numbers: NumberAnswer | None = None
    thresholds: tuple[float, ...] | None = None

    @property
    def classifiers(self) -> tuple[str, ...]:
        """Every output that holds one probability per class."""
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
        if self.numbers is not None:
            fields_ = [asdict(one) for one in self.numbers.fields]
            result["numbers"] = json.dumps({"output": self.numbers.output, "numbers": fields_}, ensure_ascii=False)
        if self.thresholds is not None:
            result["thresholds"] = json.dumps([float(f"{one:.7g}") for one in self.thresholds])
        return {**result, **self.more}


def read(properties: Mapping[str, str], file: str | Path) -> Metadata:
    """The metadata of a file that ``lungo export`` wrote; UserError for one that it did not write."""
    if "caffelungo.format" not in properties:
        raise UserError(
            "this ONNX file has no preprocessing record: another program wrote it",
            where=Location(str(file)),
            received=f"metadata {', '.join(sorted(properties))[:200] or '(none)'}, no `caffelungo.format`",
            remedy="make it from the net with `lungo export` or `lungo convert`, which add preprocessing and labels "
            "into it; or pass arrays of your own: caffelungo.inference.onnx_engine.OnnxEngine in Python, "
            "`lungo triton`",
        )
    if properties["caffelungo.format"] != FORMAT:
        raise UserError(
            "this ONNX file was exported by another version",
            where=Location(str(file)),
            received=f"caffelungo.format {properties['caffelungo.format']!r:.40}; this version reads {FORMAT}",
            remedy="export the net again with this version, or install the version that exported it",
        )
    entries = Entries(properties, str(file))
    given = entries.get("input", read_input)
    if "input" not in properties:
        entries.missing("input")
    record = entries.get("preprocessing", _record) or Preprocessing()
    labels = entries.get("labels", read_names)
    classifier = entries.get("classifier", _word)
    heads = entries.get("heads", _heads) or ()
    numbers = entries.get("numbers", _numbers)
    thresholds = entries.get("thresholds", _thresholds)
    if given is not None and not entries.problems:
        entries.get("preprocessing", lambda text: _fits(record, given))
    if entries.problems:
        raise UserError(entries.problems)
    assert given is not None
    known = {"caffelungo.format", "input", "preprocessing", "labels", "classifier", "heads", "numbers", "thresholds"}
    more = {key: value for key, value in properties.items() if key not in known}
    return Metadata(given, record, labels, classifier, more, heads, numbers, thresholds)


class Entries:
    """Entries of the metadata ``properties`` of ``file``, and in ``problems`` those of them that are damaged."""

    def __init__(self, properties: Mapping[str, str], file: str) -> None:
        self.properties, self.file = properties, file
        self.problems: list[Problem] = []

    def get(self, key: str, read: Callable[[str], T]) -> T | None:
        """What ``read`` makes of an entry; None for one that is not there, or that it raises an error for."""
        if key not in self.properties:
            return None
        try:
            if len(self.properties[key]) > LONGEST:
                raise ValueError(counted(len(self.properties[key]), "character"))
            return read(self.properties[key])
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError, text_format.ParseError) as error:
            self._damaged(key, f"{type(error).__name__}: {error}")
            return None

    def missing(self, key: str) -> None:
        self._damaged(key, "no such entry")

    def _damaged(self, key: str, why: str) -> None:
        what = f"the metadata of this ONNX file is damaged, in its entry `{key}`"
        why = why.encode(errors="backslashreplace").decode()
        self.problems.append(Problem(what, Location(self.file), why[:300], "export the net again"))


def _word(value: Any) -> str:
    """A text that can be written and printed: lone halves of a character come in by JSON's escapes."""
    if not isinstance(value, str):
        raise TypeError(f"expected a string, found {json.dumps(value)[:80]}")
    value.encode()
    return value


def _fields(value: Any, names: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or any(name not in names for name in value):
        raise TypeError(f"a record of {', '.join(names)} expected, found {json.dumps(value)[:80]}")
    return value


def read_input(text: str) -> ImageInput:
    """The entry `input`; an error that ``Entries.get`` knows for anything else."""
    value = _fields(json.loads(text), [one.name for one in fields(ImageInput)])
    given = ImageInput(**{name: _word(word) for name, word in value.items()})
    allowed = {"layout": ("NHWC", "NCHW"), "type": ("uint8", "float32"), "channels": ("RGB", "BGR", "GRAY", "")}
    for name, words in allowed.items():
        if getattr(given, name) not in words:
            raise ValueError(f"{name} is {getattr(given, name)!r}, not one of {', '.join(map(repr, words))}")
    if not given.name or (given.takes_pictures and not given.channels):
        raise ValueError("the name or the channels are empty")
    return given


def _record(text: str) -> Any:
    record = text_format.Parse(text, Preprocessing())
    numbers = [record.scale, *record.mean_value, *record.mean_image]
    if not all(map(math.isfinite, numbers)) or record.scale == 0:
        raise ValueError("scale and mean must be finite, and the scale not 0")
    sides = ("resize_height", "resize_width", "resize_shorter", "crop_height", "crop_width")
    if any(getattr(record, side) > LONGEST_SIDE for side in sides):
        raise ValueError(f"pictures have sides up to {LONGEST_SIDE}")
    if bool(record.resize_height) != bool(record.resize_width) or bool(record.crop_height) != bool(record.crop_width):
        raise ValueError("a height needs a width")
    return record


def _fits(record: Any, given: ImageInput) -> None:
    """ValueError where the mean is not that of pictures of the input's channels."""
    subtract = preprocess.mean(record)  # raises for a mean picture whose sizes are not those of its numbers
    if subtract is None:
        return
    if subtract.ndim != 3:
        raise ValueError(f"the mean picture has {subtract.ndim} axes, not 3")
    if given.channels and subtract.shape[0] not in (1, 1 if given.channels == "GRAY" else 3):
        raise ValueError(f"the mean has {subtract.shape[0]} channels, and the input is {given.channels}")
    size = (record.crop_height, record.crop_width)
    if record.mean_image and not given.takes_pictures and any(size) and subtract.shape[1:] != size:
        raise ValueError(
            f"the mean picture is {subtract.shape[1]}x{subtract.shape[2]}, pictures are {size[0]}x{size[1]}"
        )


def read_names(text: str) -> list[str]:
    """Class names of the entry `labels`; an error that ``Entries.get`` knows for anything else."""
    labels = json.loads(text)
    if not isinstance(labels, list):
        raise TypeError(f"expected a list of strings, found {json.dumps(labels)[:80]}")
    return [_word(label) for label in labels]


def _heads(text: str) -> tuple[Head, ...]:
    entries = json.loads(text)
    if not isinstance(entries, list):
        raise TypeError(f"expected a list of heads, found {json.dumps(entries)[:80]}")
    found = []
    for entry in entries:
        value = dict(_fields(entry, [one.name for one in fields(Head)]))
        labels = value.pop("labels", None)
        names = None if labels is None else tuple(read_names(json.dumps(labels)))
        found.append(Head(**{name: _word(word) for name, word in value.items()}, labels=names))
    return tuple(found)


def _thresholds(text: str) -> tuple[float, ...]:
    value = json.loads(text)
    if not isinstance(value, list) or not value:
        raise TypeError(f"expected a list of probabilities, found {text[:80]}")
    for one in value:
        if isinstance(one, bool) or not isinstance(one, (int, float)) or not 0 <= one <= 1:
            raise ValueError(f"expected probabilities from 0 to 1, found {json.dumps(one)[:40]}")
    return tuple(map(float, value))


def _numbers(text: str) -> NumberAnswer:
    value = _fields(json.loads(text), ["output", "numbers"])
    if not isinstance(value["numbers"], list) or not value["numbers"]:
        raise TypeError(f"expected a list of numbers, found {json.dumps(value['numbers'])[:80]}")
    found = []
    for entry in value["numbers"]:
        words = _fields(entry, [one.name for one in fields(NumberField)])
        found.append(NumberField(**{name: _word(word) for name, word in words.items()}))
    return NumberAnswer(_word(value["output"]), tuple(found))


def read_labels(path: str | Path) -> list[str]:
    """Class names from a text file, one a line, in the order of the classifier's outputs (``synset_words.txt`` too)."""
    place = Path(path)
    if not place.exists():
        raise UserError(
            "labels file not found",
            where=Location(str(place)),
            received=str(place.absolute()),
            remedy="name a text file with one class name per line",
        )
    try:
        lines = files.read_text(place, most=LONGEST_LABELS).splitlines()
    except UnicodeDecodeError as error:
        raise UserError(
            "labels file is not UTF-8 text", where=Location(str(place)), received=str(error),
            remedy="save the file as UTF-8, one class name per line",
        ) from error  # fmt: skip
    return [line.strip() for line in lines if line.strip()]


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(text: str) -> str:
    """The SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
