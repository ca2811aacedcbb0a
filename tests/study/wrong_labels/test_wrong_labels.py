"""`lungo inspect --labels`: planted wrong labels come first, the folder can be edited and given back."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import caffelungo as cl
from caffelungo.data import corrections
from caffelungo.data import folder as photos
from caffelungo.errors import UserError
from caffelungo.probes.results import JudgedHead
from caffelungo.study.wrong_labels import trust, writing
from caffelungo.study.wrong_labels.find import WrongLabels
from caffelungo.study.wrong_labels.options import WrongLabelOptions
from tests.data.make import save
from tests.lungo import lungo

NET = """name: "tiny"
layer { name: "data" type: "ImageData" top: "data" top: "label"
  transform_param { crop_size: 12 mean_value: 100 } image_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
COLOURS = {"blue": (200, 60, 60), "green": (60, 200, 60), "red": (60, 60, 200)}
WRONG = {"green/b3.png": "blue", "red/g5.png": "green"}
"""Pictures in a folder of another class."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("labels")
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        for number in range(12):
            pixels = np.clip(np.array(colour) + rng.normal(0, 25, (16, 16, 3)), 0, 255).astype(np.uint8)
            save(root / "photos" / name / f"{name[0]}{number}.png", pixels)
    for path, true in WRONG.items():
        shutil.move(root / "photos" / true / Path(path).name, root / "photos" / path)
    shutil.copy(root / "photos" / "red" / "r1.png", root / "photos" / "blue" / "twin.png")
    (root / "list.txt").write_text("photos/red/r0.png 0\n")
    (root / "net.prototxt").write_text(NET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.chdir(root)
        cl.open("net.prototxt").save("copy.prototxt", "net.caffemodel")
        yield root


def asked(out: str, **more: object) -> WrongLabelOptions:
    return WrongLabelOptions(
        model="net.prototxt", weights="net.caffemodel", data="photos", out=out, layers=("pool",), device="cpu",
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(place: Path) -> WrongLabels:
    return writing.inspect_labels(asked("out", top=8)).found


def test_planted_errors_come_first_and_the_right_class_is_suggested(found: WrongLabels) -> None:
    first = {found.names[one.place]: found.classes[one.likely] for one in found.doubtful[:3]}
    assert first == {**WRONG, "blue/twin.png": "red"}
    assert all(one.suspect and one.confidence < 0.5 < one.probability for one in found.doubtful[:3])
    assert len(found.doubtful) == 8
    assert [one.confidence for one in found.doubtful] == sorted(one.confidence for one in found.doubtful)
    assert found.judged.samples == len(found.names) == 37
    assert found.judged.accuracy > 0.8


def test_copies_under_two_labels_and_similar_pictures(found: WrongLabels) -> None:
    (pair,) = found.two_labels
    assert pair.exact
    assert {found.names[pair.first], found.names[pair.second]} == {"blue/twin.png", "red/r1.png"}
    doubted = {one.place for one in found.doubtful}
    for one in found.doubtful[:3]:
        assert len(one.nearest) == 3
        assert not doubted.intersection(one.nearest)
        assert {int(found.labels[place]) for place in one.nearest} == {one.likely}


def test_the_table_changes_nothing_until_it_is_edited(place: Path, found: WrongLabels) -> None:
    with Path("out/corrections.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", "suggested", "score", "decision"]
    assert {row["decision"] for row in rows} == {"keep"}
    assert {row["path"] for row in rows} >= {*WRONG, "blue/twin.png", "red/r1.png"}
    assert "changes nothing" in str(photos.scan("photos", corrected="out/corrections.csv").corrections)
    numbers = json.loads(Path("out/labels.json").read_text())
    assert numbers["doubtful"][0]["path"] == rows[0]["path"]
    assert f"{numbers['doubtful'][0]['score']:.4f}" == rows[0]["score"]
    page = Path("out/index.html").read_text()
    for text in (*WRONG, "Copies under two labels", "--corrections out/corrections.csv", "data:image/jpeg"):
        assert text in page


def test_edited_and_given_back(place: Path, found: WrongLabels, tmp_path: Path) -> None:
    edited = tmp_path / "corrections.csv"
    text = Path("out/corrections.csv").read_text()
    lines = [line.replace("keep", "suggested") if line.startswith(tuple(WRONG)) else line for line in text.splitlines()]
    lines = [line.replace("keep", "remove") if line.startswith("blue/twin") else line for line in lines]
    edited.write_text("\n".join(lines) + "\n")
    before = {path: path.stat().st_mtime_ns for path in Path("photos").rglob("*.png")}
    ran = lungo("finetune", "net.prototxt", "--data", "photos", "--weights", "net.caffemodel", "--layers", "pool",
                "--passes", "1", "--corrections", str(edited), "-o", str(tmp_path / "mine"))  # fmt: skip
    assert ran.status == 0, ran.err
    said = "corrections of corrections.csv: 2 labels changed, 1 picture left out"
    assert said in ran.out
    assert f"Labels: {said}." in (tmp_path / "mine" / "README.md").read_text()
    lists = (tmp_path / "mine" / "train.txt").read_text() + (tmp_path / "mine" / "val.txt").read_text()
    assert "green/b3.png 0\n" in lists
    assert "red/g5.png 1\n" in lists
    assert "twin" not in lists
    assert before == {path: path.stat().st_mtime_ns for path in Path("photos").rglob("*.png")}
    again = cl.inspect("net.prototxt", "net.caffemodel", data="photos", labels=True, output=tmp_path / "again",
                       layers="pool", corrections=edited, device="cpu", quiet=True)  # fmt: skip
    assert again.labels is not None
    assert not {row["path"] for row in again.labels if row["suspect"]} & {*WRONG, "blue/twin.png"}
    assert (again.two_labels, len(again.notices or [])) == ([], 2)
    assert sorted(Path(path).name for path in again.files) == ["corrections.csv", "index.html", "labels.json"]


def test_the_command_line_and_lungo_test(place: Path, tmp_path: Path) -> None:
    ran = lungo("inspect", "--labels", "--model", "net.prototxt", "--weights", "net.caffemodel", "--data", "photos",
                "--layers", "pool", "-o", str(tmp_path / "out"), "--device", "cpu")  # fmt: skip
    assert ran.status == 0, ran.err
    assert "copies under two labels: 1" in ran.out
    assert "agree with its label in" in ran.out
    table = tmp_path / "out" / "corrections.csv"
    table.write_text(table.read_text().replace("keep", "whale"))
    ran = lungo("test", "--model", "net.prototxt", "--weights", "net.caffemodel", "--data", "photos", "--corrections",
                str(table), "--device", "cpu")  # fmt: skip
    assert ran.status == 2
    assert "corrections.csv:2" in ran.err
    assert "Traceback" not in ran.err
    table.write_text(table.read_text().replace("whale", "keep").replace("keep", "remove", 1))
    arguments = ["test", "--model", "net.prototxt", "--weights", "net.caffemodel", "--device", "cpu", "--json"]
    ran = lungo(*arguments, "--data", "photos", "--corrections", str(table))
    assert ran.status == 0, ran.err
    assert json.loads(ran.out)["samples"] == 36
    ran = lungo(*arguments, "--corrections", str(table))
    assert ran.status == 2
    assert "add --data photos/" in ran.err + ran.out


def test_edited_corrections_are_never_overwritten(place: Path, found: WrongLabels) -> None:
    shutil.copytree("out", "edited")
    table = Path("edited/corrections.csv")
    table.write_text(table.read_text().replace("keep", "suggested", 1))
    before = table.read_bytes()
    with pytest.raises(UserError, match="edited, which would be lost"):
        writing.inspect_labels(asked("edited"))
    assert table.read_bytes() == before


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"data": None}, "no pictures are named"),
        ({"size": (12, 16)}, "square"),
        ({"layers": ("conv", "pool")}, "one candidate"),
        ({"corrections": "none.csv"}, "none.csv"),
        ({"data": "photos/red"}, "no pictures in class folders"),
    ],
)
def test_what_is_refused(place: Path, more: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        writing.inspect_labels(WrongLabelOptions(**{**vars(asked("refused")), **more}))
    assert not Path("refused").exists()


def test_options_of_the_other_kind(place: Path) -> None:
    with pytest.raises(UserError, match="says nothing with"):
        cl.inspect("net.prototxt", "net.caffemodel", data="photos", labels=True, output="x", before="net.caffemodel")
    with pytest.raises(UserError, match="needs"):
        cl.inspect("net.prototxt", "net.caffemodel", output="x", top=3)
    with pytest.raises(UserError, match="weights after training"):
        cl.inspect("net.prototxt", output="x")


def test_how_far_it_is_to_be_trusted() -> None:
    judged = JudgedHead(0.93, 0.9, 0.95, 0.93, 300)
    known = np.ones(300, np.bool_)
    assert len(trust.sentences(judged, {"cat": 40, "dog": 10}, known)) == 1
    (_, few) = trust.sentences(judged, {"cat": 40, "dog": 9}, known)
    assert "1 class has fewer than 10 pictures: dog (9)" in few
    known[:2] = False
    said = trust.sentences(JudgedHead(0.5, 0.4, 0.6, 0.5, 300), {"cat": 40}, known)
    assert "about half of the labels in doubt" in said[1]
    assert "2 pictures could not be judged" in said[2]
    known[0] = True
    assert "1 picture could not be judged" in trust.sentences(judged, {"cat": 40}, known)[1]


def test_names_are_safe_on_the_page_and_in_the_table(place: Path, tmp_path: Path) -> None:
    shutil.copytree("photos", tmp_path / "photos")
    (tmp_path / "photos" / "blue").rename(tmp_path / "photos" / "=<b>1")
    made = writing.inspect_labels(
        WrongLabelOptions(**{**vars(asked(str(tmp_path / "out"))), "data": str(tmp_path / "photos")})
    )
    assert "<b>1" not in made.page.read_text()
    rows = corrections.read(made.corrections)[1]
    assert "=<b>1" in {row.label for row in rows}
    assert "'=<b>1" in made.corrections.read_text()
