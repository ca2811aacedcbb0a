"""A net of ImageNet, photograph by photograph: PyTorch, ONNX Runtime from raw pictures, and the service agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from caffelungo.data import preprocess
from caffelungo.definition import catalogue
from caffelungo.definition.reader import read_net
from caffelungo.deploy.export import export
from caffelungo.deploy.options import ExportOptions
from caffelungo.inference.classify import Classifier
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.resources import folder
from caffelungo.serving.options import ServeOptions
from caffelungo.serving.service import Service
from caffelungo.weights import load, match_layers
from tests.deploy.nets import plan_of
from tests.serving.running import Running
from tests.support import needs_shared, shared

WEIGHTS = folder("nets") / "squeezenet" / "squeezenet_v1.1.caffemodel"


@needs_shared
@pytest.mark.slow
def test_the_same_class_comes_first_by_every_way(tmp_path: Path) -> None:
    found = catalogue.find("squeezenet1.1")
    definition = read_net(found.deploy, found.deploy_variables or None)
    export(definition, WEIGHTS, tmp_path / "net.onnx", ExportOptions())
    classifier = Classifier(tmp_path / "net.onnx", "cpu", threads=1)
    record = classifier.record
    plan = plan_of(definition.message)
    store = Store(plan, seed=0)
    store.load(match_layers.match(plan, load.load(str(WEIGHTS))).arrays)
    net = StepNet(plan, store)

    paths = sorted(shared("data", "imagenet_samples").glob("*.JPEG"))
    assert len(paths) > 190
    service = Running(Service(classifier, ServeOptions(tmp_path / "net.onnx")))
    try:
        assert service.post("/map", paths[0].read_bytes(), "image/jpeg")[2]["map"]["method"] == "class activation"
        differing = []
        for path, known in zip(paths, classifier.classify(paths, top=1), strict=True):
            with torch.no_grad():
                net.forward(torch.from_numpy(preprocess.apply(record, preprocess.read(record, path))[None]))
            row = net.blob("prob").numpy().reshape(-1)
            (answer,) = service.post("/classify?top=1", path.read_bytes(), "image/jpeg")[2]["predictions"]
            served = answer["classes"][0]
            if not int(np.argmax(row)) == known.best.index == served["index"]:
                differing.append(path.name)
            assert served["probability"] == pytest.approx(float(row.max()), abs=1e-5)
        assert not differing
    finally:
        service.stop()
