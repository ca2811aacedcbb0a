"""Characters of web pages and word processors where a definition has ASCII ones: what is meant by each.

A text that was copied from a page has curly quotes, long dashes and blanks that are no blanks. Each replaces one
character that is known, so that reading goes on as if it were there, and one problem names all of them.
"""

from __future__ import annotations

import re
import unicodedata

from caffelungo.definition.tree import LineTable
from caffelungo.errors import Problem
from caffelungo.wording import counted, listed

_DOUBLE, _SINGLE = "“”„‟«»″〝〞", "‘’‚‛‹›′´"
_DASHES = "−‐‑‒–—―⁃﹘﹣"
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u202d\u202e\ufeff"
_BLANKS = "\u0085\u00a0\u1680\u180e\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_MEANT = (
    dict.fromkeys(_DOUBLE, '"') | dict.fromkeys(_SINGLE, "'") | dict.fromkeys(_DASHES, "-")
    | dict.fromkeys(_BLANKS, " ") | {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
)  # fmt: skip
_MET = re.compile(f"[{''.join(map(re.escape, _MEANT))}{_INVISIBLE}]")
_PIECE = re.compile(
    r"""
    \#[^\n]*+
    | "(?:[^"\\\n]|\\.)*+" | '(?:[^'\\\n]|\\.)*+'
    | (?P<string> ["D] [^"D\n]*+ ["D] | ['S] [^'S\n]*+ ['S] )
    | ["'][^\n]*+
    | (?P<word> [\w.I]++ )
    | (?P<other> [O] )
    """.replace("D", _DOUBLE).replace("S", _SINGLE).replace("I", _INVISIBLE)
    .replace("O", "".join(map(re.escape, _MEANT))),
    re.VERBOSE,
)  # fmt: skip
_PLACES = 4
_KINDS = 8


def mended(text: str) -> tuple[str, list[int]]:
    """``text`` with what is meant in the place of each such character, as long as before, and where they were.

    Strings and comments keep theirs. A character that is not seen moves behind the word that it is in, as a blank.
    """
    if text.isascii() or not _MET.search(text):
        return text, []
    places: list[int] = []
    pieces: list[str] = []
    done = 0
    for match in _PIECE.finditer(text, 1 if text.startswith("\ufeff") else 0):
        piece, start = match[0], match.start()
        if match.lastgroup is None or piece.isascii():
            continue
        if match.lastgroup == "string":
            found = [place for place in (start, match.end() - 1) if not text[place].isascii()]
            quote = '"' if piece[0] == '"' or piece[0] in _DOUBLE else "'"
            shown = f"{quote}{piece[1:-1]}{quote}"
        else:
            found = [start + index for index, one in enumerate(piece) if _MET.match(one)]
            shown = "".join(_MEANT.get(one, one) for one in piece if one not in _INVISIBLE).ljust(len(piece))
        if found:
            places += found
            pieces += [text[done:start], shown]
            done = match.end()
    return "".join([*pieces, text[done:]]), places


def problem(text: str, places: list[int], lines: LineTable) -> Problem:
    """One problem for all the characters of ``text`` at ``places``."""
    by_character: dict[str, list[int]] = {}
    for place in places:
        by_character.setdefault(text[place], []).append(place)
    shown = [_where(one, found, lines) for one, found in by_character.items()]
    by_meaning: dict[str, list[str]] = {}
    for one in by_character:
        by_meaning.setdefault(_MEANT.get(one, ""), []).append(_code(one))
    todo = [_instead(meant, codes) for meant, codes in by_meaning.items()]
    return Problem(
        f"{counted(len(places), 'typographic character')} of web pages or word processors, not allowed here",
        lines.locate(places[0]),
        listed(shown, _KINDS, "; "),
        listed(todo, _KINDS, "; "),
    )


def _where(character: str, places: list[int], lines: LineTable) -> str:
    found = [lines.locate(place) for place in places[:_PLACES]]
    return f"{_code(character)} at {listed((f'{one.line}:{one.column}' for one in found), total=len(places))}"


def _code(character: str) -> str:
    name = unicodedata.name(character, "").lower()
    return f"U+{ord(character):04X}{f' ({name})' if name else ''}"


def _instead(meant: str, codes: list[str]) -> str:
    which = listed((code.partition(" ")[0] for code in codes), _KINDS)
    if not meant:
        return f"delete {which}"
    return f"write {'a space' if meant == ' ' else meant} instead of {which}"
