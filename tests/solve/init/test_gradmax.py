"""GradMax: answers stay, new weights get a larger gradient than random ones of their length, ReLUs are open."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from caffelungo.weights import formats
from tests.lungo import lungo
from tests.solve.init.grown import IP, NETS, Run, logits, say, write

PLACES = {"ip": "fc7_new", "fire": "out_new", "pooled": "conv1_new"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def grow(kind: str, *more: str, units: int = 3) -> tuple[str, str]:
    """A net grown beside its top with its classifier kept: files net.prototxt, w -> g.prototxt, g.caffemodel."""
    text, place, head = NETS[kind]
    write(text)
    say("grow", "net.prototxt", "--widen", f"{place}:{units}", "--keep-head", "--no-normalize", "--weights",
        "w.caffemodel", "-o", "g.prototxt", *more)  # fmt: skip
    return PLACES[kind], head


def init(*more: str) -> str:
    return say("init", "g.prototxt", "--weights", "g.caffemodel", "-o", "i.caffemodel", "--batches", "3", *more)


def columns(weights: str, kind: str, units: int) -> tuple[np.ndarray, np.ndarray]:
    """A classifier's weights for old and for new units, a unit a row."""
    weight = formats.read(weights).layers[NETS[kind][2]][0]
    width = 9 if kind == "pooled" else 1
    rows = weight.reshape(5, -1, width).swapaxes(0, 1).reshape(-1, 5 * width)
    return rows[:-units], rows[-units:]


@pytest.mark.parametrize("kind", list(NETS))
def test_the_answers_stay_and_the_units_do_nothing_yet(kind):
    new, head = grow(kind)
    told = init()
    assert f"{new}: 3 units under `{head}`, incoming weights zero" in told
    before = logits("net.prototxt", "w.caffemodel", head)
    after = logits("g.prototxt", "i.caffemodel", head)
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5 * np.abs(before).max())
    layers = formats.read("i.caffemodel").layers
    assert not layers[new][0].any()
    assert (layers[new][1] > 0).all()
    old, fresh = columns("i.caffemodel", kind, 3)
    np.testing.assert_array_equal(old, columns("g.caffemodel", kind, 3)[0])
    np.testing.assert_allclose(np.linalg.norm(fresh, axis=1), 0.5 * np.linalg.norm(old, axis=1).mean(), rtol=1e-5)
    directions = fresh / np.linalg.norm(fresh, axis=1, keepdims=True)
    np.testing.assert_allclose(directions @ directions.T, np.eye(3), atol=1e-5)
    for name, arrays in formats.read("w.caffemodel").layers.items():
        if name not in (new, head):
            for a, b in zip(arrays, layers[name], strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", list(NETS))
def test_the_gradient_is_that_of_backpropagation_and_larger_than_of_random_weights(kind):
    new, head = grow(kind)
    text = Path("g.prototxt").read_text().replace("dropout_ratio: 0.25", "dropout_ratio: 0")
    Path("g.prototxt").write_text(text)
    told = init("--batches", "1")
    made = np.linalg.norm(Run("g.prototxt", "i.caffemodel").gradients(new)[0])
    assert made > 0, "a ReLU at exactly 0 would let nothing through"
    weights = formats.read("i.caffemodel")
    old, fresh = columns("i.caffemodel", kind, 3)

    def norm_with(drawn: np.ndarray) -> float:
        drawn = drawn * np.linalg.norm(fresh[0]) / np.linalg.norm(drawn, axis=1, keepdims=True)
        both = np.concatenate([old, drawn]).astype(np.float32)
        rows = both.reshape(len(both), 5, -1).swapaxes(0, 1)
        weights.layers[head][0] = rows.reshape(weights.layers[head][0].shape)
        formats.write("r.caffemodel", weights)
        return float(np.linalg.norm(Run("g.prototxt", "r.caffemodel").gradients(new)[0]))

    assert norm_with(fresh) == pytest.approx(made, rel=1e-5)
    rng = np.random.default_rng(0)
    random = [norm_with(rng.normal(size=fresh.shape)) for _ in range(20)]
    orthogonal = [norm_with(np.linalg.qr(rng.normal(size=fresh.shape[::-1]))[0].T) for _ in range(20)]
    assert made > 1.1 * np.sqrt(np.mean(np.square(random)))
    assert made > max(orthogonal), "of orthogonal columns the leading singular vectors are the best (Ky Fan)"
    promised = float(told.split("gradient ")[1].split()[0])
    assert promised == pytest.approx(made / np.sqrt(np.mean(np.square(random))), rel=0.2)


def test_the_columns_are_the_leading_singular_vectors_of_the_gradient_of_an_auxiliary_layer():
    grow("ip")
    for name in ("net.prototxt", "g.prototxt"):
        Path(name).write_text(Path(name).read_text().replace("dropout_ratio: 0.25", "dropout_ratio: 0"))
    init("--batches", "1")
    _, fresh = columns("i.caffemodel", "ip", 3)
    run = Run("net.prototxt", "w.caffemodel")
    run.forward()
    scores = run.steps.data[run.plan.layer("fc8").top_values[0]].numpy().astype(float)
    read = run.steps.data[run.plan.layer("fc7").bottom_values[0]].numpy().reshape(12, -1).astype(float)
    labels = np.eye(5)[run.batch[1].numpy().astype(int)]
    odds = np.exp(scores - scores.max(1, keepdims=True))
    cross = (odds / odds.sum(1, keepdims=True) - labels).T @ read / 12
    left = np.linalg.svd(cross)[0][:, :3]
    unit = fresh / np.linalg.norm(fresh, axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs(unit @ left), np.eye(3), atol=1e-3)


@pytest.mark.parametrize("kind", list(NETS))
def test_more_units_than_directions_are_all_different_and_learn(kind):
    new, _ = grow(kind, units=40)
    init()
    _, fresh = columns("i.caffemodel", kind, 40)
    assert len(np.unique(np.round(fresh, 5), axis=0)) == 40
    gradient = Run("g.prototxt", "i.caffemodel").gradients(new)[0].reshape(40, -1)
    assert (np.linalg.norm(gradient, axis=1) > 0).all()


def test_a_step_of_descent_leaves_the_units_alive():
    new, _ = grow("ip", units=8)
    init()
    run = Run("g.prototxt", "i.caffemodel", 1)
    gradient = Run("g.prototxt", "i.caffemodel").gradients(new)
    layers = formats.read("i.caffemodel").layers
    run.forward()
    read = run.steps.data[run.plan.layer(new).bottom_values[0]].numpy().reshape(12, -1)
    sums = read @ (layers[new][0] - 0.1 * gradient[0]).T + layers[new][1]
    assert ((sums > 0).mean(0) >= 0.5).mean() > 0.7


@pytest.mark.parametrize("kind", list(NETS))
def test_the_other_way_round(kind):
    new, head = grow(kind)
    told = init("--outgoing-zero")
    assert "outgoing weights zero" in told
    np.testing.assert_allclose(
        logits("g.prototxt", "i.caffemodel", head), logits("net.prototxt", "w.caffemodel", head), rtol=1e-5, atol=1e-6
    )
    assert not columns("i.caffemodel", kind, 3)[1].any()
    rows = formats.read("i.caffemodel").layers[new][0].reshape(3, -1)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), np.linalg.norm(rows[0]), rtol=1e-5)
    run = Run("g.prototxt", "i.caffemodel", 1)
    run.forward()
    read = run.steps.data[run.plan.layer(head).bottom_values[0]].numpy().astype(float)
    per_unit = np.sqrt(np.square(read).mean(tuple(k for k in range(read.ndim) if k != 1)))
    old, fresh = np.sqrt(np.square(per_unit[:-3]).mean()), np.sqrt(np.square(per_unit[-3:]).mean())
    assert fresh / old == pytest.approx(0.5, rel=0.25), "on other samples and without Dropout"
    assert np.linalg.norm(Run("g.prototxt", "i.caffemodel").gradients(head)[0]) > 0


def test_the_same_words_give_the_same_file():
    grow("ip", units=9)
    init()
    first = Path("i.caffemodel").read_bytes()
    init("--overwrite")
    assert Path("i.caffemodel").read_bytes() == first


def test_a_fresh_classifier_is_filled_and_written():
    write(IP)
    say("grow", "net.prototxt", "--widen", "fc7:3", "--no-normalize", "-o", "g.prototxt")
    shutil.copy("w.caffemodel", "g.caffemodel")
    init()
    layers = formats.read("i.caffemodel").layers
    assert layers["fc8_wide"][0].shape == (5, 13)
    assert layers["fc8_wide"][0].any()
    np.testing.assert_array_equal(layers["fc8"][0], formats.read("w.caffemodel").layers["fc8"][0])


def test_batch_norm_statistics_of_the_old_net_stay_and_new_ones_are_refused():
    norm = 'layer { name: "bn" type: "BatchNorm" bottom: "conv1" top: "conv1" }\nlayer { name: "relu1"'
    write(IP.replace('layer { name: "relu1"', norm))
    words = ["grow", "net.prototxt", "--widen", "fc7:3", "--keep-head", "--weights", "w.caffemodel", "-o", "g.prototxt"]
    say(*words, "--no-normalize")
    init()
    old, new = formats.read("w.caffemodel").layers["bn"], formats.read("i.caffemodel").layers["bn"]
    for a, b in zip(old, new, strict=True):
        np.testing.assert_array_equal(a, b)


def refused(*more: str) -> str:
    ran = lungo("init", "g.prototxt", "--weights", "g.caffemodel", "-o", "i.caffemodel", *more)
    assert ran.status == 2
    assert not Path("i.caffemodel").exists()
    assert "to do:" in ran.err
    return ran.err


def test_a_zero_vector_has_no_direction():
    write(IP)
    say("grow", "net.prototxt", "--widen", "fc7:3", "--keep-head", "--weights", "w.caffemodel", "-o", "g.prototxt")
    told = refused("--method", "gradmax")
    assert "g.prototxt:" in told
    assert "`norm7_new` (Normalize)" in told
    assert "--no-normalize" in told
    init("--outgoing-zero")


def test_batch_norm_behind_new_units():
    norm = 'layer { name: "bn" type: "BatchNorm" bottom: "fc7" top: "fc7" }\nlayer { name: "relu7"'
    write(IP.replace('layer { name: "relu7"', norm))
    say("grow", "net.prototxt", "--widen", "fc7:3", "--keep-head", "--no-normalize", "--weights", "w.caffemodel",
        "-o", "g.prototxt")  # fmt: skip
    assert "`bn_new` would divide by the spread" in refused("--method", "gradmax")
    init("--outgoing-zero")
    assert formats.read("i.caffemodel").layers["fc7_new"][0].any()


def test_what_cannot_be_done_is_said():
    grow("ip")
    assert "did you mean gradmax?" in refused("--method", "gradmx")
    assert "--batches must be at least 1" in refused("--batches", "0")
    assert "--scale must be above 0" in refused("--scale", "0")
    assert "applies only to GradMax" in refused("--method", "lsuv", "--outgoing-zero")
    init()
    ran = lungo("init", "g.prototxt", "--weights", "g.caffemodel", "-o", "i.caffemodel")
    assert ran.status == 2
    assert "--overwrite" in ran.err
    ran = lungo("init", "g.prototxt", "--weights", "i.caffemodel", "-o", "j.caffemodel")
    assert "nothing in it is new" in ran.err
    assert "weights file" in lungo("init", "g.prototxt", "--weights", "g.caffemodel", "-o", "j.prototxt").err


def test_a_classifier_without_a_bias_cannot_take_anything_back():
    text = IP.replace("num_output: 5 }", "num_output: 5 bias_term: false }")
    write(text)
    say("grow", "net.prototxt", "--widen", "fc7:3", "--keep-head", "--no-normalize", "--weights", "w.caffemodel",
        "-o", "g.prototxt")  # fmt: skip
    assert "`fc8` has no bias" in refused("--method", "gradmax")


def test_a_layer_on_top_is_no_place_for_it():
    write(IP)
    say("grow", "net.prototxt", "--deepen", "fc7:6", "-o", "g.prototxt")
    shutil.copy("w.caffemodel", "g.caffemodel")
    told = refused("--method", "gradmax")
    assert "is all that the classifier" in told
    assert "lsuv" in told
