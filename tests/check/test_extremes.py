"""Each numeric field at the ends of its range and beyond: check and training agree, and neither ends in a traceback."""

from __future__ import annotations

import contextlib
import math
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from PIL import Image

from caffelungo.check import check_files
from caffelungo.definition import ranges
from caffelungo.definition.numeric import NUMBERS, range_of
from caffelungo.definition.reader import read_solver
from caffelungo.definition.schema import NetParameter, SolverParameter
from caffelungo.errors import LungoError, UserError
from caffelungo.plan import memory_limits
from caffelungo.report.console import Reporter
from caffelungo.solve import before_training
from caffelungo.solve.build_training import build_training
from caffelungo.solve.observer import Observer
from caffelungo.solve.signals import Action
from caffelungo.solve.solver import Solver
from caffelungo.solve.training import Training

MEMORY = 64 << 20
"""Bytes that the machine is said to have, so that nothing larger is taken."""
DATA = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 2 dim: 4 dim: 6 dim: 6 } shape { dim: 2 }
  data_filler { type: "uniform" min: 0.5 max: 1 } data_filler { type: "constant" value: 1 } } }
"""
HEAD = """
layer { name: "ip" type: "InnerProduct" bottom: "y" top: "ip" param { lr_mult: 1 decay_mult: 1 }
  inner_product_param { num_output: 2 weight_filler { type: "gaussian" std: 0.1 mean: 0 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" loss_weight: 1 lungo { label_smoothing: 0 }
  loss_param { ignore_label: 9 } }
"""
PICTURES = """
layer { name: "data" type: "ImageData" top: "data" top: "label"
  transform_param { scale: 0.01 crop_size: 6 mean_value: 100 lungo { label_offset: 0 resize_height: 8 resize_width: 8
    augmentation { type: "RandomResizedCrop" min_scale: 0.5 max_scale: 0.9 min_ratio: 0.5 max_ratio: 2 } } }
  image_data_param { source: "list.txt" batch_size: 2 rand_skip: 0 new_height: 8 new_width: 8 } }
"""


def alone(layer: str) -> str:
    """``layer`` (its type and options) between data and a classifier."""
    return f'{DATA}layer {{ name: "l" bottom: "data" top: "y" {layer} }}{HEAD}'


NETS = [
    alone('type: "ReLU" relu_param { negative_slope: 0 }') + 'state { level: 0 }',
    PICTURES + HEAD.replace('"y"', '"data"'),
    alone('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "uniform" } }'),
    alone('type: "Deconvolution" convolution_param { num_output: 4 kernel_size: 3 bias_filler { value: 1 } }'),
    alone('type: "Pooling" pooling_param { kernel_size: 2 stride: 2 }'),
    alone('type: "LRN" lrn_param { local_size: 3 }'),
    alone('type: "LRN" lrn_param { local_size: 3 norm_region: WITHIN_CHANNEL }'),
    alone('type: "BatchNorm" batch_norm_param { eps: 0.1 }'),
    alone('type: "Scale" scale_param { axis: 1 filler { value: 1 } }'),
    alone('type: "Bias" bias_param { axis: 1 }'),
    alone('type: "Clip" clip_param { min: -1 max: 1 }'),
    alone('type: "Dropout" dropout_param { dropout_ratio: 0.5 }'),
    alone('type: "ELU" elu_param { alpha: 1 }'),
    alone('type: "Exp" exp_param { base: 2 }'),
    alone('type: "Log" log_param { base: 2 shift: 3 }'),
    alone('type: "Power" power_param { power: 2 shift: 1 }'),
    alone('type: "Flatten" flatten_param { axis: 1 }'),
    alone('type: "MVN" mvn_param { eps: 0.1 }'),
    alone('type: "Normalize" norm_param { eps: 0.1 }'),
    alone('type: "Reduction" reduction_param { axis: 2 }'),
    alone('type: "Reshape" reshape_param { shape { dim: 2 dim: -1 } }'),
    alone('type: "Softmax" softmax_param { axis: 1 }'),
    alone('type: "SPP" spp_param { pyramid_height: 2 }'),
    alone('type: "Swish" swish_param { beta: 1 }'),
    alone('type: "Tile" tile_param { tiles: 2 }'),
    alone('type: "Concat" bottom: "data" concat_param { axis: 1 }'),
    alone('type: "Eltwise" bottom: "data" eltwise_param { coeff: 1 coeff: 1 }'),
    alone('type: "Slice" top: "z" slice_param { slice_point: 2 }'),
    alone('type: "Crop" bottom: "data" crop_param { offset: 0 }'),
    alone('type: "Im2col" convolution_param { kernel_size: 3 }'),
    DATA
    + 'layer { name: "e" type: "Embed" bottom: "label" top: "y" embed_param { num_output: 3 input_dim: 2 } }'
    + HEAD,
    DATA + 'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 2 dim: 3 } } }'
    + HEAD.replace('bottom: "y"', 'bottom: "p"', 1),
    alone('type: "Threshold" threshold_param { threshold: 0 }'),
    alone('type: "ArgMax" argmax_param { top_k: 1 }'),
    alone('type: "AbsVal"')
    + 'layer { name: "a" type: "Accuracy" bottom: "ip" bottom: "label" top: "a" accuracy_param { top_k: 1 } }',
    alone('type: "AbsVal"')
    + 'layer { name: "d" type: "DistillationLoss" bottom: "ip" bottom: "ip" lungo { temperature: 1 } }',
    alone('type: "AbsVal"') + 'layer { name: "c" type: "ContrastiveLoss" bottom: "ip" bottom: "ip" bottom: "label" '
    'contrastive_loss_param { margin: 1 } }',
    alone('type: "AbsVal"') + 'lungo { preprocessing { scale: 1 mean_value: 1 } }',
    alone('type: "AbsVal" include { min_level: 0 }'),
]  # fmt: skip
"""Each is in order, and all messages of numbers that a net may hold stand in one of them, but for ``ELSEWHERE``."""
ELSEWHERE = {
    "caffe.DataParameter", "caffe.HDF5DataParameter", "caffe.MemoryDataParameter", "caffe.WindowDataParameter",
    "caffe.RecurrentParameter", "caffe.InfogainLossParameter",
}  # fmt: skip
"""Databases, arrays of a program, and types that are not offered."""
SOLVER = """
net: "net.prototxt" base_lr: 0.01 lr_policy: "step" gamma: 0.5 power: 0.5 stepsize: 1 momentum: 0.9 max_iter: 3
weight_decay: 0.001 random_seed: 1 display: 1 snapshot_prefix: "s" test_interval: 5 test_iter: 1
"""
SOLVERS = [
    SOLVER,
    *(SOLVER.replace('"step"', f'"{policy}"') for policy in ("exp", "inv", "sigmoid", "poly", "cosine")),
    *(SOLVER.replace("momentum: 0.9", f'momentum: {momentum} type: "{rule}"')
      for rule, momentum in (("Adam", 0.9), ("RMSProp", 0), ("AdaGrad", 0), ("AdaDelta", 0.9), ("Nesterov", 0.9))),
    SOLVER + "lungo { warmup_iter: 2 warmup_start: 0.5 l2_sp: 0 delta { weight: 0 layer: 'ip' } }",
]  # fmt: skip

READ_BY = {
    **dict.fromkeys(("base_lr", "gamma", "power", "stepsize", "max_iter"), ("lr_policy",)),
    **dict.fromkeys(("momentum", "momentum2", "delta", "rms_decay"), ("type",)),
    **dict.fromkeys(("std", "mean", "min", "max", "value"), ("type",)),
    "local_size": ("norm_region",),
}
"""Fields that are read in several ways, and the fields that say in which."""

Case = tuple[str, str, tuple[Any, ...], float, bool, str]
"""(net, solver, path of a field, its value, whether that is in range, the field's message).

The path begins with ``net`` or ``solver``.
"""


def neighbour(value: float, up: bool) -> float:
    """The next float32."""
    return float(np.nextafter(np.float32(value), np.float32(math.inf if up else -math.inf)))


def values(field: FieldDescriptor, bounds: Any) -> Iterator[float]:
    """The ends of ``bounds``, what is next to them, and what is no number, as far as the field can hold it."""
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        yield from (math.nan, math.inf, -math.inf, 0.0, 3.4e38, -3.4e38, 1e-45)
        for end in (bounds.low, bounds.high):
            if math.isfinite(end):
                yield from (end, neighbour(end, True), neighbour(end, False))
        return
    kind = {1: "i", 2: "q", 3: "I", 4: "Q"}[field.cpp_type]
    bits = 8 * struct.calcsize(f"={kind}") - kind.islower()
    least, most = (-(2**bits) if kind.islower() else 0), 2**bits - 1
    ends = [end for end in (bounds.low, bounds.high) if math.isfinite(end)] or [least, most]
    for value in dict.fromkeys(int(end) + step for end in (*ends, 0) for step in (-1, 0, 1)):
        if least <= value <= most:
            yield value


def inside(message: Any, path: tuple[Any, ...] = (), within: str = "") -> Iterator[tuple[tuple[Any, ...], Any, str]]:
    """``message`` and every message in it: its path, it, and the field of another message that holds it."""
    yield path, message, within
    for field, value in message.ListFields():
        held = f"{message.DESCRIPTOR.full_name}.{field.name}"
        if field.message_type is not None and field.is_repeated:
            for k, one in enumerate(value):
                yield from inside(one, (*path, field.name, k), held)
        elif field.message_type is not None:
            yield from inside(value, (*path, field.name), held)


def cases() -> list[Case]:
    """One place for each numeric field of each message; what depends on a type or policy, in each that reads it."""
    found: list[Case] = []
    seen: set[Any] = set()
    for kind, texts in (("net", NETS), ("solver", SOLVERS)):
        for text in texts:
            whole = text_format.Parse(text, NetParameter() if kind == "net" else SolverParameter())
            for path, message, within in inside(whole):
                name = message.DESCRIPTOR.full_name
                for field in message.DESCRIPTOR.fields:
                    bounds = range_of(name, field.name, within)
                    place = (name, field.name, *(getattr(message, one, "") for one in READ_BY.get(field.name, ())))
                    if field.cpp_type not in NUMBERS or name in ranges.DATA + ranges.OLD or place in seen:
                        continue
                    seen.add(place)
                    net, solver = (text, SOLVER) if kind == "net" else (alone('type: "AbsVal"'), text)
                    found += [
                        (net, solver, (kind, *path, field.name), value, bounds.admits(value), name)
                        for value in values(field, bounds)
                    ]
    return found


CASES = cases()


def changed(text: str, message: Any, path: tuple[Any, ...], value: float) -> str:
    """``text`` with the field at ``path`` set (a repeated one: its first value)."""
    text_format.Parse(text, message)
    holder = message
    for part in path[:-1]:
        holder = holder[part] if isinstance(part, int) else getattr(holder, part)
    if message.DESCRIPTOR.file and holder.DESCRIPTOR.fields_by_name[path[-1]].is_repeated:
        given = getattr(holder, path[-1])
        if given:
            given[0] = value
        else:
            given.append(value)
    else:
        setattr(holder, path[-1], value)
    return text_format.MessageToString(message)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("extremes")
    noise = np.random.default_rng(0)
    for k in range(4):
        Image.fromarray(noise.integers(0, 256, (9, 9, 3), np.uint8)).save(place / f"{k}.png")
    (place / "list.txt").write_text("".join(f"{k}.png {k % 2}\n" for k in range(4)))
    return place


@pytest.fixture(autouse=True)
def small_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(memory_limits, "installed", lambda: MEMORY)
    monkeypatch.setattr(memory_limits, "largest_gpu", lambda: 0)


def opened() -> Training:
    """What `lungo train` does before its first iteration."""
    training = build_training(read_solver("solver.prototxt"))
    before_training.labels_fit(training, Reporter(1, 1, quiet=True))
    return training


class Stopping(Observer):
    """Ends a run when ``polls`` say so."""

    def __init__(self, polls: Iterator[Action]) -> None:
        self.polls = polls

    def poll(self) -> Action:
        return next(self.polls, Action.NONE)


def agree(case: Case) -> bool:
    """Whether both take it; AssertionError where they differ. Anything but our own errors comes through."""
    net, solver, (kind, *path), value, _, _ = case
    if kind == "net":
        net = changed(net, NetParameter(), tuple(path), value)
    else:
        solver = changed(solver, SolverParameter(), tuple(path), value)
    Path("net.prototxt").write_text(net)
    Path("solver.prototxt").write_text(solver)
    told = check_files(["solver.prototxt"])
    try:
        training = opened()
        refused = None
    except UserError as error:
        refused = error
    assert bool(told) == bool(refused), "\n".join(map(str, told)) or str(refused)
    if refused is None:
        polls = iter([*[Action.NONE] * 3, Action.STOP])  # so that an iteration, or a test, of years ends
        with contextlib.suppress(LungoError):  # a loss that is not finite is an error of ours
            Solver(training, [Stopping(polls)]).step(1)
    return refused is None


def test_every_field_has_its_place() -> None:
    there = {case[5] for case in CASES}
    assert (set(ranges.NET) | set(ranges.SOLVER)) - there == ELSEWHERE


def test_all_is_in_order_before_it_is_changed() -> None:
    for net in NETS:
        assert agree((net, SOLVER, ("solver", "random_seed"), 1, True, "")), net
    for solver in SOLVERS:
        assert agree((NETS[0], solver, ("solver", "random_seed"), 1, True, "")), solver


WRONG = [case for case in CASES if not case[4]]
RIGHT = [case for case in CASES if case[4]]


def test_what_is_out_of_range_is_refused_by_both() -> None:
    """For each field one such value; all of them in the slow tests."""
    one_each = {(case[2], case[0], case[1]): case for case in random.Random(1).sample(WRONG, len(WRONG))}
    assert len(one_each) > 150
    assert [case[2:] for case in one_each.values() if agree(case)] == []


def test_what_is_in_range_is_judged_alike() -> None:
    """Some of the ends of ranges; all of them in the slow tests."""
    for case in random.Random(1).sample(RIGHT, 60):
        agree(case)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_all_extremes(part: int) -> None:
    assert [case[2:] for case in WRONG[part::8] if agree(case)] == []
    for case in RIGHT[part::8]:
        agree(case)
