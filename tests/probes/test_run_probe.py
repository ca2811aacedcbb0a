"""`lungo probe` as a whole: what is written answers as the probe does, and nothing is learned from what is held out."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffelungo.definition.reader import parse_net, read_net
from caffelungo.errors import UserError
from caffelungo.features.run_part import PartRunner
from caffelungo.probes import choose_candidate, probed_net, write_net
from caffelungo.probes import run_probe as module
from caffelungo.probes.results import Probed, judge
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.lungo import lungo
from tests.passes.nets import ANSWER, FIRE, RESIDUAL
from tests.probes.places import CLASSES, Place, answers, blobs_of, photos, place, pooled

BOTH = ("conv1", "fire9/concat")
FEW = (0.01, 1.0)
"""Penalties to choose among: two are enough to choose from."""


@pytest.fixture(autouse=True)
def few_penalties(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probed_net, "KORNBLITH", FEW)


@pytest.fixture
def fire(tmp_path: Path) -> Place:
    return place(tmp_path)


def told(error: pytest.ExceptionInfo[UserError]) -> str:
    return str(error.value)


# -- the written net


@pytest.mark.parametrize(
    ("text", "layers", "more"),
    [
        (FIRE, "fire9/concat", {}),
        (FIRE, "conv1+fire9/concat", {"mirrored": True, "scaling": "standardise"}),
        (FIRE, "conv1+fire9/concat", {"classifier": "svm", "penalty": 0.3}),
        (ANSWER, "all", {"penalty": 0.1}),
        (ANSWER, "fc7", {"scaling": "standardise", "penalty": 1.0}),
        (RESIDUAL, "all", {"penalty": 0.1}),
    ],
)
def test_the_written_net_answers_as_the_probe(text: str, layers: str, more: dict[str, Any], tmp_path: Path) -> None:
    spot = place(tmp_path, text)
    out = tmp_path / "out"
    found = spot.probe(layers=(layers,), test=str(spot.test), output=str(out), **more)
    assert {path.name for path in out.iterdir()} >= {*write_net.FILES} - {"layers.png"}
    name = read_net(out / "deploy.prototxt").message.layer[-2].name
    given, labels = answers(out / "train_val.prototxt", out / write_net.MODEL, name)
    # The features by the old net alone, over the pictures as the new one reads them.
    before = formats.read(spot.weights).layers
    blobs, _ = blobs_of(_with_outputs(out, text), before, *found.chosen.blobs)
    expected = np.concatenate([pooled(blobs[blob]) for blob in found.chosen.blobs], 1) @ found.head.weight.T
    expected += found.head.bias
    scale = np.abs(expected).max()
    np.testing.assert_allclose(given[name].reshape(expected.shape), expected, rtol=1e-5, atol=1e-5 * scale)
    assert found.tested is not None
    assert found.tested.samples == len(labels) == 15
    assert found.tested.accuracy == pytest.approx((expected.argmax(1) == labels).mean())


def _with_outputs(out: Path, text: str) -> Any:
    """The old net on the data layers of the one written in ``out``."""
    layers = read_net(out / "train_val.prototxt").message.layer
    data = "\n".join(f"layer {{ {layer} }}" for layer in layers if layer.type == "ImageData")
    head = text.index("layer {", text.index('type: "Input"'))
    return parse_net(f"{data}\n{text[head:]}", str(out / "old.prototxt"))


def test_the_exported_file_answers_as_the_probe(fire: Place, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = fire.probe(layers=("conv1+fire9/concat",), penalty=0.1, test=str(fire.test), output=str(out))
    model = ("--model", out / "train_val.prototxt", "--weights", out / write_net.MODEL)
    ran = lungo("export", *model, "-o", out / "model.onnx")
    assert ran.status == 0, ran.err
    pictures = [line.rsplit(" ", 1)[0] for line in (out / "test.txt").read_text().splitlines()]
    ran = lungo("classify", out / "model.onnx", *pictures, "-o", out / "answers.json")
    assert ran.status == 0, ran.err
    name = read_net(out / "deploy.prototxt").message.layer[-2].name
    logits = answers(out / "train_val.prototxt", out / write_net.MODEL, name)[0][name].astype(np.float64)
    chances = np.exp(logits - logits.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    for one, row in zip(json.loads((out / "answers.json").read_text()), chances, strict=True):
        given = {each["label"]: each["probability"] for each in one["classes"]}
        assert one["classes"][0]["label"] == CLASSES[int(row.argmax())]
        assert given == pytest.approx(dict(zip(CLASSES, row, strict=True)), abs=1e-4)
    ran = lungo("test", *model, "-o", out / "tested", "--device", "cpu")
    assert ran.status == 0, ran.err
    assert found.tested is not None
    assert json.loads((out / "tested" / "summary.json").read_text())["accuracy"] == pytest.approx(found.tested.accuracy)


def test_its_own_classifier_is_fitted_again(tmp_path: Path) -> None:
    spot = place(tmp_path, ANSWER)
    first, second, both = tmp_path / "first", tmp_path / "second", tmp_path / "both"
    spot.probe(layers=("fc6+fc7",), penalty=0.1, output=str(first))
    again = replace(spot, net=first / "train_val.prototxt", weights=first / write_net.MODEL)
    found = again.probe(layers=("head",), penalty=0.1, output=str(second))
    assert found.rows == []
    old, new = (formats.read(folder / write_net.MODEL).layers for folder in (first, second))
    assert old.keys() == new.keys()
    # The same pictures, penalty and features: what it was is what it is.
    assert found.head.weight.shape == (3, 22)
    for name, arrays in old.items():
        for one, other in zip(arrays, new[name], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
    # It stands beside other candidates, too, and whichever is chosen is written.
    found = again.probe(layers=("head", "fc7"), output=str(both))
    assert [row.candidate.name for row in found.rows] == ["head", "fc7"]
    name = read_net(both / "deploy.prototxt").message.layer[-2].name
    given, labels = answers(both / "train_val.prototxt", both / write_net.MODEL, name)
    assert (given[name].argmax(1) == labels).mean() > 0.5


def test_a_head_that_cannot_be_fitted_is_refused(fire: Place, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has other classes") as error:
        fire.probe(layers=("head",))
    assert "1000 outputs, 3 classes" in told(error)
    fire.net.write_text(FIRE.replace("num_output: 1000", "num_output: 3"))
    formats.write(fire.weights, replace(formats.read(fire.weights), layers=_cut(fire.weights)))
    with pytest.raises(UserError, match="not linear in features of the whole picture"):
        fire.probe(layers=("head",))


def _cut(weights: Path) -> dict[str, Any]:
    layers = dict(formats.read(weights).layers)
    layers["conv10"] = [array[:3] for array in layers["conv10"]]
    return layers


# -- the command


def test_the_command_tells_what_it_found(fire: Place, tmp_path: Path) -> None:
    out, record = tmp_path / "it's 网络", tmp_path / "found.json"
    words = ["probe", fire.net, "--weights", fire.weights, "--data", fire.data, "--test", fire.test, "--layers",
             "conv1, fire9/concat", "--device", "cpu", "-o", out, "--json", record]  # fmt: skip
    ran = lungo(*words)
    assert ran.status == 0, ran.err
    found = json.loads(record.read_text())
    kept = json.loads((out / "probe.json").read_text())
    assert {name: found[name] for name in kept} == kept
    assert str(out / "probe.json") in found["files"]
    assert [row["layers"] for row in found["layers"]] == list(BOTH)
    assert ran.out.startswith("3 classes, 18 training pictures\n")
    chosen = found["chosen"]["layers"]
    assert re.search(rf"^> +{chosen} +{found['chosen']['features']} ", ran.out, re.MULTILINE)
    assert f"chosen: {chosen}, fitted to all pictures" in ran.out
    assert f"on 15 pictures that it has not seen: {found['test']['accuracy']:.1%}" in ran.out
    commands = [shlex.split(line) for line in re.findall(r"^  (lungo .+)$", ran.out, re.MULTILINE)]
    assert [each[1] for each in commands] == ["export", "classify"]
    assert commands[0][3] == str(out / "train_val.prototxt")
    # Neither file is overwritten unasked, and nothing is computed before that is known.
    for given in (words, words[:-2], [*words[:-4], *words[-2:]]):
        ran = lungo(*given)
        assert ran.status == 2
        assert "--overwrite" in ran.err
        assert "reading" not in ran.err
    ran = lungo(*words, "--overwrite", "-q")
    assert (ran.status, ran.out) == (0, "")


# -- choosing


def test_choosing_never_looks_at_the_pictures_to_judge_by(fire: Place, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(fire.test, mixed)
    for old, new in (("cat", "x"), ("dog", "cat"), ("x", "dog")):
        (mixed / old).rename(mixed / new)
    one, other = (fire.probe(layers=BOTH, test=str(test)) for test in (fire.test, mixed))
    assert one.rows == other.rows
    assert one.chosen == other.chosen
    assert np.array_equal(one.head.weight, other.head.weight)
    assert one.tested != other.tested
    assert one.rows == fire.probe(layers=BOTH).rows


def test_copies_of_a_picture_are_held_out_together(fire: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CLASSES:
        for each in range(2):
            shutil.copy(fire.data / name / f"{each}.png", fire.data / name / f"copy{each}.png")
    seen = []
    real = choose_candidate.attempt

    def watched(candidate: Any, x: Any, labels: Any, classes: int, parts: Any, **more: Any) -> Any:
        seen.append((x.numpy(), parts.numpy()))
        return real(candidate, x, labels, classes, parts, **more)

    monkeypatch.setattr(probed_net, "attempt", watched)
    fire.probe(layers=("fire9/concat",))
    x, parts = seen[0]
    same = (np.abs(x[:, None] - x[None]) < 1e-6).all(2)
    assert same.sum() == len(x) + 2 * 6
    assert (parts[:, None] == parts[None])[same].all()
    assert len(set(parts.tolist())) == 5


def test_the_rates_of_a_judgement() -> None:
    found = judge(np.array([0, 0, 1, 1, 3]), np.array([0, 0, 1, 3, 3]))
    assert (found.accuracy, found.samples) == (0.8, 5)
    assert found.balanced == pytest.approx((1 + 1 + 0.5) / 3)
    assert (found.low, found.high) == pytest.approx((0.3755, 0.9638), abs=1e-4)  # Wilson, 4 of 5, by R's prop.test


def test_two_lists_with_the_same_ends_are_not_mistaken_for_each_other(fire: Place, tmp_path: Path) -> None:
    lines = [f"{fire.data / name}/{each}.png {label}\n" for label, name in enumerate(CLASSES) for each in range(6)]
    (tmp_path / "a.txt").write_text("".join(lines))
    other = [lines[0], *[line.replace(str(fire.data), str(fire.test)) for line in lines[1:4]], *lines[4:]]
    (tmp_path / "b.txt").write_text("".join(other))
    a, b = str(tmp_path / "a.txt"), str(tmp_path / "b.txt")
    options = replace(fire.options(layers=("fire9/concat",), penalty=1e-3), data=a)
    same, differs = (module.probe(replace(options, test=test)) for test in (a, b))
    work = [each.tested for each in (same, differs)]
    assert work[0] is not None
    assert work[1] is not None
    alone = fire.probe(layers=("fire9/concat",), penalty=1e-3, test=b)
    assert alone.tested is not None
    assert work[1].accuracy == alone.tested.accuracy


# -- killed, and again

KILLED = """
import os, signal, sys
from caffelungo.features import pooled
from caffelungo.probes import probed_net
from caffelungo.probes.options import ProbeOptions
from caffelungo.probes.run_probe import probe
probed_net.KORNBLITH = (0.01, 1.0)
pooled.CHUNK = 5
net, weights, data, test, out = sys.argv[1:]
def dying(real):
    def call(*arguments, **keywords):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **keywords)
    return call
# Torch is loaded once: each run is a child that is forked.
for line in sys.stdin:
    left, child = int(line), os.fork()
    if not child:
        os.replace, os.fsync = dying(os.replace), dying(os.fsync)
        status = 1
        try:
            probe(ProbeOptions(net=net, weights=weights, data=data, test=test, output=out, device="cpu", threads=1,
                               layers=("conv1", "fire9/concat"), suffix="x", batch_size=5))
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
def test_a_killed_probe_goes_on_and_gives_the_same(
    fire: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fire.probe(layers=BOTH, test=str(fire.test), output=str(tmp_path / "whole"))
    out, ends = tmp_path / "out", []
    words = [str(word) for word in (fire.net, fire.weights, fire.data, fire.test, out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-c", KILLED, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, env=environment) as server:  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        for left in (1, 3, 8, 12, 16, 20, 1000):
            server.stdin.write(f"{left}\n")
            server.stdin.flush()
            ends.append(int(server.stdout.readline()))
            if ends[-1] == 0:
                break
            # Files come to their places whole, or are not there.
            for name in write_net.FILES:
                if (out / name).exists():
                    assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert ends[-1] == 0
    assert len(ends) > 3
    assert set(ends[:-1]) == {-signal.SIGKILL}
    for path in (tmp_path / "whole").iterdir():
        if path.is_file():
            assert (out / path.name).read_bytes() == path.read_bytes(), path.name
    # What is known is not computed again, nor fitted.
    monkeypatch.setattr(PartRunner, "_run", lambda *arguments: pytest.fail("a forward pass"))
    monkeypatch.setattr(probed_net, "attempt", lambda *arguments, **more: pytest.fail("a cross-validation"))
    again = fire.probe(layers=BOTH, test=str(fire.test), output=str(out), overwrite=True)
    assert again.plain() == whole.plain()


def test_other_options_are_other_rows(fire: Place, tmp_path: Path) -> None:
    out = str(tmp_path / "cache")
    first = fire.probe(layers=("fire9/concat",), cache=out)
    for more in ({"seed": 4}, {"folds": 3}, {"scaling": "standardise"}, {"classifier": "svm"}, {"mirrored": True}):
        kept = fire.probe(layers=("fire9/concat",), cache=out, **more)
        assert kept.rows == fire.probe(layers=("fire9/concat",), **more).rows
        assert kept.rows != first.rows


# -- mistakes


def test_every_mistake_at_once(fire: Place) -> None:
    with pytest.raises(UserError) as error:
        fire.probe(classifier="tree", scaling="none", penalty=0.0, folds=1, batch_size=0, size=0)
    assert len(error.value.problems) == 6
    assert all(problem.received and problem.remedy for problem in error.value.problems)


@pytest.mark.parametrize("penalty", [float("nan"), 0.0, -1.0, float("inf")])
def test_no_such_penalty(penalty: float, fire: Place) -> None:
    with pytest.raises(UserError, match="--penalty must be"):
        fire.probe(penalty=penalty)


def test_weights_that_are_missing_or_of_another_net(fire: Place, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="reading features needs weights"):
        module.probe(replace(fire.options(), weights=None))
    with pytest.raises(UserError, match="reading features needs weights"):
        module.probe(replace(fire.options(), weights="none", data="nowhere"))
    other = place(tmp_path / "other", ANSWER)
    with pytest.raises(UserError, match="conv1"):
        module.probe(replace(fire.options(), weights=str(other.weights)))
    # A name that fits nothing would leave its layer as the filler made it.
    layers = formats.read(fire.weights).layers
    formats.write(fire.weights, Weights({name.replace("fire9", "mine"): arrays for name, arrays in layers.items()}))
    with pytest.raises(UserError, match="layers that these blobs need are missing") as error:
        fire.probe(layers=("fire9/concat",))
    assert "received: fire9/squeeze, fire9/expand1x1, fire9/expand3x3\n" in told(error)


def test_the_classifier_is_called_as_the_file_calls_it(fire: Place) -> None:
    """Before any picture is looked at: the net that is probed in its place has another name for it."""
    with pytest.raises(UserError) as error:
        module.probe(replace(fire.options(), layers=("conv10", "nix"), data="nowhere"))
    first, second = error.value.problems
    assert first.what.startswith("`conv10` is the classifier, in whose place")
    assert first.remedy == "name a blob before it, such as fire9/concat"
    assert "no blob `nix`" in second.what


def test_an_output_that_is_there_is_kept(fire: Place, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "labels.txt").write_text("mine\n")
    with pytest.raises(UserError, match="would be lost"):
        fire.probe(output=str(out))
    assert [path.name for path in out.iterdir()] == ["labels.txt"]
    fire.probe(output=str(out), overwrite=True, layers=("fire9/concat",), penalty=1.0)
    assert (out / "labels.txt").read_text() == "cat\ndog\nzebra fish\n"


def test_grey_pictures_and_a_size_of_ones_own(tmp_path: Path) -> None:
    from PIL import Image

    spot = place(tmp_path)
    for path in spot.data.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    found = spot.probe(layers=("conv1",), penalty=1.0, size=15, output=str(tmp_path / "out"))
    assert found.head.weight.shape == (3, 16)
    assert "dim: 15 dim: 15" in (tmp_path / "out" / "deploy.prototxt").read_text()


def test_a_damaged_picture_of_a_list_is_named(fire: Place, tmp_path: Path) -> None:
    (fire.data / "dog" / "0.png").write_bytes(b"no picture")
    lines = [f"{fire.data / name}/{each}.png {label}\n" for label, name in enumerate(CLASSES) for each in range(2)]
    (tmp_path / "list.txt").write_text("".join(lines))
    found = fire.probe(data=str(tmp_path / "list.txt"), layers=("fire9/concat",), output=str(tmp_path / "out"))
    assert any("dog/0.png" in notice and "skipped" in notice for notice in found.notices)
    assert len((tmp_path / "out" / "train.txt").read_text().splitlines()) == 2 * len(CLASSES) - 1


def test_a_class_of_one_picture(fire: Place) -> None:
    for each in range(1, 6):
        (fire.data / "dog" / f"{each}.png").unlink()
    found: Probed = fire.probe(layers=("fire9/concat",))
    assert found.rows[0].held == 13
    assert np.isfinite(found.head.weight).all()


def test_two_classes_of_one_picture_each_cannot_be_judged(tmp_path: Path) -> None:
    spot = place(tmp_path)
    tiny = photos(tmp_path / "tiny", 1, ("a", "b"))
    with pytest.raises(UserError, match="at least two pictures per class"):
        spot.probe(data=str(tiny), layers=("fire9/concat",))
    # Nothing has to be held out where the penalty is given.
    assert replace_data(spot, tiny).head.weight.shape[0] == 2


def replace_data(spot: Place, data: Path) -> Probed:
    return spot.probe(data=str(data), layers=("fire9/concat",), penalty=1.0)
