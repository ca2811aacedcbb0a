"""Each mistake is told with its place, what was received and a remedy; following the remedy makes the check pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.check import check, check_files
from caffelungo.errors import Problem
from tests.lungo import lungo

NET = """name: "small"
layer {
  name: "data"
  type: "ImageData"
  top: "data"
  top: "label"
  transform_param { crop_size: 16 }
  image_data_param { source: "train.txt" batch_size: 2 }
}
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 }
}
layer {
  name: "fc"
  type: "InnerProduct"
  bottom: "conv"
  top: "fc"
  inner_product_param { num_output: 3 }
}
layer {
  name: "loss"
  type: "SoftmaxWithLoss"
  bottom: "fc"
  bottom: "label"
  top: "loss"
}
"""
SOLVER = """net: "net.prototxt"
base_lr: 0.01
lr_policy: "step"
gamma: 0.1
stepsize: 10
max_iter: 20
momentum: 0.9
weight_decay: 0.0005
snapshot: 10
snapshot_prefix: "run"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A solver, its net, its list and its pictures, all in order."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for number in range(6):
        Image.fromarray(random.integers(0, 256, (20, 20, 3), np.uint8)).save(f"{number}.jpg")
    Path("train.txt").write_text("".join(f"{number}.jpg {number % 3}\n" for number in range(6)))
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(SOLVER)
    return tmp_path


def edit(name: str, old: str, new: str) -> Callable[[], None]:
    def change() -> None:
        text = Path(name).read_text()
        assert old in text
        Path(name).write_text(text.replace(old, new))

    return change


def drop(name: str) -> Callable[[], None]:
    return lambda: Path(name).unlink()


def spoil(name: str) -> Callable[[], None]:
    def change() -> None:
        data = Path(name).read_bytes()
        Path(name).write_bytes(data[: len(data) // 3])

    return change


def restore(name: str) -> Callable[[], None]:
    return lambda: Image.new("RGB", (20, 20)).save(name)


MISTAKES = {
    "unknown field": (
        edit("net.prototxt", "kernel_size", "kernel_sise"),
        "net.prototxt",
        15,
        "kernel_sise",
        "kernel_size",
        edit("net.prototxt", "kernel_sise", "kernel_size"),
    ),
    "unknown layer": (
        edit("net.prototxt", '"InnerProduct"', '"InerProduct"'),
        "net.prototxt",
        19,
        "InerProduct",
        "InnerProduct",
        edit("net.prototxt", "InerProduct", "InnerProduct"),
    ),
    "wrong arity": (
        edit("net.prototxt", '  bottom: "label"\n', ""),
        "net.prototxt",
        24,
        "1 (fc)",
        "2 `bottom:`",
        edit("net.prototxt", '  top: "loss"', '  bottom: "label"\n  top: "loss"'),
    ),
    "impossible shape": (
        edit("net.prototxt", "kernel_size: 3", "kernel_size: 30"),
        "net.prototxt",
        None,
        "16",
        "kernel",
        edit("net.prototxt", "kernel_size: 30", "kernel_size: 3"),
    ),
    "unknown bottom": (
        edit("net.prototxt", 'bottom: "conv"', 'bottom: "conf"'),
        "net.prototxt",
        20,
        "conf",
        "conv",
        edit("net.prototxt", '"conf"', '"conv"'),
    ),
    "label out of range": (
        edit("train.txt", "5.jpg 2", "5.jpg 7"),
        "net.prototxt",
        8,
        "labels 0 to 7 for 3 outputs",
        "num_output: 8",
        edit("net.prototxt", "num_output: 3", "num_output: 8"),
    ),
    "labels from 1": (
        lambda: Path("train.txt").write_text("".join(f"{n}.jpg {n % 3 + 1}\n" for n in range(6))),
        "net.prototxt",
        8,
        "labels 1 to 3",
        "label_offset: -1",
        edit("net.prototxt", "transform_param {", "transform_param { lungo { label_offset: -1 }"),
    ),
    "missing image": (drop("4.jpg"), "train.txt", 5, "4.jpg", "remove the line", edit("train.txt", "4.jpg 1\n", "")),
    "corrupt JPEG": (spoil("4.jpg"), "train.txt", 5, "4.jpg", "", restore("4.jpg")),
    "line without a label": (
        edit("train.txt", "2.jpg 2", "2.jpg"),
        "train.txt",
        3,
        "no space",
        "label",
        edit("train.txt", "2.jpg", "2.jpg 2"),
    ),
    "empty list": (
        lambda: Path("train.txt").write_text("\n"),
        "train.txt",
        None,
        "no line",
        "path label",
        edit("train.txt", "\n", "0.jpg 0\n"),
    ),
    "missing list": (
        lambda: Path("train.txt").rename("train2.txt"),
        "net.prototxt",
        8,
        "train.txt",
        "correct the path",
        edit("net.prototxt", "train.txt", "train2.txt"),
    ),
    "missing mean file": (
        edit("net.prototxt", "crop_size: 16", 'crop_size: 16 mean_file: "mean.binaryproto"'),
        "net.prototxt",
        7,
        "mean.binaryproto",
        "correct the path",
        edit("net.prototxt", ' mean_file: "mean.binaryproto"', ""),
    ),
    "missing LMDB": (
        edit(
            "net.prototxt",
            'type: "ImageData"',
            'type: "Data" data_param { source: "train_lmdb" batch_size: 2 backend: LMDB }',
        ),
        "net.prototxt",
        4,
        "train_lmdb",
        "correct the path",
        edit(
            "net.prototxt",
            'type: "Data" data_param { source: "train_lmdb" batch_size: 2 backend: LMDB }',
            'type: "ImageData"',
        ),
    ),
    "unknown policy": (
        edit("solver.prototxt", '"step"', '"stepp"'),
        "solver.prototxt",
        3,
        "stepp",
        "step",
        edit("solver.prototxt", "stepp", "step"),
    ),
    "unknown solver": (
        edit("solver.prototxt", "momentum", 'type: "Adm"\nmomentum'),
        "solver.prototxt",
        7,
        "Adm",
        "Adam",
        edit("solver.prototxt", '"Adm"', '"Adam"'),
    ),
    "momentum with AdaGrad": (
        edit("solver.prototxt", "weight_decay", 'type: "AdaGrad"\nweight_decay'),
        "solver.prototxt",
        7,
        "0.9",
        "remove momentum",
        edit("solver.prototxt", "momentum: 0.9\n", ""),
    ),
    "missing net": (
        edit("solver.prototxt", "net.prototxt", "nett.prototxt"),
        "solver.prototxt",
        1,
        "nett.prototxt",
        "correct the path",
        edit("solver.prototxt", "nett", "net"),
    ),
    "no rate": (
        edit("solver.prototxt", "base_lr: 0.01\n", ""),
        "solver.prototxt",
        2,
        "no base_lr",
        "base_lr: 0.001",
        edit("solver.prototxt", "lr_policy", "base_lr: 0.001\nlr_policy"),
    ),
    "negative rate": (
        edit("solver.prototxt", "base_lr: 0.01", "base_lr: -0.01"),
        "solver.prototxt",
        2,
        "base_lr: -0.01",
        "base_lr: 0.001",
        edit("solver.prototxt", "base_lr: -0.01", "base_lr: 0.001"),
    ),
    "unwritable prefix": (
        edit("solver.prototxt", '"run"', '"nowhere/run"'),
        "solver.prototxt",
        10,
        "nowhere/run",
        "mkdir -p",
        lambda: Path("nowhere").mkdir(),
    ),
    "a negative test_iter": (
        edit("solver.prototxt", "snapshot: 10", "snapshot: 10\ntest_iter: -1\ntest_interval: 5"),
        "solver.prototxt",
        10,
        "test_iter: -1",
        "remove it to test the whole set once",
        edit("solver.prototxt", "test_iter: -1\n", ""),
    ),
    "missing weights": (
        edit("solver.prototxt", "snapshot: 10", 'snapshot: 10\nweights: "no.caffemodel"'),
        "solver.prototxt",
        10,
        "no.caffemodel",
        "correct the path",
        edit("solver.prototxt", 'weights: "no.caffemodel"\n', ""),
    ),
}
"""Mistake -> how it is made, the file and line it is told at, what is received, the remedy, and what follows it."""


def test_files_in_order_pass(folder: Path) -> None:
    report = check(["solver.prototxt", "net.prototxt", "train.txt"])
    assert report.problems == []
    assert [one.kind for one in report.files] == ["solver", "net", "list of pictures"]
    assert "3 classes" in report.files[2].summary


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_and_its_remedy(folder: Path, mistake: str) -> None:
    make, file, line, received, remedy, follow = MISTAKES[mistake]
    make()
    problems = check_files(["solver.prototxt"])
    assert problems
    told = problems[0]
    assert told.where is not None
    assert Path(told.where.file).name == file
    if line is not None:
        assert told.where.line == line
    assert received in str(told.received)
    assert remedy in str(told.remedy)
    follow()
    assert check_files(["solver.prototxt"]) == []


def test_everything_at_once(folder: Path) -> None:
    edit("solver.prototxt", '"step"', '"stepp"')()
    edit("net.prototxt", 'bottom: "conv"', 'bottom: "conf"')()
    edit("net.prototxt", "crop_size: 16", 'crop_size: 16 mean_file: "mean.binaryproto"')()
    drop("3.jpg")()
    spoil("4.jpg")()
    problems = check_files(["solver.prototxt", "missing.prototxt"])
    text = "\n".join(map(str, problems))
    for part in ("stepp", "conf", "mean.binaryproto", "3.jpg", "4.jpg", "missing.prototxt"):
        assert part in text


def test_a_mistake_that_two_files_lead_to_is_told_once(folder: Path) -> None:
    drop("3.jpg")()
    assert len(check_files(["solver.prototxt", "net.prototxt", "train.txt"])) == 1


def test_phases_do_not_repeat_a_mistake(folder: Path) -> None:
    edit("net.prototxt", 'bottom: "conv"', 'bottom: "conf"')()
    assert len(check_files(["net.prototxt"])) == 1


def test_a_folder_of_classes(folder: Path) -> None:
    for name in ("cat", "dog"):
        Path("photos", name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(Path("photos", name, "1.jpg"))
    report = check(["photos"])
    assert report.problems == []
    assert "2 classes" in report.files[0].summary
    Path("photos", "dog", "1.jpg").write_bytes(b"")
    (problem,) = check_files(["photos"])
    assert "0 bytes" in str(problem.received)


def test_a_list_is_read_with_the_root_of_the_net_beside_it(folder: Path) -> None:
    Path("pictures").mkdir()
    for number in range(6):
        Path(f"{number}.jpg").rename(f"pictures/{number}.jpg")
    edit("net.prototxt", 'source: "train.txt"', 'source: "train.txt" root_folder: "pictures/"')()
    assert check_files(["train.txt"]) == []
    Path("net.prototxt").unlink()
    assert len(check_files(["train.txt"])) == 6


def test_states_of_the_solver_decide_what_is_checked(folder: Path) -> None:
    edit("net.prototxt", 'name: "fc"', 'name: "fc" include { stage: "full" }')()
    assert check_files(["solver.prototxt"]) != []
    edit("solver.prototxt", "max_iter", 'train_state { stage: "full" }\nmax_iter')()
    assert check_files(["solver.prototxt"]) == []


def test_a_net_inside_a_solver(folder: Path) -> None:
    edit("solver.prototxt", 'net: "net.prototxt"', f"net_param {{\n{NET}}}")()
    assert check_files(["solver.prototxt"]) == []
    edit("solver.prototxt", 'bottom: "conv"', 'bottom: "conf"')()
    (problem,) = check_files(["solver.prototxt"])
    assert problem.where is not None
    assert problem.where.line == 21


def test_truncated_weights(folder: Path) -> None:
    from caffelungo.weights import formats
    from caffelungo.weights.weights import Weights

    formats.write("w.caffemodel", Weights({"fc": [np.ones((30, 40), np.float32)]}))
    assert check(["w.caffemodel"]).files[0].summary == "1 layer, 0.0 MB"
    spoil("w.caffemodel")()
    (problem,) = check_files(["w.caffemodel"])
    assert isinstance(problem, Problem)
    assert "w.caffemodel" in str(problem.where)


def test_pictures_and_databases(folder: Path) -> None:
    import lmdb

    from caffelungo.definition.schema import Datum

    with lmdb.open("db", map_size=1 << 20) as database, database.begin(write=True) as transaction:
        transaction.put(b"0", Datum(data=b"x", channels=1, height=1, width=1).SerializeToString())
    report = check(["1.jpg", "db"])
    assert report.problems == []
    assert [one.summary for one in report.files] == ["20x20x3", "1 record"]
    spoil("1.jpg")()
    (problem,) = check_files(["1.jpg"])
    assert "1.jpg" in str(problem)


def test_template_variables(folder: Path) -> None:
    Path("net.prototxt.j2").write_text(NET.replace("num_output: 3", "num_output: {{ classes }}"))
    (problem,) = check_files(["net.prototxt.j2"])
    assert problem.where is not None
    assert problem.where.line == 22
    assert "classes" in str(problem)
    assert check(["net.prototxt.j2"], {"classes": 3}).problems == []


def test_notices_are_no_problems(folder: Path) -> None:
    edit("net.prototxt", "num_output: 3", "num_output: 5")()
    report = check(["solver.prototxt"])
    assert report.problems == []
    assert any("2 classes without a sample" in notice for notice in report.notices)
    assert any("never tested" in notice for notice in report.notices)


def test_a_data_layer_that_cannot_be_planned_is_not_missed(folder: Path) -> None:
    """Its phase has data all the same, so that the phase is judged, also where another phase has good data."""
    Path("net.prototxt").write_text(NET.replace("top: \"label\"", "top: \"label\" include { phase: TEST }", 1)
                                    + 'layer { name: "data" type: "ImageData" top: "data" top: "label" '
                                    'include { phase: TRAIN } image_data_param { batch_size: 2 } }\n')  # fmt: skip
    problems = check_files(["net.prototxt"])
    assert any("`source` is missing" in problem.what for problem in problems)


def test_a_solver_without_an_end_is_for_programs(folder: Path) -> None:
    edit("solver.prototxt", "max_iter: 20\n", "")()
    report = check(["solver.prototxt"])
    assert report.problems == []
    assert any("no max_iter" in notice for notice in report.notices)
    edit("solver.prototxt", "momentum", "max_iter: 0\nmomentum")()
    (problem,) = check_files(["solver.prototxt"])
    assert problem.received == "max_iter: 0"


def test_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; import caffelungo.check, caffelungo.projects.finetune_project; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pictures_of_other_sizes_are_found_though_the_first_one_fits(folder: Path) -> None:
    Image.fromarray(np.zeros((12, 30, 3), np.uint8)).save(folder / "narrow.png")
    names = [line.split()[0] for line in (folder / "train.txt").read_text().splitlines()]
    with (folder / "train.txt").open("a") as file:
        file.write("narrow.png 0\n")
    (problem,) = check_files(["net.prototxt"])
    assert "a picture does not fit into the batch" in problem.what
    assert str(problem.where) == f"train.txt:{len(names) + 1}:1"
    assert "3 channels of 12x30 where 3 of at least 16x16 are wanted" in str(problem.received)
    resized = "image_data_param { new_height: 20 new_width: 20"
    (folder / "net.prototxt").write_text(NET.replace("image_data_param {", resized))
    assert check_files(["net.prototxt"]) == []


@pytest.mark.parametrize("kind", ["no picture", "small"])
def test_every_picture_file_of_a_database_is_looked_at(folder: Path, kind: str) -> None:
    import io

    import lmdb

    from caffelungo.definition.schema import Datum

    with lmdb.open("db", map_size=1 << 24) as env, env.begin(write=True) as txn:
        for number in range(30):
            stream = io.BytesIO()
            small = kind == "small" and number >= 5
            Image.fromarray(np.zeros((10 if small else 20, 20, 3), np.uint8)).save(stream, "PNG")
            content = stream.getvalue()[: 45 if kind == "no picture" and number >= 5 else None]
            txn.put(b"%02d" % number, Datum(data=content, encoded=True, label=0).SerializeToString())
    text = NET.replace("ImageData", "Data").replace("image_data_param", "data_param").replace("train.txt", "db")
    text = text.replace("batch_size: 2", "batch_size: 2 backend: LMDB")
    (folder / "net.prototxt").write_text(text)
    problems = check_files(["net.prototxt"])
    assert len(problems) == 21
    assert "record 5 (05)" in str(problems[0].where)
    assert ("cannot be read" if kind == "no picture" else "does not fit into the batch") in problems[0].what
    assert problems[-1].received == "25 of 30"


def test_a_database_by_itself_is_looked_at_record_by_record(folder: Path) -> None:
    import lmdb

    from caffelungo.definition.schema import Datum

    with lmdb.open("db", map_size=1 << 24) as env, env.begin(write=True) as txn:
        for number in range(4):
            size = 12 if number < 3 else 11
            datum = Datum(data=bytes(size), channels=3, height=2, width=2, label=number)
            txn.put(b"%d" % number, datum.SerializeToString() if number != 1 else b"\xff\xff")
    problems = check_files(["db"])
    assert [(problem.what.partition(" has")[0], str(problem.where)) for problem in problems] == [
        ("database record is not a Datum", "db, record 1 (1)"), ("database record", "db, record 3 (3)"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["net.onnx", "README.md", "metrics.csv"])
def test_check_calls_nothing_sound_that_it_did_not_look_at(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("x")
    ran = lungo("check", tmp_path / name)
    assert ran.status == 0
    assert "nothing was checked" in ran.out
    assert "no problem found" not in ran.out
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert "no problem found" in lungo("check", tmp_path / name, tmp_path / "labels.txt").out
