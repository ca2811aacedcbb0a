"""The demo's pictures: complete, grey, balanced, and no test picture seen in training."""

from __future__ import annotations

import importlib.util
import pickle
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from tests.support import REPOSITORY

ANIMALS = REPOSITORY / "examples" / "animals"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("animals_make", ANIMALS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files(part: str) -> list[Path]:
    return sorted((ANIMALS / part).glob("*/*.png"))


def pixels(part: str) -> np.ndarray:
    pictures = []
    for path in files(part):
        with Image.open(path) as image:
            assert (image.size, image.mode, image.format) == ((28, 28), "L", "PNG")
            pictures.append(np.asarray(image))
    return np.stack(pictures)


@pytest.mark.parametrize(("part", "count"), [("train", 30), ("test", 60)])
def test_every_class_has_its_pictures(make: ModuleType, part: str, count: int) -> None:
    assert sorted(folder.name for folder in (ANIMALS / part).iterdir()) == sorted(make.CLASSES)
    for name in make.CLASSES:
        assert len(list((ANIMALS / part / name).glob("*.png"))) == count


def test_no_two_pictures_are_alike_mirrored_or_not(make: ModuleType) -> None:
    pictures = np.concatenate([pixels("train"), pixels("test")])
    vectors = make.unit(pictures)
    for other in (vectors, make.unit(pictures[:, :, ::-1])):
        likeness = vectors @ other.T
        np.fill_diagonal(likeness, 0)
        assert likeness.max() <= make.SAME + 1e-6


def test_the_set_is_small_and_says_whose_it_is() -> None:
    assert sum(path.stat().st_size for path in files("train") + files("test")) < 1_500_000
    assert "MIT License" in (ANIMALS / "LICENSE").read_text()
    assert "animal_mnist" in (ANIMALS / "PROVENANCE.md").read_text()


def test_the_unpickler_reads_arrays(make: ModuleType) -> None:
    stream = pickle.dumps(np.arange(3), protocol=3).replace(b"numpy._core", b"numpy.core")
    np.testing.assert_array_equal(make.ArraysOnly(BytesIO(stream)).load(), np.arange(3))


def test_the_unpickler_runs_nothing(make: ModuleType) -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"posix\.system|nt\.system"):
        make.ArraysOnly(BytesIO(b"cposix\nsystem\n(S'true'\ntR.")).load()


def test_another_file_is_refused(make: ModuleType, tmp_path: Path) -> None:
    other = tmp_path / "other.whl"
    other.write_bytes(b"something else")
    with pytest.raises(ValueError, match="is not the file"):
        make.main(other, tmp_path / "out")
    assert not (tmp_path / "out").exists()
