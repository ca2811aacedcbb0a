"""Every mistake a user makes is told with its place, what was received and a remedy, and the remedy helps.

Each is made through the command line. ``Told`` is one message taken apart; what follows it is read from its remedy.
"""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.lungo import Ran, lungo
from tests.support import REPOSITORY

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
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
}
layer {
  name: "fc"
  type: "InnerProduct"
  bottom: "conv"
  top: "fc"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } }
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
base_lr: 0.001
lr_policy: "fixed"
max_iter: 4
snapshot: 4
snapshot_prefix: "run"
"""
LMDB = 'type: "Data" data_param { source: "train_lmdb" batch_size: 2 backend: LMDB }'
CHECK = ("check", "solver.prototxt")
TRAIN = ("train", "-solver", "solver.prototxt", "-device", "cpu", "-workers", "0")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A solver, its net, its list and its pictures, all in order, in a folder with a space in its name."""
    folder = tmp_path / "my nets"
    folder.mkdir()
    monkeypatch.chdir(folder)
    random = np.random.default_rng(0)
    for number in range(6):
        Image.fromarray(random.integers(0, 256, (20, 20, 3), np.uint8)).save(f"{number}.jpg")
    Path("train.txt").write_text("".join(f"{number}.jpg {number % 3}\n" for number in range(6)))
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(SOLVER)
    return folder


@dataclass(frozen=True)
class Told:
    """One message: file, line (0 when none is told), what is wrong, what was received, what to do."""

    file: str
    line: int
    what: str
    received: str
    remedy: str


def told(ran: Ran) -> Told:
    """The one message that ``ran`` ends with, which says all a user needs, and shows no traceback."""
    assert ran.status == 2, ran
    assert "Traceback" not in ran.err
    lines = ran.err.splitlines()
    received = next(index for index, line in enumerate(lines) if line.startswith("  received: "))
    first = max(index for index in range(received) if not lines[index].startswith(" "))
    place = re.match(r"(?P<file>[^:]+)(?::(?P<line>\d+))?(?::\d+)?: (?P<what>.+)", lines[first])
    assert place, lines[first]
    remedy = lines[received + 1]
    assert remedy.startswith("  to do: "), lines[received:]
    line = int(place["line"] or 0)
    if line:
        quoted = lines[first + 1].strip().strip(".")
        assert quoted in Path(place["file"]).read_text().splitlines()[line - 1]
    return Told(
        place["file"], line, place["what"], lines[received].removeprefix("  received: "),
        remedy.removeprefix("  to do: "),
    )  # fmt: skip


def edit(name: str, old: str, new: str) -> None:
    text = Path(name).read_text()
    assert old in text
    Path(name).write_text(text.replace(old, new, 1))


def prefix_below_a_file() -> None:
    Path("file").touch()
    edit("solver.prototxt", '"run"', '"file/run"')


def cut(name: str, part: float = 0.4) -> None:
    data = Path(name).read_bytes()
    Path(name).write_bytes(data[: int(len(data) * part)])


def suggested(message: Told) -> str:
    """The name in "did you mean `name`?"."""
    match = re.search(r"did you mean [`\"](\S+?)[`\"]\?", message.remedy)
    assert match, message
    return match[1]


def replace(message: Told) -> None:
    """Put what is suggested in the place of what was received, on the line that was told."""
    wrong = message.received.rpartition(" ")[2].strip('"')
    lines = Path(message.file).read_text().splitlines(keepends=True)
    assert wrong in lines[message.line - 1]
    lines[message.line - 1] = lines[message.line - 1].replace(wrong, suggested(message))
    Path(message.file).write_text("".join(lines))


def add_bottom(message: Told) -> None:
    assert message.remedy == "give the layer 2 `bottom:` lines"
    edit("net.prototxt", '  top: "loss"', '  bottom: "label"\n  top: "loss"')


def smaller_kernel(message: Told) -> None:
    assert "a smaller kernel" in message.remedy
    edit("net.prototxt", "kernel_size: 30", "kernel_size: 3")


def more_outputs(message: Told) -> None:
    match = re.search(r"set `(num_output: \d+)`", message.remedy)
    assert match, message
    edit("net.prototxt", "num_output: 3", match[1])


def remove_the_line(message: Told) -> None:
    assert re.search("remove (the|its) line", message.remedy)
    lines = Path(message.file).read_text().splitlines(keepends=True)
    del lines[message.line - 1]
    Path(message.file).write_text("".join(lines))


def write_a_list(message: Told) -> None:
    assert "write one `path label` per line" in message.remedy
    Path(message.file).write_text("0.jpg 0\n1.jpg 1\n2.jpg 2\n")


def make_the_database(message: Told) -> None:
    assert message.remedy.startswith("correct the path; the nearest folder that exists is ")
    nearest = message.remedy.partition(" exists is ")[2]
    assert lungo("convert_imageset", "./", "train.txt", Path(nearest) / "train_lmdb").status == 0


def run_the_command(message: Told) -> None:
    """What the remedy opens with is a command for a shell."""
    command = message.remedy.partition(" (")[0]
    assert command.startswith("mkdir -p ")
    subprocess.run(shlex.split(command), check=True)


def another_prefix(message: Told) -> None:
    assert message.remedy.startswith("choose another snapshot_prefix: ")
    edit("solver.prototxt", "file/run", message.remedy.rpartition("; as ")[2])


@dataclass(frozen=True)
class Mistake:
    """How it is made; the file, line and received value it is told with; how its remedy is followed."""

    make: Callable[[], object]
    file: str
    line: int
    what: str
    received: str
    follow: Callable[[Told], None]
    seen_late: bool = False
    """Training finds it when it comes to that picture, and says it in its own words."""


MISTAKES = {
    "unknown field": Mistake(
        lambda: edit("net.prototxt", "kernel_size", "kernel_sise"),
        "net.prototxt", 15, "has no field `kernel_sise`", "kernel_sise", replace,
    ),
    "unknown layer": Mistake(
        lambda: edit("net.prototxt", '"InnerProduct"', '"InerProduct"'),
        "net.prototxt", 19, "unknown layer type", 'type: "InerProduct"', replace,
    ),
    "wrong arity": Mistake(
        lambda: edit("net.prototxt", '  bottom: "label"\n', ""),
        "net.prototxt", 24, "SoftmaxWithLoss takes 2 bottom blobs", "1 (fc)", add_bottom,
    ),
    "impossible shape": Mistake(
        lambda: edit("net.prototxt", "kernel_size: 3", "kernel_size: 30"),
        "net.prototxt", 15, "impossible shape", "bottom 2x3x16x16, kernel 30x30", smaller_kernel,
    ),
    "label out of range": Mistake(
        lambda: edit("train.txt", "5.jpg 2", "5.jpg 7"),
        "net.prototxt", 8, "do not fit the classifier", "labels 0 to 7 for 3 outputs (0 to 2); 1 of 6", more_outputs,
    ),
    "missing image": Mistake(
        lambda: Path("4.jpg").unlink(),
        "train.txt", 5, "picture", "4.jpg", remove_the_line, seen_late=True,
    ),
    "corrupt JPEG": Mistake(
        lambda: cut("4.jpg"),
        "train.txt", 5, "picture cannot be read", "4.jpg", remove_the_line, seen_late=True,
    ),
    "empty list": Mistake(
        lambda: Path("train.txt").write_text("\n\n"),
        "train.txt", 0, "the list of pictures is empty", "no line with a path and a label", write_a_list,
    ),
    "missing LMDB": Mistake(
        lambda: edit("net.prototxt", 'type: "ImageData"', LMDB),
        "net.prototxt", 4, "database not found", "train_lmdb", make_the_database,
    ),
    "unwritable prefix": Mistake(
        lambda: edit("solver.prototxt", '"run"', '"no/such folder/run"'),
        "solver.prototxt", 6, "cannot write to snapshot prefix", 'snapshot_prefix: "no/such folder/run"',
        run_the_command,
    ),
    "prefix below a file": Mistake(
        prefix_below_a_file,
        "solver.prototxt", 6, "cannot write to snapshot prefix", 'snapshot_prefix: "file/run"', another_prefix,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_files(name: str) -> None:
    mistake = MISTAKES[name]
    mistake.make()
    message = told(lungo(*CHECK))
    assert (message.file, message.line) == (mistake.file, mistake.line)
    assert mistake.what in message.what
    assert mistake.received in message.received
    at_training = told(lungo(*TRAIN))
    if mistake.seen_late:
        assert (at_training.file, at_training.line) == (message.file, message.line)
        assert mistake.received in at_training.received
    else:
        assert at_training == message
        assert not list(Path().glob("run*")), "nothing was begun"
    mistake.follow(message)
    checked = lungo(*CHECK)
    assert checked.status == 0, checked.err
    if name == "missing LMDB":
        edit("net.prototxt", "  image_data_param", "  # image_data_param")
    trained = lungo(*TRAIN, "--overwrite")
    assert trained.status == 0, trained.err


def test_all_at_once() -> None:
    edit("net.prototxt", '"InnerProduct"', '"InerProduct"')
    edit("net.prototxt", "kernel_size: 3", "kernel_size: 30")
    edit("solver.prototxt", '"fixed"', '"fixd"')
    edit("solver.prototxt", '"run"', '"no/run"')
    Path("4.jpg").unlink()
    ran = lungo(*CHECK)
    assert ran.status == 2
    for part in ("net.prototxt:19:", "net.prototxt:15:", "solver.prototxt:3:", "solver.prototxt:6:", "train.txt:5:"):
        assert part in ran.err
    assert ran.err.startswith("5 problems:\n")


@pytest.fixture
def trained() -> Path:
    """Weights and state of a run of four iterations."""
    assert lungo(*TRAIN, "-q").status == 0
    return Path("run_iter_4.caffemodel")


def test_truncated_weights(trained: Path) -> None:
    whole = trained.read_bytes()
    shutil.copy(trained, "given.caffemodel")
    cut("given.caffemodel", 0.9)
    first = told(lungo("check", "given.caffemodel"))
    assert (first.file, first.line) == ("given.caffemodel", 0)
    assert "damaged or truncated" in first.what
    assert f"of {int(len(whole) * 0.9)}: " in first.received
    assert "copy or download it again" in first.remedy
    for words in (
        (*TRAIN, "--overwrite", "-weights", "given.caffemodel"),
        ("test", "-model", "net.prototxt", "-weights", "given.caffemodel"),
        ("export", "-model", "net.prototxt", "-weights", "given.caffemodel", "-o", "x.onnx"),
    ):
        assert told(lungo(*words)) == first
    assert not Path("x.onnx").exists()
    Path("given.caffemodel").write_bytes(whole)
    assert lungo("check", "given.caffemodel").status == 0
    assert lungo(*TRAIN, "--overwrite", "-weights", "given.caffemodel").status == 0


@pytest.mark.parametrize("way", ["rename", "reinit"])
def test_shape_mismatch_on_copy(trained: Path, way: str) -> None:
    trained = trained.rename("given.caffemodel")
    edit("net.prototxt", "num_output: 3", "num_output: 5")
    command = [*TRAIN, "--overwrite", "-weights", str(trained)]
    message = told(lungo(*command))
    assert (message.file, message.line) == ("net.prototxt", 18)
    assert "`fc`" in message.what
    assert "blob 0 (weight) is 3x784 in the file, 5x784 here" in message.received
    assert "blob 1 (bias) is 3 in the file, 5 here" in message.received
    assert not Path("run_iter_4.caffemodel").exists(), "nothing was begun"
    found = re.search(r"rename the layer at net.prototxt:18:\d+, for example to `(\w+)`, or pass (.+)", message.remedy)
    assert found, message
    if way == "rename":
        edit("net.prototxt", 'name: "fc"', f'name: "{found[1]}"')
    else:
        command += shlex.split(found[2])
    assert lungo(*CHECK).status == 0
    ran = lungo(*command)
    assert ran.status == 0, ran.err
    assert "1 copied, 1 new" in ran.err


def test_weights_where_a_state_is_wanted(trained: Path, folder: Path) -> None:
    edit("solver.prototxt", "max_iter: 4", "max_iter: 6")
    message = told(lungo(*TRAIN, "-snapshot", trained))
    assert (message.file, message.line) == (str(trained), 0)
    assert "weights file, not a solver state" in message.what
    assert message.received == str(folder / trained)
    assert "pass it to --weights" in message.remedy
    found = re.search(r"found next to it: (\S+)\)", message.remedy)
    assert found, message
    ran = lungo(*TRAIN, "-snapshot", found[1])
    assert ran.status == 0, ran.err
    assert "resumed from run_iter_4.solverstate at iteration 4" in ran.err


def test_a_state_where_weights_are_wanted(trained: Path) -> None:
    message = told(lungo(*TRAIN, "--overwrite", "-weights", trained.with_suffix(".solverstate")))
    assert "solver state, not a weights file" in message.what
    found = re.search(r"found next to it: (\S+)\)", message.remedy)
    assert found, message
    assert lungo(*TRAIN, "--overwrite", "-weights", found[1]).status == 0


@pytest.mark.parametrize("command", [CHECK, TRAIN, ("time", "-model", "net.prototxt.j2", "-iterations", "1")])
def test_a_template_variable_is_missing(command: tuple[str, ...]) -> None:
    Path("net.prototxt").rename("net.prototxt.j2")
    edit("net.prototxt.j2", "num_output: 3", "num_output: {{ classes }}")
    edit("solver.prototxt", "net.prototxt", "net.prototxt.j2")
    message = told(lungo(*command))
    assert (message.file, message.line) == ("net.prototxt.j2", 22)
    assert "needs the variable `classes`" in message.what
    assert message.received == "no variables"
    found = re.search(r"add (--set classes=)VALUE", message.remedy)
    assert found, message
    wrong = lungo(*command, "--set", "clases=3")
    assert wrong.status == 2
    assert "did you mean `classes`?" in wrong.err
    ran = lungo(*command, *(found[1] + "3").split())
    assert ran.status == 0, ran.err


@pytest.mark.parametrize(
    ("words", "received", "remedy"),
    [
        ("train -solver solver.prototxt -gpu 0,1", "0,1", "-gpu"),
        ("train -solver solver.prototxt -device zorro", "zorro", "cpu"),
        ("train -solver solver.prototxt -precision fp8", "fp8", "fp32"),
        ("train -solver solver.prototxt -weights a -snapshot b", "--weights and --snapshot", "remove --weights"),
        ("train -solver 0.jpg", "a JPEG picture", ".prototxt"),
        ("train -solver .", "a folder", "name the file inside it"),
        ("train -solver run.caffemodel", "run.caffemodel", "correct the path"),
        ("time -model net.prototxt -phase BOTH", "--phase BOTH", "--phase TEST"),
        ("time -model net.prototxt -iterations 0", "--iterations 0", "remove it, or write at least 1"),
        ("finetune lenet --data nowhere -o mine", "nowhere", "correct the path"),
        ("finetune lenet --data 0.jpg -o mine", "a binary file", "one sub-folder per class"),
        ("finetune lenet --data . -o mine", "no picture in them", "one sub-folder per class"),
        ("finetune lenet --data . --scratch --weights x -o mine", "--scratch --weights x", "remove one of the two"),
        ("finetune lenet --data . --layers all -o mine", "--layers all", "remove --layers"),
        ("finetune lenet --data . --remember -o mine", "--remember", "name them"),
        ("probe lenet --data train.txt", "without weights", "--weights net.caffemodel"),
        ("probe squeezenet1.1", "--layers auto", "--data photos/"),
        ("probe squeezenet1.1 --layers head --classifier svm", "--classifier svm", "--data photos/"),
        ("probe squeezenet1.1 --data nowhere", "nowhere", "correct the path"),
        ("probe squeezenet1.1 --data train.txt --weights 0.jpg", "JPEG", "weights"),
        ("probe squeezenet1.1 --data train.txt --test nowhere", "nowhere", "correct the path"),
        ("probe squeezenet1.1 --data train.txt --layers fire9/concta", "fire9/concta", "`fire9/concat`"),
        ("probe squeezenet1.1 --data train.txt --layers head", "1000 outputs, 3 classes", "--layers all"),
        ("probe squeezenet1.1 --data train.txt --penalty -1", "--penalty -1", "remove it to choose automatically"),
        ("probe squeezenet1.1 --data train.txt --size 0", "--size 0", "--size 112"),
        ("probe squeezenet1.1 --data train.txt --json train.txt", "--json train.txt", "--overwrite"),
        ("probe squeezenet1.1 --data train.txt -o 0.jpg", "a file", "-o mine/"),
        ("export -model net.prototxt -weights x.caffemodel -o x.onnx", "x.caffemodel", "correct the path"),
        ("classify x.onnx 0.jpg", "x.onnx", "lungo export"),
        ("classify 0.jpg 0.jpg", "bytes", "lungo export"),
        ("compute_image_mean nowhere", "nowhere", "correct the path"),
        ("convert_imageset ./ train.txt nowhere/db", "nowhere", "mkdir -p nowhere"),
        ("check nowhere.prototxt", "nowhere.prototxt", "correct the path"),
        ("demo -o 0.jpg", "0.jpg", "name another folder"),
        ("demo -o . --overwrite", "0.jpg, 1.jpg", "name another folder"),
    ],
)
def test_a_mistake_on_the_command_line(words: str, received: str, remedy: str) -> None:
    before = sorted(Path().iterdir())
    ran = lungo(*words.split())
    assert ran.status == 2
    assert "Traceback" not in ran.err
    assert received in ran.err.partition("  received: ")[2].splitlines()[0]
    assert remedy in ran.err.partition("  to do: ")[2].splitlines()[0]
    assert sorted(Path().iterdir()) == before


def test_every_message_of_the_engine_has_a_remedy() -> None:
    """What is raised with words of its own says what to do; problems that are passed on have said it already."""
    without = []
    for path in sorted((REPOSITORY / "engine").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            own = bool(call.args) and isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.IfExp)
            given = {keyword.arg for keyword in call.keywords}
            positional = 4 if call.func.id in ("Problem", "Refusal") else 99
            raised = call.func.id in ("UserError", "Problem", "Refusal") and own and len(call.args) < positional
            if raised and not given & {"remedy", None}:
                without.append(f"{path.name}:{call.lineno}")
    assert not without
