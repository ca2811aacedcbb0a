"""MultiLabelScore, against scikit-learn; and the measures below it, with worked values of the VOC forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from caffelungo.definition.numeric import range_problems
from caffelungo.definition.reader import parse_net
from caffelungo.layers import label_measures
from tests.layers.every_type import Example
from tests.layers.helper import check_layer, plan_of, refused

EXAMPLE = Example(shapes=[(3, 4), (3, 4)], tops=3)


def drawn(seed: int, samples: int = 40, labels: int = 3, unknown: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and targets that are 1 more often where the score is high."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=(samples, labels)), 1)
    targets = (scores + rng.normal(size=scores.shape) > 0.4).astype(float)
    targets[rng.random(targets.shape) < unknown] = -1
    return scores, targets


def expected(scores: np.ndarray, targets: np.ndarray, thresholds: np.ndarray | float = 0.5) -> list[float]:
    """mAP, micro F1 and macro F1 of scikit-learn, label by label without what is unknown."""
    chosen = (1 / (1 + np.exp(-scores)) >= thresholds).astype(int)
    known = targets >= 0
    if not known.any():
        return [0.0, 0.0, 0.0]
    there = [k for k in range(targets.shape[1]) if (targets[:, k] == 1).any()]
    if not there:
        return [0.0, f1_score(targets[known], chosen[known], zero_division=0.0), 0.0]
    ap = [average_precision_score(targets[known[:, k], k], scores[known[:, k], k]) for k in there]
    f1 = [f1_score(targets[known[:, k], k], chosen[known[:, k], k], zero_division=0.0) for k in there]
    return [float(np.mean(ap)), f1_score(targets[known], chosen[known], zero_division=0.0), float(np.mean(f1))]


@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_numbers(unknown: float) -> None:
    scores, targets = drawn(1, unknown=unknown)
    wanted = [np.array(value) for value in expected(scores, targets)]
    check_layer('type: "MultiLabelScore"', [scores, targets], wanted, tolerance=1e-6)


def test_thresholds_and_a_label_without_a_positive() -> None:
    scores, targets = drawn(2)
    targets[:, 1] = 0
    wanted = expected(scores, targets, np.array([0.2, 0.9, 0.6]))
    text = 'type: "MultiLabelScore" lungo { multi_label_score { threshold: [0.2, 0.9, 0.6] } }'
    check_layer(text, [scores, targets], [np.array(value) for value in wanted], tolerance=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(3, 30), st.integers(1, 4), st.sampled_from([0.0, 0.5, 1.0]))
def test_any_scores_and_targets(seed: int, samples: int, labels: int, unknown: float) -> None:
    scores, targets = drawn(seed, samples, labels, unknown)
    text = (
        f'layer {{ name: "d" type: "DummyData" top: "p" top: "t" dummy_data_param {{ shape {{ dim: {samples} '
        f'dim: {labels} }} }} }}\nlayer {{ name: "s" type: "MultiLabelScore" bottom: "p" bottom: "t" top: "a" '
        'top: "b" top: "c" }'
    )
    layer = plan_of(text).layers[-1].layer
    parts = [layer.test_sums([torch.from_numpy(scores[k::3]), torch.from_numpy(targets[k::3])]) for k in range(3)]
    found = [float(one) for one in layer.from_sums(torch.cat(parts))]
    np.testing.assert_allclose(found, expected(scores, targets), atol=1e-9)


SCORES, LABELS = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [1, 0, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("way", "value"),
    [(label_measures.STEPS, 0.805556), (label_measures.VOC_2010, 0.833333), (label_measures.VOC_2007, 0.840909)],
)
def test_worked_values_of_average_precision(way: str, value: float) -> None:
    scores, targets = torch.tensor(SCORES)[:, None], torch.tensor(LABELS)[:, None]
    found = label_measures.average_precision(scores, targets, way)
    assert float(found[0]) == pytest.approx(value, abs=5e-7)
    # What is neither positive nor negative ("difficult") changes nothing, wherever it comes.
    scores, targets = (torch.cat([one, new]) for one, new in ((scores, torch.tensor([[0.95], [0.7], [0.1]])),
                                                              (targets, torch.full((3, 1), -1))))  # fmt: skip
    assert float(label_measures.average_precision(scores, targets, way)[0]) == pytest.approx(value, abs=5e-7)


def test_a_label_without_a_positive_has_no_average_precision() -> None:
    found = label_measures.average_precision(torch.tensor([[0.1, 0.2]]), torch.tensor([[1, 0]]))
    assert (float(found[0]), bool(found[1].isnan())) == (1.0, True)


@pytest.mark.parametrize("seed", range(4))
def test_no_other_threshold_is_better_where_positives_are_many(seed: int) -> None:
    scores, targets = drawn(seed, 80, 2)
    p = 1 / (1 + np.exp(-scores))
    found = label_measures.best_thresholds(torch.from_numpy(p), torch.from_numpy(targets)).numpy()
    for k in range(2):
        assert targets[:, k].sum() >= label_measures.FEW
        of = [f1_score(targets[:, k], p[:, k] >= t) for t in (found[k], *np.unique(p[:, k]))]
        assert of[0] == pytest.approx(max(of))


def test_few_positives_share_a_threshold() -> None:
    p = torch.tensor([[0.9, 0.3, 0.5], [0.8, 0.2, 0.4], [0.1, 0.1, 0.3]]).repeat(10, 1)
    targets = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0]]).repeat(10, 1)
    own, half, none = label_measures.best_thresholds(p, targets).tolist()
    assert own == pytest.approx((0.8 + 0.1) / 2)  # 20 positives
    # 10 positives: half way from its own (0.3 + 0.2) / 2 to the common one. No positive: the common one.
    assert half == pytest.approx(((0.3 + 0.2) / 2 + none) / 2)
    everything = np.unique(p.numpy())
    best = max(f1_score(targets.numpy().ravel(), p.numpy().ravel() >= t) for t in everything)
    assert f1_score(targets.numpy().ravel(), p.numpy().ravel() >= none) == pytest.approx(best)
    assert label_measures.best_thresholds(p, torch.zeros(30, 3)).tolist() == [0.5, 0.5, 0.5]


def test_mistakes() -> None:
    line = 'type: "MultiLabelScore"'
    refused(line, [(2, 3), (2, 2)], "one target for each score", "same number of values")
    own = f"{line} lungo {{ multi_label_score {{ threshold: "
    refused(f"{own} [0.1, 0.2] }} }}", [(2, 3), (2, 3)], "one `threshold` for each label", "3 times")
    problems = range_problems(parse_net(f'layer {{ name: "l" {own} 1.5 }} }} }}').message, lambda *path: None)
    assert ["threshold" in one.what for one in problems] == [True]
