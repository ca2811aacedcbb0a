from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.metadata import ImageInput, Metadata, read, read_labels
from caffelungo.errors import UserError

IMAGE = ImageInput("image", "NHWC", "uint8", "RGB")


@given(st.none() | st.lists(st.text()), st.none() | st.text(), st.floats(width=32, allow_nan=False))
def test_round_trip(labels: list[str] | None, classifier: str | None, scale: float) -> None:
    written = Metadata(IMAGE, Preprocessing(scale=scale, mean_value=[1.5]), labels, classifier, {"opset": "20"})
    assert read(written.properties(), "m.onnx") == written


@pytest.mark.parametrize(
    "change",
    [
        {"input": "{"}, {"input": "[]"}, {"input": '{"name": "x"}'}, {"preprocessing": "mean_valve: 1"},
        {"labels": '{"a": 1}'}, {"labels": "[1]"}, {"labels": "[" * 100_000}, {"labels": " " * (16 * 2**20 + 1)},
    ],
)  # fmt: skip
def test_damaged(change: dict[str, str]) -> None:
    properties = Metadata(IMAGE, Preprocessing(), ["a"], "prob").properties()
    with pytest.raises(UserError, match="damaged") as caught:
        read({**properties, **change}, "m.onnx")
    assert caught.value.problems[0].where is not None
    assert len(str(caught.value)) < 1000


def test_not_ours() -> None:
    with pytest.raises(UserError, match="does not say how pictures become its input") as caught:
        read({"producer": "other"}, "m.onnx")
    assert "lungo export" in (caught.value.problems[0].remedy or "")


def test_properties_are_readable_by_anyone() -> None:
    properties = Metadata(IMAGE, Preprocessing(mean_value=[104, 117, 123]), ["Äffin"], "prob").properties()
    assert json.loads(properties["labels"]) == ["Äffin"]
    assert "Äffin" in properties["labels"]
    assert "104" in properties["preprocessing"]


def test_labels_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffone\r\n\r\n  zwei, drei\n".encode())
    assert read_labels(path) == ["one", "zwei, drei"]
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="no UTF-8"):
        read_labels(path)


@pytest.mark.parametrize("heads", ["{", "[5]", '[{"output": "prob"}]', '[{"output": 1, "name": "a", "task": "b"}]'])
def test_damaged_heads_are_told(heads: str) -> None:
    properties = Metadata(IMAGE, Preprocessing()).properties() | {"heads": heads}
    with pytest.raises(UserError, match="damaged"):
        read(properties, "model.onnx")
