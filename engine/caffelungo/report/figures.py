"""A matplotlib figure that notebooks show and that is written whole; made without pyplot, so without global state."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure as _Figure

from caffelungo.files import written_whole


class Figure(_Figure):
    """As matplotlib's. A notebook draws it when it is the value of a cell."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()

    def write(self, path: str | Path) -> None:
        """Write the figure to ``path`` in the format of its suffix (PNG without one), whole or not at all."""
        with written_whole(path) as temporary:
            self.savefig(temporary, format=Path(path).suffix.lstrip(".").lower() or "png")
