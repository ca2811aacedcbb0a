"""What the examples of the verbs leave out: other ways through them, and what they do with what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

import caffelungo as cl
from caffelungo.api.verbs import demo


def test_infer_gives_classes_where_nothing_is_written(work: Path) -> None:
    done = cl.infer("model.onnx", "photos", top=2)
    assert (done.pictures, done.path) == (15, None)
    assert len(done.classes) == 30
    by_classify = cl.classify("model.onnx", "photos", top=2).classes
    assert [row["class"] for row in done.classes] == [row["class"] for row in by_classify]
    assert done.classes.columns["probability"] == pytest.approx(by_classify.columns["probability"], abs=1e-5)


def test_pictures_that_cannot_be_read_are_told(work: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no picture")
    found = cl.classify("model.onnx", [tmp_path / "broken.png", "photos/red/0.png"])
    assert [one.name for one in found.predictions] == ["photos/red/0.png"]
    assert [str(problem.where) for problem in found.problems] == [str(tmp_path / "broken.png")]
    with pytest.raises(cl.UserError):
        cl.classify("model.onnx", tmp_path / "broken.png")


def test_export_measures_accuracy_and_lower_precision(work: Path, tmp_path: Path) -> None:
    lines = [f"{Path('photos', name).absolute()} {label}\n" for name, label in
             (line.split() for line in Path("list.txt").read_text().splitlines())]  # fmt: skip
    (tmp_path / "test.txt").write_text("".join(lines))
    net = cl.open("mine/train_val.prototxt", "mine/start.caffemodel")
    made = cl.export(net, output=tmp_path / "half.onnx", precision="fp16", test=tmp_path / "test.txt")
    assert made.labels == ["blue", "green", "red"]
    assert any("fp16" in line or "accuracy" in line for line in made.measured)
    whole = cl.export(net, output=tmp_path / "whole.onnx", test=tmp_path / "test.txt")
    assert "of 15" in " ".join(whole.measured)
    assert made.bytes < 0.6 * whole.bytes


def test_export_refuses_what_does_not_go_together(work: Path) -> None:
    for options, words in (
        ({"format": "tflite"}, "unknown format"),
        ({"format": "caffe", "precision": "fp16"}, "fp32"),
        ({"format": "caffe", "layout": "nchw"}, "no pictures"),
    ):
        with pytest.raises(cl.UserError, match=words):
            cl.export("lenet", "lenet.caffemodel", output="x.prototxt", **options)  # type: ignore[arg-type]
    with pytest.raises(cl.UserError, match="need the weights"):
        cl.export("deploy.prototxt", output="x.onnx")


def test_bench_runs_the_net_beside_the_file(work: Path, tmp_path: Path) -> None:
    net = cl.open("mine/deploy.prototxt", "mine/start.caffemodel")
    found = cl.bench("model.onnx", model=net, batch=2, rounds=2, seconds=0.01, compiled=False,
                     output=tmp_path / "table.csv")  # fmt: skip
    assert len(found.rows) > 1
    assert all(row["p50"] > 0 and row["batch"] == 2 for row in found.rows)
    assert (tmp_path / "table.csv").read_text().startswith("batch,side")


def test_an_opened_net_takes_the_place_of_files(work: Path, tmp_path: Path) -> None:
    net = cl.open("mine/train_val.prototxt", "mine/start.caffemodel")
    assert cl.time(net, iterations=1, phase="TEST").forward > 0
    mine = cl.features(net, "photos", tmp_path / "a.npz", blobs="fire9/concat", quiet=True)
    files = cl.features("mine/train_val.prototxt", "photos", tmp_path / "b.npz", blobs="fire9/concat", quiet=True,
                        weights="mine/start.caffemodel")  # fmt: skip
    assert mine.shapes == files.shapes
    assert (tmp_path / "a.npz").stat().st_size == (tmp_path / "b.npz").stat().st_size
    assert cl.probe(net, "photos", layers="fire4/concat", quiet=True).chosen == "fire4/concat"


def test_cards_and_unknown_actions(work: Path) -> None:
    assert cl.nets("show", "lenet").card.startswith("#")
    for arguments, words in ((("shw",), "unknown action"), (("show",), "which net"), (("show", "lenet5"), "lenet5")):
        with pytest.raises(cl.UserError) as caught:
            cl.nets(*arguments)
        assert words in str(caught.value)
    with pytest.raises(cl.UserError, match="one model repository"):
        cl.triton("model.onnx")


def test_the_demo_runs_commands_and_prints_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo._command(["--version"]) == 0
    assert demo._command(["layers", "ReLUU"]) == 2
    out = capsys.readouterr().out
    assert out.startswith("caffelungo ")
    assert "ReLU" in out


@pytest.mark.slow
def test_a_study_is_run(work: Path, tmp_path: Path) -> None:
    study = cl.compare("photos", "squeezenet1.1", tmp_path / "study", arms="finetune", tune="new", rates=[0.001],
                       extend=0, seeds=2, iterations=2, batch_size=4, size=64, workers=1, quiet=True)  # fmt: skip
    assert study.results
    assert study.rates
    assert Path(study.page).is_file()
    assert all(Path(path).is_file() for path in study.files)
