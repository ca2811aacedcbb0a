"""What many tests share: the reference material beside the repository, where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
ASSETS = REPOSITORY / "tests" / "assets"

_shared = REPOSITORY.parent / "shared"
SHARED: Path | None = _shared if (_shared / "reference" / "caffe").is_dir() else None
"""Numbers that the original Caffe printed, its models, and public prototxt files; None in a clone that has none."""

needs_shared = pytest.mark.skipif(SHARED is None, reason="needs the reference material")


def shared(*parts: str) -> Path:
    """A path in the reference material; for tests marked ``needs_shared``."""
    assert SHARED is not None
    return SHARED.joinpath(*parts)
