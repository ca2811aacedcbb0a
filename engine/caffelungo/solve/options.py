"""What a user can ask of `lungo train`, `lungo test` and `lungo time`, besides what is in the files. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class EngineOptions:
    """How the arithmetic is done.

    ``device``: auto, cpu, cuda or cuda:N. ``precision``: fp32, tf32 (CUDA's TF32 matrix units), bf16 (autocast).
    ``memory_format``: auto, channels_last or contiguous. ``threads``: of torch on the CPU, None leaves its choice.
    ``gpu`` is Caffe's flag: one id is a device, several are refused. ``caffe`` turns every deliberate departure from
    the original off.
    """

    device: str = "auto"
    precision: str = "fp32"
    memory_format: str = "auto"
    compile: bool = False
    threads: int | None = None
    gpu: str | None = None
    caffe: bool = False


@dataclass
class TrainOptions(EngineOptions):
    """`lungo train`.

    ``weights``: files copied by layer name before training (each may itself be a comma list); ``reinit``: layers
    that keep their fillers. ``snapshot``: a solverstate to resume; ``resume``: the newest complete one. ``variables``
    fill templates. ``workers`` load data (None: as the source and the machine suggest). ``overwrite``: an older run's
    snapshots under the same prefix may be overwritten. ``keep_last``, ``keep_best``, ``early_stop`` and ``watch``
    replace what the solver file's ``lungo`` block says. ``tensorboard``: event files; None: where tensorboard
    is installed. ``stop_diverged``: a loss that stays far above its start ends the run. ``command`` is the
    command line to keep with the run.

    ``reset_state``: only the weights of the snapshot are taken. ``set_solver``: fields of the solver, NAME=VALUE,
    instead of what the file says. ``fit_batch``: a batch that memory does not hold is divided, and iter_size
    multiplied. ``weights_format``: "caffemodel", "h5" or "safetensors", for the weights of snapshots; None: as
    snapshot_format says.
    """

    solver: str | Path = ""
    weights: Sequence[str] = ()
    reinit: Sequence[str] = ()
    snapshot: str | Path | None = None
    resume: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    level: int = 0
    stages: Sequence[str] = ()
    workers: int | None = None
    overwrite: bool = False
    sigint_effect: str = "stop"
    sighup_effect: str = "snapshot"
    keep_last: int | None = None
    keep_best: bool | None = None
    early_stop: int | None = None
    watch: str | None = None
    tensorboard: bool | None = None
    stop_diverged: bool = True
    reset_state: bool = False
    fit_batch: bool = False
    set_solver: Sequence[str] = ()
    weights_format: str | None = None
    quiet: bool = False
    command: Sequence[str] = ()


@dataclass
class TestOptions(EngineOptions):
    """`lungo test`. ``iterations`` None: the whole test set once; a number: so many batches, with Caffe's lines.

    ``data``: a list or a folder of classes to test on instead of what the net names; ``corrections``: a file of them
    for its labels. ``head``: the classifier to test, by its layer or its task (None: the one whose classes the data
    are, else the net's own). ``output``: a folder for the confusion matrix (PNG, CSV), the per-class table and a
    summary (JSON); None writes none.
    ``size``: height and width of the net's input, instead of the file's. ``crops``: views of each picture whose class
    probabilities are averaged: "1", "10" (corners and centre, mirrored and not) or "flip" (and its mirror image).
    """

    model: str | Path = ""
    weights: Sequence[str] = ()
    iterations: int | None = None
    crops: str = "1"
    data: str | Path | None = None
    path_column: str | None = None
    label_column: str | None = None
    corrections: str | None = None
    head: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    level: int = 0
    stages: Sequence[str] = ()
    workers: int | None = None
    output: str | Path | None = None
    size: tuple[int, int] | None = None
    quiet: bool = False

    __test__ = False


@dataclass
class TimeOptions(EngineOptions):
    """`lungo time`: ``iterations`` forward and backward passes, layer by layer. ``phase``: TRAIN or TEST.

    ``size``: height and width of the net's input, instead of the file's.
    """

    model: str | Path = ""
    weights: Sequence[str] = ()
    iterations: int = 50
    phase: str = "TRAIN"
    size: tuple[int, int] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    level: int = 0
    stages: Sequence[str] = ()


@dataclass
class InitOptions(EngineOptions):
    """`lungo init`: layers of ``net`` that ``weights`` lack start by ``method`` on ``batches`` of its TRAIN data.

    ``method``: "gradmax", "measured", "lsuv", or "auto" for the first of them that the net allows.

    ``data``: a list or a folder of classes instead. ``scale``: of GradMax, the share of old units' mean norm that new
    ones have; ``outgoing_zero``: its other way round. ``seed``: of the data's order, fillers and what is drawn.
    """

    net: str | Path = ""
    weights: Sequence[str] = ()
    output: str | Path = ""
    method: str = "auto"
    data: str | Path | None = None
    batches: int = 8
    scale: float = 0.5
    outgoing_zero: bool = False
    seed: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)
    level: int = 0
    stages: Sequence[str] = ()
    overwrite: bool = False
