from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.definition.schema import Preprocessing
from caffelungo.errors import UserError
from caffelungo.inference.metadata import (
    Head,
    ImageInput,
    Metadata,
    NumberAnswer,
    NumberField,
    read,
    read_labels,
)

IMAGE = ImageInput("image", "NHWC", "uint8", "RGB")


SCALES = st.floats(width=32, allow_nan=False, allow_infinity=False).filter(bool)


@given(st.none() | st.lists(st.text()), st.none() | st.text(), SCALES)
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
    with pytest.raises(UserError, match="has no preprocessing record") as caught:
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
    path.write_bytes("eins".encode("utf-16"))
    with pytest.raises(UserError, match="text in UTF-16"):
        read_labels(path)
    path.write_bytes(b"\xff\xff\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        read_labels(path)


WRONG: list[Any] = [None, True, -1, 1e400, "", "\ud83d", [], [[]], {}, {"name": "x"}]
RECORD = Preprocessing(mean_value=[104, 117, 123], scale=0.5, crop_height=4, crop_width=5)
HEADS = (Head("prob", "fc", "birds", ("a", "b")), Head("q", "fd", ""))
WHOLE = Metadata(IMAGE, RECORD, ["a", "b"], "prob", {"accuracy": "{}"}, HEADS).properties()


def mutated(value: Any) -> Iterator[Any]:
    """``value`` with each of its nodes in turn, itself included, replaced by each wrong one, left out, or joined."""
    yield from WRONG
    items = list(enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ())
    for key, inner in items:
        for other in mutated(inner):
            copy = value.copy()
            copy[key] = other
            yield copy
        copy = value.copy()
        del copy[key]
        yield copy
    if isinstance(value, dict):
        yield {**value, "more": 1}


def words(value: Any) -> Iterator[Any]:
    for one in asdict(value).values() if isinstance(value, ImageInput | Head) else value:
        yield from one or () if isinstance(one, tuple) else [one]


@pytest.mark.parametrize("key", ["input", "labels", "heads"])
def test_every_node_of_every_entry_is_what_it_should_be_or_named(key: str) -> None:
    refused = 0
    for value in mutated(json.loads(WHOLE[key])):
        text = json.dumps(value)
        try:
            found = read(WHOLE | {key: text}, "model.onnx")
        except UserError as error:
            refused += 1
            (problem,) = error.problems
            assert f"damaged, in its entry `{key}`" in problem.what
            str(error).encode()
        else:
            texts = [
                *words(found.input),
                *(found.labels or ()),
                *(word for head in found.heads for word in words(head)),
            ]
            assert all(word is None or isinstance(word, str) for word in texts), text
            "".join(word or "" for word in texts).encode()
            assert found.input.layout in ("NHWC", "NCHW")
    assert refused > 15


@pytest.mark.parametrize(
    "record",
    ["{", "scale: nan", "scale: 0", "mean_value: inf", "mean_value: 1 mean_value: 2", "no_field: 1", "crop_height: 3",
     "mean_image: 1 mean_image: 2", "mean_image: 1 mean_image_shape: 3", "crop_height: 4000000000 crop_width: 1",
     "scale: 'a'", "channel_order: 7"],
)  # fmt: skip
def test_a_damaged_record_is_named(record: str) -> None:
    with pytest.raises(UserError, match="damaged, in its entry `preprocessing`"):
        read(WHOLE | {"preprocessing": record}, "model.onnx")


NUMBERS = NumberAnswer("age", (NumberField("age", "years"), NumberField("höhe")))


def test_numbers_round_trip() -> None:
    written = Metadata(IMAGE, Preprocessing(), numbers=NUMBERS)
    assert read(written.properties(), "m.onnx") == written
    assert "höhe" in written.properties()["numbers"]
    assert [one.title for one in NUMBERS.fields] == ["age (years)", "höhe"]


def test_every_node_of_the_numbers_is_what_it_should_be_or_named() -> None:
    whole = Metadata(IMAGE, Preprocessing(), numbers=NUMBERS).properties()
    refused = 0
    for value in mutated(json.loads(whole["numbers"])):
        try:
            found = read(whole | {"numbers": json.dumps(value)}, "m.onnx").numbers
        except UserError as error:
            refused += 1
            (problem,) = error.problems
            assert "damaged, in its entry `numbers`" in problem.what
        else:
            assert found is not None
            assert isinstance(found.output, str)
            assert all(isinstance(word, str) for one in found.fields for word in (one.name, one.unit))
            assert found.fields
    assert refused > 10


def test_all_damaged_entries_are_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        read(WHOLE | {"labels": "5", "heads": "5", "classifier": "\ud800"}, "model.onnx")
    assert [problem.what.split("`")[1] for problem in caught.value.problems] == ["labels", "classifier", "heads"]
    with pytest.raises(UserError, match="in its entry `input`"):
        read({key: value for key, value in WHOLE.items() if key != "input"}, "model.onnx")


@pytest.mark.parametrize("heads", ["{", "[5]", '[{"output": "prob"}]', '[{"output": 1, "name": "a", "task": "b"}]'])
def test_damaged_heads_are_told(heads: str) -> None:
    properties = Metadata(IMAGE, Preprocessing()).properties() | {"heads": heads}
    with pytest.raises(UserError, match="damaged"):
        read(properties, "model.onnx")
