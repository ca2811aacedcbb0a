"""From a folder of photos and a net to a folder that trains."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.check import check
from caffelungo.definition.reader import read_net, read_solver
from caffelungo.errors import UserError
from caffelungo.passes.view import View
from caffelungo.projects.finetune_project import FILES, ProjectOptions, Summary, finetune_project
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.passes.nets import ALEX, FIRE
from tests.passes.numbers import random_blobs


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three classes of ten pictures."""
    random = np.random.default_rng(0)
    for name in ("cat", "dog", "zebra fish"):
        (tmp_path / "My Photos" / name).mkdir(parents=True)
        for number in range(10):
            pixels = random.integers(0, 256, (30, 40, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "My Photos" / name / f"{number}.png")
    return tmp_path / "My Photos"


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "fire.prototxt"
    path.write_text(FIRE)
    return path


def make(net: Path | str, photos: Path, out: Path, **options: object) -> Summary:
    return finetune_project(ProjectOptions(str(net), str(photos), str(out), **options))  # type: ignore[arg-type]


def test_everything_a_training_needs(net: Path, photos: Path, tmp_path: Path) -> None:
    found = make(net, photos, tmp_path / "mine")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == sorted(FILES)
    assert found.classes == ("cat", "dog", "zebra fish")
    assert found.counts == {"cat": 10, "dog": 10, "zebra fish": 10}
    assert (found.train, found.val) == (24, 6)
    assert found.heads == ("conv10_my_photos",)
    assert (tmp_path / "mine" / "labels.txt").read_text() == "cat\ndog\nzebra fish\n"
    train = (tmp_path / "mine" / "train.txt").read_text().splitlines()
    val = (tmp_path / "mine" / "val.txt").read_text().splitlines()
    assert (len(train), len(val)) == (24, 6)
    assert not set(train) & set(val)
    assert {line.rsplit(" ", 1)[1] for line in val} == {"0", "1", "2"}


def test_what_it_writes_passes_the_check(net: Path, photos: Path, tmp_path: Path) -> None:
    found = make(net, photos, tmp_path / "mine")
    report = check([*found.files.values()][:2] + [found.files[name] for name in FILES if name.endswith(".prototxt")])
    assert not report.problems
    assert [one.kind for one in report.files] == ["list of pictures", "list of pictures", "net", "net", "solver"]


def test_files_fit_each_other(net: Path, photos: Path, tmp_path: Path) -> None:
    found = make(net, photos, tmp_path / "mine", batch_size=4)
    solver = read_solver(found.files["solver.prototxt"]).message
    assert solver.net == "train_val.prototxt"
    assert solver.max_iter == found.iterations
    assert solver.test_interval >= 6
    train = read_net(found.files["train_val.prototxt"]).message.layer[0]
    assert train.image_data_param.root_folder == f"{photos}/"
    assert train.image_data_param.batch_size == 4
    deploy = View(read_net(found.files["deploy.prototxt"]))
    assert deploy.deploy_only
    assert deploy.classifiers[0].classes == 3


def test_the_same_seed_gives_the_same_folder(net: Path, photos: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        make(net, photos, tmp_path / name, seed=5)
    same = [name for name in FILES if name not in ("README.md", "solver.prototxt")]
    for name in same:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    make(net, photos, tmp_path / "c", seed=6)
    assert (tmp_path / "a" / "val.txt").read_bytes() != (tmp_path / "c" / "val.txt").read_bytes()


def test_freezing_and_head_are_passed_on(net: Path, photos: Path, tmp_path: Path) -> None:
    found = make(net, photos, tmp_path / "mine", freeze_to="conv1", head="conv10", suffix="x")
    layers = {layer.name: layer for layer in read_net(found.files["train_val.prototxt"]).message.layer}
    assert [block.lr_mult for block in layers["conv1"].param] == [0, 0]
    assert "conv10_x" in layers


def test_a_name_of_the_catalogue_brings_its_weights(photos: Path, tmp_path: Path) -> None:
    found = make("squeezenet1.1", photos, tmp_path / "mine", classic=True)
    assert found.weights is not None
    assert Path(found.weights).is_file()
    assert list(read_solver(found.files["solver.prototxt"]).message.weights) == [found.weights]
    assert "--weights" not in found.commands[1][0]
    assert make("squeezenet1.1", photos, tmp_path / "scratch", weights="none").weights is None
    rates = [read_solver(tmp_path / name / "solver.prototxt").message.base_lr for name in ("mine", "scratch")]
    assert rates[1] == pytest.approx(10 * rates[0], rel=0.05)
    assert any("--freeze-to fire9/concat" in notice for notice in found.notices)


def test_weights_that_are_none_are_refused_before_anything_is_written(net: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "w.caffemodel").write_text("<html>\n")
    with pytest.raises(UserError, match="an HTML page"):
        make(net, photos, tmp_path / "mine", weights=str(tmp_path / "w.caffemodel"))
    assert not (tmp_path / "mine").exists()


def test_a_mean_that_nothing_states_is_spoken_of(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "deploy.prototxt").write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 21 dim: 21 } } }\n'
        'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }\n'
        'layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }\n'
    )
    found = make(tmp_path / "deploy.prototxt", photos, tmp_path / "mine", weights="none")
    assert any("mean 104, 117, 123" in notice and "assumed" in notice for notice in found.notices)
    assert "lr_mult 1/2 (weights are copied by name, so it is re-initialised)" in str(found.notes[0])


def test_size_from_the_deploy_file_beside(photos: Path, tmp_path: Path) -> None:
    text = ALEX.replace("crop_size: 20  # what the net sees\n", "").replace("crop_size: 20", "")
    (tmp_path / "train_val.prototxt").write_text(text)
    with pytest.raises(UserError, match="--size 28"):
        make(tmp_path / "train_val.prototxt", photos, tmp_path / "mine")
    (tmp_path / "deploy.prototxt").write_text(FIRE)
    found = make(tmp_path / "train_val.prototxt", photos, tmp_path / "mine")
    assert read_net(found.files["train_val.prototxt"]).message.layer[0].image_data_param.new_height == 21


def test_without_validation_pictures(net: Path, photos: Path, tmp_path: Path) -> None:
    found = make(net, photos, tmp_path / "mine", val=0.0)
    assert (found.train, found.val) == (30, 0)
    assert any("--val 0.2" in notice for notice in found.notices)
    assert not check([found.files["solver.prototxt"]]).problems


def test_names_beside_the_working_directory(
    net: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.txt").write_text("another.jpg 0\n")
    found = make(net, photos, Path("mine"))
    train = read_net(found.files["train_val.prototxt"]).message.layer[0]
    assert train.image_data_param.source == str(tmp_path / "mine" / "train.txt")
    assert not check([found.files["solver.prototxt"]]).problems


def test_nothing_is_overwritten_unasked(net: Path, photos: Path, tmp_path: Path) -> None:
    make(net, photos, tmp_path / "mine")
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    (tmp_path / "mine" / "solver.prototxt").write_text("base_lr: 1")
    with pytest.raises(UserError) as caught:
        make(net, photos, tmp_path / "mine")
    assert "solver.prototxt" in str(caught.value.problems[0].received)
    assert "--overwrite" in str(caught.value.problems[0].remedy)
    assert (tmp_path / "mine" / "solver.prototxt").read_text() == "base_lr: 1"
    make(net, photos, tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "mine" / "solver.prototxt").read_text() != "base_lr: 1"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"head": "fire9/concat"}, "is not a classifier"),
        ({"freeze_to": "nowhere"}, "no layer called `nowhere`"),
        ({"weights": "nowhere.caffemodel"}, "weights file not found"),
        ({"val": 1.5}, "share of validation"),
    ],
)
def test_nothing_is_written_when_something_is_wrong(
    net: Path, photos: Path, tmp_path: Path, change: dict[str, object], text: str
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(UserError, match=text):
        make(net, photos, tmp_path / "mine", **change)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_nothing_is_left_when_writing_fails(
    net: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("caffelungo.files.write_text", full)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(OSError, match="No space"):
        make(net, photos, tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_one_class_is_refused(net: Path, photos: Path, tmp_path: Path) -> None:
    for name in ("dog", "zebra fish"):
        shutil.rmtree(photos / name)
    with pytest.raises(UserError, match="at least two classes"):
        make(net, photos, tmp_path / "mine")


def test_the_old_classes_are_remembered(net: Path, photos: Path, tmp_path: Path) -> None:
    old = random_blobs(read_net(net))
    formats.write(tmp_path / "old.caffemodel", Weights(old))
    found = make(net, photos, tmp_path / "mine", weights=str(tmp_path / "old.caffemodel"), remember=True)
    new = formats.read(found.files["start.caffemodel"]).layers
    assert all(np.array_equal(new[f"teacher/{name}"][0], arrays[0]) for name, arrays in old.items())
    text = found.files["train_val.prototxt"].read_text()
    assert 'type: "DistillationLoss"' in text
    assert "teacher" not in found.files["deploy.prototxt"].read_text()
    assert list(read_solver(found.files["solver.prototxt"]).message.weights) == ["start.caffemodel"]
    with pytest.raises(UserError, match="--remember needs weights"):
        make(net, photos, tmp_path / "other", remember=True)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"size": 2**31 - 1}, ["--size 2147483647", "at most --size 9459"]),
        ({"resize": 2**31 - 1}, ["--resize 2147483647", "at most --resize 9459"]),
        ({"size": 10**4, "resize": 10**4}, ["--size 10000", "--resize 10000"]),
        ({"size": 9459}, ["before the crop", "--size 9459: 10810x10810"]),
        ({"batch_size": 2**31 - 1}, ["memory of this machine", "--batch-size 2147483647: "]),
        ({"batch_size": 10**8, "size": 64}, ["memory of this machine", "--size 64 --batch-size 100000000: "]),
    ],
)
def test_sizes_that_could_never_run_write_nothing(
    asked: dict[str, int], told: list[str], net: Path, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        make(net, photos, tmp_path / "mine", **asked)
    assert all(text in str(caught.value) for text in told), str(caught.value)
    assert not (tmp_path / "mine").exists()


@pytest.fixture
def uneven(photos: Path) -> Path:
    """The same with three pictures of one class."""
    for number in range(3, 10):
        (photos / "dog" / f"{number}.png").unlink()
    return photos


def test_classes_of_different_sizes_are_corrected_from_the_start_on(net: Path, uneven: Path, tmp_path: Path) -> None:
    weights = tmp_path / "net.caffemodel"
    formats.write(weights, Weights(random_blobs(read_net(net))))
    made = {}
    for word in ("auto", "none", "sampling", "logits"):
        out = tmp_path / word
        found = make(net, uneven, out, weights=str(weights), layers=("fire9/concat",), balance=word)
        assert not check([out / "solver.prototxt"]).problems
        texts = {name: (out / name).read_text() for name in ("train_val.prototxt", "solver.prototxt", "README.md")}
        made[word] = found.balance.word, texts, found.probe
        assert ("pictures of the smallest (dog" in " ".join(texts["README.md"].split())) == (word != "none")
    assert [made[word][0] for word in made] == ["inverse", "none", "sampling", "logits"]
    assert "class_weights: inverse" in made["auto"][1]["train_val.prototxt"]
    assert "times the pictures of the smallest (dog" in made["auto"][1]["train_val.prototxt"].replace("\n# ", " ")
    assert "times the pictures of the smallest (dog" in made["auto"][1]["solver.prototxt"].replace("\n# ", " ")
    assert "softmax_with_loss" not in made["none"][1]["train_val.prototxt"]
    assert made["sampling"][1]["train_val.prototxt"].count("class_balanced: true") == 1
    assert read_solver(tmp_path / "sampling" / "solver.prototxt").message.lungo.watch == "balanced_accuracy"
    assert read_solver(tmp_path / "auto" / "solver.prototxt").message.lungo.watch != "balanced_accuracy"
    assert "softmax_with_loss" not in (tmp_path / "auto" / "deploy.prototxt").read_text()
    # The start is the weighted classifier, and of logits the plain one without the shares of the classes.
    plain, weighed, adjusted = (made[word][2].head for word in ("none", "auto", "logits"))
    assert (weighed.bias - weighed.bias.mean())[1] > (plain.bias - plain.bias.mean())[1]
    np.testing.assert_allclose(adjusted.weight, plain.weight)
    gain = adjusted.bias - plain.bias
    np.testing.assert_allclose(gain - gain[0], np.log([1, 8 / 2, 1]), atol=1e-5)


def test_a_training_without_a_fitted_start_only_says_it(net: Path, uneven: Path, tmp_path: Path) -> None:
    found = make(net, uneven, tmp_path / "mine")
    assert found.balance.word == "none"
    assert "--balance inverse" in found.balance.why
    asked = make(net, uneven, tmp_path / "asked", balance="inverse")
    assert asked.balance.word == "inverse"
    assert "class_weights: inverse" in (tmp_path / "asked" / "train_val.prototxt").read_text()


def test_a_correction_that_does_not_exist(net: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such correction"):
        make(net, photos, tmp_path / "mine", balance="inverted")
    assert not (tmp_path / "mine").exists()
