"""From a list of pairs and a net to embeddings that tell pairs apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from caffelungo.check import check
from caffelungo.data.picture_pairs import read_pairs
from caffelungo.definition.reader import parse_net, read_net
from caffelungo.deploy.deploy_net import deploy_net
from caffelungo.deploy.export import export
from caffelungo.errors import UserError
from caffelungo.inference.infer import InferOptions, infer
from caffelungo.passes.base import run, step
from caffelungo.passes.embed_pairs import EmbedOptions, embed_pairs
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.view import View
from caffelungo.projects.finetune_project import ProjectOptions, finetune_project
from caffelungo.projects.pair_project import split_pairs
from caffelungo.projects.project_options import Summary
from caffelungo.solve import run_training
from caffelungo.solve.evaluate import run_test
from caffelungo.solve.options import TestOptions, TrainOptions
from caffelungo.weights import formats
from tests.passes.nets import ALEX, FIRE, RESIDUAL, THREE_HEADS, net
from tests.projects import labelled

GROUPS, EACH = 6, 4


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Groups of pictures of one colour, in lists of pairs that join two groups each."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(5)
    for group in range(GROUPS):
        colour = rng.integers(20, 236, 3)
        for number in range(EACH):
            pixels = np.clip(rng.normal(colour, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"g{group}_{number}.png")
    lines = []
    for group in range(0, GROUPS, 2):
        for number in range(EACH):
            lines.append(f"g{group}_{number}.png g{group}_{(number + 1) % EACH}.png 1")
            lines.append(f"g{group}_{number}.png g{group + 1}_{number}.png 0")
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    labelled.net(folder)
    return folder


def make(place: Path, out: str, **options: object) -> Summary:
    given = {"weights": str(place / "tiny.caffemodel"), "batch_size": 4, "passes": 6, "val": 0.3, **options}
    return finetune_project(
        ProjectOptions(str(place / "tiny.prototxt"), str(place / "pairs.txt"), str(place / out), **given)  # type: ignore[arg-type]
    )


def test_from_pairs_to_an_exported_embedding(place: Path) -> None:
    made, out = make(place, "made"), place / "made"
    assert made.pairs
    assert (made.train, made.val) == (16, 8)
    lists = [set(read_pairs(out / f"{name}.txt").names) for name in ("train", "val")]
    assert not lists[0] & lists[1], "no picture is in both"
    assert not check([out / "solver.prototxt"]).problems
    assert run_training.train(TrainOptions(solver=str(out / "solver.prototxt"), device="cpu", quiet=True)) == 0
    best = out / "solver_best.caffemodel"
    (threshold,) = formats.read(best).extras.threshold
    tested = run_test(TestOptions(model=str(out / "train_val.prototxt"), weights=(str(best),), quiet=True)).outputs
    exported = export(read_net(out / "train_val.prototxt"), str(best), out / "model.onnx")
    assert exported.outputs == ["embedding"]
    assert json.loads(exported.metadata.more["embedding"]) == {"output": "embedding", "threshold": threshold}
    pairs = read_pairs(out / "val.txt")
    assert infer(InferOptions(exported.path, sorted(set(pairs.names)), place / "e.npz", "cpu")).count == len(
        set(pairs.names)
    )
    found = np.load(place / "e.npz")
    vectors = dict(zip(found["pictures"].tolist(), found["embedding"].reshape(len(found["pictures"]), -1), strict=True))
    assert all(len(one) == 64 and np.linalg.norm(one) == pytest.approx(1, abs=1e-4) for one in vectors.values())
    first, second = (np.array([vectors[name] for name in pairs.names[k::2]]) for k in (0, 1))
    distance, same = np.linalg.norm(first - second, axis=1), pairs.labels[::2]
    assert tested["auc"] == pytest.approx(roc_auc_score(same, -distance))
    assert tested["accuracy"] == pytest.approx(np.mean((distance <= threshold) == (same == 1)))
    assert tested["accuracy"] >= 0.75


@pytest.mark.parametrize("text", [ALEX, FIRE, RESIDUAL, THREE_HEADS], ids=["alex", "fire", "residual", "three"])
def test_every_net_ends_in_an_embedding(text: str) -> None:
    pointed = FinetuneOptions(classes=1, train_source="a", val_source="b", suffix="pairs", batch_size=4,
                              test_batch_size=4, pairs=True)  # fmt: skip
    after = run(net(text), [step(embed_pairs, EmbedOptions(5, pointed))]).definition
    for graph in View(after).graphs.values():
        assert graph.plan.layer("embedding").top_shapes[0][:2] == (8, 5)
        assert graph.plan.layer("pairs").top_shapes[0][:2] == (4, 5)
        assert not {one.layer.type for one in graph.plan.layers} & {"SoftmaxWithLoss", "Accuracy", "Softmax"}
    assert deploy_net(after).outputs == ["embedding"]


def test_classes_again() -> None:
    pointed = FinetuneOptions(classes=1, train_source="a", val_source="b", suffix="pairs", pairs=True)
    after = run(net(ALEX), [step(embed_pairs, EmbedOptions(5, pointed))]).definition
    assert "pairs: true" in after.text
    with pytest.raises(UserError):  # an embedding is no classifier
        run(after, [step(finetune, FinetuneOptions(classes=3, train_source="a", val_source="b"))])


def test_pairs_that_share_all_pictures_are_divided_with_a_notice() -> None:
    pairs = [("a", f"b{k}", k % 2) for k in range(10)]
    train, val, notices = split_pairs(pairs, 0.2, 0)
    assert (len(train), len(val)) == (8, 2)
    assert sorted(train + val) == sorted(pairs)
    assert {same for _, _, same in val} == {0, 1}
    assert "share pictures" in notices[0]
    assert split_pairs(pairs, 0, 0)[1:] == ([], [])


def test_refusals(place: Path) -> None:
    with pytest.raises(UserError) as caught:
        make(place, "no", balance="inverse", remember=True, groups="x")
    assert len(caught.value.problems) == 3
    with pytest.raises(UserError, match="need a list"):
        finetune_project(ProjectOptions(str(place / "tiny.prototxt"), str(place), str(place / "no"), predict="pairs",
                                        weights=str(place / "tiny.caffemodel")))  # fmt: skip
    (place / "one.txt").write_text("g0_0.png g0_1.png 1\n")
    with pytest.raises(UserError, match="pairs that belong together, and pairs that do not"):
        finetune_project(ProjectOptions(str(place / "tiny.prototxt"), str(place / "one.txt"), str(place / "no"),
                                        weights=str(place / "tiny.caffemodel")))  # fmt: skip
    assert not (place / "no").exists()


def test_a_slice_of_the_batch_mixes_samples() -> None:
    text = (
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 4 dim: 3 } } }\n'
        'layer { name: "s" type: "Slice" bottom: "d" top: "a" top: "b" slice_param { axis: 0 } }'
    )
    sliced = View(parse_net(text)).plan.layers[-1]
    assert not sliced.layer.each_alone(sliced.bottom_shapes)
