"""Weights of pictures and shares of classes in linear classifiers, beside scikit-learn's class weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from caffelungo.definition.reader import parse_net, read_net
from caffelungo.probes.choose_candidate import LinearHead, fit_head
from caffelungo.probes.class_correction import ClassCorrection, of_net, without
from caffelungo.probes.penalty_path import path, stratified_folds
from caffelungo.probes.refit_classifier import converged_penalty, losses, refitted
from tests.probes.own_nets import own_net

COUNTS = (100, 25, 5)


def made(seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Features of three overlapping classes of 100, 25 and 5 pictures, in a mixed order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(3), COUNTS))
    return torch.from_numpy(np.eye(3)[labels] @ rng.normal(size=(3, 8)) + 0.8 * rng.normal(size=(130, 8))), labels


def test_weights_are_of_mean_1() -> None:
    _, labels = made()
    each = ClassCorrection("inverse").weights(labels, 3)
    for number, count in enumerate(COUNTS):
        assert each[labels == number] == pytest.approx(130 / (3 * count))
    np.testing.assert_array_equal(ClassCorrection("sampling").weights(labels, 3), each)
    effective = ClassCorrection("effective", 0.9).weights(labels, 3)
    assert effective.mean() == pytest.approx(1)
    known = {number: effective[labels == number][0] for number in range(3)}
    assert known[2] / known[0] == pytest.approx(1.62102 / 0.66383, rel=1e-4)
    assert ClassCorrection().weights(labels, 3) is None
    assert ClassCorrection("logits").weights(labels, 3) is None


def test_inverse_weights_as_scikit_learns_balanced() -> None:
    x, labels = made()
    head = fit_head(x, labels, 3, 2.0, scaling="unit", counts=ClassCorrection("inverse").weights(labels, 3))
    from caffelungo.probes.scaling import global_scale

    scale = float(global_scale(x).scale[0])
    model = LogisticRegression(C=1 / (2.0 / scale**2), class_weight="balanced", tol=1e-10, max_iter=10_000)
    model.fit(x.numpy(), labels)
    wanted = model.decision_function(x.numpy())
    mine = head.answers(x).numpy()
    probabilities = [np.exp(one - one.max(1, keepdims=True)) for one in (wanted, mine)]
    wanted, mine = (one / one.sum(1, keepdims=True) for one in probabilities)
    np.testing.assert_allclose(mine, wanted, atol=0.02)
    plain = fit_head(x, labels, 3, 2.0, scaling="unit").answers(x).argmax(1).numpy()
    assert (mine.argmax(1) == 2).sum() > (plain == 2).sum()


def test_logit_adjustment_takes_the_shares_off() -> None:
    """Menon et al. 2021: 2, 1 and 0.5 less the logarithms of 100, 25 and 5 of 130."""
    _, labels = made()
    shares = ClassCorrection("logits").shares(labels, 3)
    head = LinearHead(np.zeros((3, 8), np.float32), np.array([2, 1, 0.5], np.float32), 1.0, True)
    assert without(head, shares).bias == pytest.approx([2.2624, 2.6487, 3.7581], abs=1e-4)
    assert without(head, None) is head


def test_the_losses_that_choose_are_weighed() -> None:
    x, labels = made()
    each = ClassCorrection("inverse").weights(labels, 3)
    folds = stratified_folds(labels, 4, 0)
    plain = path(x, labels, 3, folds, (1.0, 10.0))
    same = path(x, labels, 3, folds, (1.0, 10.0), weights=np.ones(len(labels)))
    assert [row.loss for row in same.rows] == pytest.approx([row.loss for row in plain.rows])
    weighed = path(x, labels, 3, folds, (1.0, 10.0), weights=each)
    assert all(one.balanced > other.balanced for one, other in zip(weighed.rows, plain.rows, strict=True))
    row = weighed.rows[weighed.best]
    assert float(weighed.losses.mean()) == pytest.approx(row.loss)
    # By hand: the held-out losses of one fold's classifier, each by its weight.
    fold = (folds == 0).numpy()
    assert fold.any()
    model = LogisticRegression(C=1 / row.penalty, tol=1e-10, max_iter=10_000)
    model.fit(x.numpy()[~fold], labels[~fold], sample_weight=each[~fold])
    probability = model.predict_proba(x.numpy()[fold])[np.arange(fold.sum()), labels[fold]]
    np.testing.assert_allclose(weighed.losses.numpy()[fold], -np.log(probability) * each[fold] / each.mean(), rtol=0.05)


@pytest.mark.parametrize("word", ["inverse", "effective", "logits"])
def test_a_classifier_that_was_fitted_so_is_recognised(word: str) -> None:
    """Fitted to the training part with the correction, it is taken for converged, and fitted to all with it again."""
    x, labels = made()
    correction = ClassCorrection(word, 0.99)
    aside = torch.from_numpy(np.arange(130) % 5 == 4)
    learned = ~aside
    own = labels[learned.numpy()]
    start = fit_head(x[learned], own, 3, 3.0, counts=correction.weights(own, 3))
    counts = correction.weights(labels, 3)
    assert converged_penalty(start, x, labels, learned, counts) is not None
    if counts is not None:
        assert converged_penalty(start, x, labels, learned) is None
    started = without(start, correction.shares(own, 3))
    found = refitted(x, labels, 3, aside, started, correction=correction)
    assert not found.kept
    balanced = [np.mean([(head.answers(x).argmax(1).numpy() == labels)[labels == one].mean() for one in range(3)])
                for head in (found.head, fit_head(x, labels, 3, 3.0))]  # fmt: skip
    assert balanced[0] > balanced[1]


def test_losses_with_weights_and_shares() -> None:
    x, labels = made()
    head = fit_head(x, labels, 3, 3.0)
    counts = ClassCorrection("inverse").weights(labels, 3)
    plain = losses(head, x, labels)
    torch.testing.assert_close(losses(head, x, labels, counts), plain * torch.from_numpy(counts))
    shares = ClassCorrection("logits").shares(labels, 3)
    torch.testing.assert_close(losses(without(head, shares), x, labels, None, shares), plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "word", "beta", "strength"),
    [
        ("", "none", 0.999, 1.0),
        ("lungo { softmax_with_loss { class_weights: effective beta: 0.5 } }", "effective", 0.5, 1.0),
        ("lungo { softmax_with_loss { logit_adjustment: 0.5 } }", "logits", 0.999, 0.5),
        ("lungo { softmax_with_loss { class_weight: [1, 2, 3] } }", "none", 0.999, 1.0),
    ],
)
def test_what_a_net_does(options: str, word: str, beta: float, strength: float, tmp_path: Path) -> None:
    spot = own_net(tmp_path)
    text = spot.net.read_text().replace('type: "SoftmaxWithLoss"', f'type: "SoftmaxWithLoss" {options}')
    found = of_net(parse_net(text))
    assert (found.word, found.strength) == (word, strength)
    assert found.beta == pytest.approx(beta)


def test_the_refit_of_a_net_corrects_what_its_loss_corrects(tmp_path: Path) -> None:
    """Fewer pictures of one class: with weights in the loss, the refitted classifier leans towards it."""
    spot = own_net(tmp_path, each=9)
    train = (tmp_path / "train.txt").read_text().splitlines()
    few = [line for line in train if line.endswith(" 2")][:1]
    (tmp_path / "train.txt").write_text("\n".join([line for line in train if not line.endswith(" 2")] + few) + "\n")
    text = spot.net.read_text()
    biases = {}
    for name, options in (("plain", ""), ("weighed", "lungo { softmax_with_loss { class_weights: inverse } }")):
        spot.net.write_text(text.replace('type: "SoftmaxWithLoss"', f'type: "SoftmaxWithLoss" {options}'))
        assert of_net(read_net(spot.net)).word == ("inverse" if options else "none")
        found = spot.probe(data=None, layers=("head",), output=str(tmp_path / name), penalty=10.0)
        biases[name] = found.head.bias - found.head.bias.mean()
    assert biases["weighed"][2] > biases["plain"][2]
    forced = spot.probe(data=None, layers=("head",), output=str(tmp_path / "forced"), penalty=10.0, balance="none")
    assert forced.head.bias - forced.head.bias.mean() == pytest.approx(biases["plain"], abs=1e-5)
