"""Results that a second call finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from caffelungo.advising.kept import KeptResults


def test_what_it_follows_from_names_it(tmp_path: Path) -> None:
    kept = KeptResults(tmp_path / "cache")
    x = np.arange(6.0)
    assert kept.json("one", [x, "a"], lambda: {"value": 1}) == {"value": 1}
    assert kept.json("one", [x, "a"], lambda: {"value": 2}) == {"value": 1}
    for parts in ([x + 1, "a"], [x.astype(np.float32), "a"], [x.reshape(2, 3), "a"], [x, "b"], [x]):
        assert kept.json("one", parts, lambda: {"value": 2}) == {"value": 2}
    assert kept.json("two", [x, "a"], lambda: {"value": 3}) == {"value": 3}


def test_a_damaged_file_is_computed_again(tmp_path: Path) -> None:
    kept = KeptResults(tmp_path)
    kept.json("one", [1], lambda: {"value": 1})
    path = next(tmp_path.iterdir())
    path.write_text(path.read_text()[:5])
    assert kept.json("one", [1], lambda: {"value": 2}) == {"value": 2}
