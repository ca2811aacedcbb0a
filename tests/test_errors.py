"""How many problems a message names."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.errors import MOST_ALIKE, Location, Problem, UserError, limited
from tests.lungo import lungo


def problems(what: str, count: int) -> list[Problem]:
    places = [Location("a.prototxt", k + 1) for k in range(count)]
    return [Problem(what.format(k), place, f"x{k}", "mend it") for k, place in enumerate(places)]


@pytest.mark.parametrize("what", ["unknown bottom blob `b{0}`", "line {0} has no label", "the line has no label"])
def test_problems_of_one_kind_are_counted_beyond_some(what: str) -> None:
    few, many = problems("another mistake", 3), problems(what, 20_000)
    error = UserError([*many, *few])
    assert len(error.problems) == 20_003
    told = str(error)
    assert told.count("a.prototxt:") == MOST_ALIKE + 3
    assert "19,980 more of the kind: " in told
    assert told.count("another mistake") == 3


def test_all_are_shown_where_they_are_few_or_unlike() -> None:
    few = problems("unknown bottom blob `b{0}`", MOST_ALIKE)
    words = [f"mistake {chr(97 + a)}{chr(97 + b)}" for a in range(26) for b in range(4)]
    unlike = [Problem(word, Location("a.prototxt", k + 1)) for k, word in enumerate(words)]
    assert limited([*few, *unlike]) == [*few, *unlike]


def test_check_tells_how_many_there_are(tmp_path: Path) -> None:
    layers = [f'layer {{ name: "l{k}" type: "ReLU" bottom: "x{k}" top: "y{k}" }}' for k in range(300)]
    path = tmp_path / "net.prototxt"
    path.write_text("\n".join(layers))
    ran = lungo("check", path)
    assert ran.status == 2
    assert "300 problems:" in ran.err
    assert "280 more of the kind: unknown bottom blob ... of layer ... in phase" in ran.err
    assert len(ran.err.splitlines()) < 150
