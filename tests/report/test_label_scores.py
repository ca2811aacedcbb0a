"""How well several labels are told over a test set, against scikit-learn; the table on the console and as a file."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from caffelungo.report import label_scores
from caffelungo.report.label_scores import LabelScores

NAMES = ["cat", "tall grass", "dog", "unicorn"]
THRESHOLDS = [0.3, 0.6, 0.5, 0.4]


def scored(samples: int = 50) -> tuple[LabelScores, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    scores = np.round(rng.normal(size=(samples, 4)), 1)
    targets = (scores + rng.normal(size=scores.shape) > 0.3).astype(float)
    targets[:, 3] = 0
    targets[rng.random(targets.shape) < 0.2] = -1
    found = label_scores.label_scores(torch.from_numpy(scores), torch.from_numpy(targets), THRESHOLDS)
    return found.named(NAMES), scores, targets


def test_every_label_as_scikit_learn_has_it() -> None:
    found, scores, targets = scored()
    chosen = 1 / (1 + np.exp(-scores)) >= THRESHOLDS
    for k, one in enumerate(found.labels[:3]):
        known = targets[:, k] >= 0
        truth, answer = targets[known, k], chosen[known, k]
        assert (one.name, one.known, one.positives) == (NAMES[k], known.sum(), truth.sum())
        assert one.average_precision == pytest.approx(average_precision_score(truth, scores[known, k]))
        assert one.precision == pytest.approx(precision_score(truth, answer))
        assert one.recall == pytest.approx(recall_score(truth, answer))
        assert one.f1 == pytest.approx(f1_score(truth, answer))
    assert found.micro_f1 == pytest.approx(f1_score(targets[targets >= 0], chosen[targets >= 0]))
    assert found.macro_f1 == pytest.approx(np.mean([one.f1 for one in found.labels[:3]]))
    assert found.mean_average_precision == pytest.approx(np.mean([one.average_precision for one in found.labels[:3]]))


def test_a_label_without_a_positive_is_named_and_in_no_mean() -> None:
    found, _, _ = scored()
    assert found.absent == ["unicorn"]
    assert math.isnan(found.labels[3].average_precision)
    (line,) = label_scores.lines(found)
    assert "means over 3 labels; no positive picture of unicorn" in line


def test_one_threshold_for_all_and_names_that_do_not_fit() -> None:
    found = label_scores.label_scores(torch.zeros(2, 3), torch.ones(2, 3), [0.5])
    assert [one.threshold for one in found.labels] == [0.5] * 3
    assert [one.name for one in found.named(["a"]).labels] == ["0", "1", "2"]


def test_table_and_file(tmp_path: Path) -> None:
    found, _, _ = scored()
    out = io.StringIO()
    label_scores.print_labels(found, Console(file=out, width=120))
    text = out.getvalue()
    assert "tall grass" in text
    assert f"{found.labels[0].average_precision:.1%}" in text
    path = label_scores.write(found, tmp_path)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["label"] for row in rows] == NAMES
    assert float(rows[1]["f1"]) == pytest.approx(found.labels[1].f1)


def test_of_many_labels_the_worst_are_printed() -> None:
    rng = np.random.default_rng(1)
    targets = torch.from_numpy((rng.random((40, 50)) < 0.5).astype(float))
    found = label_scores.label_scores(torch.from_numpy(rng.normal(size=(40, 50))), targets, [0.5])
    out = io.StringIO()
    label_scores.print_labels(found, Console(file=out, width=120))
    assert "30 of 50 labels with the lowest average precision" in out.getvalue()
    assert len(out.getvalue().splitlines()) == 32
