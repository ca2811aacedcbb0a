"""Settings of the whole test suite."""

from __future__ import annotations

import os

# Two cores at most, and the same numbers on any machine: conformance tests compare floats with the original's.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")
os.environ.setdefault("MPLBACKEND", "Agg")
# As the command line does, for a test machine that does other things besides.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


@pytest.fixture(autouse=True, scope="session")
def _own_picture_hashes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the hashes of the tests' pictures out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("caffelungo.data.hash_cache.cache_folder", lambda: folder)
        yield
