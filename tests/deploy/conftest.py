"""One exported classifier for all tests that only run it: exporting takes longer than all they do."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.deploy.export import export
from caffelungo.deploy.options import ExportOptions
from tests.deploy.nets import RECORD, SMALL, random_weights


@pytest.fixture(scope="session")
def classifier_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``nets.SMALL`` for pictures of 13 x 11, with five labels."""
    path = tmp_path_factory.mktemp("exported") / "classifier.onnx"
    export(parse_net(SMALL), random_weights(SMALL), path, ExportOptions(record=RECORD, labels=[*list("abcd"), "ä €"]))
    return path
