"""What ``finetune`` is asked, and what it has done so far: shared by its parts, the classifier and the data layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from caffelungo.definition.edits import Edit
from caffelungo.passes.base import Note
from caffelungo.passes.view import View


@dataclass(frozen=True)
class FinetuneOptions:
    """What ``finetune`` needs to know of the data, and what may be given about the net.

    ``size`` is the input the net sees and ``resize`` what pictures are scaled to before it is cropped out (both in
    pixels; None: as the file says). ``preprocessing`` is the record that came with the weights, if any. ``fresh``:
    there are no weights, so the classifier is no newer than the layers below it and learns at their pace.
    ``augmented``: in training random parts of pictures, of this share of the area at least, each brought to the size
    of the input (RandomResizedCrop); None: as the file says. ``label_size``: how many numbers each line of the lists
    ends with; 0: one label. ``pairs``: each line names two pictures.
    """

    classes: int
    train_source: str
    val_source: str
    root_folder: str = ""
    head: str | None = None
    suffix: str = "new"
    batch_size: int = 32
    test_batch_size: int = 32
    size: int | None = None
    resize: int | None = None
    channels: int | None = None
    mean_value: tuple[float, ...] | None = None
    preprocessing: Any = None
    fresh: bool = False
    augmented: float | None = None
    label_size: int = 0
    pairs: bool = False


@dataclass
class Work:
    """The edits and notes of one rewrite of ``view``."""

    view: View
    options: FinetuneOptions
    edits: list[Edit] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def note(self, what: str, index: int | None = None, why: str = "") -> None:
        self.notes.append(Note(what, None if index is None else self.view.where(index), why))
