"""A further task on a trained net, all the way: folder, training, the old answers to the bit, one file, every head."""

from __future__ import annotations

import csv
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.check import check
from caffelungo.definition.reader import parse_solver, read_net
from caffelungo.definition.schema import message_class
from caffelungo.deploy.export import export
from caffelungo.deploy.options import ExportOptions
from caffelungo.errors import UserError
from caffelungo.inference.classify import Classifier
from caffelungo.inference.classify_files import ClassifyOptions, classify_files
from caffelungo.inference.infer import InferOptions, infer
from caffelungo.inference.metadata import read
from caffelungo.inference.runtime import open_session
from caffelungo.passes.balance import correction_of
from caffelungo.projects.task_project import TaskProjectOptions, TaskSummary, task_project
from caffelungo.report import metrics_csv
from caffelungo.report.glog import CaffeLog
from caffelungo.solve import evaluate, run_training
from caffelungo.solve.open_test_net import open_test_net
from caffelungo.solve.options import TestOptions, TrainOptions
from caffelungo.solve.tested_head import judged_head
from caffelungo.verify.verify import VerifyOptions, verify
from caffelungo.weights import formats
from caffelungo.weights.compare_weights import compare
from caffelungo.weights.weights import Weights
from tests.lungo import lungo
from tests.passes.nets import ANSWER, FIRE, RESIDUAL
from tests.passes.numbers import blobs, picture, random_blobs

BIRDS = ("kite", "owl", "wren")


@dataclass(frozen=True)
class Grown:
    """A net with weights, and the same with the task `birds`, trained for a few iterations."""

    net: Path
    weights: Path
    birds: Path
    out: Path
    done: TaskSummary

    @property
    def trained(self) -> Path:
        return self.out / f"solver_iter_{self.done.iterations}.caffemodel"


def photos(folder: Path, classes: tuple[str, ...], seed: int) -> Path:
    """Six noisy pictures of each class."""
    random = np.random.default_rng(seed)
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(6):
            pixels = random.integers(0, 200, (24, 24, 3), np.uint8)
            pixels[..., place % 3] //= 3
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def trained_net(folder: Path, text: str, classes: int) -> tuple[Path, Path]:
    """A net that answers and weights with the names of its classes."""
    net, weights = folder / "old.prototxt", folder / "old.caffemodel"
    net.write_text(text)
    definition = read_net(net)
    extras = message_class("lungo.NetExtras")(label=[f"old {k}" for k in range(classes)])
    extras.preprocessing.mean_value.extend([90, 100, 110])
    formats.write(weights, Weights(random_blobs(definition), extras=extras), definition.message)
    return net, weights


def train(folder: Path, **more: object) -> int:
    """From the weights that the solver names."""
    options = TrainOptions(
        solver=folder / "solver.prototxt", quiet=True, device="cpu", workers=0, tensorboard=False, **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return run_training.train(options)


@pytest.fixture(scope="module", params=["residual", "fire", "answer"])
def grown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Grown:
    """A convnet with BatchNorm, a small SqueezeNet and a net with InnerProduct layers."""
    text, classes = {"residual": (RESIDUAL, 5), "fire": (FIRE, 1000), "answer": (ANSWER, 9)}[request.param]
    folder = tmp_path_factory.mktemp("it's ü")
    net, weights = trained_net(folder, text, classes)
    birds = photos(folder / "Some Birds", BIRDS, seed=1)
    wanted = TaskProjectOptions(
        str(net), str(birds), str(folder / "new"), str(weights), name="birds", passes=1, batch_size=4
    )
    done = task_project(wanted)
    made = Grown(net, weights, birds, folder / "new", done)
    assert train(made.out) == 0
    return made


def test_old_blobs_weights_and_statistics_are_identical_after_training(grown: Grown) -> None:
    old, new = formats.read(grown.weights), formats.read(grown.trained)
    head = grown.done.head
    assert set(new.layers) == {*old.layers, head}
    for name, arrays in old.layers.items():
        assert [one.tobytes() for one in arrays] == [one.tobytes() for one in new.layers[name]], name
    assert not [one.name for one in compare(old, new).layers if one.name != head and one.relative]
    before, after = read_net(grown.net), read_net(grown.out / "train_val.prototxt")
    side = before.message.layer[0].input_param.shape[0].dim[2]
    first = blobs(before, old.layers, picture(side))
    second = blobs(after, new.layers, picture(side), np.zeros(2, np.float32))
    for layer in before.message.layer:
        assert first(layer.top[0]).tobytes() == second(layer.top[0]).tobytes(), layer.name
    start = formats.read(grown.out / "start.caffemodel")
    assert set(start.layers) == set(new.layers)
    assert [one.tobytes() for one in start.layers[head]] != [one.tobytes() for one in new.layers[head]]


def test_training_starts_with_a_fitted_classifier(grown: Grown) -> None:
    """What iteration 0 tests is what `lungo test` says of the start: better than chance."""
    assert grown.done.fitted is not None
    tests = [
        point
        for point, _ in metrics_csv.read(grown.out / "solver_run_001" / "metrics.csv")
        if point.phase == "test" and point.iteration == 0
    ]
    values = {point.name: point.value for point in tests}
    watched = parse_solver((grown.out / "solver.prototxt").read_text()).message.lungo.watch
    assert values[watched] < np.log(len(BIRDS))
    options = TestOptions(
        model=grown.out / "train_val.prototxt", weights=[str(grown.out / "start.caffemodel")], device="cpu", workers=0,
        quiet=True,
    )  # fmt: skip
    found = evaluate.evaluate(open_test_net(options, CaffeLog())).classified
    assert found is not None
    right = np.trace(found.confusion) / found.confusion.sum()
    assert right > 1 / len(BIRDS)
    accuracies = [value for name, value in values.items() if name.startswith("accuracy")]
    assert accuracies[0] == pytest.approx(right)
    assert (grown.out / "solver_best.caffemodel").is_file()
    # A figure of pictures held out among those it learned from is told, too.
    assert 1 / len(BIRDS) < grown.done.fitted.accuracy <= 1


def test_the_weights_that_were_best_in_training_answer_as_the_old_ones(grown: Grown) -> None:
    old, best = formats.read(grown.weights), formats.read(grown.out / "solver_best.caffemodel")
    for name, arrays in old.layers.items():
        assert [one.tobytes() for one in arrays] == [one.tobytes() for one in best.layers[name]], name


def test_verify_says_that_everything_old_is_identical(grown: Grown) -> None:
    for name in ("train_val.prototxt", "deploy.prototxt"):
        found = verify(
            VerifyOptions(
                str(grown.net), str(grown.out / name), str(grown.weights), str(grown.trained), data=str(grown.birds)
            )
        )
        assert found.exit_status == 0
        assert {one.status for one in found.answers} == {"identical"}
        assert not [one for one in found.blobs if one.status in ("equal", "changed")]


def test_one_file_answers_as_the_old_one_and_for_the_new_task(grown: Grown) -> None:
    folder = grown.out.parent
    options = ExportOptions(batches=(2,), pictures=[str(grown.birds)])
    export(grown.net, grown.weights, folder / "old.onnx", options)
    made = export(grown.out / "deploy.prototxt", grown.trained, folder / "new.onnx", options)
    assert made.outputs == ["prob", "prob_birds"]
    old, new = open_session(folder / "old.onnx", "cpu"), open_session(folder / "new.onnx", "cpu")
    side = read_net(grown.net).message.layer[0].input_param.shape[0].dim[2]
    images = np.random.default_rng(4).integers(0, 256, (6, side, side, 3), np.uint8)
    before, after = old.run({"image": images})["prob"], new.run({"image": images})["prob"]
    np.testing.assert_allclose(after, before, rtol=0, atol=2e-7)
    assert (before.argmax(1) == after.argmax(1)).all()
    heads = made.metadata.heads
    assert [(one.output, one.task, len(one.labels or ())) for one in heads] == [
        ("prob", grown.done.tasks[0], before.shape[1]),
        ("prob_birds", "birds", 3),
    ]
    assert made.metadata.classifier is None
    assert read(made.metadata.properties(), "new.onnx").heads == heads


def test_weights_of_every_format_name_the_heads(grown: Grown, tmp_path: Path) -> None:
    found = formats.read(grown.trained)
    assert [(one.task, list(one.label)[:3]) for one in found.extras.head] == [
        (grown.done.tasks[0], ["old 0", "old 1", "old 2"]),
        ("birds", list(BIRDS)),
    ]
    assert list(found.extras.label) == list(BIRDS)
    for suffix in ("caffemodel.h5", "safetensors"):
        formats.write(tmp_path / f"a.{suffix}", found, read_net(grown.out / "train_val.prototxt").message)
        assert formats.read(tmp_path / f"a.{suffix}").extras == found.extras


def test_the_folder_is_whole_and_its_commands_are_quoted(grown: Grown) -> None:
    assert not check([grown.out / name for name in grown.done.files if name.endswith(".prototxt")]).problems
    old = grown.done.tasks[0]
    assert (grown.out / f"labels_{old}.txt").read_text().splitlines()[:2] == ["old 0", "old 1"]
    assert (grown.out / "labels.txt").read_text().splitlines() == list(BIRDS)
    readme = (grown.out / "README.md").read_text()
    for command, _ in grown.done.commands:
        assert command in readme
        assert shlex.split(command)[0] == "lungo"
    trained = shlex.split(grown.done.commands[1][0])
    assert trained == ["lungo", "train", "--solver", str(grown.out / "solver.prototxt")]
    assert subprocess.run(["sh", "-n", "run.sh"], cwd=grown.out, check=False).returncode == 0
    said = subprocess.run(
        ["sh", "-c", 'lungo() { for word; do echo "$word"; done; }; . ./run.sh'], cwd=grown.out, check=True,
        capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    assert said.count(str(grown.weights)) == 1  # verify; what training starts from stands in the solver
    assert said.count("solver_best.caffemodel") == 3
    assert str(grown.birds) in said
    assert os.access(grown.out / "run.sh", os.X_OK)


# --- a third task, testing and asking one head ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def third(tmp_path_factory: pytest.TempPathFactory) -> Grown:
    """A net for two tasks, untrained for its second, and the file that answers for both."""
    folder = tmp_path_factory.mktemp("third")
    net, weights = trained_net(folder, ANSWER, 9)
    birds = photos(folder / "birds", BIRDS, seed=1)
    second = task_project(TaskProjectOptions(str(net), str(birds), str(folder / "b"), str(weights)))
    learned = formats.read(weights)
    random = np.random.default_rng(2)
    learned.layers["fc8_birds"] = [random.normal(0, 1, (3, 10)).astype(np.float32), np.zeros(3, np.float32)]
    definition = read_net(folder / "b" / "train_val.prototxt")
    learned.extras = definition.message.lungo
    formats.write(folder / "b.caffemodel", learned, definition.message)
    made = Grown(folder / "b" / "train_val.prototxt", folder / "b.caffemodel", birds, folder / "c", second)
    cats = photos(folder / "cats", ("lynx", "puma"), seed=3)
    task_project(TaskProjectOptions(str(made.net), str(cats), str(made.out), str(made.weights)))
    learned.layers["fc8_cats"] = [random.normal(0, 1, (2, 10)).astype(np.float32), np.zeros(2, np.float32)]
    after = read_net(made.out / "train_val.prototxt")
    learned.extras = after.message.lungo
    formats.write(folder / "c.caffemodel", learned, after.message)
    export(
        made.out / "deploy.prototxt", folder / "c.caffemodel", folder / "c.onnx",
        ExportOptions(batches=(2,), pictures=[str(birds)]),
    )  # fmt: skip
    return made


def confusion(net: Path, weights: Path, **more: object) -> tuple[str | None, list[str], list[list[int]]]:
    options = TestOptions(model=net, weights=[str(weights)], device="cpu", workers=0, quiet=True, **more)  # type: ignore[arg-type]
    built = open_test_net(options, CaffeLog())
    found = evaluate.evaluate(built).classified
    assert found is not None
    return judged_head(built.opened.plan), found.names, found.confusion.tolist()


def test_a_third_task_leaves_the_second_one_as_well(third: Grown) -> None:
    folder = third.out.parent
    found = verify(
        VerifyOptions(
            str(third.net), str(third.out / "train_val.prototxt"), str(third.weights), str(folder / "c.caffemodel"),
            data=str(third.birds),
        )
    )  # fmt: skip
    assert found.exit_status == 0
    assert [(one.layer, one.status) for one in found.answers] == [("fc8_birds", "identical")]


def test_the_head_whose_classes_the_data_are_is_tested(third: Grown) -> None:
    folder = third.out.parent
    old = confusion(third.net, third.weights, data=third.birds)
    new = confusion(third.out / "train_val.prototxt", folder / "c.caffemodel", data=third.birds)
    assert old == new == ("fc8_birds", list(BIRDS), old[2])
    assert sum(map(sum, new[2])) == 18
    own = confusion(third.out / "train_val.prototxt", folder / "c.caffemodel")
    assert own[:2] == ("fc8_cats", ["lynx", "puma"])


@pytest.mark.parametrize("word", ["birds", "fc8_birds"])
def test_a_head_is_named_by_task_or_layer(third: Grown, word: str) -> None:
    weights = third.out.parent / "c.caffemodel"
    found = confusion(third.out / "train_val.prototxt", weights, data=third.birds, head=word)
    assert found[0] == "fc8_birds"


def test_a_head_that_is_none_is_refused(third: Grown) -> None:
    weights = third.out.parent / "c.caffemodel"
    with pytest.raises(UserError, match="did you mean `birds`"):
        confusion(third.out / "train_val.prototxt", weights, head="bird")


def test_other_classes_than_any_heads_are_refused(third: Grown, tmp_path: Path) -> None:
    dogs = photos(tmp_path / "dogs", ("corgi", "setter"), seed=5)
    with pytest.raises(UserError, match="not those that the net was trained on"):
        confusion(third.out / "train_val.prototxt", third.out.parent / "c.caffemodel", data=dogs)


def test_classify_shows_every_head_or_one(third: Grown, tmp_path: Path) -> None:
    model, one = third.out.parent / "c.onnx", third.birds / "owl" / "0.png"
    found = classify_files(ClassifyOptions(model, [one], top=1))
    assert [prediction.head for prediction in found] == ["fc8", "birds", "cats"]
    alone = classify_files(ClassifyOptions(model, [one], top=3, head="birds"))
    assert [guess.label for guess in alone[0].guesses] == sorted(
        BIRDS, key=lambda name: -next(guess.probability for guess in alone[0].guesses if guess.label == name)
    )
    assert found[1].best == alone[0].best
    ran = lungo("classify", model, one, "--top", "1")
    assert [line.split()[1] for line in ran.out.splitlines()] == ["fc8", "birds", "cats"]


def test_infer_writes_every_head_or_one(third: Grown, tmp_path: Path) -> None:
    model = third.out.parent / "c.onnx"
    infer(InferOptions(model, [third.birds], tmp_path / "a.csv", top=1))
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert len(rows) == 3 * 18
    assert [row["head"] for row in rows[:4]] == ["fc8", "birds", "cats", "fc8"]
    infer(InferOptions(model, [third.birds], tmp_path / "b.csv", top=1, head="cats"))
    alone = list(csv.DictReader((tmp_path / "b.csv").read_text().splitlines()))
    assert [row for row in rows if row["head"] == "cats"] == alone
    infer(InferOptions(model, [third.birds / "owl"], tmp_path / "c.json", top=1))
    assert (tmp_path / "c.json").read_text().count('"head": "birds"') == 6


def test_what_takes_one_classifier_wants_it_named(third: Grown, tmp_path: Path) -> None:
    model, one = third.out.parent / "c.onnx", third.birds / "owl" / "0.png"
    with pytest.raises(UserError, match="--head cats"):
        classify_files(ClassifyOptions(model, [one], output=tmp_path / "a.png"))
    with pytest.raises(UserError, match="its tasks are fc8, birds, cats"):
        classify_files(ClassifyOptions(model, [one], head="dogs"))
    ran = lungo("serve", model, "--port", "0")
    assert ran.status == 2
    assert "several tasks" in ran.err
    assert "--head cats" in ran.err
    chosen = Classifier(model, "cpu", "birds")
    assert (chosen.labels, chosen.metadata.classifier) == (list(BIRDS), "prob_birds")


# --- refusals and kills ----------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Path:
    trained_net(tmp_path, ANSWER, 9)
    photos(tmp_path / "birds", BIRDS, seed=1)
    return tmp_path


def grow(place: Path, *more: object) -> object:
    words = ["--weights", place / "old.caffemodel", "--task", place / "birds", "-o", place / "new", *more]
    return lungo("grow", place / "old.prototxt", *words)


def test_new_units_and_earlier_layers_from_the_command_line(place: Path) -> None:
    ran = grow(place, "--widen", "fc7:5", "--read", "fc6", "--name", "my birds")
    assert ran.status == 0, ran.err  # type: ignore[attr-defined]
    assert "it starts fitted: " in ran.out  # type: ignore[attr-defined]
    names = [layer.name for layer in read_net(place / "new" / "train_val.prototxt").message.layer]
    assert {"fc7_my_birds", "fc7_wide_my_birds", "fc8_my_birds_read", "prob_my_birds"} <= set(names)


def bird_table(place: Path, wrens: int) -> Path:
    """A table of the pictures, of which some wrens are left out; two pictures each come from one nest."""
    rows = [
        f"birds/{name}/{number}.png,{name},{name}{number // 2}"
        for name in BIRDS for number in range(6 if name != "wren" else wrens)
    ]  # fmt: skip
    (place / "birds.csv").write_text("\n".join(["file,bird,nest", *rows]))
    return place / "birds.csv"


def test_a_table_with_groups_and_classes_of_different_sizes(place: Path) -> None:
    """As of `lungo finetune`: the same options mean the same."""
    words = ["--task", bird_table(place, 2), "--path-column", "file", "--label-column", "bird", "--groups", "nest",
             "--name", "birds", "--per-class", "5", "-o", place / "new"]  # fmt: skip
    ran = lungo("grow", place / "old.prototxt", "--weights", place / "old.caffemodel", *words)
    assert ran.status == 0, ran.err
    assert "balance: the largest class (kite, " in ran.out
    new = place / "new"
    parts = [{line.split()[0] for line in (new / part).read_text().splitlines()} for part in ("train.txt", "val.txt")]
    train_nests, val_nests = (
        {(Path(name).parent.name, int(Path(name).stem) // 2) for name in names} for names in parts
    )
    assert train_nests
    assert not train_nests & val_nests
    assert correction_of(read_net(new / "train_val.prototxt")) == "inverse"
    assert check([new / "solver.prototxt"]).problems == []
    ran = lungo("grow", place / "old.prototxt", "--weights", place / "old.caffemodel", *words, "--balance", "sampling",
                "--overwrite", "--quiet")  # fmt: skip
    assert ran.status == 0, ran.err
    assert "balanced_accuracy" in (new / "solver.prototxt").read_text()
    assert "class_balanced: true" in (new / "train_val.prototxt").read_text()


def test_a_fitted_classifier_makes_up_for_the_sizes_of_its_classes(place: Path) -> None:
    """Its weights are another optimum than those of pictures that count alike."""
    table, heads = bird_table(place, 2), {}
    for word in ("none", "inverse"):
        done = task_project(
            TaskProjectOptions(
                str(place / "old.prototxt"), str(table), str(place / word), str(place / "old.caffemodel"), name="birds",
                label_column="bird", balance=word, val=0,
            )
        )  # fmt: skip
        heads[word] = formats.read(place / word / "start.caffemodel").layers[done.head]
        assert done.balance.word == word
    # Weighted alike, the rare class has a smaller bias.
    bias = {word: blobs[1] - blobs[1].mean() for word, blobs in heads.items()}
    assert bias["none"][2] < bias["inverse"][2]
    with pytest.raises(UserError, match="no such correction"):
        task_project(TaskProjectOptions("squeezenet1.1", str(table), str(place / "n"), balance="some"))


def test_a_net_of_the_catalogue_goes_by_its_name_and_brings_its_weights(place: Path) -> None:
    done = task_project(
        TaskProjectOptions("squeezenet1.1", str(place / "birds"), str(place / "new"), size=67, passes=1, batch_size=8)
    )
    assert done.tasks == ("conv10", "birds")
    for words in (done.commands[3][0], (place / "new" / "run.sh").read_text()):
        typed = shlex.split(words[words.index("lungo verify") :], comments=True)
        weights = typed[5]
        assert (typed[2], Path(weights).is_file()) == ("squeezenet1.1", True)
    assert train(place / "new") == 0
    trained = place / "new" / f"solver_iter_{done.iterations}.caffemodel"
    found = verify(
        VerifyOptions(
            "squeezenet1.1", str(place / "new" / "deploy.prototxt"), weights, str(trained), random=2,
            shapes={"data": (3, 67, 67)},
        )
    )  # fmt: skip
    assert found.exit_status == 0
    assert [(one.layer, one.status) for one in found.answers] == [("conv10", "identical")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--deepen", "fc7:4"], "--task --deepen"),
        (["--keep-head"], "keeps the old net unchanged"),
        (["--widen", "fc7:4", "--widen", "fc6:4"], "beside one layer"),
        (["--widen", "fc6:4"], "--widen fc7:UNITS"),
        (["--name", "fc8"], "already has a task called `fc8`"),
    ],
)
def test_flags_that_do_not_go_with_a_task(place: Path, words: list[str], message: str) -> None:
    ran = grow(place, *words)
    assert ran.status == 2  # type: ignore[attr-defined]
    assert message in ran.err  # type: ignore[attr-defined]
    assert not (place / "new").exists()


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--name", "x"),
        ("--read", "fc6"),
        ("--val", "0.1"),
        ("--val", "0"),
        ("--passes", "3"),
        ("--device", "cpu"),
        ("--groups", "nest"),
        ("--per-class", "3"),
        ("--path-column", "file"),
        ("--label-column", "bird"),
        ("--balance", "none"),
        ("--corrections", "c.csv"),
    ],
)
def test_flags_of_a_task_without_one(place: Path, flag: str, value: str) -> None:
    ran = lungo("grow", place / "old.prototxt", "--widen", "fc7:4", flag, value, "-o", place / "new.prototxt")
    assert (ran.status, f"{flag} needs --task" in ran.err) == (2, True)
    assert not (place / "new.prototxt").exists()


def test_weights_that_lack_what_would_be_held_are_refused(place: Path) -> None:
    found = formats.read(place / "old.caffemodel")
    del found.layers["fc6"]
    formats.write(place / "part.caffemodel", found, read_net(place / "old.prototxt").message)
    wanted = TaskProjectOptions(
        str(place / "old.prototxt"), str(place / "birds"), str(place / "new"), str(place / "part.caffemodel")
    )
    with pytest.raises(UserError, match="frozen at random values"):
        task_project(wanted)
    with pytest.raises(UserError, match="needs the weights of the trained net"):
        task_project(TaskProjectOptions(str(place / "old.prototxt"), str(place / "birds"), str(place / "new")))
    assert not (place / "new").exists()


def test_an_existing_folder_is_not_touched(place: Path) -> None:
    assert grow(place).status == 0  # type: ignore[attr-defined]
    ran = grow(place)
    assert (ran.status, "--overwrite" in ran.err) == (2, True)  # type: ignore[attr-defined]
    assert grow(place, "--overwrite").status == 0  # type: ignore[attr-defined]


KILLED = """
import os, signal, sys
from caffelungo.solve import run_training
from caffelungo.solve.observer import Observer
from caffelungo.solve.options import TrainOptions

class Killer(Observer):
    def on_loss(self, iteration, loss):
        if iteration == 7:
            os.kill(os.getpid(), signal.SIGKILL)

run_training.train(TrainOptions(solver=sys.argv[1], quiet=True, device="cpu", workers=0, threads=1,
                       tensorboard=False), [Killer()])
"""


def test_a_killed_training_goes_on_to_the_same_end(place: Path) -> None:
    weights, ends = place / "old.caffemodel", []
    for name in ("whole", "killed"):
        wanted = TaskProjectOptions(
            str(place / "old.prototxt"), str(place / "birds"), str(place / name), str(weights), passes=3, batch_size=4
        )
        done = task_project(wanted)
        solver = place / name / "solver.prototxt"
        text = solver.read_text()
        assert "early_stop: 2" in text
        # To the end, better or not.
        solver.write_text(text.replace("snapshot: 12", "snapshot: 4").replace("early_stop: 2", "early_stop: 0"))
        if name == "whole":
            assert train(place / name, threads=1) == 0
        else:
            ran = subprocess.run([sys.executable, "-c", KILLED, str(solver)], check=False, timeout=240)
            assert ran.returncode == -9
            assert not (place / name / f"solver_iter_{done.iterations}.caffemodel").exists()
            assert train(place / name, threads=1, resume=True) == 0
        ends.append(formats.read(place / name / f"solver_iter_{done.iterations}.caffemodel"))
    assert ends[0].extras == ends[1].extras
    for layer, arrays in ends[0].layers.items():
        assert [one.tobytes() for one in arrays] == [one.tobytes() for one in ends[1].layers[layer]], layer
