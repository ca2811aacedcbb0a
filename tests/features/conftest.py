"""A folder with a small net, its weights and pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.features.made import place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return place(tmp_path)
