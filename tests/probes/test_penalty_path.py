"""The path of penalties: its choice against scikit-learn's, its early end, copies, and classes that are missing."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from caffelungo.errors import UserError
from caffelungo.probes import penalty_path, svm
from caffelungo.probes.penalty_path import KORNBLITH, interval, path, standard_error, stratified_folds
from tests.probes.made_up import Floats, Labels, clusters

sklearn = pytest.importorskip("sklearn")
FEW = KORNBLITH[20::5]


def digits() -> tuple[Floats, Labels]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x[:900] / 16, y[:900].astype(np.int64)


def wine() -> tuple[Floats, Labels]:
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    return (x - x.mean(0)) / x.std(0), y.astype(np.int64)


def theirs(x: Floats, y: Labels, held: NDArray[np.bool_], penalty: float) -> tuple[float, float]:
    """Loss and accuracy of scikit-learn's classifier on what is held out."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / penalty, tol=1e-7, max_iter=20_000).fit(x[~held], y[~held])
    answers = torch.from_numpy(model.decision_function(x[held]))
    return float(F.cross_entropy(answers, torch.from_numpy(y[held]))), float(model.score(x[held], y[held]))


def test_the_penalties_of_the_paper() -> None:
    assert len(KORNBLITH) == 45
    assert np.allclose(KORNBLITH, np.logspace(-6, 5, 45))


@pytest.mark.parametrize("data", [digits, wine])
def test_real_data_as_sklearn(data: object) -> None:
    x, y = data()  # type: ignore[operator]
    held = np.arange(len(y)) % 4 == 0
    found = path(x, y, int(y.max()) + 1, held, KORNBLITH[20:36:3], patience=None, tolerance=1e-4)
    for row in found.rows:
        loss, accuracy = theirs(x, y, held, row.penalty)
        assert row.loss == pytest.approx(loss, abs=2e-4)
        assert abs(row.accuracy - accuracy) < 2e-3
    rough = path(x.astype(np.float32), y, int(y.max()) + 1, held, KORNBLITH[20:36:3], patience=None)
    assert rough.penalty == found.penalty
    assert abs(rough.rows[rough.best].accuracy - found.rows[found.best].accuracy) < 2e-3


def test_folds_are_as_many_masks() -> None:
    x, y = clusters(90, 6, 3)
    folds = stratified_folds(y, 3, 0)
    together = path(x, y, 3, folds, FEW, patience=None, tolerance=1e-4)
    parts = [path(x, y, 3, folds == each, FEW, patience=None, tolerance=1e-4) for each in range(3)]
    for number, row in enumerate(together.rows):
        alone = [part.rows[number] for part in parts]
        shares = np.array([float((folds == each).double().mean()) for each in range(3)])
        assert row.loss == pytest.approx(float(shares @ [r.loss for r in alone]), rel=1e-4)
        assert row.accuracy == pytest.approx(float(shares @ [r.accuracy for r in alone]), abs=1e-9)
    assert together.predictions.shape == together.losses.shape == (90,)
    assert together.held.tolist() == list(range(90))
    best = together.rows[together.best]
    assert float(together.losses.mean()) == pytest.approx(best.loss, rel=1e-9)
    assert float((together.predictions == torch.from_numpy(y)).double().mean()) == pytest.approx(best.accuracy)


def test_folds_solved_one_after_the_other_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clusters(60, 6, 3)
    folds = stratified_folds(y, 4, 0)
    together = path(x, y, 3, folds, FEW, tolerance=1e-4)
    monkeypatch.setattr(penalty_path, "MEMORY", 1)
    alone = path(x, y, 3, folds, FEW, tolerance=1e-4)
    assert [row.loss for row in alone.rows] == pytest.approx([row.loss for row in together.rows], rel=1e-4)


@pytest.mark.parametrize("classifier", ["logistic", "svm"])
@pytest.mark.parametrize("seed", range(4))
def test_the_early_end_does_not_change_the_choice(classifier: str, seed: int) -> None:
    # few rows, many features, clusters that overlap more or less: paths that fall late, early or not at all
    x, y = clusters(60, (4, 30, 90, 15)[seed], 3, apart=(0.3, 0.6, 0.5, 0.0)[seed], seed=seed)
    folds = stratified_folds(y, 4, seed)
    early = path(x, y, 3, folds, KORNBLITH[::2], classifier, tolerance=0.1)
    whole = path(x, y, 3, folds, KORNBLITH[::2], classifier, patience=None, tolerance=0.1)
    assert len(whole.rows) == 23
    assert len(early.rows) < 23
    assert early.rows == whole.rows[: len(early.rows)]
    assert early.best == whole.best


def test_weak_features_do_not_end_the_path_before_it_starts() -> None:
    x, y = clusters(80, 5, 2, apart=3)
    found = path(x * 1e-4, y, 2, stratified_folds(y, 4), KORNBLITH)
    assert found.rows[found.best].accuracy > 0.9


def losses(x: Floats, y: Labels, held: NDArray[np.bool_], penalty: float) -> Floats:
    """Of each picture held out, by scikit-learn's classifier."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=20_000).fit(x[~held], y[~held])
    answers = torch.from_numpy(model.decision_function(x[held]))
    return F.cross_entropy(answers, torch.from_numpy(y[held]), reduction="none").numpy()


@pytest.mark.parametrize("seed", range(3))
def test_the_strongest_penalty_within_one_standard_error_of_the_least_loss(seed: int) -> None:
    x, y = clusters(200, 12, 3, apart=0.7, seed=seed)
    held = np.arange(200) % 2 == 0
    found = path(x, y, 3, held, KORNBLITH[20:40:4], patience=None, tolerance=1e-4)
    each = [losses(x, y, held, row.penalty) for row in found.rows]
    least = int(np.argmin([one.mean() for one in each]))
    apart = [one - each[least] for one in each]
    errors = [one.std(ddof=1) / np.sqrt(len(one)) for one in apart]
    # As seen from the least loss; margins keep clear of what the solver's tolerance decides.
    assert apart[found.best].mean() <= errors[found.best] + 1e-3
    assert all(apart[row].mean() > errors[row] - 1e-3 for row in range(found.best))
    assert found.best <= least
    # The error of either mean is far larger: by it nearly any penalty would do.
    assert errors[found.best] < each[least].std() / np.sqrt(len(y) / 2)
    assert found.losses.numpy() == pytest.approx(each[found.best], abs=2e-2)


def test_a_flat_path_of_losses_ends_at_the_strongest_penalty() -> None:
    rng = np.random.default_rng(0)
    hard = torch.from_numpy(rng.exponential(size=200))
    flat = [hard + 0.01 * torch.from_numpy(rng.normal(size=200)) for _ in range(6)]
    flat[5] = flat[5] - (flat[5] - flat[0]).mean() - 0.0005
    assert penalty_path.strongest(flat, 5) == 0
    # Every picture loses as little: that is no chance, however much pictures differ from each other.
    paired = [hard + 0.01 * (5 - row) for row in range(6)]
    assert penalty_path.strongest(paired, 5) == 5


@pytest.mark.parametrize(("count", "width", "classes"), [(40, 300, 4), (120, 20, 3), (400, 60, 20)])
def test_separable_classes_do_not_ask_for_ever_weaker_penalties(count: int, width: int, classes: int) -> None:
    """Their losses fall on for every picture, so that no difference is chance; but nothing is left to gain."""
    x, y = clusters(count, width, classes, apart=20)
    found = path(x, y, classes, stratified_folds(y, 4))
    assert len(found.rows) < 30
    assert found.rows[found.best].accuracy == 1
    assert found.rows[found.best].loss <= min(0.01, np.log(2) / count)
    assert found.best == 0 or found.rows[found.best - 1].loss > min(0.01, np.log(2) / count)


def test_answers_of_all_penalties_are_not_kept() -> None:
    """Those of 20,000 pictures and 1,000 classes take 80 MB a penalty."""
    x, y = clusters(97, 4, 13)

    def tables() -> int:
        return sum(type(one) is torch.Tensor and one.shape == (97, 13) for one in gc.get_objects())

    seen: list[int] = []
    path(x, y, 13, stratified_folds(y, 2), KORNBLITH[20:28], patience=None, progress=lambda *_: seen.append(tables()))
    assert len(seen) == 8
    assert max(seen) <= seen[0] + 1


def test_a_path_that_changes_nothing_ends_after_twice_the_patience() -> None:
    x, y = clusters(120, 6, 2)
    flat = path(x * 0 + 1, y, 2, stratified_folds(y, 4), patience=2)
    assert (flat.best, len(flat.rows)) == (0, 5)
    seen: list[int] = []
    found = path(x, y, 2, stratified_folds(y, 4), patience=3, progress=lambda done, total: seen.append(done))
    assert len(found.rows) == len(seen) < len(KORNBLITH)
    assert len(found.rows) - 1 - found.best <= 6


def test_the_standard_error_of_a_mean() -> None:
    differences = torch.tensor([1.0, 2.0, 4.0, 9.0])
    assert standard_error(differences) == pytest.approx(np.std([1, 2, 4, 9], ddof=1) / 2)
    assert standard_error(differences[:1]) == 0.0


def test_one_picture_held_out() -> None:
    x, y = clusters(40, 3, 2, apart=3)
    found = path(x, y, 2, np.arange(40) == 5, FEW, patience=None)
    assert found.rows[found.best].loss == min(row.loss for row in found.rows)


def test_the_choice_of_an_svm_is_the_most_accurate() -> None:
    x, y = clusters(90, 10, 3, apart=0.5)
    found = path(x, y, 3, stratified_folds(y, 3), FEW, "svm", patience=None)
    top = max(row.accuracy for row in found.rows)
    equals = [row for row in found.rows if row.accuracy == top]
    assert found.rows[found.best] == min(equals, key=lambda row: row.loss)
    folds = stratified_folds(y, 3)
    hinge, right = 0.0, 0
    for fold in range(3):
        held = (folds == fold).numpy()
        model = svm.fit(x[~held], y[~held], 3, found.penalty, tolerance=1e-6)
        answers = model.answers(torch.from_numpy(x[held]))[0]
        sign = 2 * F.one_hot(torch.from_numpy(y[held]), 3) - 1
        hinge += float((1 - sign * answers).clamp_min(0).square().sum()) / 90
        right += int((answers.argmax(1) == torch.from_numpy(y[held])).sum())
    assert hinge == pytest.approx(found.rows[found.best].loss, rel=0.02)
    assert abs(right - int((found.predictions == torch.from_numpy(y)).sum())) <= 1


def test_versions_count_once_and_are_not_held_out() -> None:
    x, y = clusters(60, 6, 3)
    folds = stratified_folds(y, 3)
    one = path(x, y, 3, folds, FEW, patience=None, tolerance=1e-4)
    twice = path(np.r_[x, x], y, 3, folds, FEW, patience=None, versions=2, tolerance=1e-4)
    assert [row.loss for row in twice.rows] == pytest.approx([row.loss for row in one.rows], rel=1e-4)
    assert twice.predictions.shape == (60,)
    noisy = path(np.r_[x, -x], y, 3, folds, FEW, patience=None, versions=2)
    assert noisy.rows[noisy.best].loss > one.rows[one.best].loss
    with pytest.raises(UserError, match="every version"):
        path(np.r_[x, x], y, 3, folds, versions=3)


def test_a_class_that_a_fold_has_not_learnt() -> None:
    x, y = clusters(61, 6, 3)
    y[60] = 3  # the only picture of its class: whoever judges it has never seen it
    found = path(x, y, 4, stratified_folds(y, 3), FEW)
    best = found.rows[found.best]
    assert found.unseen == 1
    assert np.isfinite(best.loss)
    known = torch.from_numpy(y) != 3
    right = found.predictions == torch.from_numpy(y)
    assert not right[60]
    assert found.losses[60] > 1000
    assert best.loss == pytest.approx(float(found.losses[known].mean()), rel=1e-9)
    assert best.accuracy == pytest.approx(float(right.double().mean()))
    recalls = [float(right[torch.from_numpy(y) == each].double().mean()) for each in range(4)]
    assert best.balanced == pytest.approx(float(np.mean(recalls)))


def test_many_classes_of_three_pictures() -> None:
    x, y = clusters(303, 20, 101, apart=3)
    y = np.repeat(np.arange(101), 3)
    x = clusters(101, 20, 101, apart=3)[0][y] + 0.1 * np.random.default_rng(0).normal(size=(303, 20))
    found = path(x, y, 101, stratified_folds(y, 3), KORNBLITH[10:34:4])
    assert all(row.converged for row in found.rows)
    assert found.rows[found.best].accuracy > 0.9


def test_progress() -> None:
    x, y = clusters(40, 3, 2)
    seen: list[tuple[int, int]] = []
    path(x, y, 2, stratified_folds(y, 2), FEW, patience=None, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(number + 1, len(FEW)) for number in range(len(FEW))]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"classifier": "tree"}, "logistic, svm"),
        ({"held_out": np.zeros(40, bool)}, "held-out"),
        ({"held_out": np.ones(40, bool)}, "held-out"),
        ({"held_out": np.zeros(40, int)}, "held-out"),
        ({"held_out": np.arange(40) % 2 * 2}, "held-out"),
        ({"held_out": np.arange(40) % 2 - 1}, "held-out"),
        ({"held_out": np.zeros(39, bool)}, "each picture has a fold"),
        ({"held_out": np.zeros(40)}, "each picture has a fold"),
        ({"penalties": [1.0, -1.0]}, "positive"),
        ({"classes": 1}, "two classes"),
        ({"held_out": np.arange(40) % 2 == 0, "y": np.arange(40) % 2}, "no held-out picture"),
    ],
)
def test_refused(given: dict[str, object], words: str) -> None:
    x, y = clusters(40, 3, 2)
    arguments = {"x": x, "y": y, "classes": 2, "held_out": stratified_folds(y, 2), "penalties": FEW} | given
    with pytest.raises(UserError, match=words):
        path(**arguments)  # type: ignore[arg-type]


def test_interval_of_wilson() -> None:
    # statsmodels.stats.proportion.proportion_confint(80, 100, method="wilson")
    assert interval(np.arange(100) < 80) == pytest.approx((0.711169, 0.866635), abs=1e-5)
    assert interval([]) == (0.0, 1.0)
