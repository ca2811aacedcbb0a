"""A trained net's classifier fitted again: the pictures set aside choose, and a better one stays as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from caffelungo.definition.reader import read_net
from caffelungo.errors import UserError
from caffelungo.passes.view import View
from caffelungo.probes.choose_candidate import LinearHead, fit_head
from caffelungo.probes.feature_matrix import Subject, read_head
from caffelungo.probes.penalty_path import KORNBLITH, path, stratified_folds
from caffelungo.probes.picture_entries import own
from caffelungo.probes.refit_classifier import as_it_is, converged_penalty, gained, losses, refitted
from caffelungo.probes.scaling import global_scale
from caffelungo.probes.write_net import own_blobs
from caffelungo.solve.engine import Engine
from caffelungo.weights import formats
from tests.lungo import lungo
from tests.probes.own_nets import HEADS, own_net
from tests.probes.places import Place, answers

CPU = Engine(torch.device("cpu"))
CLASSES = 3


def learned(seed: int = 0) -> tuple[Tensor, NDArray[np.int64], Tensor]:
    """Features of a net that knows its training pictures by heart, labels, and which pictures were set aside.

    Three features say the class of a training picture without fail, and of others in two of three cases; six say it
    of all pictures, but weakly.
    """
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(CLASSES), 100)
    aside = np.arange(300) >= 200
    told = np.where(aside & (rng.random(300) < 1 / 3), rng.integers(0, CLASSES, 300), labels)
    heart = 4.0 * np.eye(CLASSES)[told] + 0.3 * rng.normal(size=(300, CLASSES))
    weak = 0.8 * np.repeat(np.eye(CLASSES), 2, 1)[labels] + rng.normal(size=(300, 6))
    return torch.from_numpy(np.c_[heart, weak]).float(), labels, torch.from_numpy(aside)


def loss_aside(head: LinearHead, x: Tensor, labels: NDArray[np.int64], aside: Tensor) -> float:
    return float(F.cross_entropy(head.answers(x[aside]).double(), torch.from_numpy(labels)[aside]))


def nothing() -> LinearHead:
    """A classifier that has no opinion."""
    return LinearHead(np.zeros((CLASSES, 9), np.float32), np.zeros(CLASSES, np.float32), 0.0, True)


def test_pictures_that_were_learned_from_would_choose_too_weak_a_penalty() -> None:
    x, labels, aside = learned()
    found = refitted(x, labels, CLASSES, aside, nothing())
    seen = labels[~aside.numpy()]
    among = path(x[~aside], torch.from_numpy(seen), CLASSES, stratified_folds(seen, 5), KORNBLITH[::2])
    assert among.penalty < found.row.penalty / 100
    weak, chosen = (fit_head(x[~aside], seen, CLASSES, penalty) for penalty in (among.penalty, found.row.penalty))
    assert loss_aside(weak, x, labels, aside) > 1.2 * loss_aside(chosen, x, labels, aside)
    assert loss_aside(chosen, x, labels, aside) == pytest.approx(found.row.loss, rel=0.05)


def test_the_choice_is_fitted_to_all_pictures() -> None:
    x, labels, aside = learned()
    found = refitted(x, labels, CLASSES, aside, nothing())
    assert not found.kept
    assert found.loss == pytest.approx(np.log(3))
    assert found.row.held == int(aside.sum())
    whole = fit_head(x, labels, CLASSES, found.row.penalty)
    np.testing.assert_array_equal(found.head.weight, whole.weight)
    np.testing.assert_array_equal(found.head.bias, whole.bias)
    part = fit_head(x[~aside], labels[~aside.numpy()], CLASSES, found.row.penalty)
    assert np.abs(part.weight - whole.weight).max() > 0.01


def test_a_classifier_that_is_better_stays() -> None:
    x, labels, aside = learned()
    # What only the pictures set aside can teach: how far the features that know others by heart are to be trusted.
    better = fit_head(x[aside], labels[aside.numpy()], CLASSES, 1.0)
    found = refitted(x, labels, CLASSES, aside, better)
    assert found.kept
    assert found.head is better
    assert found.loss == pytest.approx(loss_aside(better, x, labels, aside))
    assert found.loss < found.row.loss


def test_one_standard_error_of_the_differences_decides() -> None:
    x, labels, aside = learned()
    y = torch.from_numpy(labels)[aside]
    found = path(global_scale(x)(x), torch.from_numpy(labels), CLASSES, aside, KORNBLITH[::2], patience=2)
    theirs = found.losses.numpy()
    others = fit_head(x[~aside], labels[~aside.numpy()], CLASSES, found.penalty)
    rng, shares = np.random.default_rng(3), []
    for size in (0.1, 0.2, 0.4):
        for _ in range(4):
            noise = size * rng.normal(size=others.weight.shape).astype(np.float32)
            trained = LinearHead(others.weight + noise, others.bias, 0.0, True)
            mine = F.cross_entropy(trained.answers(x[aside]).double(), y, reduction="none").numpy()
            worse = mine - theirs
            shares.append(worse.mean() / (worse.std(ddof=1) / np.sqrt(len(worse))))
            assert refitted(x, labels, CLASSES, aside, trained).kept == (shares[-1] < 1)
    assert any(0 < one < 1 for one in shares)  # worse, but no more than chance explains: it stays
    assert any(one > 1 for one in shares)


def test_a_converged_classifier_has_nothing_to_lose() -> None:
    """It is as good as any that could be fitted to the same pictures: more of them can only help."""
    x, labels, aside = learned()
    start = fit_head(x[~aside], labels[~aside.numpy()], CLASSES, 100.0)
    found = refitted(x, labels, CLASSES, aside, start)
    assert abs(found.loss - found.row.loss) < 0.05
    assert not found.kept


def test_a_converged_classifier_keeps_its_penalty_where_that_is_better() -> None:
    """The penalties that are tried have gaps, and few pictures choose among them: what was chosen by more stays."""
    x, labels, aside = learned()
    seen, known = x[~aside], labels[~aside.numpy()]
    best = refitted(x, labels, CLASSES, aside, nothing()).row
    near = [best.penalty * factor for factor in (0.6, 0.8, 1.25, 1.6)]
    starts = {penalty: fit_head(seen, known, CLASSES, penalty) for penalty in near}
    better = [penalty for penalty in near if loss_aside(starts[penalty], x, labels, aside) < best.loss]
    assert better
    for penalty in better:
        found = refitted(x, labels, CLASSES, aside, starts[penalty])
        raw = penalty / float(global_scale(seen).scale[0]) ** 2
        assert converged_penalty(starts[penalty], x, labels, ~aside) == pytest.approx(raw, rel=0.01)
        whole = fit_head(x, labels, CLASSES, raw * float(global_scale(x).scale[0]) ** 2)
        assert not found.kept
        np.testing.assert_allclose(found.head.weight, whole.weight, rtol=0.01, atol=1e-3)
        assert found.row.penalty == best.penalty


@pytest.mark.parametrize("penalty", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("versions", [1, 2])
def test_a_converged_classifier_is_recognised(penalty: float, versions: int) -> None:
    x, labels, aside = learned()
    kept = ~aside
    both = torch.cat([x, x + 0.5])[: versions * len(x)]
    fitted = fit_head(both[kept.repeat(versions)], labels[kept.numpy()], CLASSES, penalty)
    assert converged_penalty(fitted, both, labels, kept) is not None
    rng = np.random.default_rng(0)
    noise = np.abs(fitted.weight).mean() * rng.normal(size=fitted.weight.shape).astype(np.float32)
    assert converged_penalty(LinearHead(fitted.weight + noise, fitted.bias, 0.0, True), both, labels, kept) is None
    assert converged_penalty(nothing(), both, labels, kept) is None
    wrong = np.roll(labels, 1)
    assert converged_penalty(fitted, both, wrong, kept) is None


def separable(seed: int) -> tuple[Tensor, NDArray[np.int64], Tensor]:
    """Features that tell classes apart without a mistake: few or many of them, and few or many classes."""
    count, width, classes, apart = ((150, 200, 5, 1.0), (200, 20, 4, 2.0), (300, 100, 20, 1.0))[seed]
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    x = apart * rng.normal(size=(classes, width))[labels] + rng.normal(size=(count, width))
    return torch.from_numpy(x).float(), labels.astype(np.int64), torch.arange(count) % 4 == 0


@pytest.mark.parametrize("penalty", [KORNBLITH[0], 1e-3, 1.0, KORNBLITH[-1]])
@pytest.mark.parametrize("seed", range(3))
def test_a_tiny_penalty_of_separable_classes_is_recognised(seed: int, penalty: float) -> None:
    x, labels, aside = separable(seed)
    fitted = fit_head(x[~aside], labels[~aside.numpy()], int(labels.max()) + 1, penalty)
    assert converged_penalty(fitted, x, labels, ~aside) is not None
    noise = np.random.default_rng(0).normal(size=fitted.weight.shape).astype(np.float32)
    moved = LinearHead(fitted.weight + np.abs(fitted.weight).mean() * noise, fitted.bias, 0.0, True)
    assert converged_penalty(moved, x, labels, ~aside) is None


@pytest.mark.parametrize("steps", [10, 300])
@pytest.mark.parametrize("seed", range(3))
def test_what_gradient_descent_leaves_is_no_converged_classifier(seed: int, steps: int) -> None:
    """Though losses are nearly zero."""
    x, labels, aside = separable(seed)
    rows, y = x[~aside], torch.from_numpy(labels)[~aside]
    layer = torch.nn.Linear(x.shape[1], int(labels.max()) + 1)
    torch.nn.init.normal_(layer.weight, 0, 0.01, generator=torch.Generator().manual_seed(0))
    torch.nn.init.zeros_(layer.bias)
    optimiser = torch.optim.SGD(layer.parameters(), 0.01, 0.9, weight_decay=0.0005)
    for _ in range(steps):
        optimiser.zero_grad()
        F.cross_entropy(layer(rows), y).backward()
        optimiser.step()
    trained = LinearHead(layer.weight.detach().numpy(), layer.bias.detach().numpy(), 0.0, True)
    assert converged_penalty(trained, x, labels, ~aside) is None


def test_a_start_with_a_tiny_penalty_gets_the_pictures_set_aside() -> None:
    x, labels, aside = separable(0)
    start = fit_head(x[~aside], labels[~aside.numpy()], 5, KORNBLITH[0])
    found = refitted(x, labels, 5, aside, start)
    assert not found.kept


def test_mirrored_pictures_are_learned_from_and_judge_nothing() -> None:
    x, labels, aside = learned()
    twice = refitted(torch.cat([x, x]), labels, CLASSES, aside, nothing())
    once = refitted(x, labels, CLASSES, aside, nothing())
    assert twice.row.held == once.row.held
    assert twice.row.penalty == once.row.penalty
    assert twice.row.loss == pytest.approx(once.row.loss, rel=0.02)
    scaled = refitted(
        x * torch.tensor([1.0] * 3 + [50.0] * 6), labels, CLASSES, aside, nothing(), scaling="standardise"
    )
    assert scaled.row.loss == pytest.approx(once.row.loss, rel=0.2)


def test_one_picture_set_aside_is_enough_to_go_on() -> None:
    x, labels, _ = learned()
    aside = torch.arange(len(x)) == 7
    assert not refitted(x, labels, CLASSES, aside, nothing()).kept


def test_a_class_that_only_the_pictures_set_aside_show() -> None:
    x, labels, aside = learned()
    labels = np.where(aside.numpy() & (labels == 2), 3, labels)
    trained = LinearHead(np.zeros((4, 9), np.float32), np.zeros(4, np.float32), 0.0, True)
    found = refitted(x, labels, 4, aside, trained)
    assert np.isfinite(found.row.loss)
    assert found.kept  # it has an answer for them, if no good one
    with pytest.raises(UserError, match="held out"):
        refitted(x, labels, 4, torch.zeros(len(x), dtype=torch.bool), trained)


@pytest.mark.parametrize("kind", HEADS)
def test_the_classifier_as_it_is_gives_the_answers_of_its_layer(kind: str, tmp_path: Path) -> None:
    spot = own_net(tmp_path, kind)
    definition = read_net(spot.net)
    classifier = View(definition).heads()[-1]
    gathered = own(definition)
    assert gathered.aside is not None
    subject = Subject(definition, [str(spot.weights)], CPU)
    judges = [entry for entry, each in zip(gathered.entries, gathered.aside, strict=True) if each]
    x = read_head(subject, judges, classifier)
    assert subject.store is not None
    found = as_it_is(classifier, subject.store)
    given, labels = answers(spot.net, spot.weights, HEADS[kind][2])
    expected = given[HEADS[kind][2]].reshape(len(judges), 3)
    assert labels.tolist() == [label for _, label in judges]
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found.answers(x).numpy(), expected, rtol=1e-5, atol=1e-5)


# -- the command


def test_the_net_is_refitted_to_its_own_pictures(tmp_path: Path) -> None:
    spot = own_net(tmp_path)
    out = tmp_path / "final"
    found = spot.probe(data=None, layers=("head",), mirrored=True, output=str(out))
    assert found.again is not None
    assert found.pictures == 18
    assert found.rows == [found.again.row]
    assert found.again.row.held == 6
    old, new = formats.read(spot.weights).layers, formats.read(out / "probe.caffemodel").layers
    assert old["conv"][0].tobytes() == new["conv"][0].tobytes()
    np.testing.assert_array_equal(new["fc"][0].reshape(3, 8), found.head.weight)
    listed = (out / "train.txt").read_text().splitlines()
    assert len(listed) == len(set(listed)) == 18
    assert json.loads((out / "probe.json").read_text())["kept_as_trained"] == found.again.kept
    # All of them have taught it now, so that none is left to judge.
    again = spot.__class__(out / "train_val.prototxt", out / "probe.caffemodel", spot.data, spot.test)
    further = again.probe(data=None, layers=("head",))
    assert further.again is None
    assert any("no picture is held out" in notice for notice in further.notices)


def test_a_good_classifier_is_written_as_it_is_and_that_is_said(tmp_path: Path) -> None:
    spot = own_net(tmp_path, each=12)
    definition = read_net(spot.net)
    gathered = own(definition)
    assert gathered.aside is not None
    subject = Subject(definition, [str(spot.weights)], CPU)
    head = View(definition).heads()[-1]
    x = read_head(subject, gathered.entries, head)
    mask = torch.from_numpy(gathered.aside)
    # Fitted to the very pictures that judge it, which no classifier of the others can match.
    fitted = fit_head(x[mask], gathered.labels[gathered.aside], 3, 1e-6)
    weights = formats.read(spot.weights)
    weights.layers["fc"] = [fitted.weight, fitted.bias]
    formats.write(spot.weights, weights)
    out = tmp_path / "final"
    ran = lungo("probe", spot.net, "--weights", spot.weights, "--layers", "head", "-o", out, "--device", "cpu")
    assert ran.status == 0, ran.err
    assert "the classifier stays as it was trained" in ran.out
    written = formats.read(out / "probe.caffemodel").layers["fc"]
    assert [one.tobytes() for one in written] == [fitted.weight.tobytes(), fitted.bias.tobytes()]
    assert "as trained" in (out / "train_val.prototxt").read_text().splitlines()[0]
    assert json.loads((out / "probe.json").read_text())["chosen"]["penalty"] is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"layers": ("auto",)}, "no training pictures are named"),
        ({"layers": ("head", "conv")}, "no training pictures are named"),
        ({"layers": ("head",), "classifier": "svm"}, "as of logistic regression"),
    ],
)
def test_what_needs_pictures_to_be_named(more: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        own_net(tmp_path).probe(data=None, **more)


def test_a_penalty_that_is_given_is_taken(tmp_path: Path) -> None:
    found = own_net(tmp_path).probe(data=None, layers=("head",), penalty=2.0)
    assert (found.again, found.rows, found.head.penalty) == (None, [], 2.0)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("better", ["before", "after"])
def test_without_refitting_only_the_better_weights_are_taken(kind: str, better: str, tmp_path: Path) -> None:
    spot = own_net(tmp_path, kind)
    definition, weights = read_net(spot.net), formats.read(spot.weights)
    gathered, head = own(definition), View(definition).heads()[-1]
    assert gathered.aside is not None
    x = read_head(Subject(definition, [str(spot.weights)], CPU), gathered.entries, head)
    good = fit_head(x[torch.from_numpy(gathered.aside)], gathered.labels[gathered.aside], 3, 1.0)
    if kind == "no bias":
        good = LinearHead(good.weight, np.zeros(3, np.float32), 1.0, True)
    paths = {name: tmp_path / f"{name}.caffemodel" for name in ("before", "after")}
    for name, file in paths.items():
        sign = 1 if name == better else -1
        layers = {**weights.layers, **own_blobs(head, LinearHead(sign * good.weight, sign * good.bias, 1.0, True))}
        formats.write(file, replace(weights, layers=layers))
    out = tmp_path / "final"
    found = Place(spot.net, paths["after"], spot.data, spot.test).probe(
        data=None, layers=("head",), before=str(paths["before"]), refit=False, output=str(out)
    )
    taken, written = formats.read(paths[better]).layers, formats.read(out / "probe.caffemodel").layers
    assert {name: [one.tobytes() for one in blobs] for name, blobs in written.items()} == {
        name: [one.tobytes() for one in blobs] for name, blobs in taken.items()
    }
    assert (found.pictures, found.rows, found.kept, found.tested) == (12, [], True, None)
    assert len((out / "train.txt").read_text().splitlines()) == 12
    assert len((out / "test.txt").read_text().splitlines()) == 6
    assert json.loads((out / "probe.json").read_text())["kept_as_trained"]


@pytest.mark.parametrize("halfway", [True, False])
def test_a_gain_within_chance_gives_the_mean_of_both_where_that_is_better(halfway: bool, tmp_path: Path) -> None:
    spot = own_net(tmp_path)
    definition, weights = read_net(spot.net), formats.read(spot.weights)
    gathered, head = own(definition), View(definition).heads()[-1]
    assert gathered.aside is not None
    x = read_head(Subject(definition, [str(spot.weights)], CPU), gathered.entries, head)
    aside = torch.from_numpy(gathered.aside)
    good = fit_head(x[aside], gathered.labels[gathered.aside], 3, 1.0)
    move = 0.3 * np.abs(good.weight).mean() * np.random.default_rng(0).normal(size=good.weight.shape).astype(np.float32)
    # Either on two sides of a good classifier, or both in one direction from it, the trained one further away.
    steps = {"before": move, "after": -move} if halfway else {"before": move, "after": 3 * move}
    heads = {name: LinearHead(good.weight + step, good.bias, 1.0, True) for name, step in steps.items()}
    paths = {name: tmp_path / f"{name}.caffemodel" for name in steps}
    for name, one in heads.items():
        formats.write(paths[name], replace(weights, layers={**weights.layers, **own_blobs(head, one)}))
    before, after = (losses(heads[name], x[aside], gathered.labels[gathered.aside]) for name in steps)
    assert not gained(before, after)
    out = tmp_path / "final"
    Place(spot.net, paths["after"], spot.data, spot.test).probe(
        data=None, layers=("head",), before=str(paths["before"]), refit=False, output=str(out)
    )
    written = formats.read(out / "probe.caffemodel").layers[head.head.name][0]
    expected = own_blobs(head, good if halfway else heads["before"])[head.head.name][0]
    np.testing.assert_allclose(written, expected, atol=1e-6)
    notice = json.loads((out / "probe.json").read_text())["notices"][0]
    assert ("the mean of both weights is used" if halfway else "the weights from before training are used") in notice


@pytest.mark.parametrize("more", [{}, {"before": "x.caffemodel", "penalty": 1.0}])
def test_without_refitting_there_is_a_training_to_judge(more: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--no-refit only compares"):
        own_net(tmp_path).probe(data=None, layers=("head",), refit=False, **more)


def test_a_training_has_gained_only_where_pictures_agree() -> None:
    rng = np.random.default_rng(0)
    before = torch.from_numpy(rng.uniform(0.5, 2, 60))
    one = before.clone()
    one[0] -= 0.5  # a single picture carries the mean, against another
    one[1] += 0.4
    assert float(one.mean()) < float(before.mean())
    assert not gained(before, before)
    assert not gained(before, one)
    assert gained(before, before - torch.from_numpy(rng.uniform(0, 0.1, 60)))
    assert not gained(before - 0.1, before)


def test_losses_are_cross_entropies() -> None:
    head = LinearHead(np.array([[1.0, 0], [0, 2]], np.float32), np.array([0, 1], np.float32), 0.0, True)
    found = losses(head, torch.tensor([[3.0, 1.0], [0.0, -1.0]]), np.array([0, 1]))
    np.testing.assert_allclose(found, [np.log(2), np.log1p(np.exp(1))])
