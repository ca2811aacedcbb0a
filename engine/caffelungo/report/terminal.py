"""The one kind of Rich console that verbs print with: names of a user's files are text there, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from caffelungo.visible import below, visible


class Terminal(Console):
    """A Rich console in which what would steer the terminal is escaped, and no text is markup unless asked for."""

    def __init__(self, **options: Any) -> None:
        # In a notebook Rich would display each line as a separate cell output, and ask for ipywidgets.
        plain = {"highlight": False, "markup": False, "emoji": False, "force_jupyter": False}
        super().__init__(**{**plain, **options})

    @property
    def file(self) -> IO[str]:
        """Where it writes: below a stream that escapes, also while a progress bar has put another above that."""
        return below(super().file)

    @file.setter
    def file(self, new: IO[str]) -> None:
        self._file = new

    def render_str(self, text: str, **options: Any) -> Text:
        """``text`` escaped before it is measured, so that a cell of a table has room for it."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of ``renderable``, all that is text in them escaped."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text), style, control)
