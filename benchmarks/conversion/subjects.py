"""What is converted: real models, the nets that ship, and real files; and with which flags, where a net needs some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.nets import SIZES, corpus_files, left_open, shipped
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import TEST
from caffelungo.deploy.convert import Examined, examine
from caffelungo.deploy.options import ConvertOptions
from caffelungo.errors import Problem, UserError
from caffelungo.plan.cost import costs

MODELS: dict[str, dict[str, Any]] = {
    "lenet": {"scale": 1 / 256},
    "cifar10_quick": {"mean": [113, 123, 125]},
    "mtcnn_det1": {"mean": [127.5], "scale": 0.0078125},
    "open_nsfw": {"mean": [104, 117, 123]},
    "squeezenet_v1.1": {"mean": [104, 117, 123]},
}
"""What goes before each of the models, by its folder; with their own weights it decides which numbers come out."""
MEAN = [104.0, 117.0, 123.0]
CIFAR = (3, 32, 32)
STAGES = {"mnist_autoencoder": "test-on-test"}


@dataclass
class Subject:
    """One net and how it is converted: ``weights`` are its own, None where they are made up.

    ``flags`` are those of ``ConvertOptions``, as JSON, that answer what the net was refused for without (``asked``);
    ``refused`` is what remains. ``seconds`` are about those that it takes.
    """

    family: str
    name: str
    path: Path
    weights: Path | None = None
    flags: dict[str, Any] = field(default_factory=dict)
    asked: list[Problem] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def title(self) -> str:
        return f"{self.family}/{self.name}"


def options(flags: Mapping[str, Any]) -> ConvertOptions:
    """``flags`` as the command line hands them on."""
    shapes = {blob: tuple(shape) for blob, shape in flags.get("shapes", {}).items()}
    return ConvertOptions(**{**flags, "shapes": shapes})


def words(flags: Mapping[str, Any]) -> str:
    """``flags`` as a person types them."""
    said = [f"--shape {blob}:{'x'.join(map(str, shape))}" for blob, shape in flags.get("shapes", {}).items()]
    said += [f"--mean {','.join(f'{value:g}' for value in flags['mean'])}"] if "mean" in flags else []
    said += [f"--scale {flags['scale']:g}"] if "scale" in flags else []
    said += [f"--stage {stage}" for stage in flags.get("stages", ())]
    said += [f"--set {name}={value}" for name, value in flags.get("variables", {}).items()]
    return " ".join(said)


def subjects(models: Path | None, corpus: Path | None, only: Iterable[str] = ()) -> list[Subject]:
    """All of them whose title has a part of ``only``, models first, else small ones first."""
    several = list(only)
    found = list(_models(models)) if models is not None else []
    files = [*shipped(), *corpus_files(corpus)]
    found += [
        Subject(family, name, path, flags={"variables": given} if given else {}) for family, name, path, given in files
    ]
    found = [one for one in found if not several or any(part in one.title for part in several)]
    for one in found:
        _examine(one)
    return sorted(found, key=lambda one: (one.weights is None, one.seconds))


def without_places(text: str, *folders: Path) -> str:
    """``text`` without the folders of this machine."""
    for folder in folders:
        text = text.replace(f"{folder}/", "").replace(str(folder), "the net's")
    return text


def _models(folder: Path) -> Iterable[Subject]:
    for path in sorted(folder.rglob("*.prototxt")):
        weights = sorted(path.parent.glob("*.caffemodel"), key=lambda one: (len(one.name), one.name))
        if "solver" not in path.name and weights:
            flags = dict(MODELS.get(path.parent.name, {}))
            yield Subject(f"models/{path.parent.name}", path.stem, path, weights[-1], flags)


def _examine(one: Subject) -> None:
    """Fill in what ``one`` is refused for, the flags that answer it, and about how long it takes."""
    found = _found(one)
    one.asked = found.problems
    if one.asked and one.weights is None and (answers := _answers(one)):
        plain, one.flags = one.flags, {**one.flags, **answers}
        found = _found(one)
        if found.problems:  # what flags do not answer is told as it is without them
            one.flags = plain
    one.refused = one.asked if found.problems else []
    if found.net is not None:
        spent = costs(found.net.plan)
        one.seconds = 3 + 0.1 * len(spent) + sum(4e-7 * (each.parameters or 0) for each in spent)
        one.seconds += sum(1.2e-9 * (each.operations or 0) for each in spent)


def _found(one: Subject) -> Examined:
    """What `lungo convert` finds before it traces a graph."""
    return examine(one.path, one.weights, "net.onnx", options(one.flags))


def _answers(one: Subject) -> dict[str, Any]:
    """The flags that a person adds who reads the refusal and knows the net."""
    try:
        definition = read_net(one.path, one.flags.get("variables"))
    except UserError:
        return {}
    found: dict[str, Any] = {}
    stage = next((stage for part, stage in STAGES.items() if part in one.name), None)
    if stage is not None:
        found["stages"] = [stage]
    size = next((size for part, size in SIZES.items() if part in one.name), None)
    size = CIFAR if size is None and "cifar10" in one.family else size
    state = net_state(definition.message, TEST)
    state.stage.extend(found.get("stages", ()))
    here = [layer for layer in left_open(definition) if included(layer, state)]
    if stage is not None and size is None:
        size = (1, 28, 28)
    if size is not None:
        found["shapes"] = {layer.top[0]: list(size) for layer in here if not layer.transform_param.crop_size}
    if any(layer.transform_param.mean_file for layer in definition.message.layer):
        found["mean"] = MEAN
    return {name: value for name, value in found.items() if value}
