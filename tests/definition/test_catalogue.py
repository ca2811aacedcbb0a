"""Nets by name, and own copies of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from caffelungo.definition import catalogue
from caffelungo.definition.reader import read_net, read_solver
from caffelungo.errors import UserError
from caffelungo.study.options import CompareOptions
from caffelungo.study.options import weights_name as study_weights


def test_families_hold_every_name_once() -> None:
    assert [net.name for nets in catalogue.families().values() for net in nets] == catalogue.names()
    assert [net.name for net in catalogue.families()["resnet"]] == [f"resnet{d}" for d in (18, 34, 50, 101, 152)]


@pytest.mark.parametrize("name", catalogue.names())
def test_a_net_has_its_files_and_a_summary(name: str) -> None:
    net = catalogue.find(name)
    for path in (net.train_val, net.deploy, net.solver):
        assert path.is_file()
    assert len(net.summary) > 20
    assert net.card.startswith("# ")
    assert name in catalogue.overview().split()


@pytest.mark.parametrize(
    ("typed", "meant"), [("resnt50", "resnet50"), ("Alexnet", "alexnet"), ("squeezenet", "squeezenet1.1")]
)
def test_an_unknown_name_gets_the_nearest_one(typed: str, meant: str) -> None:
    with pytest.raises(UserError, match="did you mean `") as caught:
        catalogue.find(typed)
    assert meant in str(caught.value)
    assert caught.value.problems[0].received == typed


def test_resolve_takes_a_file_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalogue.resolve("resnet18", {"classes": 5}) == (
        catalogue.find("resnet18").train_val,
        {"depth": 18, "classes": 5},
    )
    monkeypatch.chdir(tmp_path)
    Path("resnet18").write_text('name: "mine"')
    assert catalogue.resolve("resnet18") == (Path("resnet18"), {})
    with pytest.raises(UserError, match="no such file"):
        catalogue.resolve("nowhere/net.prototxt")


@pytest.mark.parametrize("name", catalogue.names())
def test_a_copy_is_plain_and_complete(name: str, tmp_path: Path) -> None:
    net = catalogue.find(name)
    written = catalogue.copy(name, tmp_path / "mine")
    train_val, deploy, solver = written[:3]
    assert all("{%" not in path.read_text("utf-8") for path in (train_val, deploy, solver))
    assert read_net(train_val).message == read_net(net.train_val, net.variables or None).message
    assert read_net(deploy).message == read_net(net.deploy, net.deploy_variables or None).message
    assert (solver.parent / read_solver(solver).message.net) == train_val
    if net.is_template:
        assert train_val.read_text("utf-8").startswith("# Written from the template ")
    else:
        assert train_val.read_bytes() == net.train_val.read_bytes()
    assert written[3:] == ([tmp_path / "mine" / net.weights.name] if net.weights else [])


def test_a_copy_takes_parameters(tmp_path: Path) -> None:
    train_val = catalogue.copy("resnet18", tmp_path, {"classes": 7})[0]
    assert "classes=7" in train_val.read_text("utf-8").splitlines()[0]
    assert read_net(train_val).message.layer[-4].inner_product_param.num_output == 7


@pytest.mark.parametrize(
    ("variables", "come"),
    [({}, True), ({"size": 67, "classes": 9}, True), ({"version": 1.1}, True), ({"version": "1.0"}, False),
     ({"variant": "torchvision"}, False)],
)  # fmt: skip
def test_weights_come_with_the_net_that_they_were_trained_in(variables: dict[str, object], come: bool) -> None:
    """Another version has other shapes, another variant the same: its answers would silently be wrong."""
    assert (catalogue.weights_with("squeezenet1.1", variables) is not None) is come
    with pytest.raises(UserError, match="no weights"):
        study_weights(CompareOptions("data", "out", "lenet", variables=variables))
    asked = CompareOptions("data", "out", "squeezenet1.1", variables=variables)
    if come:
        assert study_weights(asked) == str(catalogue.find("squeezenet1.1").weights)
    else:
        with pytest.raises(UserError, match="no weights"):
            study_weights(asked)


def test_a_file_comes_without_weights(tmp_path: Path) -> None:
    assert catalogue.weights_with(catalogue.copy("squeezenet1.1", tmp_path)[0]) is None


def test_a_plain_net_takes_no_parameters(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no variable `classes`"):
        catalogue.copy("lenet", tmp_path / "mine", {"classes": 7})
    assert not (tmp_path / "mine").exists()


def test_a_copy_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "deploy.prototxt").write_text("precious")
    with pytest.raises(UserError, match="exist already"):
        catalogue.copy("lenet", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["deploy.prototxt"]
    assert (tmp_path / "deploy.prototxt").read_text() == "precious"


def test_the_catalogue_needs_no_torch() -> None:
    look = "from caffelungo.definition import catalogue; catalogue.families()"
    code = f"import sys; {look}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
