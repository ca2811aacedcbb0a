"""What is no picture, no model or no place to write to: told the same way by every verb, and nothing half-written."""

from __future__ import annotations

import os
import resource
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from PIL import Image

from caffelungo.data.decode import decode
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.bench import bench
from caffelungo.deploy.bench_options import BenchOptions
from caffelungo.deploy.export import export
from caffelungo.deploy.options import ExportOptions
from caffelungo.errors import UserError
from caffelungo.inference.classify import Classifier
from caffelungo.inference.onnx_engine import OnnxEngine
from caffelungo.inference.triton import triton
from caffelungo.weights import caffemodel
from tests.deploy import bad_files
from tests.deploy.nets import SMALL, random_weights
from tests.lungo import Ran, lungo

VERBS = {
    "classify": ("classify", "MODEL", "good.png", "-o", "out/o.csv"),
    "infer": ("infer", "MODEL", "good.png", "-o", "out/o.csv"),
    "bench": ("bench", "MODEL", "--batch", "1", "--rounds", "1", "--seconds", "0.01", "-o", "out/o.csv"),
    "triton": ("triton", "MODEL", "-o", "out/repo"),
    "serve": ("serve", "MODEL", "--port", "0"),
}
NO_MODEL = {
    "empty.onnx": "not an ONNX file",
    "text.onnx": "not an ONNX file",
    "cut.onnx": "not an ONNX file",
    "photo.onnx": "not an ONNX file",
    "net.prototxt": "not an ONNX file",
    "folder.onnx": "this is a folder, not an ONNX file",
    "absent.onnx": "ONNX file not found",
    "relative.onnx": "stores its weights in other files, which is not supported",
    "absolute.onnx": "stores its weights in other files, which is not supported",
    "through_link.onnx": "stores its weights in other files, which is not supported",
}
"""What no verb takes, and what is wrong with it."""


@pytest.fixture(scope="module")
def place(classifier_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bad files in ``bad``, good ones beside it."""
    folder = tmp_path_factory.mktemp("files")
    bad_files.pictures(folder / "bad")
    bad_files.models(folder / "bad", classifier_file)
    bad_files.photo().save(folder / "good.png")
    (folder / "m.onnx").write_bytes(classifier_file.read_bytes())
    (folder / "nothing").mkdir()
    (folder / "nothing" / "readme.md").write_text("no picture\n")
    return folder


@pytest.fixture(autouse=True)
def out(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory is ``place``; what a command writes goes to the new folder ``out``."""
    monkeypatch.chdir(place)
    folder = place / "out"
    folder.mkdir()
    before = sorted(place.rglob("*"))
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert sorted(place.rglob("*")) == before
    folder.rmdir()


def run(verb: str, model: object = "m.onnx", output: str | None = None) -> Ran:
    words = [str(model) if word == "MODEL" else word for word in VERBS[verb]]
    return lungo(*words[:-1], output) if output else lungo(*words)


def told(ran: Ran, what: str, *, status: int = 2) -> None:
    """``ran`` ends with a message of four parts."""
    assert ran.status == status, ran
    assert "Traceback" not in ran.err
    assert what in ran.err, ran.err
    assert "  to do: " in ran.err
    assert status == 1 or "  received: " in ran.err
    assert "root:" not in ran.err  # of a file that a model pointed to


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", NO_MODEL)
def test_no_model(verb: str, name: str, out: Path) -> None:
    ran = run(verb, f"bad/{name}")
    told(ran, NO_MODEL[name])
    assert f"bad/{name}: " in ran.err
    assert not list(out.iterdir())


@pytest.mark.parametrize("name", NO_MODEL)
def test_no_model_in_python(name: str) -> None:
    for open_it in (OnnxEngine, Classifier):
        with pytest.raises(UserError, match=NO_MODEL[name]) as caught:
            open_it(f"bad/{name}", "cpu")
        (problem,) = caught.value.problems
        assert problem.where
        assert problem.received
        assert problem.remedy


def test_where_weights_would_be_is_told() -> None:
    told(run("infer", "bad/relative.onnx"), "in '../../etc/passwd'")


@pytest.mark.parametrize("verb", ["classify", "infer", "bench", "serve"])
@pytest.mark.parametrize("name", ["operator", "nowhere", "future"])
def test_a_graph_that_cannot_be_run(verb: str, name: str) -> None:
    told(run(verb, f"bad/{name}.onnx"), f"bad/{name}.onnx: ONNX Runtime cannot load this file")


@pytest.mark.parametrize("name", ["operator", "nowhere", "future"])
def test_no_repository_of_a_graph_that_cannot_be_run(name: str, out: Path) -> None:
    told(run("triton", f"bad/{name}.onnx"), "this ONNX file is damaged, or of a newer version")
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("name", "what", "remedy"),
    [
        ("foreign", "has no preprocessing record", "`lungo convert`"),
        ("old", "exported by another version", "export the net again"),
        ("input", "metadata of this ONNX file is damaged", "export the net again"),
        ("labels", "metadata of this ONNX file is damaged, in its entry `labels`", "export the net again"),
        ("name", "metadata of this ONNX file is damaged, in its entry `input`", "export the net again"),
        ("half", "metadata of this ONNX file is damaged, in its entry `labels`", "export the net again"),
        ("scale", "metadata of this ONNX file is damaged, in its entry `preprocessing`", "export the net again"),
    ],
)
@pytest.mark.parametrize("verb", ["classify", "infer", "serve"])
def test_a_model_that_does_not_say_enough_of_itself(verb: str, name: str, what: str, remedy: str) -> None:
    ran = run(verb, f"bad/{name}.onnx")
    told(ran, what)
    assert remedy in ran.err


def test_what_is_possible_with_a_model_of_another_program(out: Path) -> None:
    assert run("bench", "bad/foreign.onnx").status == 0
    assert run("triton", "bad/foreign.onnx").status == 0
    answers = OnnxEngine("bad/foreign.onnx", "cpu").run({"image": np.zeros((2, 13, 11, 3), np.uint8)})
    assert answers["prob"].shape == (2, 5)


@pytest.mark.parametrize("name", ["input", "labels", "name", "half"])
def test_triton_and_bench_with_damaged_metadata(name: str, out: Path) -> None:
    for verb in ("triton", "bench"):
        told(run(verb, f"bad/{name}.onnx"), "metadata of this ONNX file is damaged")
    assert not list(out.iterdir())


def test_inputs_that_cannot_be_filled() -> None:
    told(run("bench", "bad/strings.onnx"), "an unsupported type")


@pytest.mark.parametrize("verb", ["classify", "infer", "serve"])
def test_no_classifier(verb: str, out: Path) -> None:
    ran = run(verb, "bad/scores.onnx")
    told(ran, "bad/scores.onnx: this net is not a classifier")
    assert "-o out.npz" in ran.err
    assert not list(out.iterdir())
    assert lungo("infer", "bad/scores.onnx", "good.png", "-o", "out/o.npz").status == 0


NO_PICTURE = {
    "bad/text.jpg": "does not recognise as a picture",
    "bad/empty.jpg": "an empty file",
    "bad/cut.jpg": "truncated",
    "bad/cut.png": "truncated",
    "bad/huge.png": "1600000000 pixels according to its header",
    "bad/huge.jpg": "1600000000 pixels according to its header",
    "bad/absent.jpg": "no such file",
    "nothing": "contains no pictures",
    "absent.txt": "list of pictures not found",
}


@pytest.mark.parametrize(
    ("name", "suffix"),
    [(name, "csv") for name in NO_PICTURE] + [("bad/cut.jpg", one) for one in ("json", "npz", "png")],
)
def test_no_picture(name: str, suffix: str, out: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for verb in ("classify", "infer"):
        if verb == "infer" or suffix != "npz":
            ran = lungo(verb, "m.onnx", name, "-o", f"out/o.{suffix}")
            told(ran, NO_PICTURE[name])
            assert ran.err.startswith(f"{name}: ")
    assert not list(out.iterdir())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_a_list_tells_its_lines_and_the_others_are_answered(place: Path, out: Path) -> None:
    (out / "list.txt").write_text("../good.png 1\n\n../absent.jpg 2\n../bad/huge.jpg\n../good.png\n../bad/cut.png 0\n")
    for verb in ("classify", "infer"):
        ran = lungo(verb, "m.onnx", "out/list.txt", "-o", "out/o.csv")
        told(ran, "out/list.txt:3:1: picture cannot be read\n    ../absent.jpg 2\n", status=1)
        assert f"{place.parent / 'absent.jpg'} and {place / 'absent.jpg'}: no such file" in ran.err
        assert "out/list.txt:4:1: picture is too large" in ran.err
        assert "out/list.txt:6:1: picture cannot be read" in ran.err
        said = {"classify": "3 pictures could not be read", "infer": "holds the answers for the other 2"}
        assert said[verb] in ran.err
        assert (out / "o.csv").read_text().count("good.png,1,") == 2
    (problems,) = _python_problems("out/list.txt")
    assert len(problems) == 3


def _python_problems(*given: str) -> Iterator[list[object]]:
    with pytest.raises(UserError) as caught:
        Classifier("m.onnx", "cpu").classify(list(given))
    yield list(caught.value.problems)


@pytest.mark.parametrize("size", [(40_000, 2), (2, 40_000)])
def test_a_strip_that_resizing_would_blow_up_takes_no_memory(size: tuple[int, int], out: Path) -> None:
    model = onnx.load("m.onnx")
    record = next(entry for entry in model.metadata_props if entry.key == "preprocessing")
    record.value = "resize_shorter: 256 crop_height: 13 crop_width: 11"
    onnx.save(model, out / "strip.onnx")
    Image.new("RGB", size).save(out / "strip.png")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for verb in ("classify", "infer"):
        ran = lungo(verb, "out/strip.onnx", "out/strip.png", "good.png")
        told(ran, "out/strip.png: picture is too large after resizing", status=1)
        assert "40000" in ran.err
        assert "5120000" in ran.err
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "good.png")

    monkeypatch.setattr(Image, "open", refused)
    with pytest.raises(UserError, match=r"no permission to read it\n  to do: change its permissions"):
        decode("good.png")
    monkeypatch.setattr("caffelungo.files.read", refused)
    told(run("bench"), "Permission denied")


COLOURS = {
    "rgb.png": lambda path: bad_files.photo().save(path),
    "grey.png": lambda path: bad_files.photo().convert("L").save(path),
    "grey.jpg": lambda path: bad_files.photo().convert("L").save(path),
    "grey_alpha.png": lambda path: bad_files.photo().convert("LA").save(path),
    "alpha.png": lambda path: _alpha().save(path),
    "palette.png": lambda path: bad_files.photo().convert("P").save(path, transparency=3),
    "deep.png": lambda path: cv2.imwrite(path, _deep()),
    "deep_grey.png": lambda path: cv2.imwrite(path, _deep()[:, :, 0]),
    "bits.png": lambda path: bad_files.photo().convert("1").save(path),
    "cmyk.jpg": lambda path: bad_files.photo().convert("CMYK").save(path, quality=95),
}
"""Pictures with other channels than nets have."""


def _alpha() -> Image.Image:
    image = bad_files.photo().convert("RGBA")
    image.putalpha(bad_files.photo(seed=1).convert("L"))
    return image


def _deep() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 65536, (40, 50, 3), dtype=np.uint16)


@pytest.fixture(scope="module")
def grey_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net for grey pictures of 13 x 11."""
    path = tmp_path_factory.mktemp("grey") / "grey.onnx"
    text = SMALL.replace("dim: 3 dim: 13", "dim: 1 dim: 13")
    record = Preprocessing(channel_order=Preprocessing.GRAY, resize_height=15, resize_width=12, crop_height=13,
                           crop_width=11, mean_value=[100], scale=0.0625)  # fmt: skip
    export(parse_net(text), random_weights(text), path, ExportOptions(record=record))
    return path


@pytest.mark.parametrize("grey", [False, True])
def test_other_channels_are_taken_as_opencv_takes_them(grey: bool, grey_file: Path, out: Path) -> None:
    model, inputs = (grey_file if grey else Path("m.onnx")), []
    (out / "photos").mkdir()
    for name, write in COLOURS.items():
        path = str(out / "photos" / name)
        write(path)
        read = cv2.imread(path, cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
        small = cv2.resize(read, (12, 15), interpolation=cv2.INTER_LINEAR)[1:14, 0:11]
        inputs.append(small[:, :, None] if grey else small[:, :, ::-1])
    expected = OnnxEngine(model, "cpu").run({"image": np.stack(inputs)})["prob"]
    ran = lungo("infer", model, "out/photos", "-o", "out/o.npz")
    assert ran.status == 0, ran
    with np.load(out / "o.npz") as answers:
        found = dict(zip((Path(name).name for name in answers["pictures"]), answers["prob"], strict=True))
    for name, row in zip(COLOURS, expected, strict=True):
        # Two decoders of JPEG differ by a level or two in CMYK, and grey of colour with 16 bits is rounded elsewhere.
        near = 2e-2 if name in ("cmyk.jpg", "deep.png") else 1e-6
        np.testing.assert_allclose(found[name], row, atol=near, err_msg=name)
    assert len({row.tobytes() for row in expected}) == len(COLOURS) - 2  # what is alike but for an alpha


WRITERS = {
    "classify csv": ("classify", "o.csv"), "classify json": ("classify", "o.json"),
    "classify png": ("classify", "o.png"),
    "infer csv": ("infer", "o.csv"), "infer json": ("infer", "o.json"), "infer npz": ("infer", "o.npz"),
    "infer png": ("infer", "o.png"), "triton": ("triton", "repo"),
}  # fmt: skip


@pytest.mark.parametrize("writer", [name for name in WRITERS if name != "triton"])
def test_no_place_to_write_to(writer: str, out: Path) -> None:
    verb, name = WRITERS[writer]
    (out / "folder" / name).mkdir(parents=True)
    for target, what in {
        f"out/absent/{name}": "the folder to write to does not exist",
        f"out/folder/{name}": "this is a folder",
        f"good.png/{name}": "below a file",
    }.items():
        ran = run(verb, output=target)
        told(ran, f"{target}: {what}" if what.startswith("this") else what)
        assert not ran.out, "nothing was begun"
    assert sorted(path.name for path in out.rglob("*")) == sorted(["folder", name])


def test_no_place_for_a_repository(out: Path) -> None:
    (out / "file").touch()
    told(run("triton", output="out/file"), "File exists")
    told(run("triton", output="out/file/repo"), "not below a file")
    assert [path.name for path in out.rglob("*")] == ["file"]


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file may grow beyond ``most`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("writer", WRITERS)
def test_a_disk_that_is_full_leaves_nothing_half_written(writer: str, out: Path) -> None:
    verb, name = WRITERS[writer]
    with full_disk(40):
        ran = run(verb, output=f"out/{name}")
    told(ran, "File too large", status=1)
    assert f"out/{name}" in ran.err
    assert not list(out.iterdir())
    if verb in ("classify", "infer"):
        (out / name).write_text("of yesterday")
        with full_disk(40):
            assert run(verb, output=f"out/{name}").status == 1
        assert [path.read_text() for path in out.iterdir()] == ["of yesterday"]


def test_a_full_disk_leaves_a_repository_as_it_was(out: Path, place: Path) -> None:
    assert run("triton").status == 0
    before = {path: path.read_bytes() for path in (out / "repo").rglob("*") if path.is_file()}
    other = out / "m.onnx"
    other.write_bytes((place / "m.onnx").read_bytes() + b"\x32\x00")  # an empty doc_string: another file
    for most in (40, len(before[out / "repo" / "m" / "config.pbtxt"]) - 1):
        with full_disk(most):
            told(run("triton", other), "File too large", status=1)
    assert {path: path.read_bytes() for path in (out / "repo").rglob("*") if path.is_file()} == before


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full")
def test_a_device_is_written_to_and_not_replaced(out: Path) -> None:
    told(run("bench", output="/dev/full"), "/dev/full: No space left on device", status=1)
    (out / "full.csv").symlink_to("/dev/full")
    for verb in ("classify", "infer"):
        told(run(verb, output="out/full.csv"), "out/full.csv: No space left on device", status=1)
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    assert (out / "full.csv").is_symlink()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_a_folder_that_may_not_be_written_to(out: Path) -> None:
    (out / "closed").mkdir(mode=0o555)
    for verb in ("classify", "infer", "bench"):
        told(run(verb, output="out/closed/o.csv"), "no permission to write there")


def test_another_net_beside_the_file(out: Path) -> None:
    """Its input has another size, or its outputs other names."""
    for text in (SMALL.replace("dim: 13 dim: 11", "dim: 3 dim: 3"), SMALL.replace('"prob"', '"softmax"')):
        (out / "net.prototxt").write_text(text)
        caffemodel.write(out / "net.caffemodel", random_weights(text), parse_net(text).message)
        given = ("--model", "out/net.prototxt", "--weights", "out/net.caffemodel", "--no-compiled", "--batch", "1")
        told(lungo("bench", "m.onnx", *given, "--rounds", "1", "--seconds", "0.01"), "they are different nets")


def test_python_answers_as_the_command_line_does(out: Path) -> None:
    with pytest.raises(UserError, match="not an ONNX file"):
        bench(BenchOptions("bad/text.onnx", device="cpu"))
    with pytest.raises(UserError, match="this is a folder"):
        triton("bad/folder.onnx", "out/repo")


CONVERT = ("convert", "out/net.prototxt", "out/net.caffemodel")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("-o", "bad/folder.onnx"), "bad/folder.onnx: this is a folder"),
        (("-o", "out/absent/x.onnx"), "does not exist"),
        (("-o", "out/x.onnx", "--pictures", "nothing"), "nothing: this folder contains no pictures"),
        (("-o", "out/x.onnx", "--pictures", "bad/huge.jpg"), "1600000000 pixels according to its header"),
        (("-o", "out/x.onnx", "--labels", "absent.txt"), "absent.txt: labels file not found"),
        (("-o", "out/x.onnx", "--mean-file", "bad/cut.png"), "bad/cut.png: this is a picture"),
    ],
)
def test_what_convert_is_given(words: tuple[str, ...], what: str, out: Path) -> None:
    (out / "net.prototxt").write_text(SMALL)
    caffemodel.write(out / "net.caffemodel", random_weights(SMALL), parse_net(SMALL).message)
    told(lungo(*CONVERT, *words), what)
    assert not (out / "x.onnx").exists()
    if len(words) == 2:
        told(lungo("export", "--model", CONVERT[1], "--weights", CONVERT[2], *words), what)


def test_models_and_pictures_in_the_place_of_weights(out: Path) -> None:
    (out / "net.prototxt").write_text(SMALL)
    for name, what in (("m.onnx", "this is an ONNX file, not a weights file"), ("good.png", "this is a picture"),
                       ("bad/empty.onnx", "the file is empty")):  # fmt: skip
        told(lungo("convert", "out/net.prototxt", name, "-o", "out/x.onnx"), f"{name}: {what}")
    told(lungo("convert", "m.onnx", "m.onnx", "-o", "out/x.onnx"), "m.onnx: this is not a definition")
    assert not (out / "x.onnx").exists()
