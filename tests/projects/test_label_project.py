"""From pictures with several labels and a net to a folder that trains."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from caffelungo.check import check
from caffelungo.data.image_list import read_list
from caffelungo.definition import layer_options
from caffelungo.definition.reader import read_net, read_solver
from caffelungo.errors import UserError
from caffelungo.projects.finetune_project import FILES, ProjectOptions, Summary, finetune_project
from caffelungo.weights.load import load
from tests.projects import labelled


@pytest.fixture
def net(tmp_path: Path) -> tuple[Path, Path]:
    return labelled.net(tmp_path)


def make(net: tuple[Path, Path], data: Path, **options: object) -> Summary:
    wanted = {"weights": str(net[1]), **options}
    return finetune_project(ProjectOptions(str(net[0]), str(data), str(data.parent / "mine"), **wanted))  # type: ignore[arg-type]


def rows(found: Summary, name: str) -> np.ndarray:
    targets = read_list(found.files[name], label_size=3).targets
    assert targets is not None
    return targets


def test_everything_that_a_training_needs(net: tuple[Path, Path], tmp_path: Path) -> None:
    data = labelled.tags(tmp_path)
    found = make(net, data)
    assert set(found.files) == {*FILES, "start.caffemodel"}
    assert (found.classes, found.labelled, found.train + found.val) == (labelled.NAMES, True, 40)
    assert 6 <= found.val <= 9
    assert found.files["labels.txt"].read_text() == "blue\ngreen\nred\n"
    train, val = rows(found, "train.txt"), rows(found, "val.txt")
    both = np.concatenate([train, val])
    assert {name: int(count) for name, count in zip(labelled.NAMES, both.sum(0), strict=True)} == found.counts
    # Each label is tested about as often as it comes.
    assert (np.abs(val.mean(0) - train.mean(0)) < 0.25).all()
    assert val.sum(0).min() >= 1
    assert not check([found.files[name] for name in ("train.txt", "val.txt", "solver.prototxt")]).problems
    assert "hold several labels" in " ".join(found.notices)


def test_it_starts_from_fitted_regressions(net: tuple[Path, Path], tmp_path: Path) -> None:
    found = make(net, labelled.tags(tmp_path))
    tried = found.label_regressions
    assert tried is not None
    assert {row.candidate.name for row in tried.rows} == {"conv1", "pool1", "all"} or len(tried.rows) == 1
    assert tried.chosen.loss == min(row.loss for row in tried.rows)
    assert tried.chosen.ap > 0.8  # chance is the labels' share, 0.4
    extras = load(str(found.files["start.caffemodel"])).extras
    assert list(extras.label) == list(labelled.NAMES)
    assert not extras.threshold
    solver = read_solver(found.files["solver.prototxt"]).message
    assert (solver.lungo.watch, solver.lungo.keep_best) == ("loss", True)
    assert "3 labels" in found.files["solver.prototxt"].read_text()
    assert "mAP" in found.files["README.md"].read_text()


def test_columns_lists_and_folders_name_the_same(net: tuple[Path, Path], tmp_path: Path) -> None:
    first = make(net, labelled.tags(tmp_path, 24), weights="none")
    every = sorted((first.files[name].read_text() for name in ("train.txt", "val.txt")), reverse=True)
    columns = make(net, labelled.tags(tmp_path, 24, columns=True), weights="none", overwrite=True,
                   label_column="blue,green,red")  # fmt: skip
    assert sorted((columns.files[name].read_text() for name in ("train.txt", "val.txt")), reverse=True) == every
    pictures = labelled.pictures(tmp_path / "photos", 24)
    (tmp_path / "list.txt").write_text("".join(f"{name} {' '.join(labels)}\n" for name, labels in pictures))
    listed = make(net, tmp_path / "list.txt", weights="none", overwrite=True)
    assert sorted((listed.files[name].read_text() for name in ("train.txt", "val.txt")), reverse=True) == every


def test_pictures_in_several_class_folders(net: tuple[Path, Path], tmp_path: Path) -> None:
    several = 0
    for name, labels in labelled.pictures(tmp_path / "flat", 24):
        several += len(labels) > 1
        for label in labels:
            (tmp_path / "by" / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / name, tmp_path / "by" / label / Path(name).name)
    found = make(net, tmp_path / "by", weights="none", predict="labels")
    both = np.concatenate([rows(found, "train.txt"), rows(found, "val.txt")])
    assert (both.sum(1) > 1).sum() == several
    assert f"{several} pictures found in several classes" in " ".join(found.notices)
    one = make(net, tmp_path / "by", weights="none", overwrite=True)
    assert not one.labelled
    assert "--predict labels" in " ".join(one.notices)


def test_without_weights_the_bias_says_how_often_labels_are_1(net: tuple[Path, Path], tmp_path: Path) -> None:
    found = make(net, labelled.tags(tmp_path), weights="none")
    share = rows(found, "train.txt").mean()
    message = read_net(found.files["train_val.prototxt"]).message
    (head,) = [one for one in message.layer if one.name in found.heads]
    assert head.inner_product_param.bias_filler.value == pytest.approx(np.log(share / (1 - share)), rel=1e-3)
    assert found.label_regressions is None
    assert "start.caffemodel" not in found.files


def test_classes_weights_and_the_asymmetric_loss(net: tuple[Path, Path], tmp_path: Path) -> None:
    found = make(net, labelled.tags(tmp_path), weights="none", balance="inverse", loss="asymmetric")
    message = read_net(found.files["train_val.prototxt"]).message
    (loss,) = [one for one in message.layer if one.type == "SigmoidCrossEntropyLoss"]
    own = layer_options.value(loss.lungo, layer_options.key(loss.type))
    assert (own.class_weights, own.negative_gamma) == (1, 4)
    assert "ratio of the numbers of its 0s and 1s" in " ".join(found.balance.why.split())


def test_unknown_labels_stay_unknown(net: tuple[Path, Path], tmp_path: Path) -> None:
    data = labelled.tags(tmp_path, 24, columns=True)
    lines = data.read_text().splitlines()
    lines[1:6] = [line.rsplit(",", 1)[0] + ",?" for line in lines[1:6]]
    data.write_text("\n".join(lines) + "\n")
    found = make(net, data, label_column="blue,green,red")
    both = np.concatenate([rows(found, "train.txt"), rows(found, "val.txt")])
    assert (both[:, 2] == -1).sum() == 5
    assert "5 labels are unknown" in " ".join(found.notices)


def test_options_that_are_for_classes_are_refused_at_once(net: tuple[Path, Path], tmp_path: Path) -> None:
    data = labelled.tags(tmp_path, 12)
    with pytest.raises(UserError) as caught:
        make(net, data, remember=True, balance="sampling", loss="huber")
    text = str(caught.value)
    assert "--remember is for one class per picture" in text
    assert "no such correction for several labels" in text
    assert "no such loss of several labels" in text
    assert not (tmp_path / "mine").exists()


def test_pictures_without_any_label_are_refused(net: tuple[Path, Path], tmp_path: Path) -> None:
    labelled.pictures(tmp_path / "photos", 6)
    (tmp_path / "none.txt").write_text("".join(f"photos/{number}.png 0 0 -1\n" for number in range(6)))
    with pytest.raises(UserError, match="no picture has a label"):
        make(net, tmp_path / "none.txt")


def test_what_is_asked_for_and_what_there_is(net: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="several labels, where one label is wanted"):
        make(net, labelled.tags(tmp_path, 12), predict="classes")
    (tmp_path / "ages.txt").write_text("".join(f"photos/{number}.png {number} 0\n" for number in range(6)))
    with pytest.raises(UserError, match="written as 1, 0 and -1") as caught:
        make(net, tmp_path / "ages.txt", predict="labels")
    (problem,) = caught.value.problems
    assert problem.where is not None
    assert problem.where.line == 3
    assert problem.received == "2, and other numbers in 4 lines"
