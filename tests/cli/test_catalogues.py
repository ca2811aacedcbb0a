"""`lungo nets` and `lungo layers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.definition import catalogue
from caffelungo.definition.reader import read_net, read_solver
from caffelungo.layers import registry
from tests.lungo import lungo


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nets() -> None:
    for words in (["nets"], ["nets", "list"]):
        out = lungo(*words).out
        assert all(name in out for name in catalogue.names())


def test_show() -> None:
    assert lungo("nets", "show", "squeezenet1.1").out.startswith("# SqueezeNet")


def test_copy() -> None:
    ran = lungo("nets", "copy", "lenet")
    assert ran.out.splitlines() == [f"wrote lenet/{part}.prototxt" for part in ("train_val", "deploy", "solver")]
    assert read_solver("lenet/solver.prototxt").message.net
    ran = lungo("nets", "copy", "lenet")
    assert ran.status == 2
    assert "lenet/train_val.prototxt" in ran.err


def test_copy_of_a_family_with_variables() -> None:
    assert lungo("nets", "copy", "resnet18", "-o", "mine", "--set", "classes=7", "--set", "size=96").status == 0
    for name in ("mine/train_val.prototxt", "mine/deploy.prototxt"):
        net = read_net(name)
        heads = [layer for layer in net.message.layer if layer.type == "InnerProduct"]
        assert [head.inner_product_param.num_output for head in heads] == [7]
        assert net.origin == "text"
    assert lungo("check", "mine/deploy.prototxt").status == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("resnet18 --set clases=7", ["clases=7", "did you mean `classes`?"]),
        ("lenet --set clases=7", ["clases=7", "remove --set clases"]),
        ("lenett", ["did you mean `lenet`?"]),
        ("", ["no net named"]),
    ],
)
def test_a_wrong_copy_writes_nothing(words: str, told: list[str]) -> None:
    ran = lungo("nets", "copy", *words.split())
    assert ran.status == 2
    for part in told:
        assert part in ran.err
    assert not list(Path().iterdir())


def test_layers() -> None:
    out = lungo("layers").out
    assert all(name in out for name in registry.layer_types())
    out = lungo("layers", "Convolution").out
    assert "kernel_size" in out
