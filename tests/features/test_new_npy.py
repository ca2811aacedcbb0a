"""Room on the disk is taken before a file is filled, so that a full one is an error and no signal."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from caffelungo.features import pooled
from caffelungo.features.new_npy import new_rows


def test_an_array_of_zeros_that_has_its_room(tmp_path: Path) -> None:
    rows = new_rows(tmp_path / "a.npy", np.float32, (1000, 3))
    assert not rows.any()
    rows[5] = 7
    rows.flush()
    assert np.load(tmp_path / "a.npy")[5].tolist() == [7, 7, 7]
    if hasattr(os, "posix_fallocate"):
        assert (tmp_path / "a.npy").stat().st_blocks * 512 >= 12_000
    assert new_rows(tmp_path / "none.npy", np.float32, (0, 3)).shape == (0, 3)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system takes no room beforehand")
def test_a_full_disk_is_an_error_with_the_files_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"rows\.npy") as caught:
        pooled._write(tmp_path / "rows.npy", np.ones((4, 3), np.float32), slice(0, 2))
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())
