"""A definition as read: the message, the lossless text of exactly that message, and the way back to the user's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from caffelungo.definition.parser import parse
from caffelungo.definition.splices import Splice, apply_splices, origin
from caffelungo.definition.tree import Document, LineTable, PathPart
from caffelungo.errors import Location


@dataclass(frozen=True, eq=False)
class Definition:
    """A net or a solver.

    ``message`` is the upgraded NetParameter or SolverParameter, ``text`` says exactly that message and is what edits
    act on, ``notes`` tell what the upgrade changed, ``origin`` is "text", "template" or "binary". Characters that were
    no UTF-8 in the file are lone surrogates in ``text``; ``files.write_text`` gives them back as they were. ``stages``
    and ``level`` are those that a net is to be read in besides its own `state`, which edits leave alone;
    ``solver_stages`` are those that a solver names for a phase.
    """

    path: Path
    message: Any
    text: str
    notes: list[str] = field(default_factory=list)
    origin: str = "text"
    variables: Mapping[str, Any] = field(default_factory=dict)
    document: Document | None = field(default=None, repr=False)
    source: LineTable | None = field(default=None, repr=False)
    trail: tuple[Sequence[Splice], ...] = field(default=(), repr=False)
    stages: tuple[str, ...] = ()
    level: int = 0
    solver_stages: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def within(
        self, stages: Sequence[str], level: int = 0, solver_stages: Mapping[int, tuple[str, ...]] | None = None
    ) -> Definition:
        """This definition, to be read in ``stages`` and ``level``; else in what a solver says of each phase."""
        return replace(self, stages=tuple(dict.fromkeys(stages)), level=level, solver_stages=dict(solver_stages or {}))

    def where(self, *path: PathPart) -> Location | None:
        """The place of the value at ``path`` in the file the user wrote; of what is nearest around it if it is absent.

        ``path`` is field names and indices in ``message``, as ``("layer", 3, "convolution_param", "stride", 0)``. A
        value that an edit or the upgrade brought is where the change was made. Without lines (a binary file) only the
        file is known.
        """
        if self.source is None or (offset := self.offset(*path)) is None:
            return Location(str(self.path))
        return self.source.locate(min(offset, len(self.source.text)))

    def offset(self, *path: PathPart) -> int | None:
        """As ``where``, the place as an offset in the text that was read; None where there is none."""
        if self.document is None:
            return None
        offset = self.document.find(path)
        for splices in reversed(self.trail):
            offset = origin(offset, splices)
        return offset

    def spliced(self, splices: Sequence[Splice], what: str) -> Definition:
        """This definition with its text changed; the message is read anew from the text."""
        text = apply_splices(self.text, splices)
        message = type(self.message)()
        document = parse(text, message, LineTable(f"{self.path} ({what})", text))
        return Definition(
            self.path, message, text, self.notes, self.origin, self.variables, document, self.source,
            (*self.trail, splices), self.stages, self.level, self.solver_stages,
        )  # fmt: skip
