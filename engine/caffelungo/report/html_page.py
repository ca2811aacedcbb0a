"""A report as one self-contained HTML page: sections of text, tables and figures; nothing is loaded from elsewhere.

    page = Page("What fine-tuning did", lead="squeezenet on 6 classes")
    part = page.section("Accuracy", "Share of the validation pictures.")
    part.table(["units", "accuracy"], [["old", 0.81], ["both", Cell("0.84", tone="good")]])
    part.figure(matplotlib_figure, "Accuracy over the snapshots.")
    page.write("report/index.html")

All text is escaped; in paragraphs and captions code may be between backticks. The page follows the reader's light
or dark setting; figures keep a white ground.
"""

from __future__ import annotations

import base64
import io
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.files import write_text
from caffelungo.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 120
TONES = ("", "good", "bad", "strong", "weak")
_TEMPLATE = Path(__file__).with_name("page.html.j2")
_NUMBER = re.compile(r"[-+−]?[\d.,]+(e[-+]?\d+)?(–[\d.,]+)?\s?[%a-zA-Z]{0,3}( ?[\[(±].*)?|nan|inf|-|–|")


@dataclass(frozen=True)
class Picture:
    """A small picture with a line of text under it. ``source`` is a data URI; ``side`` its width in CSS pixels."""

    source: str
    caption: str = ""
    tone: str = ""
    alt: str = ""
    side: int = 96


@dataclass(frozen=True)
class TableCell:
    """A table cell: a value or pictures, a tone (one of ``TONES``), and what the pointer over it tells."""

    value: Any = ""
    tone: str = ""
    hint: str = ""

    @property
    def text(self) -> str:
        return number(self.value)

    @property
    def pictures(self) -> list[Picture]:
        """The pictures of the cell; none where it holds text."""
        if isinstance(self.value, Picture):
            return [self.value]
        return list(self.value) if isinstance(self.value, (list, tuple)) else []


@dataclass
class PageBlock:
    """One element of a section; the template knows each ``kind``."""

    kind: str
    text: str = ""
    source: str = ""
    alt: str = ""
    caption: str = ""
    folded: str = ""
    head: Sequence[str] = ()
    rows: Sequence[Sequence[TableCell]] = ()
    numeric: Sequence[bool] = ()
    pairs: Sequence[tuple[str, str]] = ()
    pictures: Sequence[Picture] = ()
    names: Sequence[str] = ()


@dataclass
class Section:
    """A titled part of a page. Each method adds below what is there and returns the section."""

    title: str
    key: str
    blocks: list[PageBlock] = field(default_factory=list)

    def text(self, text: str) -> Section:
        """A paragraph."""
        return self._add(PageBlock("text", text=text))

    def notice(self, text: str) -> Section:
        """A paragraph that should not be overlooked."""
        return self._add(PageBlock("notice", text=text))

    def code(self, text: str) -> Section:
        """A command line."""
        return self._add(PageBlock("code", text=text))

    def facts(self, pairs: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Section:
        """Names and values, one pair a line."""
        items = pairs.items() if isinstance(pairs, Mapping) else pairs
        return self._add(PageBlock("facts", pairs=[(name, number(value)) for name, value in items]))

    def figure(self, figure: Figure | bytes | Path, caption: str = "", alt: str = "") -> Section:
        """A matplotlib figure, or a PNG, JPEG or SVG as bytes or as a file; embedded."""
        return self._add(
            PageBlock("figure", source=embedded(figure), caption=caption, alt=alt or caption or self.title)
        )

    def pictures(self, pictures: Iterable[Picture]) -> Section:
        """Small pictures side by side."""
        return self._add(PageBlock("pictures", pictures=list(pictures)))

    def table(
        self, head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "", *, folded: str = ""
    ) -> Section:
        """A table. Cells are strings, numbers, None, a ``Picture`` or several, or a ``TableCell`` of one of these.

        With ``folded`` it stays closed under a line of that text until it is opened. ValueError for a row of another
        length than ``head``.
        """
        cells = [[one if isinstance(one, TableCell) else TableCell(one) for one in row] for row in rows]
        for row in cells:
            if len(row) != len(head):
                raise ValueError(
                    f"{counted(len(row), 'cell')} under {counted(len(head), 'heading')}: {[one.text for one in row]}"
                )
        numeric = [_numeric([row[column] for row in cells]) for column in range(len(head))]
        return self._add(
            PageBlock("table", head=list(head), rows=cells, numeric=numeric, caption=caption, folded=folded)
        )

    def files(self, paths: Iterable[str | Path]) -> Section:
        """Links to files that are beside the page."""
        return self._add(PageBlock("files", names=[Path(path).name for path in paths]))

    def _add(self, block: PageBlock) -> Section:
        self.blocks.append(block)
        return self


class Page:
    """A page in the making: a title, a line under it, sections, a line at the foot."""

    def __init__(self, title: str, lead: str = "", foot: str = "") -> None:
        self.title, self.lead, self.foot = title, lead, foot
        self.sections: list[Section] = []

    def section(self, title: str, text: str = "") -> Section:
        """A new section; ``text`` is its first paragraph."""
        plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "part"
        taken = {section.key for section in self.sections}
        key = next(k for k in (plain, *(f"{plain}-{n}" for n in range(2, len(taken) + 3))) if k not in taken)
        self.sections.append(Section(title, key))
        return self.sections[-1].text(text) if text else self.sections[-1]

    def html(self) -> str:
        """The whole page."""
        return _template().render(title=self.title, lead=self.lead, foot=self.foot, sections=self.sections) + "\n"

    def write(self, path: str | Path) -> Path:
        """Write the page whole; its path."""
        write_text(path, self.html())
        return Path(path)


def number(value: Any) -> str:
    """A value as text: floats with four significant digits, None and NaN as a dash."""
    if value is None or (isinstance(value, (float, np.floating)) and math.isnan(value)):
        return "–"
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    return str(value)


def thumbnail(
    image: NDArray[np.uint8], caption: str = "", *, tone: str = "", side: int = 96, alt: str = "", exact: bool = False
) -> Picture:
    """A ``Picture`` of ``image`` (H x W x 3 RGB, H x W x 1 or H x W, uint8), at most twice ``side`` pixels wide.

    ``exact`` keeps every pixel (PNG, enlarged without smoothing to ``side``); else JPEG.
    """
    from PIL import Image

    array = np.ascontiguousarray(image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image)
    picture = Image.fromarray(array)
    stream = io.BytesIO()
    if exact:
        times = max(1, side // max(picture.width, 1))
        picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST).save(stream, "PNG")
    else:
        picture.thumbnail((2 * side, 2 * side))
        picture.save(stream, "JPEG", quality=82)
    return Picture(embedded(stream.getvalue()), caption, tone, alt, side)


def embedded(figure: Figure | bytes | Path) -> str:
    """A data URI of a matplotlib figure (as PNG), or of the bytes or the file of a PNG, JPEG or SVG.

    ValueError for other bytes.
    """
    if isinstance(figure, Path):
        data = figure.read_bytes()
    elif isinstance(figure, bytes):
        data = figure
    else:
        data = png(figure)
    return f"data:{_kind(data)};base64,{base64.b64encode(data).decode()}"


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # a label in a script without a font
        figure.savefig(stream, format="png", dpi=DPI, facecolor="white")
    return stream.getvalue()


def _kind(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "image/png"
    if data.startswith(b"\xff\xd8"):
        return "image/jpeg"
    if b"<svg" in data[:2000]:
        return "image/svg+xml"
    raise ValueError("neither PNG nor JPEG nor SVG")


def _numeric(column: Sequence[TableCell]) -> bool:
    return any(cell.text.strip("–- ") for cell in column) and all(
        not cell.pictures and (isinstance(cell.value, (int, float)) or bool(_NUMBER.fullmatch(cell.text)))
        for cell in column
    )


def _marked(text: str) -> Any:
    """``text`` escaped, with what is between backticks as code."""
    from markupsafe import Markup, escape

    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick without its partner is an ordinary character
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["marked"] = _marked
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
