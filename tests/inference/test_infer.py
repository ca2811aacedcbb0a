from __future__ import annotations

import csv
import json
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from typer.testing import CliRunner

from caffelungo.cli.main import app
from caffelungo.errors import RunError, UserError
from caffelungo.inference import runtime
from caffelungo.inference.classify import Classifier
from caffelungo.inference.infer import InferOptions, infer
from caffelungo.inference.inputs import batches, gather


@pytest.fixture(scope="module")
def folder(classifier_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier, one of its blobs as a net that is none, it for batches of four, and nine pictures with a list."""
    made = tmp_path_factory.mktemp("infer")
    model = onnx.load(classifier_file)
    onnx.save(model, made / "m.onnx")
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(model, made / "four.onnx")
    model = onnx.load(classifier_file)
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name="norm1"))
    kept = [entry for entry in model.metadata_props if entry.key != "classifier"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, made / "raw.onnx")
    (made / "photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(9):
        colors = rng.integers(0, 256, (17 + number, 14, 3), dtype=np.uint8)
        Image.fromarray(colors).save(made / "photos" / f"{number} ü.png")
    found = Classifier(made / "m.onnx", "cpu").classify([made / "photos"])
    listed = [f"photos/{Path(one.name).name} {one.guesses[place % 3].index}" for place, one in enumerate(found)]
    (made / "list.txt").write_text("\n".join(listed) + "\n\n")
    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(("batch", "decoders", "threads"), [(1, 1, 1), (4, 3, 0), (100, 0, 2)])
def test_the_order_and_numbers_of_one_by_one(
    folder: Path, tmp_path: Path, batch: int, decoders: int, threads: int
) -> None:
    out = tmp_path / "out.csv"
    steps: list[tuple[int, int]] = []
    options = InferOptions(folder / "m.onnx", [folder / "photos"], out, batch=batch, decoders=decoders, threads=threads)
    done = infer(options, progress=lambda *step: steps.append(step))
    classifier = Classifier(folder / "m.onnx", "cpu")
    expected = [classifier.classify([path])[0] for path in sorted((folder / "photos").iterdir())]
    got = rows(out)
    assert [row["picture"] for row in got] == [one.name for one in expected for _ in one.guesses]
    assert [int(row["index"]) for row in got] == [guess.index for one in expected for guess in one.guesses]
    probabilities = [guess.probability for one in expected for guess in one.guesses]
    np.testing.assert_allclose([float(row["probability"]) for row in got], probabilities, atol=2e-6)
    assert (done.count, steps[-1]) == (9, (9, 9))
    assert done.where == "cpu (CPUExecutionProvider)"


def test_a_list_tells_accuracy(folder: Path, tmp_path: Path) -> None:
    options = InferOptions(folder / "m.onnx", [folder / "list.txt"], tmp_path / "o.json", top=2, batch=4)
    done = infer(options)
    assert (done.known, done.right) == (9, (3, 6))  # places 0, 3, 6 first; those and 1, 4, 7 within two
    assert "33.3% of 9" in done.lines()[-1]
    data = json.loads((tmp_path / "o.json").read_text())
    assert len(data) == 9
    assert [len(one["classes"]) for one in data] == [2] * 9
    assert "ä €" in {guess["label"] for one in data for guess in one["classes"]}


def test_a_file_for_four_pictures(folder: Path, tmp_path: Path) -> None:
    infer(InferOptions(folder / "four.onnx", [folder / "photos"], tmp_path / "four.csv", batch=7))
    infer(InferOptions(folder / "m.onnx", [folder / "photos"], tmp_path / "any.csv"))
    four, free = rows(tmp_path / "four.csv"), rows(tmp_path / "any.csv")
    assert [(row["picture"], row["index"]) for row in four] == [(row["picture"], row["index"]) for row in free]


def test_nets_that_are_no_classifiers_give_numbers(folder: Path, tmp_path: Path) -> None:
    model = folder / "raw.onnx"
    done = infer(InferOptions(model, [folder / "photos"], tmp_path / "o.npz", batch=4))
    assert "not a classifier: these are the raw outputs norm1" in "\n".join(done.lines())
    infer(InferOptions(model, [folder / "photos"], tmp_path / "o.json", batch=2))
    data = json.loads((tmp_path / "o.json").read_text())
    with np.load(tmp_path / "o.npz") as archive:
        assert archive["pictures"].tolist() == [entry["picture"] for entry in data]
        assert archive["norm1"].shape == (9, 6, 6, 5)
        assert archive["norm1"].dtype == np.float32
        np.testing.assert_allclose(archive["norm1"], [entry["outputs"]["norm1"] for entry in data], rtol=1e-6)
        image = Image.open(sorted((folder / "photos").iterdir())[7])
        alone = Classifier(folder / "m.onnx", "cpu")  # its record, to prepare one picture by hand
        prepared = alone._read(("one", np.asarray(image)))[1][None]
        expected = runtime.open_session(model, "cpu").run({"image": prepared})["norm1"][0]
        np.testing.assert_allclose(archive["norm1"][7], expected, rtol=1e-5, atol=1e-6)
    for output in ("o.csv", "o.png", None):
        given = InferOptions(model, [folder / "photos"], tmp_path / output if output else None)
        with pytest.raises(UserError, match="not a classifier: it has raw outputs") as caught:
            infer(given)
        assert "-o out.npz" in (caught.value.problems[0].remedy or "")
    assert not (tmp_path / "o.csv").exists()


def test_all_numbers_of_a_classifier(folder: Path, tmp_path: Path) -> None:
    infer(InferOptions(folder / "m.onnx", [folder / "photos"], tmp_path / "o.npz"))
    with np.load(tmp_path / "o.npz") as archive:
        np.testing.assert_allclose(archive["prob"].sum(1), 1, rtol=1e-5)


def test_a_sheet(folder: Path, tmp_path: Path) -> None:
    infer(InferOptions(folder / "m.onnx", [folder / "photos"], tmp_path / "o.png", most=4))
    with Image.open(tmp_path / "o.png") as sheet:
        assert sheet.width > 300


def test_bad_pictures_do_not_lose_the_others(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "photos" / "3 ü.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("no picture")
    given = [tmp_path / "cut.png", folder / "photos", tmp_path / "text.jpg", tmp_path / "absent.png"]
    with pytest.raises(UserError) as caught:
        infer(InferOptions(folder / "m.onnx", given, tmp_path / "o.csv", batch=3))
    problems = caught.value.problems
    assert [Path(p.where.file).name for p in problems if p.where] == ["cut.png", "text.jpg", "absent.png"]
    assert "3 of 12 pictures could not be used" in problems[-1].what
    assert f"{tmp_path / 'o.csv'} holds the answers for the other 9" in (problems[-1].received or "")
    assert len({row["picture"] for row in rows(tmp_path / "o.csv")}) == 9


def test_nothing_good_leaves_no_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    for suffix in ("csv", "json", "npz", "png"):
        with pytest.raises(UserError, match="picture cannot be read"):
            infer(InferOptions(folder / "m.onnx", [tmp_path / "text.jpg"], tmp_path / f"o.{suffix}"))
    assert [path.name for path in tmp_path.iterdir()] == ["text.jpg"]


def test_everything_wrong_at_once(folder: Path, tmp_path: Path) -> None:
    wrong = InferOptions(folder / "m.onnx", [folder], tmp_path / "no" / "o.xml", batch=0, top=0, threads=-1)
    with pytest.raises(UserError) as caught:
        infer(wrong)
    assert len(caught.value.problems) == 5
    (tmp_path / "empty").mkdir()
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "blank.txt").write_text("\n\n")
    with pytest.raises(UserError) as caught:
        gather([tmp_path / "empty", tmp_path / "bytes.txt", tmp_path / "blank.txt", tmp_path / "absent.txt"])
    whats = [problem.what for problem in caught.value.problems]
    assert len(whats) == 4
    assert "this folder contains no pictures" in whats


@pytest.mark.skipif(runtime.cuda_devices() > 0, reason="this machine has a CUDA device")
@pytest.mark.parametrize("asked", [{"device": "cuda"}, {"provider": "cuda"}, {"provider": "tensorrt"}])
def test_no_silent_cpu(folder: Path, asked: dict[str, str]) -> None:
    with pytest.raises(RunError, match="cannot be used: no CUDA device was found\n  to do:") as caught:
        infer(InferOptions(folder / "m.onnx", [folder / "photos"], **asked))  # type: ignore[arg-type]
    assert ("tensorrt" in str(caught.value)) == (asked.get("provider") == "tensorrt")


def test_providers_and_devices_must_agree(folder: Path) -> None:
    for asked in ({"provider": "cuda", "device": "cpu"}, {"provider": "cpu", "device": "cuda"}, {"provider": "x"}):
        with pytest.raises(UserError, match="provider"):
            infer(InferOptions(folder / "m.onnx", [folder / "photos"], **asked))  # type: ignore[arg-type]


def test_batches_end_where_sizes_change_and_reading_stays_near() -> None:
    read: list[int] = []

    def one(item: int) -> np.ndarray:
        read.append(item)
        return np.full((2 if item < 5 else 3, 2, 3), item, np.uint8)

    got, furthest = [], 0
    for batch in batches(range(40), one, 4, decoders=2):
        got.append(batch.indices)
        assert batch.images[:, 0, 0, 0].tolist() == batch.indices
        furthest = max(furthest, max(read) - batch.indices[-1])
    assert got[:3] == [[0, 1, 2, 3], [4], [5, 6, 7, 8]]
    assert sum(map(len, got)) == 40
    assert furthest <= 2 * 4 + 2


def test_the_command(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    result = CliRunner().invoke(app, ["infer", str(folder / "m.onnx"), str(folder / "list.txt"), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert "9 pictures in" in result.output
    assert f"wrote {out}" in result.output
    result = CliRunner().invoke(app, ["infer", str(folder / "m.onnx"), str(folder / "photos"), "--top", "1"])
    assert result.exit_code == 0, result.output
    assert sum("%" in line for line in result.output.splitlines()) == 9


def test_weights_outside_the_folder_are_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    (tmp_path / "inner").mkdir()
    model = onnx.load(folder / "m.onnx")
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    (tmp_path / "inner" / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="stores its weights in other files, which is not supported"):
        infer(InferOptions(tmp_path / "inner" / "m.onnx", [folder / "photos"], tmp_path / "o.csv"))
    assert not (tmp_path / "o.csv").exists()


def test_who_waits_for_pictures_reads_some() -> None:
    """One thread reads slowly: the caller takes its share, each picture is read once, and the order stays."""
    readers: list[str] = []

    def read(item: int) -> np.ndarray:
        readers.append(threading.current_thread().name)
        time.sleep(0.01)
        return np.full((1, 1, 1), item, np.uint8)

    found = list(batches(range(24), read, 8, decoders=1))
    assert [int(one) for batch in found for one in batch.images.ravel()] == list(range(24))
    assert [len(batch.indices) for batch in found] == [8, 8, 8]
    assert len(readers) == 24
    assert len(set(readers)) == 2
