"""The nets and the passes of the table, and what a rewritten net is reduced to before it is trained. No torch.

nets(corpus) -> [Subject];  rewrite(definition, "WA") -> Rewritten | Refused;  plain(rewritten) -> text

Nets that differ in data, names of files or fillers alone are the same text afterwards, so they are trained once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from benchmarks.nets import SIZES, corpus_files, left_open, shipped
from caffelungo.definition.printer import print_lines
from caffelungo.definition.reader import Definition, parse_net, parse_recipe, read_net
from caffelungo.definition.schema import LayerParameter, NetParameter
from caffelungo.errors import UserError
from caffelungo.layers import registry
from caffelungo.layers.base import Shape
from caffelungo.passes.base import Step, run, step
from caffelungo.passes.default_layers import top_layer
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.view import View
from caffelungo.plan.cost import costs
from caffelungo.rewriting.recipes import recipe
from caffelungo.rewriting.rewrite import Sources, sources

PASSES = ("finetune", "freeze", "deploy", "cast", "DA", "WA", "DWA", "WWA")
GROWTH = {"DA": "deepen", "WA": "widen", "DWA": "joint", "WWA": "recursive"}
UNITS = 16
COLOURS = 3


@dataclass(frozen=True)
class Subject:
    """One net with a classifier: ``family`` is a folder of the catalogue or a repository of the corpus."""

    family: str
    name: str
    definition: Definition
    parameters: int

    @property
    def size(self) -> tuple[int, ...] | None:
        """The shape of one sample where only the data tell it."""
        return next((size for part, size in SIZES.items() if part in self.name), None)


@dataclass(frozen=True)
class Outcome:
    """What a pass made of a net: a ``definition``, or the reason why it refuses."""

    definition: Definition | None
    refused: str = ""
    learns: bool = True
    """Whether the result is trained; else it is run forward."""


def nets(corpus: Path | None) -> tuple[list[Subject], list[str]]:
    """The catalogue's and the corpus' nets that have a classifier, small ones first; and those left out, with why."""
    found: list[Subject] = []
    left_out: list[str] = []
    for family, name, path, variables in (*shipped(), *corpus_files(corpus)):
        try:
            definition = read_net(path, variables or None)
            view = View(definition)
        except UserError as error:
            left_out.append(f"{family}/{name}: {error.problems[0].what}")
            continue
        if not view.classifiers:
            left_out.append(f"{family}/{name}: no classifier")
            continue
        found.append(Subject(family, name, definition, sum(one.parameters or 0 for one in costs(view.plan))))
    return sorted(found, key=lambda one: len(one.definition.message.layer) * 200_000 + one.parameters), left_out


def rewrite(subject: Subject, name: str) -> Outcome | None:
    """One pass on one net, as the command line does it; None where it does not apply (``cast`` without an fc layer)."""
    view = View(subject.definition, sources=known_sources(subject, subject.definition))
    if name == "cast" and not any(one.layer.type == "InnerProduct" for one in view.plan.layers):
        return None
    try:
        after = run(subject.definition, _steps(subject, view, name), known_sources(subject, subject.definition))
        return Outcome(after.definition, learns=name != "deploy" and not (name == "cast" and view.deploy_only))
    except UserError as error:
        problem = error.problems[0]
        assert problem.remedy, f"{subject.name}, {name}: a refusal without a remedy: {problem.what}"
        return Outcome(None, problem.what)


def _steps(subject: Subject, view: View, name: str) -> list[Step]:
    if name == "finetune":
        options = FinetuneOptions(7, "train.txt", "val.txt", batch_size=2, test_batch_size=2)
        return [step(finetune, options)]
    if name == "deploy":
        return [step(deploy, DeployOptions())]
    if name == "freeze":
        return [step(freeze, FreezeOptions(top_layer(view)))]
    one = "cast { }" if name == "cast" else f"{GROWTH[name]} {{ units: {UNITS} }}"
    return recipe(parse_recipe(f"step {{ {one} }}")).steps


def reparsed(after: Definition) -> str:
    """Why the text of ``after`` is not its message, read by the project's parser and by protobuf's; "" when it is."""
    if parse_net(after.text).message != after.message:
        return "the text reads back as another net"
    if text_format.Parse(after.text, NetParameter()) != after.message:
        return "protobuf's own parser reads another net"
    return ""


def plain(subject: Subject, after: Definition) -> str:
    """``after`` with made-up data and fillers: what is trained and exported. Classifiers, layers and rates are kept."""
    sources = known_sources(subject, after)
    shapes: dict[tuple[str, ...], list[tuple[int, ...]]] = {}
    for graph in View(after, sources=sources).graphs.values():
        for one in graph.plan.sources:
            found = [_filled(shape) for shape in one.top_shapes]
            if all(0 not in shape for shape in found) or tuple(one.tops) not in shapes:
                shapes[tuple(one.tops)] = found
    net = NetParameter(name="net")
    made: set[tuple[str, ...]] = set()
    for layer in after.message.layer:
        kind = registry.find(layer.type)
        if kind is not None and kind.source:
            tops = tuple(layer.top)
            if tops not in made and tops in shapes:
                made.add(tops)
                net.layer.append(_data(tops, shapes[tops]))
            continue
        copy = net.layer.add()
        copy.CopyFrom(layer)
        _fill(copy)
    return "\n".join(print_lines(net)) + "\n"


def known_sources(subject: Subject, definition: Definition) -> Sources | None:
    """What the data would tell of the sizes, as `--shape` tells it."""
    if subject.size is None:
        return None
    return sources(definition, {layer.top[0]: subject.size for layer in left_open(definition)})


def _filled(shape: Shape) -> tuple[int, ...]:
    """A batch of two, in colour where only the data know the channels; other sizes that are not known are 0."""
    sizes = [int(size or 0) for size in (shape or ())[1:]]
    if len(sizes) == 3:
        sizes[0] = sizes[0] or COLOURS
    return (2, *sizes)


def _data(tops: tuple[str, ...], shapes: Sequence[tuple[int, ...]]) -> Any:
    layer = LayerParameter(name=tops[0], type="DummyData", top=tops)
    for shape in shapes:
        layer.dummy_data_param.shape.add(dim=shape)
        filler = layer.dummy_data_param.data_filler.add()
        if len(shape) > 1:
            filler.type, filler.std = "gaussian", 1
        else:
            filler.type, filler.value = "constant", 1
    return layer


def _fill(layer: Any) -> None:
    """Weights that make something of their input; with the zeros of a deploy file every comparison would hold."""
    for name in ("convolution_param", "inner_product_param"):
        if layer.HasField(name):
            param = getattr(layer, name)
            param.ClearField("weight_filler")
            param.weight_filler.type = "xavier"
            param.ClearField("bias_filler")
            if param.bias_term:
                param.bias_filler.type, param.bias_filler.value = "constant", 0.1
