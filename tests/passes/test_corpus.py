"""Every pass over every net that ships, and over real files: the result fits together, and no comment is lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from caffelungo.definition import catalogue, editor
from caffelungo.definition.reader import Definition, parse_recipe, read_net
from caffelungo.definition.schema import NetParameter
from caffelungo.errors import UserError
from caffelungo.passes.base import Step, run, step
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.new_units import UnitOptions, feeding
from caffelungo.passes.view import View
from caffelungo.passes.widen import WidenOptions, widen
from caffelungo.rewriting.recipes import recipe
from tests.passes.nets import comments
from tests.support import needs_shared, shared

REFUSED = {
    # outputs are a map over a larger picture
    "bvlc_caffenet_full_conv": {"finetune"},
    # data of unknown size in a database or HDF5 files
    "hdf5_classification": {"finetune", "deploy", "freeze"},
    "densenet": {"deploy", "widen"},
    "cifar10_full_train_test": {"deploy"}, "cifar10_quick_train_test": {"deploy"}, "lenet_train_test": {"deploy"},
    # a fork's net that answers for every pixel
    "hed__deploy": {"finetune"},
    # the features feed a second output
    "det1": {"widen", "deepen"},
}  # fmt: skip
"""Which passes refuse which files, by a part of the name; every other file goes through all of them."""


def steps(view: View) -> dict[str, Step]:
    tuned = FinetuneOptions(classes=7, train_source="train.txt", val_source="val.txt", suffix="pets", size=_size(view))
    result = {"finetune": step(finetune, tuned), "deploy": step(deploy, DeployOptions())}
    target = feeding(view.graph, view.classifiers[-1])
    if target is not None:
        result["freeze"] = step(freeze, FreezeOptions(target))
        result["widen"] = step(widen, WidenOptions(target, UnitOptions(8)))
        result["deepen"] = step(deepen, DeepenOptions(target, UnitOptions(8)))
    return result


def _size(view: View) -> int | None:
    """32 for nets whose file does not tell it."""
    shape = view.plan.sources[0].top_shapes[0]
    return 32 if shape is not None and len(shape) == 4 and shape[2] is None else None


def check(before: Definition, after: Definition, keeps: bool) -> None:
    """``run`` has planned ``after``; here protobuf's own parser reads its text, and comments are counted."""
    assert text_format.Parse(after.text, NetParameter()) == after.message
    if keeps:
        assert not Counter(comments(before.text)) - Counter(comments(after.text))


def all_passes(definition: Definition) -> set[str]:
    """The names of the passes that refuse ``definition``; those that do not are checked."""
    refused = set()
    for name, one in steps(View(definition)).items():
        try:
            result = run(definition, [one])
        except UserError as error:
            refused.add(name)
            unhelpful = [problem for problem in error.problems if not problem.remedy]
            if unhelpful:
                raise AssertionError(f"a refusal without a remedy: {unhelpful}") from error
            continue
        edits = [edit for rewrite in result.rewrites for edit in rewrite.edits]
        assert editor.apply_message(definition.message, edits) == result.definition.message
        check(definition, result.definition, keeps=name != "deploy")
    return refused


def large(name: str) -> bool:
    """Whether a file or a net is one of the largest, which take seconds."""
    return any(depth in name for depth in ("101", "110", "152"))


def marked(values: list[Any]) -> list[Any]:
    return [pytest.param(one, marks=pytest.mark.slow if large(str(one)) else ()) for one in values]


@pytest.mark.parametrize("name", marked(catalogue.names()))
def test_every_net_that_ships(name: str) -> None:
    found = catalogue.find(name)
    assert all_passes(read_net(found.train_val, dict(found.variables) or None)) == set()
    assert all_passes(read_net(found.deploy, found.deploy_variables or None)) == set()


def real_files() -> list[Path]:
    try:
        roots = [shared("corpus", "bvlc"), shared("models")]
    except AssertionError:
        return []
    return sorted(path for root in roots for path in root.rglob("*.prototxt") if "solver" not in path.name)


@needs_shared
@pytest.mark.parametrize("path", marked(real_files()), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_real_files(path: Path) -> None:
    try:
        definition = read_net(path)
        view = View(definition)
    except UserError:
        pytest.skip("a file that does not stand by itself")
    if not view.classifiers:
        pytest.skip("no classifier")
    expected = next((names for part, names in REFUSED.items() if part in path.name), set())
    assert all_passes(definition) <= expected


def large_net() -> Definition:
    definition = read_net(shared("corpus", "bvlc", "yihui-he__resnet-cifar10-caffe", "resnet-110__trainval.prototxt"))
    assert len(definition.message.layer) > 500
    return definition


REWRITES = (
    "joint { units: 8 }",
    "recursive { units: 8 }",
    "normalize { }",
    "read { }",
    "adapters { rank: 4 }",
    "side { }",
)


@needs_shared
@pytest.mark.parametrize("rewrite", ["widen { units: 8 }", *REWRITES])
def test_a_net_of_more_than_500_layers(rewrite: str) -> None:
    """How long it takes: python -m benchmarks.rewriting."""
    definition, steps = large_net(), recipe(parse_recipe(f"step {{ {rewrite} }} tune: TOP")).steps
    check(definition, run(definition, steps).definition, keeps=True)


@needs_shared
@pytest.mark.slow
def test_refusals_are_rare() -> None:
    """Those left are logistic regressions, nets that answer for pixels, and nets whose data alone knows their size."""
    asked = [f"step {{ {one} }}" for one in ("widen { units: 8 }", "deepen { units: 8 }", *REWRITES[:3])]
    asked += ["head { classes: 7 }", "step { widen { units: 8 } } tune: NEW", "step { cast { } }"]
    nets, refused = 0, Counter[str]()
    shipped = [catalogue.find(name) for name in catalogue.names() if not large(name)]
    files = [(one.train_val, dict(one.variables)) for one in shipped]
    files += [(one.deploy, dict(one.deploy_variables)) for one in shipped]
    for path, variables in [*files, *((path, {}) for path in real_files())]:
        try:
            definition = read_net(path, variables or None)
            if not (view := View(definition)).classifiers:
                continue
        except UserError:
            continue
        nets += 1
        for text in asked:
            if "cast" in text and not any(one.layer.type == "InnerProduct" for one in view.plan.layers):
                continue
            try:
                run(definition, recipe(parse_recipe(text)).steps)
            except UserError:
                refused[text] += 1
    assert nets > 50
    assert {text: count for text, count in refused.items() if count / nets > 0.05 and "cast" not in text} == {}
    assert refused["step { cast { } }"] / nets < 0.1
