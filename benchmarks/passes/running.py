"""What a cell of the table does with a net: train it or run it, and export what came out. Imports torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.made_up import statistics
from caffelungo.definition.filter import net_state
from caffelungo.definition.printer import print_lines
from caffelungo.definition.reader import parse_net, read_net, read_solver
from caffelungo.definition.schema import TEST, LayerParameter
from caffelungo.deploy.export import export
from caffelungo.deploy.options import ExportOptions
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.passes.view import View
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan
from caffelungo.report.glog import CaffeLog
from caffelungo.solve.solver import make_solver
from caffelungo.weights.weights import Weights

SOLVER = 'net: "train.prototxt" base_lr: 1e-4 lr_policy: "fixed" momentum: 0.9 max_iter: {} random_seed: 1\n'
BATCHES = (1, 2)


def trained(net: Path, folder: Path, iterations: int, values: dict[str, Any]) -> Weights:
    """The weights after ``iterations`` of training; ``values`` gets the loss.

    Raises ValueError when the loss is not finite, when what should learn stays, or what is frozen changes.
    """
    values["step"] = "build"
    (folder / "train.prototxt").write_text(with_loss(net.read_text()))
    (folder / "solver.prototxt").write_text(SOLVER.format(iterations))
    solver = make_solver(read_solver(folder / "solver.prototxt"), log=CaffeLog())
    plan, store = solver.training.plan, solver.training.store
    statistics(plan, store)
    frozen = {key: array.copy() for key, array in store.arrays().items() if _frozen(plan, key)}
    head = next(key for key in reversed(plan.params) if key not in frozen and key[1] == 0)
    before = store.arrays()[head].copy()
    values["step"] = "train"
    solver.step(iterations)
    solver.look()
    values["loss"] = float(solver.training.smoothed.value)
    after = store.arrays()
    if not np.isfinite(values["loss"]):
        raise ValueError(f"the loss is {values['loss']}")
    changed = [key[0] for key, array in frozen.items() if not np.array_equal(array, after[key])]
    if changed:
        raise ValueError(f"frozen layers changed: {', '.join(changed[:5])}")
    if np.array_equal(before, after[head]):
        raise ValueError(f"`{head[0]}` did not learn")
    layers = {name: [np.array(one) for one in arrays] for name, arrays in store.layer_arrays(plan).items()}
    return Weights(layers)


def forward(net: Path, values: dict[str, Any]) -> Weights:
    """The weights that fillers make; the TEST net has run forward on them."""
    values["step"] = "build"
    message = read_net(net).message
    plan = build_plan(message, net_state(message, TEST))
    store = Store(plan, seed=1)
    statistics(plan, store)
    running = StepNet(plan, store)
    values["step"] = "forward"
    rng = np.random.default_rng(1)
    sources = [shape for planned in plan.sources for shape in planned.top_shapes]
    given = [rng.normal(0, 1, [2, *[int(n or 0) for n in (shape or ())[1:]]]).astype(np.float32) for shape in sources]
    with torch.no_grad():
        running.forward(*(torch.from_numpy(one) for one in given))
    for blob in plan.outputs:
        if not torch.isfinite(running.blob(blob)).all():
            raise ValueError(f"output `{blob}` is not finite")
    return Weights(store.layer_arrays(plan))


def exported(net: Path, weights: Weights, folder: Path, values: dict[str, Any]) -> None:
    """Put what the proof found into ``values``; RunError when it does not hold."""
    target = folder / "net.onnx"
    proof = export(read_net(net), weights, target, ExportOptions(batches=BATCHES)).parity
    target.unlink()
    found = [*proof.worst.values(), *([proof.worst_blob] if proof.worst_blob else [])]
    values["difference"] = max(one.relative for one in found)
    values["rounded"] = {name: list(pair) for name, pair in proof.rounded.items()}


def with_loss(text: str) -> str:
    """``text``, where nothing in it is a loss with a SoftmaxWithLoss on each classifier, so that it learns."""
    definition = parse_net(text)
    view = View(definition)
    if not view.deploy_only:
        return text
    net = definition.message
    for k, one in enumerate(view.classifiers):
        end = next((end for end in one.ends if end.layer.type == "Softmax"), None)
        last = one.between[-1] if one.between else one.head
        blob, shape = (end.bottoms[0], end.bottom_shapes[0]) if end else (last.tops[0], last.top_shapes[0])
        sizes = [int(size or 0) for size in shape or ()]
        # Of a single class a softmax is sure, and nothing learns from it.
        alone = len(sizes) > 1 and sizes[1] == 1
        label = LayerParameter(name=f"truth{k}", type="DummyData", top=[f"truth{k}"])
        label.dummy_data_param.shape.add(dim=sizes if alone else [sizes[0], *sizes[2:]])
        label.dummy_data_param.data_filler.add(type="constant", value=0)
        net.layer.append(label)
        kind = "SigmoidCrossEntropyLoss" if alone else "SoftmaxWithLoss"
        net.layer.append(LayerParameter(name=f"loss{k}", type=kind, bottom=[blob, f"truth{k}"], top=[f"loss{k}"]))
    return "\n".join(print_lines(net)) + "\n"


def _frozen(plan: Plan, key: tuple[str, int]) -> bool:
    """Whether a blob must stay: rate 0, or the statistics of a BatchNorm that uses those it has."""
    use = plan.params[key]
    if use.spec.learned:
        return use.lr_mult == 0
    owner = next(one for one in plan.layers if one.key == key[0])
    given = owner.layer.param.batch_norm_param
    return owner.layer.type == "BatchNorm" and given.HasField("use_global_stats") and given.use_global_stats
