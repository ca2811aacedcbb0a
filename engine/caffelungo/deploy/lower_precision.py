"""An exported file in half precision or 8 bits: proven against the float32 file, measured beside it, and judged.

    float32 file (proven against PyTorch) -> halves or quantize -> proof -> size, speed, accuracy -> verdict -> the file

A file that answers too far from the float32 one is not written. One that is slower or less accurate is written, and
called what it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from caffelungo import drafts, files, resources
from caffelungo.deploy import recorded_accuracy
from caffelungo.deploy.bench import ONNX, feeds_of, measure
from caffelungo.deploy.export import Exported, checked_target
from caffelungo.deploy.fp16 import halved
from caffelungo.deploy.options import ExportOptions
from caffelungo.deploy.parity import difference, same_class, with_all_outputs
from caffelungo.deploy.quantize import quantized
from caffelungo.errors import RunError, UserError
from caffelungo.inference import picture_input
from caffelungo.inference.classify import PictureModel
from caffelungo.inference.inputs import Given, gather
from caffelungo.inference.onnx_engine import OnnxEngine
from caffelungo.wording import counted

Array = NDArray[Any]

PRECISIONS = ("fp32", "fp16", "int8")
TOLERANCE = {"fp16": 1e-2, "int8": 0.35}
"""Largest allowed difference of an output from the float32 file's, as a share of its largest value."""
AGREEMENT = {"fp16": 0.99, "int8": 0.85}
"""Least share of pictures for which the same class must come first (ties within 1 % count)."""
CALIBRATION = 256
"""Most pictures that ranges are taken from."""
PROOF = 64
"""Most pictures of the proof, where no test list is given."""
PHOTO = (384, 512)
"""Height and width by which files that leave them open are measured."""
BATCHES = (1, 8)
KEEP = "  to do: keep fp32 for this net; no file was written"


@dataclass(frozen=True)
class PrecisionOptions:
    """``calibration``: pictures, folders or lists that int8 takes its ranges from, best of the training set.

    ``test``: a list with classes (or pictures) that accuracy (or agreement alone) is taken over.
    """

    precision: str
    calibration: Sequence[str | Path] = ()
    test: Sequence[str | Path] = ()
    device: str = "cpu"
    threads: int = 0
    rounds: int = 9
    seconds: float = 0.2


@dataclass
class Lowered:
    """The comparison with the float32 file: ``ratios`` of speed by batch size (median, quartiles)."""

    precision: str
    where: str
    sizes: tuple[int, int]
    apart: dict[str, float]
    pictures: int
    agreed: float | None = None
    accuracy: tuple[int, int, int] | None = None
    rates: dict[int, tuple[float, float]] = field(default_factory=dict)
    ratios: dict[int, tuple[float, float, float]] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """Why this file is no improvement; empty when it is one."""
        slower = [
            f"{ratio:.2f} times as fast at batch {batch}" for batch, (low, ratio, _) in self.ratios.items() if low < 1
        ]
        found = [f"not clearly faster ({', '.join(slower)})"] if slower else []
        if self.sizes[1] >= self.sizes[0]:
            found.append("not smaller")
        if self.accuracy and self.accuracy[1] < self.accuracy[0]:
            found.append(f"wrong for {self.accuracy[0] - self.accuracy[1]} more of {self.accuracy[2]} pictures")
        return found

    def lines(self) -> list[str]:
        """The table and the verdict, for people."""
        rows = [("", "fp32", self.precision, "")]
        big, small = self.sizes
        rows.append(("size (MB)", f"{big / 1e6:.2f}", f"{small / 1e6:.2f}", f"{big / small:.2f} times smaller"))
        for batch, (old, new) in self.rates.items():
            low, ratio, high = self.ratios[batch]
            rows.append(
                (
                    f"images/s, batch {batch}",
                    f"{old:.1f}",
                    f"{new:.1f}",
                    f"{ratio:.2f} times as fast ({low:.2f} to {high:.2f})",
                )
            )
        if self.accuracy:
            old_right, new_right, known = self.accuracy
            rows.append(
                ("accuracy", f"{old_right / known:.1%}", f"{new_right / known:.1%}", f"of {counted(known, 'picture')}")
            )
        if self.agreed is not None:
            rows.append(("same top class", "", f"{self.agreed:.1%}", f"of {counted(self.pictures, 'picture')}"))
        for name, apart in self.apart.items():
            rows.append((f"difference in {name}", "", f"{apart:.2g}", "of its largest value"))
        widths = [max(len(row[place]) for row in rows) for place in range(4)]
        lines = [
            f"{name:<{widths[0]}}  {old:>{widths[1]}}  {new:>{widths[2]}}  {more}".rstrip()
            for name, old, new, more in rows
        ]
        if self.faults:
            lines.append(f"no improvement over fp32 on {self.where}: {'; '.join(self.faults)}")
        else:
            less = "" if self.accuracy else "; accuracy was not measured, which needs a list with classes"
            lines.append(f"an improvement over fp32 on {self.where}: smaller and faster{less}")
        return lines


def lowered(
    make: Callable[[Path], Exported], out: str | Path, wanted: PrecisionOptions, *,
    progress: Callable[[str], None] | None = None,
) -> tuple[Exported, Lowered]:  # fmt: skip
    """What ``make(path)`` writes and proves in float32, and that in ``wanted.precision`` at ``out``.

    Raises what ``make`` and ``lower`` raise; then ``out`` is as it was.
    """
    target = checked_target(out, ExportOptions())
    check(wanted)
    with drafts.folder(target) as folder:
        whole = folder / target.name
        written = make(whole)
        found = lower(whole, target, wanted, progress=progress)
    return replace(written, path=target, size=found.sizes[1]), found


def check(wanted: PrecisionOptions) -> None:
    """UserError for an unknown precision, and for int8 without pictures to calibrate on."""
    if wanted.precision not in TOLERANCE:
        raise UserError("unknown precision", received=wanted.precision, remedy=f"use one of {', '.join(PRECISIONS)}")
    if wanted.precision == "int8" and not wanted.calibration:
        raise UserError(
            "int8 needs pictures to measure value ranges", received="int8 without calibration",
            remedy="add the training list: --calibrate train.txt",
        )  # fmt: skip


def lower(
    source: str | Path, out: str | Path, wanted: PrecisionOptions, *, progress: Callable[[str], None] | None = None
) -> Lowered:
    """Write the float32 file ``source`` in another precision to ``out``; UserError, or RunError when proof fails."""
    check(wanted)
    tell = progress or (lambda stage: None)
    source, target = Path(source), Path(out)
    model = PictureModel(source, "cpu")
    proto = onnx.load(source, load_external_data=False)
    tell(f"converting to {wanted.precision}")
    if wanted.precision == "fp16":
        made = halved(proto)
    else:
        made = quantized(proto, _calibration(model, gather(wanted.calibration)))
    given = _tested(wanted)
    tell("comparing with float32")
    found = _compare(model, proto, made, wanted, given)
    tell("measuring both")
    _measure(found, source, made, wanted)
    facts = {"precision": wanted.precision, "differences": found.apart, "same_class": found.agreed,
             "tolerance": TOLERANCE[wanted.precision], "pictures": found.pictures}  # fmt: skip
    made.metadata_props.add(key="precision", value=json.dumps(facts))
    if found.accuracy:
        recorded_accuracy.keep(made, found.accuracy[1], found.accuracy[2], wanted.test)
    data = made.SerializeToString()
    found.sizes = (source.stat().st_size, len(data))
    files.write_bytes(target, data)
    return found


def _tested(wanted: PrecisionOptions) -> Given:
    if wanted.test:
        return gather(wanted.test)
    paths = gather(wanted.calibration).paths if wanted.calibration else _examples()
    result = Given()
    result.add([paths[place * len(paths) // PROOF] for place in range(PROOF)] if len(paths) > PROOF else paths)
    return result


def _examples() -> list[Path]:
    try:
        return picture_input.picture_files([resources.folder("examples")], PROOF)
    except FileNotFoundError:
        return []


def _calibration(model: PictureModel, given: Given) -> Iterator[Mapping[str, Array]]:
    """Pictures, evenly chosen, a batch at a time; UserError for those that cannot be read."""
    many = min(CALIBRATION, len(given.paths))
    chosen = [given.paths[place * len(given.paths) // many] for place in range(many)]
    for _, stack in _stacks(model, chosen):
        yield {model.input.name: picture_input.fed(model.input, model.record, stack)}


def _stacks(model: PictureModel, paths: Sequence[Path]) -> Iterator[tuple[list[int], NDArray[np.uint8]]]:
    for read in model.batches([(str(path), path) for path in paths], 16):
        if read.problems:
            raise UserError(read.problems)
        yield read.indices, read.images


def _compare(model: PictureModel, proto: Any, made: Any, wanted: PrecisionOptions, given: Given) -> Lowered:
    """Both files on the same pictures; RunError when they are too far apart, naming the first blob that is."""
    classifiers = model.metadata.classifiers
    logits = _logits(proto, classifiers)
    first, second = (with_all_outputs(one.SerializeToString(), logits) for one in (proto, made))
    allowed = TOLERANCE[wanted.precision]
    found = Lowered(wanted.precision, "", (0, 0), dict.fromkeys(first.outputs, 0.0), len(given.paths))
    agreed, right = 0, [0, 0, 0]
    name = model.input.name
    if not given.paths:
        raise UserError("there are no pictures to verify the file with", remedy="add some: --test LIST or FOLDER")
    for indices, stack in _stacks(model, given.paths):
        feeds = {name: picture_input.fed(model.input, model.record, stack)}
        old, new = first.run(feeds), second.run(feeds)
        for blob in found.apart:
            apart = difference(blob, old[blob], new[blob], "").relative
            found.apart[blob] = max(found.apart[blob], apart)
            if not apart <= allowed:
                begins = _first(proto, made, feeds, allowed) or blob
                raise RunError(
                    f"{wanted.precision} differs too much from float32: {apart:.2g} of the largest value of `{blob}`, "
                    f"where {allowed:g} is allowed; the first blob beyond that is `{begins}`\n{KEEP}"
                )
        if classifiers:
            agreed += int(np.all([_same(model, old[one], new[one]) for one in classifiers], axis=0).sum())
        if len(classifiers) == 1:
            before, after = (one[classifiers[0]].reshape(len(stack), -1) for one in (old, new))
            for place, index in enumerate(indices):
                truth = given.classes[index]
                if truth is not None:
                    right[0] += int(before[place].argmax() == truth)
                    right[1] += int(after[place].argmax() == truth)
                    right[2] += 1
    if classifiers:
        found.agreed = agreed / len(given.paths)
        if found.agreed < AGREEMENT[wanted.precision]:
            what = "another top class" if model.metadata.thresholds is None else "other labels"
            raise RunError(
                f"{wanted.precision} gives {what} for {1 - found.agreed:.1%} of "
                f"{counted(len(given.paths), 'picture')}; {1 - AGREEMENT[wanted.precision]:.0%} is allowed\n{KEEP}"
            )
    found.accuracy = (right[0], right[1], right[2]) if right[2] else None
    return found


def _same(model: PictureModel, old: Array, new: Array) -> NDArray[np.bool_]:
    """For each row whether both answers are the same: the class that comes first, or every label's side of its
    threshold; what is nearer than 0.01 counts as one."""
    thresholds = model.metadata.thresholds
    if thresholds is None:
        return same_class(old, new, 0.01)
    limits = np.array(thresholds, np.float32)
    left, right = old.reshape(len(old), -1), new.reshape(len(new), -1)
    return np.asarray((((left >= limits) == (right >= limits)) | (np.abs(left - limits) < 0.01)).all(1))


def _logits(proto: Any, classifiers: Sequence[str]) -> dict[str, None]:
    """The blobs before the classifiers' softmax: differences that a softmax would hide."""
    made = [node for node in proto.graph.node if set(classifiers) & set(node.output) and node.op_type == "Softmax"]
    return {node.input[0]: None for node in made}


def _first(proto: Any, made: Any, feeds: Mapping[str, Array], allowed: float) -> str | None:
    """The first blob of the float32 file from which the other is further apart than ``allowed``."""
    names = [name for node in proto.graph.node for name in node.output]
    there = {name: None for node in made.graph.node for name in node.output}
    shared = {name: None for name in names if name in there}
    old = with_all_outputs(proto.SerializeToString(), shared).run(feeds)
    new = with_all_outputs(made.SerializeToString(), shared).run(feeds)
    for name in shared:
        if name in old and name in new and not difference(name, old[name], new[name], "").relative <= allowed:
            return name
    return None


def _measure(found: Lowered, source: Path, made: Any, wanted: PrecisionOptions) -> None:
    old = OnnxEngine(source, wanted.device, threads=wanted.threads)
    new = OnnxEngine(made.SerializeToString(), wanted.device, threads=wanted.threads)
    found.where = str(new)
    fixed = next((shape[0] for shape in old.shapes.values() if isinstance(shape[0], int)), None)
    for batch in [fixed] if fixed else BATCHES:
        feeds = feeds_of(old, batch, PHOTO)
        mine, theirs = measure({ONNX: new.run, "fp32": old.run}, feeds, batch, wanted.rounds, wanted.seconds)
        found.rates[batch] = (theirs.rate, mine.rate)
        found.ratios[batch] = (float(theirs.low or 0), float(theirs.ratio or 0), float(theirs.high or 0))
