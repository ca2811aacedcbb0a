"""`caffelungo.train`: callbacks, the history, and a loop of PyTorch that gives the same weights."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

import caffelungo as cl

SOLVER = """net: "{net}"
type: "SGD" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.004 random_seed: 5
max_iter: 6 display: 2 test_interval: 3 snapshot_prefix: "{prefix}"
"""


@pytest.fixture
def solver(work: Path, tmp_path: Path) -> Path:
    """A small training: the LeNet that ships, on the photos."""
    lines = [f"{work}/photos/{line}" for line in Path("list.txt").read_text().splitlines()]
    (tmp_path / "train.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "test.txt").write_text("\n".join(lines[::2]) + "\n")
    text = cl.nets("copy", "lenet", output=tmp_path / "lenet")
    net = Path(text.files[0]).read_text().replace("batch_size: 64", "batch_size: 5")
    (tmp_path / "net.prototxt").write_text(net)
    path = tmp_path / "solver.prototxt"
    path.write_text(SOLVER.format(net=tmp_path / "net.prototxt", prefix=tmp_path / "run"))
    return path


def test_history_is_what_the_run_wrote(solver: Path) -> None:
    done = cl.train(solver, quiet=True)
    assert (done.ending, done.iteration) == ("done", 6)
    assert done.weights == str(solver.with_name("run_iter_6.caffemodel"))
    with Path(done.folder or "", "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    points = {(int(row["iteration"]), row["phase"], row["name"]): float(row["value"]) for row in rows}
    found = {
        (row["iteration"], row["phase"], name): value
        for row in done.history
        for name, value in row.items()
        if name not in ("iteration", "phase", "net") and value is not None
    }
    assert found == points
    assert [row["iteration"] for row in done.history if row["phase"] == "train"] == [0, 2, 4]
    assert [row["iteration"] for row in done.history if row["phase"] == "test"] == [0, 3, 6]
    assert set(done.history.columns) >= {"iteration", "phase", "net", "loss", "lr", "accuracy"}
    lines = done.plot().axes[0].get_lines()
    assert lines[0].get_xydata().shape[1] == 2
    trained, read = (
        done.open().weights().layers,
        cl.open(solver.with_name("net.prototxt"), done.weights).weights().layers,
    )
    assert all((one == other).all() for name in read for one, other in zip(trained[name], read[name], strict=True))


def test_functions_hear_and_end_a_training(solver: Path) -> None:
    heard: list[tuple[int, list[str]]] = []

    def listen(iteration: int, values: dict[str, float]) -> bool:
        heard.append((iteration, sorted(values)))
        return iteration >= 2 and "loss" in values

    done = cl.train(solver, quiet=True, callbacks=[listen])
    assert heard == [(0, ["test accuracy", "test loss"]), (0, ["loss", "lr"]), (2, ["loss", "lr"])]
    assert (done.ending, done.iteration) == ("stopped", 3)
    assert done.weights == str(solver.with_name("run_iter_3.caffemodel"))


def test_observers_see_every_loss(solver: Path) -> None:
    class Losses(cl.Observer):
        def __init__(self) -> None:
            self.losses: dict[int, float] = {}

        def on_loss(self, iteration: int, loss: float) -> None:
            self.losses[iteration] = loss

    seen = Losses()
    done = cl.train(solver, quiet=True, callbacks=seen, set_solver={"test_initialization": False})
    assert list(seen.losses) == list(range(6))
    shown = {row["iteration"]: row["loss"] for row in done.history if row["phase"] == "train"}
    assert shown[0] == pytest.approx(seen.losses[0])


def test_a_mistake_of_a_callback_ends_the_run(solver: Path) -> None:
    def fail(iteration: int, values: dict[str, float]) -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        cl.train(solver, quiet=True, callbacks=fail)


def test_a_loop_of_pytorch_gives_the_weights_of_the_solver(solver: Path) -> None:
    """At a constant rate Caffe's momentum is PyTorch's, with decay in the gradient."""
    net = cl.open(solver.with_name("net.prototxt"), seed=5)
    net.save(weights=solver.with_name("start.caffemodel"))
    done = cl.train(solver, solver.with_name("start.caffemodel"), quiet=True, set_solver=["test_interval=0"])
    net.train()
    groups = net.param_groups(lr=0.01, weight_decay=0.004)
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    for batch in net.batches(count=6, seed=5):
        optimizer.zero_grad()
        net.loss(**batch).backward()
        optimizer.step()
    theirs = cl.open(solver.with_name("net.prototxt"), done.weights)
    for name, blob in net.named_parameters():
        assert torch.allclose(blob, theirs.get_parameter(name), rtol=1e-4, atol=1e-6), name
    start = cl.open(solver.with_name("net.prototxt"), solver.with_name("start.caffemodel"))
    assert not torch.allclose(net.conv1.weight, start.conv1.weight, atol=1e-6)


def test_mistakes_are_those_of_the_command_line(solver: Path) -> None:
    solver.write_text(solver.read_text().replace("base_lr: 0.01", "base_lr: -1 gamma: 2").replace("fixed", "fixd"))
    with pytest.raises(cl.UserError) as caught:
        cl.train(solver, quiet=True)
    assert len(caught.value.problems) >= 2
    assert all(str(problem.where).startswith(str(solver)) for problem in caught.value.problems)
    with pytest.raises(cl.UserError, match="keep_last="):
        cl.train(solver, quiet=True, keep_last=0)
