"""Characters of web pages in definitions: each told once, with what is meant, and nothing said that follows from it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from caffelungo.check import check
from caffelungo.definition.reader import parse_net
from caffelungo.definition.typography import mended
from caffelungo.errors import Problem, UserError

GOOD = 'name: "net"\nlayer { name: "p" type: "Power" bottom: "d" top: "p" power_param { shift: -1.5e-3 } }\n'
CHANGES = {
    "curly quotes": ('"p"', "“p”", 'write " instead of U+201C, U+201D'),
    "low quotes": ('"p"', "„p“", 'write " instead of U+201E, U+201C'),
    "guillemets": ('"p"', "«p»", 'write " instead of U+00AB, U+00BB'),
    "curly single quotes": ('"p"', "‘p’", "write ' instead of U+2018, U+2019"),
    "one curly quote": ('"net"', '“net"', 'write " instead of U+201C'),
    "the other curly quote": ('"net"', '"net”', 'write " instead of U+201D'),
    "minus": ("-", "\u2212", "write - instead of U+2212"),
    "en dash": ("-", "\u2013", "write - instead of U+2013"),
    "non-breaking hyphen": ("-", "\u2011", "write - instead of U+2011"),
    "no-break space": (" ", "\u00a0", "write a space instead of U+00A0"),
    "ideographic space": (" ", "\u3000", "write a space instead of U+3000"),
    "line separator": ("\n", "\u2028", "write a space instead of U+2028"),
    "fullwidth colon": (":", "\uff1a", "write : instead of U+FF1A"),
    "fullwidth word": ("shift", "\uff53\uff48ift", "write s instead of U+FF53; write h instead of U+FF48"),
    "fullwidth brace": ("{", "\uff5b", "write { instead of U+FF5B"),
    "zero-width space": ("shift", "sh\u200bift", "delete U+200B"),
    "zero-width joiner before": ("shift", "\u200dshift", "delete U+200D"),
    "soft hyphen": ("layer", "lay\u00ader", "delete U+00AD"),
    "a mark in the middle": ("layer", "\ufefflayer", "delete U+FEFF"),
    "a mark of direction": ("layer", "\u202elayer", "delete U+202E"),
}


def problems(text: str) -> list[Problem]:
    with pytest.raises(UserError) as caught:
        parse_net(text, "net.prototxt")
    return caught.value.problems


@pytest.mark.parametrize("name", CHANGES)
def test_each_is_told_once_with_what_is_meant(name: str) -> None:
    before, after, remedy = CHANGES[name]
    text = GOOD.replace(before, after)
    found = problems(text)
    (problem,) = found
    assert problem.remedy == remedy
    assert problem.where is not None
    first = next(at for at, one in enumerate(text) if not one.isascii())
    line = text.count("\n", 0, first) + 1
    assert (problem.where.line, problem.where.column) == (line, first - (text.rfind("\n", 0, first) + 1) + 1)


def test_reading_goes_on_and_finds_the_other_mistakes() -> None:
    text = (
        "layer {\n  name: “softmax”\n  type: 'Softmax'\n  top: “it’s a−b”\n"
        "  botom: \u00a0“x”\n  softmax_param { axis: \u2212x }\n}\n"
    )
    first, second, third = problems(text)
    assert "8 typographic characters" in first.what
    assert first.received is not None
    assert first.received.startswith("U+201C (left double quotation mark) at 2:9, 4:8, 5:11; U+201D")
    assert (second.where and second.where.line, second.remedy) == (5, "did you mean `bottom`?")
    assert "`axis` needs an integer" in third.what


def test_strings_and_comments_keep_theirs() -> None:
    text = '# “quoted” − \u200b\nname: "“net” − \u00a0\u200b:\uff1a"  # \uff1a\n'
    assert mended(text) == (text, [])
    net = parse_net(text + "layer { }\n")
    assert net.message.name == "“net” − \u00a0\u200b:\uff1a"
    assert net.text.startswith(text)
    assert mended("\ufeff" + GOOD) == ("\ufeff" + GOOD, [])


def test_many_are_told_in_few_words_and_little_time() -> None:
    for piece in ("“", "\u200b", "a\u200b", '"\\\u2212', "\u2212", "'\u00a0", "aé"):
        begun = time.process_time()
        found = problems("name: 1 \u2212 " + piece * (100_000 // len(piece)))
        assert time.process_time() - begun < 5
        assert len(str(found[0])) < 1500


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_other_encodings_are_told_as_such(encoding: str, tmp_path: Path) -> None:
    for name, text in (
        ("net.prototxt", GOOD),
        ("solver.prototxt", 'net: "net.prototxt"\nbase_lr: 0.01\nmax_iter: 10\n'),
    ):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        report = check([path])
        (problem,) = report.problems
        assert report.files[0].kind == name.partition(".")[0]
        assert problem.received == f"text in {encoding[:6].upper()}"
        assert problem.remedy == "save it as UTF-8"


def test_a_control_character_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text('name: "net"\nlayer { name: "a\x1b[2J" }\n')
    (problem,) = check([path]).problems
    assert str(problem.where) == f"{path}:2:17"
    assert "a character that is not allowed" in problem.what
