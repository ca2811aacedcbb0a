"""What the two upgrade verbs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffelungo.api import values
from caffelungo.api.values import Name
from caffelungo.api.verb_report import Text, VerbReport

if TYPE_CHECKING:
    from caffelungo.definition.definition import Definition


@dataclass(frozen=True, repr=False)
class UpgradeReport(VerbReport):
    """What was out of date, and how the text changed: no notes and an empty diff where nothing was.

    ``path``: the file written.
    ``notes``: what was out of date.
    ``diff``: the change of the text, as a unified diff.
    """

    path: str
    notes: list[str]
    diff: Text


def upgraded(definition: Definition, target: Name) -> UpgradeReport:
    """Write the upgraded text to ``target``."""
    from caffelungo import files
    from caffelungo.definition import editor

    path = values.path(target) or ""
    files.write_text(path, definition.text)
    return UpgradeReport(path, list(definition.notes), Text(editor.upgrade_diff(definition)))
