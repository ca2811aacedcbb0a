"""Labels against every layer that reads them: which values reach it, what fits, and where a wrong one stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import lmdb
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from caffelungo.data.label_uses import Looked, look, no_shares, uses
from caffelungo.data.labels import Tally
from caffelungo.data.sources import open_source
from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TRAIN, Datum
from caffelungo.plan.build_plan import build_plan
from tests.data.make import database, pictures

FC = 'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }'
CONV = FC.replace("InnerProduct", "Convolution").replace("inner_product_param {", "convolution_param { kernel_size: 1")


def reading(kind: str, bottom: str = "label", scores: str = "fc", more: str = "", name: str = "out") -> str:
    bottoms = f'bottom: "{scores}" bottom: "{bottom}"' if scores else f'bottom: "{bottom}"'
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} top: "{name}" {more} }}'


def looked(folder: Path, net: str, arrays: dict[str, NDArray[Any]]) -> list[Looked]:
    """The net ``net`` on HDF5 data of these ``arrays``."""
    with h5py.File(folder / "a.h5", "w") as file:
        for name, values in arrays.items():
            file[name] = values
    (folder / "list.txt").write_text("a.h5\n")
    tops = " ".join(f'top: "{name}"' for name in arrays)
    source = f'hdf5_data_param {{ source: "{folder}/list.txt" batch_size: 4 }}'
    return of_net(f'layer {{ name: "d" type: "HDF5Data" {tops} {source} }} {net}')


def of_net(text: str) -> list[Looked]:
    definition = parse_net(text)
    state = net_state(definition.message, TRAIN)
    sources = {one.name: open_source(one) for one in build_plan(definition.message, state, problems=[]).sources}
    shapes = {name: source.shapes for name, source in sources.items()}
    return look(build_plan(definition.message, state, sources=shapes), sources)


def scores(count: int, plane: int = 0) -> NDArray[np.float32]:
    return np.zeros((count, 2, plane, plane) if plane else (count, 2), np.float32)


READERS = {
    "SoftmaxWithLoss": reading("SoftmaxWithLoss"), "Accuracy": reading("Accuracy"), "HingeLoss": reading("HingeLoss"),
    "MultinomialLogisticLoss": reading("MultinomialLogisticLoss"),
    "Embed": reading("Embed", scores="", more="embed_param { input_dim: 5 num_output: 2 }"),
    "second head": FC.replace('"fc"', '"fc9"').replace("5", "9") + reading("Accuracy", scores="fc9", name="other")
    + reading("Accuracy"),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("wrong", [7.0, -1.0, 5.0])
def test_every_reader_of_labels_is_asked(tmp_path: Path, reader: str, wrong: float) -> None:
    labels = np.array([0, 1, 2, wrong, 4, 3, wrong], np.float32)
    found = looked(tmp_path, FC + reader, {"data": scores(7), "label": labels})
    (problem,) = dict.fromkeys(problem for one in found if one.use.classes == 5 for problem in one.problems)
    assert "for 5 outputs (0 to 4); 2 of 7 are outside" in str(problem.received)
    assert f"{wrong:g} at {tmp_path}/a.h5, row 3" in str(problem.received)
    labels[labels == wrong] = 4
    assert not [
        one.problems for one in looked(tmp_path, FC + reader, {"data": scores(7), "label": labels}) if one.problems
    ]


@pytest.mark.parametrize("reader", ["SoftmaxWithLoss", "Accuracy"])
@pytest.mark.parametrize("blocks", [1, 64 << 20])
def test_maps_of_labels_are_read_to_their_last_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, blocks: int
) -> None:
    monkeypatch.setattr("caffelungo.data.sources.hdf5_data.BLOCK", blocks)
    labels = np.zeros((6, 1, 3, 3), np.float32)
    labels[4, 0, 2, 2] = labels[5, 0, 0, 0] = 255
    arrays = {"data": scores(6, 3), "label": labels}
    (found,) = looked(tmp_path, CONV + reading(reader), arrays)
    assert "2 of 54 are outside" in str(found.problems[0].received)
    assert "255 at" in str(found.problems[0].received)
    assert "row 4" in str(found.problems[0].received)
    field = "loss_param" if reader == "SoftmaxWithLoss" else "accuracy_param"
    (found,) = looked(tmp_path, CONV + reading(reader, more=f"{field} {{ ignore_label: 255 }}"), arrays)
    assert (found.problems, found.report.counts) == ([], {0: 52})


WAYS = {
    "Split": 'layer { name: "w" type: "Split" bottom: "label" top: "a" top: "b" }',
    "Flatten": 'layer { name: "w" type: "Flatten" bottom: "label" top: "b" }',
    "Reshape": 'layer { name: "w" type: "Reshape" bottom: "label" top: "b" reshape_param { shape { dim: 0 dim: 2 } } }',
    "two": 'layer { name: "w" type: "Split" bottom: "label" top: "a" }'
    'layer { name: "v" type: "Reshape" bottom: "a" top: "b" reshape_param { shape { dim: -1 dim: 2 } } }',
}


@pytest.mark.parametrize("way", WAYS)
def test_labels_are_followed_to_the_slice_that_is_read(tmp_path: Path, way: str) -> None:
    labels = np.array([[0, 7], [1, 8], [4, 6], [2, 9]], np.float32)
    parts = 'layer { name: "s" type: "Slice" bottom: "b" top: "first" top: "second" }'
    net = FC + WAYS[way] + parts + reading("SoftmaxWithLoss", "first") + reading("Accuracy", "second", name="acc")
    first, second = looked(tmp_path, net, {"data": scores(4), "label": labels})
    assert (first.use.reader.name, first.problems) == ("out", [])
    assert "labels 6 to 9 for 5 outputs (0 to 4); 4 of 4 are outside for `acc`" in str(second.problems[0].received)


def test_labels_that_the_net_computes_are_left_to_the_run(tmp_path: Path) -> None:
    net = FC + 'layer { name: "p" type: "Power" bottom: "label" top: "l" power_param { shift: -1 } }'
    assert looked(tmp_path, net + reading("Accuracy", "l"), {"data": scores(4), "label": np.full(4, 9.0)}) == []
    cut = FC + 'layer { name: "s" type: "Slice" bottom: "label" top: "a" top: "b" slice_param { axis: 0 } }'
    plan = build_plan(
        parse_net('layer { name: "d" type: "Input" top: "data" top: "label" input_param { shape { dim: 4 dim: 2 } '
                  "shape { dim: 4 } } }" + cut + reading("Accuracy", "a")).message,
        net_state(parse_net(cut).message, TRAIN), problems=[],
    )  # fmt: skip
    (use,) = uses(plan)
    assert use.moves[0][0].layer.rearranged(np.zeros(4), use.moves[0][0].top_shapes) is None


def test_labels_that_are_no_whole_numbers(tmp_path: Path) -> None:
    labels = np.array([0, 1.5, 2, np.nan], np.float32)
    (found,) = looked(tmp_path, FC + reading("Accuracy"), {"data": scores(4), "label": labels})
    assert f"nan at {tmp_path}/a.h5, row 3" in str(found.problems[0].received)
    assert "1.5 at" in found.notices[0]


def picture_net(source: str) -> str:
    return f'layer {{ name: "d" {source} top: "data" top: "label" }} {FC} {reading("Accuracy")}'


def test_the_line_of_a_list_the_record_of_a_database_and_a_constant_are_named(tmp_path: Path) -> None:
    file = pictures(tmp_path, 4)
    file.write_text("im0.png 0\nim1.png 6\nim2.png 7\nim3.png 6\n")
    (found,) = of_net(picture_net(f'type: "ImageData" image_data_param {{ source: "{file}" batch_size: 2 }}'))
    assert f"6 at {file}:2:1, 7 at {file}:3:1" in str(found.problems[0].received)
    with lmdb.open(str(tmp_path / "db")) as env, env.begin(write=True) as txn:
        for number, label in enumerate([0, 1, 9]):
            datum = Datum(channels=1, height=1, width=1, data=b"x", label=label)
            txn.put(b"k%d" % number, datum.SerializeToString())
    (found,) = of_net(picture_net(f'type: "Data" data_param {{ source: "{tmp_path}/db" batch_size: 2 backend: LMDB }}'))
    assert f"9 at {tmp_path}/db, record 2 (k2)" in str(found.problems[0].received)
    fillers = "data_filler { value: 0 } data_filler { value: 5 }"
    dummy = f"dummy_data_param {{ {fillers} shape {{ dim: 3 dim: 2 }} shape {{ dim: 3 }} }}"
    (found,) = of_net(picture_net(f'type: "DummyData" {dummy}'))
    assert "3 of 3 are outside" in str(found.problems[0].received)


def blocks_of(values: NDArray[Any], size: int) -> Iterator[tuple[int, NDArray[Any]]]:
    for first in range(0, len(values), size):
        yield first, values[first : first + size]


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("span", [4, 10**7])
def test_counts_do_not_depend_on_the_blocks(size: int, span: int) -> None:
    values = np.random.default_rng(1).integers(-span, span, (20, 1, 2, 2))
    values[:, 0, 0, 0] = 3
    tally = Tally(4)
    for first, block in blocks_of(values.astype(np.float32 if span == 4 else np.int64), size):
        tally.add(first, block)
    report = tally.report(ignore=3)
    kinds, counts = np.unique(values[values != 3], return_counts=True)
    assert report.counts == dict(zip(kinds.tolist(), counts.tolist(), strict=True))
    assert (report.size, report.minimum, report.maximum) == (int(counts.sum()), kinds[0], kinds[-1])
    outside = [int(kind) for kind in kinds if not 0 <= kind < 4]
    assert report.firsts == {kind: int(np.argmax((values == kind).any(axis=(1, 2, 3)))) for kind in outside}


@pytest.mark.parametrize("kind", ["Data", "ImageData"])
def test_pictures_that_are_maps_of_labels_are_read(tmp_path: Path, kind: str) -> None:
    maps = [np.full((1, 4, 5), number, np.uint8) for number in (0, 4, 2)]
    maps[2][0, 3, 4] = 255
    file = tmp_path / "list.txt"
    for number, values in enumerate(maps):
        Image.fromarray(values[0]).save(tmp_path / f"{number}.png")
    file.write_text("".join(f"{number}.png 0\n" for number in range(3)))
    database(tmp_path / "db", maps, [0, 0, 0])
    source = {
        "Data": f'data_param {{ source: "{tmp_path}/db" batch_size: 1 backend: LMDB }}',
        "ImageData": f'image_data_param {{ source: "{file}" batch_size: 1 is_color: false shuffle: false }}',
    }[kind]
    shape = "shape { dim: 1 dim: 2 dim: 4 dim: 5 }"
    tops = 'top: "label"' if kind == "Data" else 'top: "label" top: "none"'
    text = (
        f'layer {{ name: "i" type: "DummyData" top: "data" dummy_data_param {{ {shape} }} }}'
        f'layer {{ name: "d" type: "{kind}" {tops} {source} }} {CONV}'
    )
    found = [one for one in of_net(text + reading("Accuracy")) if one.use.data.name == "d"]
    assert [str(problem.received).partition(": ")[2] for one in found for problem in one.problems] == [
        f"255 at {tmp_path}/db, record 2 (00000002)" if kind == "Data" else f"255 at {file}:3:1"
    ]
    options = "accuracy_param { ignore_label: 255 }"
    assert [one.problems for one in of_net(text + reading("Accuracy", more=options)) if one.use.data.name == "d"] == [
        []
    ]


@pytest.mark.parametrize(("option", "wrong"), [("", 3), ("loss_param { ignore_label: -1 }", 2)])
def test_rows_of_labels_that_are_no_shares(tmp_path: Path, option: str, wrong: int) -> None:
    pictures(tmp_path, 4)
    lines = ["im0.png 1 0", "im1.png 2 0.5", "im2.png 0 -1", "im3.png 1 1.5"]
    (tmp_path / "rows.txt").write_text("\n".join(lines) + "\n")
    definition = parse_net(
        f'layer {{ name: "d" type: "ImageData" top: "data" top: "label" lungo {{ image_data {{ label_size: 2 }} }} '
        f'image_data_param {{ source: "{tmp_path}/rows.txt" batch_size: 2 new_height: 8 new_width: 8 }} }}'
        + FC.replace("num_output: 5", "num_output: 2")
        + reading("SigmoidCrossEntropyLoss", more=option)
    )
    plan = build_plan(definition.message, net_state(definition.message, TRAIN))
    sources = {one.name: open_source(one.layer.param) for one in plan.sources}
    (problem,) = no_shares(plan, sources)
    assert problem.received is not None
    assert problem.received.startswith(f"{wrong} numbers: 2 at {tmp_path}/rows.txt:2")
    assert ("rows.txt:3" in problem.received) is not bool(option)
    assert f"1.5 at {tmp_path}/rows.txt:4" in problem.received
    (tmp_path / "rows.txt").write_text("im0.png 1 0\nim1.png 0 0.25\n")
    assert not no_shares(plan, {"d": open_source(plan.sources[0].layer.param)})
