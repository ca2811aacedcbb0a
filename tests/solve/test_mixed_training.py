"""Trainings whose pictures are mixed in pairs: resumed exactly, tested and kept without any of it."""

from __future__ import annotations

import pytest
import torch

from caffelungo.definition.reader import read_net
from caffelungo.passes.base import run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from tests.data.make import pictures
from tests.solve import helpers

NET = """
layer { name: "d" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 6 mirror: true lungo { augmentation { type: "Mixup" } augmentation { type: "CutMix" } } }
  image_data_param { source: "list.txt" batch_size: 3 new_height: 8 new_width: 8 } }
layer { name: "d" type: "ImageData" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 6 } image_data_param { source: "list.txt" batch_size: 3 new_height: 8 new_width: 8 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss"
  lungo { softmax_with_loss { class_weights: inverse } } }
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_resumed_run_mixes_as_the_unbroken_one(here):
    helpers.make(here, NET, base_lr="0.0001", iter_size="2")
    pictures(here, 7)
    whole = helpers.solver()
    whole.step(3)
    state = whole.snapshot().state
    whole.step(3)
    resumed = helpers.solver()
    resumed.restore(state)
    resumed.step(3)
    for key, tensor in whole.training.store.tensors.items():
        assert torch.equal(tensor, resumed.training.store.tensors[key])


def test_classes_are_counted_and_tests_see_labels_as_they_are(here):
    helpers.make(here, NET, test_interval="2", max_iter="2", base_lr="0.0001")
    pictures(here, 7)
    solver = helpers.solver()
    assert solver.training.opened.plan.layer("loss").layer.counts == (3, 2, 2)
    assert solver.training.opened.plan.layer("loss").bottom_shapes == ((3, 3), (3, 3))
    assert solver.training.tests[0].opened.plan.layer("loss").bottom_shapes == ((3, 3), (3,))
    (result,) = solver.test_all()
    assert 0 <= result.scores[0].value <= 1


def test_nothing_of_it_is_deployed(here):
    helpers.make(here, NET)
    text = run(read_net(here / "net.prototxt"), [step(deploy, DeployOptions())]).definition.text
    assert "augmentation" not in text
    assert 'type: "Softmax"' in text
