"""A cell of a study: trains one net at one rate with one seed, and predicts each picture.

Cell("caffelungo.study.train_cell:train", {
    "net": id of a train_val prototxt, "weights": id, list of ids or "" (from scratch),
    "fit": id of a list of pictures, "validation": id or "", "test": id or "", "pictures": digest of all pictures,
    "rate": 0.001, "seed": 0, "iterations": 150, "batch": 16,
})
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from caffelungo.definition.reader import parse_solver, read_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import RunError, UserError
from caffelungo.features import prefix
from caffelungo.features.frozen_features import Shortened, shorten
from caffelungo.net.store import Store
from caffelungo.plan.plan import ParamKey
from caffelungo.solve import before_training, nets
from caffelungo.solve.engine import Engine, make_engine, out_of_memory
from caffelungo.solve.load_weights import Loaded
from caffelungo.solve.nets import OpenedNet
from caffelungo.solve.observer import Observer
from caffelungo.solve.options import EngineOptions
from caffelungo.solve.solver import make_solver
from caffelungo.solve.training import Training
from caffelungo.solve.training_setup import GivenNet, Setup
from caffelungo.study.cell_net import filled, open_on
from caffelungo.study.cells import JSON, Cell, CellPlace
from caffelungo.study.forgetting import recall
from caffelungo.study.predict import Predictions, predict
from caffelungo.study.start_heads import HEADS
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights

VERSION = 2
"""Counted up when the same fields give other numbers."""
MODEL = "model.caffemodel"
"""What ``keep: "weights"`` leaves in the cell's folder."""
STRIDE = 25
"""Iterations between two looks at the losses, where a loss that is not finite ends the training."""
POINTS = 50
"""Most points of a loss curve."""


@dataclass(frozen=True)
class Fields:
    """The fields of a cell. ``net``, ``weights``, ``fit``, ``validation`` and ``test`` are ids of inputs.

    ``pictures`` only makes the cell another one when a picture's bytes change. ``steps`` are the shares of the
    iterations after which the rate falls by ``gamma``. ``solver`` is further text of the solver file. ``start_from`` is
    the index of a need that kept its weights, ``heads`` that of one that says where fresh classifiers start. ``whole``:
    pictures are brought to the size of the crop instead of being cut at random, so that features can be kept.
    ``recall``: an old task to test afterwards (see ``recall.recall``). ``cache``: false trains from pictures whatever
    is frozen.
    """

    net: str
    fit: str
    rate: float
    seed: int
    iterations: int
    batch: int
    weights: str | list[str] = ""
    validation: str = ""
    test: str = ""
    pictures: str = ""
    gamma: float = 0.1
    steps: tuple[float, ...] = (2 / 3, 0.9)
    momentum: float = 0.9
    weight_decay: float = 0.0005
    solver: str = ""
    keep: str = ""
    start_from: int | None = None
    whole: bool = False
    cache: bool = True
    heads: int | None = None
    recall: Mapping[str, str] | None = None

    @classmethod
    def of(cls, given: Mapping[str, JSON]) -> Fields:
        """The fields of a cell's JSON; UserError for missing and unknown ones, and numbers that make no sense."""
        known = {field.name: field for field in fields(cls)}
        least = ("net", "fit", "rate", "seed", "iterations", "batch")
        problems = [f"{name} is missing" for name in least if name not in given]
        problems += [f"{name} is unknown" for name in given if name not in known]
        problems += [
            f"{name} is {given[name]}" for name in ("iterations", "batch") if name in given and given[name] < 1
        ]
        if given.get("keep", "") not in ("", "weights"):
            problems.append(f"keep is {given['keep']!r}")
        if problems:
            raise UserError(
                "these are not the fields of a training",
                received="; ".join(problems),
                remedy=f"give {', '.join(least)}, and of {', '.join(n for n in known if n not in least)} what differs",
            )
        return cls(**given)


def train(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """Train as the fields of ``cell`` say (see ``Fields``); what came of it, by name.

    RunError where the loss stops being finite. Accuracies are shares; ``predictions`` and ``labels`` are those of the
    test pictures in their order; ``loss_curve`` is a list of [iteration, mean loss since the point before].
    """
    asked = Fields.of(cell.fields)
    engine = make_engine(EngineOptions(device=place.device))
    text = nets.from_definition(read_net(place.inputs.path(asked.net)))

    def on(phase: int, pictures: str) -> OpenedNet:
        path = place.inputs.path(pictures)
        return open_on(text, phase, path, batch=asked.batch, seed=asked.seed, whole=asked.whole)

    opened = on(TRAIN, asked.fit)
    tests = {
        part: on(TEST, list_id) for part, list_id in (("validation", asked.validation), ("test", asked.test)) if list_id
    }
    if problems := [problem for each in (opened, *tests.values()) for problem in before_training.label_problems(each)]:
        raise UserError(list(dict.fromkeys(problems)))
    loaded = Loaded(_weights(asked, cell, place), (), opened.plan, text.where)
    store = filled(opened, list(tests.values()), loaded, asked.seed, engine)
    _heads(asked, cell, place, store)

    # On a GPU the process only waits: its own seconds would say nothing.
    clock = time.process_time if engine.device.type == "cpu" else time.monotonic
    start = clock()
    changing = prefix.moving(opened.plan, store.key)

    def short(each: OpenedNet) -> Shortened:
        if not asked.cache:
            return Shortened(each, "it was not asked for")
        return shorten(each, store, changing, engine, place.study, place.say)

    shorter = short(opened)
    short_tests = {part: short(each) for part, each in tests.items()}
    cached = clock()
    copied = loaded.table.arrays if loaded.table else ()
    curve, training = _fit(asked, shorter.opened, store, engine, place, copied)
    trained = clock()
    found = {part: predict(each.opened, store, engine) for part, each in short_tests.items()}
    if asked.keep:
        _keep(opened, store, loaded, place.folder / MODEL)
    return {
        **_judged(found),
        **(recall(asked.recall, store, engine, place) if asked.recall else {}),
        "loss_curve": curve,
        "iterations": training.iteration,
        "parameters": sum(tensor.numel() for tensor in store.tensors.values()),
        "parameters_learned": sum(tensor.numel() for tensor in training.learned if tensor.requires_grad),
        "train_seconds": trained - cached,
        "features_seconds": cached - start,
        "cached": shorter.why_not is None,
        "why_not_cached": shorter.why_not,
        "features": list(shorter.blobs),
        "features_bytes": shorter.bytes,
    }


# -- before


def _weights(asked: Fields, cell: Cell, place: CellPlace) -> Sequence[Path]:
    """The files that the training starts from."""
    if asked.start_from is not None:
        need = cell.needs[asked.start_from]
        model = place.of(need).folder / MODEL
        if not model.exists():
            raise UserError(
                "a training is to start from weights that another one did not keep",
                received=f"no {MODEL} of `{need.title or need.key}`",
                remedy='give that cell the field keep: "weights"',
            )
        return [model]
    names = [asked.weights] if isinstance(asked.weights, str) else asked.weights
    return [place.inputs.path(name) for name in names if name]


def _heads(asked: Fields, cell: Cell, place: CellPlace, store: Store) -> None:
    """Let the classifiers start where the cell that is needed for it says (see ``start_heads``)."""
    if asked.heads is None:
        return
    path = place.of(cell.needs[asked.heads]).folder / HEADS
    if path.exists():
        arrays = formats.read(path).layers
        store.load({(name, index): blob for name, blobs in arrays.items() for index, blob in enumerate(blobs)})


# -- training


def _solver_text(asked: Fields) -> str:
    steps = sorted({max(1, round(share * asked.iterations)) for share in asked.steps})
    lines = [
        'train_net: "net.prototxt"',
        f"base_lr: {asked.rate!r}",
        'lr_policy: "multistep"',
        f"gamma: {asked.gamma!r}",
        *(f"stepvalue: {step}" for step in steps),
        f"momentum: {asked.momentum!r}",
        f"weight_decay: {asked.weight_decay!r}",
        f"max_iter: {asked.iterations}",
        asked.solver,
    ]
    return "\n".join(lines) + "\n"


class _Losses(Observer):
    """Every loss, in order."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_loss(self, iteration: int, loss: float) -> None:
        self.losses.append(loss)


def _fit(
    asked: Fields, opened: OpenedNet, store: Store, engine: Engine, place: CellPlace, copied: Collection[ParamKey]
) -> tuple[list[list[float]], Training]:
    """Train ``store``, ``copied`` of which came from weights; the loss curve and the training after it."""
    definition = parse_solver(_solver_text(asked), str(place.folder / "solver.prototxt"))
    setup = Setup(seed=asked.seed, workers=0, given=GivenNet(opened, store, copied))
    seen = _Losses()
    solver = make_solver(definition, engine, setup, observers=[seen])
    try:
        while solver.iteration < asked.iterations:
            place.say(solver.iteration, asked.iterations, f"iteration {solver.iteration}")
            solver.step(min(STRIDE, asked.iterations - solver.iteration))
    except RuntimeError as error:
        if readable := out_of_memory(error, f"a batch of {asked.batch} on {engine.device}"):
            raise readable from error
        raise
    learned = [tensor.detach().float() for tensor in solver.training.learned]
    if not all(bool(tensor.isfinite().all()) for tensor in learned):
        raise RunError(f"a weight is not finite after iteration {solver.iteration - 1}, at the rate {asked.rate:g}")
    return _curve(seen.losses), solver.training


def _curve(losses: Sequence[float]) -> list[list[float]]:
    """At most ``POINTS`` points (iteration, mean loss up to it since the point before)."""
    parts = np.array_split(np.asarray(losses), min(POINTS, len(losses)))
    ends = np.cumsum([len(part) for part in parts])
    return [[int(end) - 1, float(part.mean())] for end, part in zip(ends, parts, strict=True)]


# -- after


def _judged(found: Mapping[str, Predictions]) -> dict[str, JSON]:
    values: dict[str, JSON] = {}
    for part, each in found.items():
        values[f"{part}_accuracy"], values[f"{part}_loss"] = each.accuracy, each.loss
        if not np.isfinite(each.loss):
            raise RunError(f"the loss on the {part} pictures is {each.loss}")
    if "test" in found:
        values["predictions"] = found["test"].classes.tolist()
        values["labels"] = found["test"].labels.tolist()
    return values


def _keep(opened: OpenedNet, store: Store, loaded: Loaded, path: Path) -> None:
    types = {planned.name: planned.layer.type for planned in opened.plan.layers}
    weights = Weights(
        store.layer_arrays(opened.plan), types, nets.extras(opened, loaded.extras), opened.plan.name,
    )  # fmt: skip
    formats.write(path, weights, nets.filtered(opened), nets.shared_blobs(opened.plan))
