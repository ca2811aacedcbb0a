"""The loop beyond what the original's numbers show: whole-set tests, resume, non-finite values, what is said."""

from __future__ import annotations

import json
import math
import platform
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from caffelungo.errors import RunError, UserError
from caffelungo.report import metrics_csv, tensorboard_events
from caffelungo.solve import engine, evaluate, loop, resolve_options, run_folder, run_training, snapshot
from caffelungo.solve.action import Action
from caffelungo.solve.chance_loss import StuckLoss
from caffelungo.solve.engine import Engine
from caffelungo.solve.options import TestOptions
from caffelungo.weights import formats, solverstate
from tests.data import make
from tests.solve import helpers


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def losses_of(solver) -> dict[int, float]:
    losses = helpers.Losses()
    solver.observe(losses)
    return losses.seen


def test_without_test_iter_the_whole_set_is_tested_once(here):
    helpers.make(here, test_interval="10")
    solver = helpers.solver()
    net = solver.training.tests[0]
    result = solver.test()
    assert result.samples == 10
    assert net.batches == 3
    with h5py.File(here / "data.h5") as file:
        data, label = torch.from_numpy(file["data"][:]), torch.from_numpy(file["label"][:])
    whole = net.net
    with torch.no_grad():
        _, outputs = whole(data, label)
    assert result.values()["loss"] == pytest.approx(float(outputs["loss"]), rel=1e-5)
    assert result.values()["accuracy"] == pytest.approx(float(outputs["accuracy"]), rel=1e-6)
    assert solver.test().values() == result.values()


def test_with_test_iter_tests_go_on_through_the_data(here):
    helpers.make(here, test_interval="10", test_iter="2")
    solver = helpers.solver()
    first, second = solver.test(), solver.test()
    assert solver.training.tests[0].position == 4
    assert first.values() != second.values()


def test_a_resumed_run_is_the_unbroken_one(here):
    helpers.make(
        here,
        snapshot="7",
        average_loss="3",
        test_interval="6",
        test_iter="2",
        type='"Adam"',
        lr_policy='"exp"',
        gamma="0.9",
    )
    whole = helpers.solver()
    seen = losses_of(whole)
    whole.step(20)
    resumed = helpers.solver()
    notes = resumed.restore("out/s_iter_14.solverstate")
    again = losses_of(resumed)
    resumed.step(6)
    assert not notes
    assert again == {i: seen[i] for i in range(14, 20)}
    assert resumed.training.smoothed.value == whole.training.smoothed.value
    assert resumed.training.tests[0].position == whole.training.tests[0].position
    for a, b in zip(whole.training.store.tensors.values(), resumed.training.store.tensors.values(), strict=True):
        assert torch.equal(a, b)


def test_a_difference_is_said_at_resume(here):
    helpers.make(here)
    solver = helpers.solver()
    solver.step(2)
    solver.snapshot()
    other = helpers.solver(engine=Engine(torch.device("cpu"), precision="bf16"), seed=8)
    notes = other.restore("out/s_iter_2.solverstate")
    assert any(note.startswith("precision is bf16, was fp32") for note in notes)
    assert any(note.startswith("the seed is 8, was 7") for note in notes)


def test_another_solver_type_or_net_is_refused(here):
    helpers.make(here)
    solver = helpers.solver()
    solver.step(1)
    solver.snapshot()
    helpers.make(here, type='"Adam"')
    with pytest.raises(UserError) as caught:
        helpers.solver().restore("out/s_iter_1.solverstate")
    assert 'SGD, now type: "Adam"' in [problem.received for problem in caught.value.problems]
    helpers.make(here, helpers.NET.replace("num_output: 6", "num_output: 7"))
    with pytest.raises(UserError, match="history of blob 0 of layer `ip1`"):
        helpers.solver().restore("out/s_iter_1.solverstate")


def test_a_caffemodel_where_a_state_is_wanted(here):
    helpers.make(here)
    solver = helpers.solver()
    solver.snapshot()
    with pytest.raises(UserError) as caught:
        run_training.train(helpers.options(snapshot="out/s_iter_0.caffemodel"))
    assert caught.value.exit_status == 2
    assert "s_iter_0.solverstate" in str(caught.value)


def test_weights_and_snapshot_exclude_each_other(here):
    helpers.make(here)
    with pytest.raises(UserError, match="but not both"):
        run_training.train(helpers.options(snapshot="a", weights=["b"]))


def poison(here, row: int, value: float) -> None:
    with h5py.File(here / "data.h5", "r+") as file:
        file["data"][row, 0] = value


def test_the_first_layer_with_a_non_finite_value_is_named_and_nothing_saved(here):
    power = 'type: "Power" bottom: "ip1" top: "ip1" power_param { power: 2 }'
    net = helpers.NET.replace('type: "ReLU" bottom: "ip1" top: "ip1"', power)
    helpers.make(here, net, display="100", snapshot="100", base_lr="0.001")
    poison(here, 9, 1e25)
    solver = helpers.solver()
    with pytest.raises(RunError) as caught:
        loop.solve(solver)
    assert "iteration 2" in str(caught.value)
    assert "layer `relu` (Power) gives a non-finite value in blob `ip1`" in str(caught.value)
    assert "base_lr" in str(caught.value)
    assert not list((here / "out").glob("*.caffemodel"))
    assert all(torch.isfinite(t).all() for t in solver.training.store.tensors.values())
    assert all(torch.isfinite(t).all() for t in solver.training.update.history)


def test_bad_data_is_named(here):
    helpers.make(here)
    poison(here, 5, math.nan)
    solver = helpers.solver()
    with pytest.raises(RunError, match="the data holds a value that is not finite, in blob `data` of layer `data`"):
        solver.step(20)


def test_a_diverging_run_names_a_layer_and_keeps_its_last_snapshot(here):
    helpers.make(here, base_lr="1e20", snapshot="1", momentum="0")
    with pytest.raises(RunError, match="learning rate 1e\\+20"):
        run_training.train(helpers.options())
    newest = snapshot.newest_complete(solver_prefix := helpers.solver().training.prefix)
    assert solver_prefix.name == "s"
    if newest:
        arrays = formats.read(newest.weights).layers
        assert all(np.isfinite(blob).all() for blobs in arrays.values() for blob in blobs)


def test_caffe_mode_goes_on_with_nan(here):
    helpers.make(here)
    poison(here, 5, math.nan)
    solver = helpers.solver(engine=Engine(torch.device("cpu"), caffe=True))
    solver.step(5)
    assert math.isnan(float(solver.training.smoothed.value))


def test_labels_without_an_output_stop_the_run_before_it_begins(here):
    helpers.make(here, helpers.NET.replace("num_output: 3", "num_output: 2"))
    with pytest.raises(UserError) as caught:
        run_training.train(helpers.options())
    problem = caught.value.problems[0]
    assert "labels 0 to 2 for 2 outputs" in problem.received
    assert "num_output: 3" in problem.remedy
    assert problem.where.file == "net.prototxt"
    assert not list((here / "out").iterdir())
    (here / "net.prototxt").write_text(helpers.NET)
    assert run_training.train(helpers.options()) == 0


def test_a_net_without_a_loss_or_data_is_refused(here):
    helpers.make(here, "\n".join(line for line in helpers.NET.splitlines() if "SoftmaxWithLoss" not in line))
    with pytest.raises(UserError, match="the train net has no loss"):
        run_training.train(helpers.options())
    helpers.make(here, 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 2 } } }')
    with pytest.raises(UserError, match="is an Input"):
        run_training.train(helpers.options())


def test_a_run_leaves_its_folder(here):
    helpers.make(here, test_interval="10")
    assert run_training.train(helpers.options(command=["lungo", "train"], tensorboard=False)) == 0
    folder = here / "out/s_run_001"
    assert sorted(path.name for path in folder.iterdir()) == [
        "curves.png", "files.json", "metrics.csv", "net.prototxt", "run.json", "solver.prototxt", "train.log",
    ]  # fmt: skip
    record = json.loads((folder / "run.json").read_text())
    assert record["seed"] == 7
    assert record["command"] == ["lungo", "train"]
    assert record["settings"]["torch"] == torch.__version__
    assert record["data"]["train"][0]["samples"] == 10
    assert len(record["data"]["train"][0]["sha256"]) == 64
    names = {(point.phase, point.name) for point, _ in metrics_csv.read(folder / "metrics.csv")}
    assert names == {("train", "loss"), ("train", "lr"), ("test", "loss"), ("test", "accuracy")}


def test_the_record_of_a_run_is_whole(here):
    helpers.make(here, test_interval="20")
    run_training.train(helpers.options())
    other = helpers.NET.replace('name: "mlp"', 'name: "other"')
    (here / "other.prototxt").write_text(other)
    helpers.make(
        here, test_interval="20", snapshot_prefix='"out/t"',
        extra='weights: "out/s_iter_20.caffemodel" test_net: "other.prototxt" test_iter: 1 test_iter: 1',
    )  # fmt: skip
    run_training.train(helpers.options())
    folder = here / "out/t_run_001"
    record = json.loads((folder / "run.json").read_text())
    assert record["weights"] == ["out/s_iter_20.caffemodel"]
    assert record["python"] == platform.python_version()
    assert [Path(path).name for path in record["data"]["train"][0]["files"]] == ["list.txt", "data.h5"]
    assert 'name: "other"' in (folder / "test_net_0.prototxt").read_text()
    assert not (folder / "test_net_1.prototxt").exists()


def test_the_hash_of_the_data_is_that_of_the_pictures_too(here):
    images = PICTURES + "\n".join(helpers.NET.strip().splitlines()[2:])
    folder = make.classes(here / "photos", {"a": 2, "b": 2, "c": 2})
    hashes = []
    for change in (lambda: None, lambda: None, lambda: make.save(folder / "a/0.png", make.picture(9, 8, 8))):
        change()
        helpers.make(here, images.replace('"list.txt"', '"photos" new_height: 20 new_width: 24'))
        hashes.append(run_folder.fingerprint(helpers.solver().training.opened.sources[0])["sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_resumed_run_keeps_the_curve_whole(here):
    helpers.make(here, snapshot="10", max_iter="10")
    run_training.train(helpers.options())
    helpers.make(here, snapshot="10", max_iter="20")
    run_training.train(helpers.options(resume=True))
    points = metrics_csv.read(here / "out/s_run_002/metrics.csv")
    assert [point.iteration for point, _ in points if point.name == "loss"] == [0, 5, 10, 15]


def test_early_stop(here):
    helpers.make(here, base_lr="1e-12", test_interval="2", extra="lungo { early_stop: 3 }")
    assert run_training.train(helpers.options()) == 0
    assert snapshot.newest_complete(helpers.solver().training.prefix).iteration == 6


def test_watching_an_output_that_is_none(here):
    helpers.make(here, test_interval="2", extra='lungo { watch: "accurcy" }')
    with pytest.raises(UserError, match="did you mean accuracy"):
        run_training.train(helpers.options())


def test_a_loss_that_stays_at_chance_is_said(here, capsys):
    helpers.make(here, base_lr="1e-12", max_iter="60", display="0", extra="")
    text = helpers.NET.replace('weight_filler { type: "xavier" }', 'weight_filler { type: "constant" }')
    (here / "net.prototxt").write_text(text)
    run_training.train(helpers.options())
    assert "within 1 % of ln(3)" in capsys.readouterr().err.replace("\n", " ")


def test_test_iter_that_is_not_the_set_is_said(here, capsys):
    helpers.make(here, test_interval="10", test_iter="2")
    run_training.train(helpers.options())
    assert "test_iter 2 x batch 4 = 8 samples, but the set has 10" in capsys.readouterr().err.replace("\n", " ")


def test_debug_info_trains_alike(here):
    helpers.make(here)
    plain, debug = helpers.solver(), None
    seen = losses_of(plain)
    plain.step(4)
    helpers.make(here, debug_info="true")
    debug = helpers.solver()
    lines: list[str] = []
    debug.training.log.echo = lines.append
    told = losses_of(debug)
    debug.step(4)
    assert list(told.values()) == pytest.approx(list(seen.values()), rel=1e-5)
    text = "\n".join(lines)
    parts = [
        "[Forward] Layer ip1, top blob ip1 data: ",
        "[Forward] Layer ip1, param blob 0 data: ",
        "[Backward] Layer ip2, bottom blob ip1 diff: ",
        "[Backward] Layer ip1, param blob 1 diff: ",
        "[Backward] All net params (data, diff): L1 norm = (",
        "[Update] Layer ip1, param 0 data: ",
    ]
    for part in parts:
        assert part in text
    assert text.count("[Backward] All net params") == 1, "as in Caffe, only in iterations that are displayed"


def test_state_has_caffes_fields_and_ours(here):
    helpers.make(here)
    solver = helpers.solver()
    solver.step(3)
    solver.snapshot()
    state = solverstate.read("out/s_iter_3.solverstate")
    assert state.iter == 3
    assert state.learned_net == "out/s_iter_3.caffemodel"
    assert [h.shape for h in state.history] == [(6, 5), (6,), (3, 6), (3,)]
    assert state.extras.train_batches == 3
    assert {setting.name for setting in state.extras.setting} >= {"device", "precision", "threads", "torch"}


def test_what_the_file_says_of_the_device_is_obeyed_or_said(here, capsys):
    helpers.make(here, solver_mode="GPU", snapshot_diff="true")
    options = helpers.options(device="auto")
    if not torch.cuda.is_available():
        assert run_training.train(options) == 0
        told = capsys.readouterr().err
        assert "solver_mode is GPU, but this run uses the CPU" in told
        assert "snapshot_diff is ignored" in told
    helpers.make(here, solver_mode="CPU")
    assert resolve_options.device_of(options, helpers.solver().training.param) == "cpu"
    assert options.device == "auto"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("device", "gpu", "unknown device"),
        ("device", "cuda:99", "usable GPU"),
        ("gpu", "x", "takes the number"),
        ("precision", "fp16", "unknown value for --precision"),
        ("precision", "tf32", "TF32 is arithmetic of NVIDIA"),
        ("memory_format", "channel_last", "unknown value for --memory-format"),
        ("threads", 0, "--threads must be from 1"),
        ("workers", -1, "--workers must be from 0"),
        ("early_stop", -3, "--early-stop must be at least 0"),
        ("keep_last", 0, "--keep-last must be at least 1"),
        ("level", 2**31, "--level must be at most"),
    ],
)
def test_options_that_make_no_sense(here, name, value, text):
    helpers.make(here)
    with pytest.raises(UserError, match=text) as caught:
        run_training.train(helpers.options(**{name: value}))
    assert caught.value.problems[0].remedy


def test_several_gpus_are_refused(here):
    helpers.make(here)
    with pytest.raises(UserError, match="several GPUs"):
        run_training.train(helpers.options(gpu="0,1"))


def test_data_and_net_are_wrong_at_once(here):
    helpers.make(here, helpers.NET.replace("num_output: 6", "num_output: 0"))
    (here / "list.txt").write_text("missing.h5\n")
    with pytest.raises(UserError) as caught:
        run_training.train(helpers.options())
    places = {(problem.where.file, problem.where.line) for problem in caught.value.problems if problem.where}
    assert len(caught.value.problems) == 2
    assert ("net.prototxt", 5) in places


def test_several_test_nets(here):
    helpers.make(
        here, test_interval="10", extra='test_net: "net.prototxt" test_iter: 1 test_iter: 2 test_state {} test_state {}'
    )
    solver = helpers.solver()
    assert [test.batches for test in solver.training.tests] == [1, 2]
    lines: list[str] = []
    solver.training.log.echo = lines.append
    assert len(solver.test_all()) == 2
    assert [line.split("] ")[1] for line in lines if "Testing" in line] == [
        "Iteration 0, Testing net (#0)",
        "Iteration 0, Testing net (#1)",
    ]


def test_a_test_net_of_no_iterations_is_built_and_never_run(here, capsys):
    helpers.make(here, test_interval="10", extra="test_iter: 0 test_iter: 1")
    assert run_training.train(helpers.options()) == 0
    assert "test net #0: test_iter 0: it is built, but never run" in capsys.readouterr().err.replace("\n", " ")
    log = (here / "out/s_run_001/train.log").read_text()
    assert "Testing net (#1)" in log
    assert "Testing net (#0)" not in log


def test_a_net_written_into_the_solver(here):
    inline = helpers.NET.strip().replace("\n", " ")
    helpers.make(here, extra=f"net_param {{ {inline} }}")
    text = (here / "solver.prototxt").read_text().replace('net: "net.prototxt"\n', "")
    (here / "solver.prototxt").write_text(text)
    assert run_training.train(helpers.options()) == 0


def test_tensorboard_events(here, monkeypatch, capsys):
    pytest.importorskip("tensorboard")
    helpers.make(here, test_interval="10")
    run_training.train(helpers.options())
    assert list((here / "out/s_run_001").glob("events.out.tfevents*"))
    run_training.train(helpers.options(tensorboard=False, overwrite=True))
    assert not list((here / "out/s_run_002").glob("events.out.tfevents*"))
    monkeypatch.setattr(tensorboard_events, "open_board", lambda folder: None)
    run_training.train(helpers.options(quiet=False, overwrite=True))
    assert "pip install tensorboard" in capsys.readouterr().err


def test_signals_are_heard_inside_a_test(here):
    helpers.make(here, test_interval="5")
    solver = helpers.solver()
    asked = iter([Action.SNAPSHOT, Action.NONE, Action.STOP])
    solver.observe(helpers.Asking(lambda: next(asked, Action.NONE)))
    lines: list[str] = []
    solver.training.log.echo = lines.append
    assert loop.solve(solver) is loop.RunEnding.STOPPED
    assert solver.iteration == 0
    assert any(line.endswith("Test interrupted.") for line in lines)
    assert any(line.endswith("Optimization stopped early.") for line in lines)
    assert (here / "out/s_iter_0.solverstate").exists()


def test_a_loss_that_falls_through_chance_is_not_called_stuck(here, capsys):
    helpers.make(here)
    said: list[str] = []
    stuck = StuckLoss(helpers.solver().training, said.append)
    for iteration in range(stuck.patience):
        stuck.on_loss(iteration, stuck.chance * (1.3 - 0.6 * iteration / (stuck.patience - 1)))
    assert said == []
    for iteration in range(stuck.patience):
        stuck.on_loss(iteration, stuck.chance)
    assert len(said) == 1


PICTURES = """
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
  transform_param { mean_value: 100 } image_data_param { source: "list.txt" batch_size: 2 } }
layer { name: "seen" type: "ImageData" top: "data" top: "label" include { phase: TEST }
  image_data_param { source: "list.txt" batch_size: 2 } }
"""


def test_pictures_prepared_otherwise_are_said(here, capsys):
    images = "\n".join(helpers.NET.strip().splitlines()[2:])
    helpers.make(here, PICTURES + images, test_interval="10", max_iter="2")
    make.pictures(here, 4)
    assert run_training.train(helpers.options()) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "layer `seen` prepares pictures differently from training: mean none and 100/100/100. If that is not" in told
    weights = "out/s_iter_2.caffemodel"
    text = (here / "net.prototxt").read_text().replace("transform_param { mean_value: 100 }", "")
    (here / "net.prototxt").write_text(text)
    assert run_training.train(helpers.options(weights=[weights], overwrite=True)) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "layer `data` prepares pictures differently from the training of the weights: mean none and 100" in told
    assert "layer `seen`" not in told


def test_testing_on_pictures_prepared_otherwise_is_said(here, capsys):
    images = "\n".join(helpers.NET.strip().splitlines()[2:])
    helpers.make(here, PICTURES + images, max_iter="2")
    make.pictures(here, 4)
    assert run_training.train(helpers.options()) == 0
    test = TestOptions(model="net.prototxt", weights=["out/s_iter_2.caffemodel"], device="cpu", quiet=True)
    assert evaluate.test(test) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "layer `seen` prepares pictures differently from the training of the weights: mean none and 100" in told


def test_the_remedy_for_a_missing_gpu_works(here, monkeypatch):
    helpers.make(here)
    monkeypatch.setattr(engine, "cuda_devices", lambda: 0)
    with pytest.raises(UserError, match="leave -gpu out to use the CPU"):
        run_training.train(helpers.options(gpu="0", device="auto"))
    with pytest.raises(UserError, match="use --device cpu"):
        run_training.train(helpers.options(device="cuda"))
    with pytest.raises(UserError, match="-gpu 0 and --device cpu"):
        run_training.train(helpers.options(gpu="0", device="cpu"))
    assert run_training.train(helpers.options(device="cpu")) == 0
