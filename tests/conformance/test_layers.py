"""Every layer against blobs and gradients that the original Caffe printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.layers import registry
from tests.conformance import cases
from tests.layers.helper import net
from tests.support import SHARED, needs_shared

OWN = sorted((Path(__file__).parent / "cases").glob("*.prototxt"))
ALL = sorted((SHARED / "reference/caffe/layers").glob("[!E]*.prototxt")) if SHARED else []


def missing_types(path: Path) -> set[str]:
    return {layer.type for layer in net(path.read_text(encoding="utf-8")).layer} - set(registry.layer_types())


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_as_the_original(path: Path) -> None:
    case = cases.load(path)
    assert cases.differences(case, cases.run(case)) == []


@needs_shared
@pytest.mark.parametrize("path", [path for path in ALL if not missing_types(path)], ids=lambda path: path.stem)
def test_every_case_as_the_original(path: Path) -> None:
    case = cases.load(path)
    assert cases.differences(case, cases.run(case)) == []
