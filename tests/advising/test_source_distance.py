"""Distances to the source by a sample of its pictures, or none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from caffelungo.advising.source_distance import findings, source_pictures
from caffelungo.errors import UserError
from tests.probes.made_up import clusters
from tests.probes.places import photos


def read(folder: Path, features: np.ndarray, answers: np.ndarray | None = None) -> Any:
    return SimpleNamespace(
        net="net", size=32, weights=str(folder / "net.caffemodel"), stages=["one", "two"], last=features,
        answers=answers,
    )  # fmt: skip


def test_pictures_of_the_source(tmp_path: Path) -> None:
    x, y = clusters(60, 5, 3)
    source = x.astype(np.float32)
    near, far = (findings(read(tmp_path, x), source + apart, y) for apart in (0.001, 30))
    assert near.distance is not None
    assert far.distance is not None
    assert far.separation is not None
    assert far.distance.apart
    assert far.distance.relative > 10 > near.distance.relative
    assert far.separation.auc > 0.95
    assert far.distance.count == 30


def test_nothing_is_known(tmp_path: Path) -> None:
    x, y = clusters(40, 5, 3)
    found = findings(read(tmp_path, x), None, y)
    assert found.distance is None
    assert "--source" in found.why
    assert found.plain()["leep"] is None


def test_the_source_classifier(tmp_path: Path) -> None:
    """One that knows the classes has a LEEP near 0, one that knows nothing that of the labels alone."""
    x, y = clusters(60, 5, 3)
    sure = findings(read(tmp_path, x, np.eye(3)[y] * 0.97 + 0.01), None, y).answers
    even = findings(read(tmp_path, x, np.full((60, 3), 1 / 3)), None, y).answers
    assert sure is not None
    assert even is not None
    assert sure.leep > -0.2
    assert even.leep == pytest.approx(even.floor)


def test_pictures_below_a_folder(tmp_path: Path) -> None:
    data = photos(tmp_path / "photos", 7)
    assert len(source_pictures(str(data))) == 21
    with pytest.raises(UserError, match="at least 20"):
        source_pictures(str(data / "cat"))
    with pytest.raises(UserError, match="no folder"):
        source_pictures(str(tmp_path / "absent"))
