"""What is said of a fork's solver keeps the training, or says that it does not."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable

import pytest

from caffelungo.definition import fork_solver, forks, schema
from caffelungo.definition.reader import parse_solver
from caffelungo.errors import UserError
from caffelungo.solve.learning_rate import Schedule
from caffelungo.solve.validate import solver_problems
from tests.support import needs_shared, shared

PLAIN = 'net: "n"\nbase_lr: 0.01\nlr_policy: "multistep"\nstepvalue: 300\ngamma: 0.1\nmax_iter: 400\n'
TRAINS_ALIKE = {
    "eval_type", "ap_version", "show_per_class_result", "test_offset", "test_before_snapshot", "log_avg_gradient_norm",
    "test_and_snapshot_last_epochs", "solver_data_type", "store_blobs_in_old_format", "engine",
}  # fmt: skip
"""Fields that say how a solver measures, shows, stores or computes."""


def remedies(text: str) -> dict[str, str]:
    with pytest.raises(UserError) as caught:
        parse_solver(text)
    return {one.received or "": one.remedy or "" for one in caught.value.problems}


def test_every_field_of_a_fork_has_a_remedy_and_only_what_trains_alike_is_deleted() -> None:
    assert set(fork_solver.FIELDS) == set(forks.FIELDS["SolverParameter"])
    deleted = {field for field in fork_solver.FIELDS if fork_solver.remedy(field).startswith("delete it")}
    assert deleted == TRAINS_ALIKE


@needs_shared
def test_every_solver_field_of_the_forks_schemas_has_a_remedy_and_what_changes_nothing_is_no_value_of_theirs() -> None:
    ours = schema.descriptor("SolverParameter").fields_by_name
    with shared("reference", "forks_schema.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["message"] == "SolverParameter"]
    added = [row for row in rows if row["kind"] == "field" and row["name"] not in ours]
    assert len(added) > 45
    for row in added:
        usual, _ = fork_solver.FIELDS[row["name"]]
        if usual is not None:
            assert fork_solver._same(usual, row["default"]) or row["name"] == "min_lr"


def rampup(iteration: int) -> float:
    return 0.001 + (0.01 - 0.001) * (iteration / 100) ** 2


def warmup(iteration: int) -> float:
    return (iteration * 0.01 + (100 - iteration) * 0.001) / 100


@pytest.mark.parametrize(
    ("length", "start", "rate", "furthest", "said"),
    [
        ("warmup_iter", "warmup_start_lr", warmup, 1e-8, ""),
        ("rampup_interval", "rampup_lr", rampup, 0.25 * 0.009, "rises with the square"),
    ],
)
def test_warming_up_becomes_ours(
    length: str, start: str, rate: Callable[[int], float], furthest: float, said: str
) -> None:
    """The fork's own rate, by its formula, is what the block of the remedy gives, or the remedy says how not."""
    told = remedies(f"{PLAIN}{length}: 100\n{start}: 0.001\n")
    assert told[length] == told[start]
    assert said in told[length]
    block = re.search(r"`(lungo \{.*?\})`", told[length])
    assert block
    assert block[1] == "lungo { warmup_iter: 100 warmup_start: 0.1 }"
    schedule = Schedule(parse_solver(PLAIN + block[1]).message)
    rates = [schedule.rate(iteration) for iteration in range(120)]
    assert max(abs(rates[i] - rate(i)) for i in range(100)) <= furthest * 1.001
    assert rates[100:] == pytest.approx([0.01] * 20)


def test_numbers_that_cannot_be_told_are_named() -> None:
    assert "S being warmup_start_lr / base_lr" in remedies("warmup_iter: 100\nwarmup_start_lr: 0.001\n")["warmup_iter"]
    assert "warmup_start: 0 }" in remedies(PLAIN + "warmup_iter: 100\n")["warmup_iter"]
    assert "changes nothing" in remedies(PLAIN + "warmup_start_lr: 0.001\n")["warmup_start_lr"]
    curved = PLAIN.replace("multistep", "poly") + "warmup_iter: 100\n"
    assert "rises to that of the policy" in remedies(curved)["warmup_iter"]
    assert "cosine_floor: 0.02 }" in remedies(PLAIN + "min_lr: 0.0002\n")["min_lr"]


@pytest.mark.parametrize(
    ("line", "nothing"),
    [
        ('momentum_policy: "fixed"', True), ('momentum_policy: "poly"', False), ("larc: false", True),
        ("larc: true", False), ("clip_weights: -1.0", True), ("clip_weights: 0.01", False), ("lr_dropout: 1", True),
    ],
)  # fmt: skip
def test_a_value_that_changes_nothing_may_go(line: str, nothing: bool) -> None:
    (told,) = remedies(f"{PLAIN}{line}\n").values()
    assert ("delete it" in told) == nothing
    assert ("the training differs" in told) != nothing


@pytest.mark.parametrize("policy", sorted(fork_solver.POLICIES))
def test_a_policy_of_a_fork_is_no_typo(policy: str) -> None:
    definition = parse_solver(PLAIN.replace("multistep", policy))
    (found,) = [one for one in solver_problems(definition.message, definition.where) if "policy" in one.what]
    assert found.remedy == fork_solver.POLICIES[policy]
