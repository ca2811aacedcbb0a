"""A net that holds the nets for training, testing and answering, told apart by stages, from the first check to ONNX."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.definition.reader import read_net
from caffelungo.inference.runtime import open_session
from caffelungo.passes.view import View
from caffelungo.weights import formats
from tests.lungo import Ran, lungo

NET = """
layer { name: "train-data" type: "ImageData" top: "data" top: "label" include { stage: "train" }
  image_data_param { source: "list.txt" batch_size: 4 new_height: 8 new_width: 8 shuffle: true } }
layer { name: "val-data" type: "ImageData" top: "data" top: "label" include { stage: "val" }
  image_data_param { source: "list.txt" batch_size: 4 new_height: 8 new_width: 8 } }
layer { name: "scale" type: "Power" bottom: "data" top: "scaled" power_param { scale: 0.01 } }
layer { name: "conv1" type: "Convolution" bottom: "scaled" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "fc" type: "InnerProduct" bottom: "conv1" top: "fc"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" include { stage: "val" } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" exclude { stage: "deploy" } }
layer { name: "hot" type: "Power" bottom: "fc" top: "hot" power_param { scale: 3 } include { stage: "deploy" } }
layer { name: "sure" type: "Softmax" bottom: "hot" top: "sure" include { stage: "deploy" } }
"""
SOLVER = """
net: "net.prototxt" train_state { stage: "train" } test_state { stage: "val" } test_iter: 2 test_interval: 4
base_lr: 0.01 lr_policy: "fixed" max_iter: 4 display: 2 snapshot_prefix: "s" solver_mode: CPU random_seed: 3
"""


@dataclass(frozen=True)
class Place:
    """A folder with the net, trained for a few iterations, and what the training printed."""

    folder: Path
    trained: Ran

    @property
    def net(self) -> Path:
        return self.folder / "net.prototxt"

    @property
    def weights(self) -> Path:
        return self.folder / "s_iter_4.caffemodel"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("stages")
    rng = np.random.default_rng(1)
    for index in range(8):
        pixels = rng.integers(0, 128, (8, 8, 3)) + 100 * (index % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.png")
    (folder / "list.txt").write_text("".join(f"{index}.png {index % 2}\n" for index in range(8)))
    (folder / "net.prototxt").write_text(NET)
    (folder / "solver.prototxt").write_text(SOLVER)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        trained = lungo("train", "--solver", "solver.prototxt", "--device", "cpu")
    assert trained.status == 0, trained.err
    return Place(folder, trained)


def test_check_judges_every_state_that_the_file_names(place: Place) -> None:
    done = lungo("check", place.net)
    assert done.status == 0, done.err
    assert "TRAIN with stage train, TEST with stage val, TEST with stage deploy" in done.out
    one = lungo("check", place.net, "--stage", "deploy")
    assert "stage deploy" in one.out
    assert "stage val" not in one.out


@pytest.mark.parametrize("mistake", [('bottom: "hot"', 'bottom: "hat"'), ("num_output: 2", "num_output: 0")])
def test_check_finds_a_mistake_in_any_of_them_once(mistake: tuple[str, str], place: Place) -> None:
    wrong = place.folder / "wrong.prototxt"
    wrong.write_text(NET.replace(*mistake))
    done = lungo("check", wrong)
    assert done.status == 2
    assert "1 problem" in done.err
    assert mistake[1] in done.err


def test_the_export_that_training_prints_answers_as_the_stage_for_it_says(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.folder)
    said = re.search(r"lungo export .*", place.trained.out + place.trained.err)
    assert said is not None
    words = shlex.split(said[0])
    done = lungo(*words[1:])
    assert done.status == 0, done.err
    assert "stage `deploy`" in done.out
    session = open_session(Path(words[words.index("-o") + 1]), "cpu")
    pixels = np.asarray(Image.open("1.png"), np.uint8)[None]
    (answers,) = session.raw.run(["sure"], {session.raw.get_inputs()[0].name: pixels})
    values = {name: list(map(np.float64, blobs)) for name, blobs in formats.read(place.weights).layers.items()}
    planes = 0.01 * pixels[0, :, :, ::-1].transpose(2, 0, 1).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(planes, (3, 3), (1, 2))
    maps = np.einsum("cijkl,ockl->oij", windows, values["conv1"][0]) + values["conv1"][1][:, None, None]
    scores = values["fc"][0] @ np.maximum(maps, 0).ravel() + values["fc"][1]
    wanted = np.exp(3 * scores) / np.exp(3 * scores).sum()
    assert np.abs(answers[0] - wanted).max() < 1e-5
    assert lungo("export", *words[2:], "--stage", "val").out.rstrip().count("prob") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["test"], "stage `val`"), (["test", "--stage", "val"], None), (["time", "--iterations", "1"], "stage `train`"),
        (["time", "--iterations", "1", "--phase", "TEST"], "stage `val`"),
    ],
)  # fmt: skip
def test_what_runs_the_net_says_in_which_stage(words: list[str], said: str | None, place: Place) -> None:
    done = lungo(words[0], "--model", place.net, "--weights", place.weights, *words[1:], "--device", "cpu")
    assert done.status == 0, done.err
    assert ("stage `" in done.out + done.err) == (said is not None)
    assert said is None or said in done.out + done.err


def test_a_rewrite_keeps_the_layers_of_all_stages_and_its_edits_reach_them(place: Place, tmp_path: Path) -> None:
    done = lungo("grow", place.net, "--widen", "conv1:3", "-o", tmp_path / "wide.prototxt",
                 "--solver", place.folder / "solver.prototxt")  # fmt: skip
    assert done.status == 0, done.err
    assert "TRAIN with stage train and TEST with stage val" in done.out
    grown = read_net(tmp_path / "wide.prototxt")
    kept = {layer.name: layer for layer in grown.message.layer}
    assert {"train-data", "val-data", "accuracy", "loss", "hot", "sure"} <= set(kept)
    assert {kept[name].bottom[0] for name in ("accuracy", "loss", "hot")} == {"fc_wide"}
    assert "state" not in grown.text.replace("train_state", "")
    same = lungo("verify", place.net, tmp_path / "wide.prototxt", "--weights", place.weights)
    assert "bit-identical" in same.out
    small = lungo("verify", place.net, tmp_path / "wide.prototxt", "--weights", place.weights, "--stage", "deploy",
                  "--shape", "data:3x8x8", "--random", "2")  # fmt: skip
    assert "sure" in small.out
    refused = lungo("grow", place.net, "--widen", "conv1:3", "-o", tmp_path / "no.prototxt", "--stage", "vla")
    assert refused.status == 2
    assert "did you mean --stage val" in refused.err


def test_the_deployed_net_is_that_of_the_stage_for_it(place: Place, tmp_path: Path) -> None:
    done = lungo("rewrite", place.net, "--deploy", "-o", tmp_path / "deploy.prototxt")
    assert done.status == 0, done.err
    assert "TEST with stage deploy" in done.out
    deployed = read_net(tmp_path / "deploy.prototxt").message
    assert [(layer.name, layer.type) for layer in deployed.layer] == [
        ("data", "Input"), ("scale", "Power"), ("conv1", "Convolution"), ("relu1", "ReLU"), ("fc", "InnerProduct"),
        ("hot", "Power"), ("sure", "Softmax"),
    ]  # fmt: skip
    assert not any(layer.include or layer.exclude for layer in deployed.layer)
    alike = lungo("rewrite", place.net, "--deploy", "--stage", "deploy", "-o", tmp_path / "asked.prototxt")
    assert alike.status == 0, alike.err
    assert (tmp_path / "asked.prototxt").read_text() == (tmp_path / "deploy.prototxt").read_text()


def test_fine_tuning_trains_and_tests_in_phases(place: Place, tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(3):
            source = place.folder / f"{index}.png"
            (tmp_path / "photos" / name / f"{index}.png").write_bytes(source.read_bytes() + name.encode())
    done = lungo("finetune", place.net, "--weights", place.weights, "--caffe-classic", "--data", tmp_path / "photos",
                 "-o", tmp_path / "mine", "--val", "0.3")  # fmt: skip
    assert done.status == 0, done.err
    text = (tmp_path / "mine" / "train_val.prototxt").read_text()
    assert "stage" not in text
    assert {graph.plan.phase for graph in View(read_net(tmp_path / "mine" / "train_val.prototxt")).graphs.values()} == {
        0,
        1,
    }
