"""Texts become the message that protobuf reads from them, or a list of mistakes with their places."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from caffelungo import files
from caffelungo.definition import decoding, parser, printer, reader
from caffelungo.definition.schema import LayerParameter, NetParameter, SolverParameter
from caffelungo.definition.tree import LineTable
from caffelungo.errors import UserError
from tests.definition.files import definition_files, is_solver
from tests.definition.strategies import NET, messages
from tests.support import ASSETS, SHARED, needs_shared, shared

VALID, INVALID = ASSETS / "valid", ASSETS / "invalid"


def _parsed(text: str, kind: Any = NetParameter) -> Any:
    message = kind()
    parser.parse(text, message, LineTable("<text>", text))
    return message


def _read(path: Path) -> reader.Definition:
    return reader.read_solver(path) if is_solver(path) else reader.read_net(path)


@pytest.mark.parametrize("path", definition_files(), ids=lambda path: path.name)
def test_real_files_read_as_protobuf_reads_them_and_keep_every_byte(path: Path) -> None:
    data = path.read_bytes()
    text = decoding.decode(data)
    assert decoding.encode(text) == data
    kind = SolverParameter if is_solver(path) else NetParameter
    plain = text.lstrip("\ufeff").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        expected = text_format.Parse(plain, kind())
    except text_format.ParseError:
        with pytest.raises(UserError) as caught:
            _parsed(text, kind)
        assert all(problem.where and problem.where.line for problem in caught.value.problems[:-1])
        return
    assert _parsed(text, kind) == expected
    try:
        definition = _read(path)
    except UserError:
        return
    assert _parsed(definition.text, kind) == definition.message
    if not definition.notes:
        assert definition.text == text


@given(messages(NET))
def test_what_protobuf_prints_reads_back(message: Any) -> None:
    assert _parsed(text_format.MessageToString(message)) == message
    assert _parsed(text_format.MessageToString(message, as_utf8=True, as_one_line=True)) == message
    assert _parsed(printer.print_net(message)) == message
    assert _parsed(printer.print_one_line(message)) == message


@pytest.mark.parametrize(
    "text",
    [
        'name: "a" \'b\'\n"c"',
        r'name: "\x41\101\u0041\n\\\t\'"',
        'bottom: ["a" "b", "c"]',
        "propagate_down: [t, f, 1, 0, True, False, true, false]",
        "lrn_param: { }",
        "lrn_param < alpha: 1 >",
        "param: [{ lr_mult: 1 }, < lr_mult: 2 >]",
        "param [{ lr_mult: 1 }]",
        "convolution_param { pad: 0x10 pad: 010 pad: 0 }",
        'name: "a"; type: "b",',
        "loss_weight: .5 loss_weight: 1.f loss_weight: 1e5f loss_weight: -.5E-3 loss_weight: 5F",
        "loss_weight: [inf, -inf, Infinity, 1e400]",
        "loss_weight: []",
        "phase: 1",
        "lrn_param { norm_region: WITHIN_CHANNEL } # comment",
        "  #only\n\n\tname\n:\n'x'# y",
        'name: "é" top: "\\303\\251"',
    ],
)
def test_every_form_of_the_text_format_is_read(text: str) -> None:
    assert _parsed(text, LayerParameter) == text_format.Parse(text, LayerParameter())


@pytest.mark.parametrize(
    ("text", "column", "what", "remedy"),
    [
        ('nane: "x"', 1, "no field `nane`", "did you mean `name`"),
        ("name: x", 7, "needs a string in quotes", 'write "x"'),
        ('name "x"', 6, "expected :", "write name: ..."),
        ('name: "x', 7, "not closed on its line", 'end it with "'),
        (r'name: "C:\data"', 7, r"unknown escape \d", "write / instead"),
        (r'name: "\351"', 7, "not UTF-8", "save the file as UTF-8"),
        ("type: CONVOLUTION", 7, "string in quotes", 'write type: "Convolution"'),
        ("phase: TRIAN", 8, "no value TRIAN", "did you mean TRAIN"),
        ('phase: "TEST"', 8, "no value", "without quotes"),
        ("phase: 2", 8, "no value 2", "TRAIN, TEST"),
        ("lrn_param: 3", 12, "expected {", "write lrn_param { ... }"),
        ("loss_weight: 0x10", 14, "takes a number", "decimal"),
        ('loss_weight: "0.1"', 14, "takes a number", "write 0.1 without quotes"),
        ("propagate_down: yes", 17, "must be true or false", "write true or false"),
        ("convolution_param { pad: 1.0 }", 26, "needs an integer", "write 1"),
        ("convolution_param { pad: -1 }", 26, "from 0 to 4294967295", "in this range"),
        ("convolution_param { pad: 08 }", 26, "needs an integer", "write 8"),
        ("clip_param { min: 0 }", 12, "ClipParameter lacks max", "add max: ..."),
        ("lrn_param { } lrn_param { alpha: 1 }", 15, "may occur only once", "into one block"),
        ('name: ["a"]', 7, "is not a list", "one value"),
        ("loss_weight: [1, 2,]", 20, "expected a value", None),
        ('name: "a",,', 11, "expected the name of a field", None),
        ("kernel_size: 3", 1, "no field `kernel_size`", "block it belongs to: convolution_param, pooling_param"),
        ("kernelsize: 3", 1, "no field `kernelsize`", "write convolution_param { kernel_size: ... }"),
        ("blobs_lr: 1", 1, "no field `blobs_lr`", "param { lr_mult: ... }"),
        ("pooling_param { lr_mult: 1 }", 17, "no field `lr_mult`", None),
        ('convolution_param { top: "x" }', 21, "no field `top`", "move it out of this block"),
        ("roi_pooling_param { pooled_h: 7 }", 1, "it comes from Fast and Faster R-CNN", None),
        ("\u00a0", 1, "of web pages or word processors", "write a space instead of U+00A0"),
        ("é", 1, "a character that is not allowed", "delete it"),
        ("lrn_param { alpha: 1 >", 22, "closed by the wrong brace", "write }"),
    ],
)
def test_a_mistake_has_its_place_and_its_remedy(text: str, column: int, what: str, remedy: str | None) -> None:
    with pytest.raises(UserError) as caught:
        reader.parse_net(f"layer {{\n{text}\n}}", "net.prototxt")
    problem = caught.value.problems[0]
    assert str(problem.where) == f"net.prototxt:2:{column}"
    assert what in problem.what
    assert remedy is None or remedy in (problem.remedy or "")


def test_all_mistakes_of_a_file_are_reported_in_one_run() -> None:
    path = INVALID / "many_mistakes.prototxt"
    with pytest.raises(UserError) as caught:
        reader.read_net(path)
    places = [(problem.where.line, problem.where.column) for problem in caught.value.problems if problem.where]
    assert places == [
        (4, 9), (5, 11), (6, 3), (8, 17), (9, 18), (10, 16), (11, 13), (12, 5), (17, 3), (18, 3), (19, 9), (22, 1),
        (23, 16),
    ]  # fmt: skip
    message = str(caught.value)
    assert f"{path}:8:17: `num_output` needs an integer\n" in message
    assert "    num_output: 3.0\n" in message
    assert "  received: 3.0\n  to do: write 3\n" in message


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("unknown_field", ["21:5"]),
        ("unclosed_brace", ["19:21"]),
        ("fork", ["4:3"]),
        ("missing_opening", ["2:3", "3:3", "6:19"]),
    ],
)
def test_reading_goes_on_behind_a_mistake(name: str, places: list[str]) -> None:
    path = INVALID / f"{name}.prototxt"
    with pytest.raises(UserError) as caught:
        reader.read_net(path)
    assert [str(problem.where) for problem in caught.value.problems] == [f"{path}:{place}" for place in places]


def test_a_brace_that_is_never_closed_is_shown_where_it_opens() -> None:
    for text, place in (
        ('layer {\n  name: "a"\n\nlayer { name: "b" }\n', "1:7"),
        ('layer {\n  name: "a"\n  lrn_param {\n    alpha: 1\n}\nlayer { name: "b" typ: "c" }\n', "3:13"),
        ('layer { name: "a" lrn_param { alpha: 1 }', "1:7"),
        ("layer { lrn_param {", "1:19"),
        ('layers { name: "a" layers { name: "b" }', "1:8"),
    ):
        with pytest.raises(UserError) as caught:
            reader.parse_net(text, "f")
        assert str(caught.value.problems[0].where) == f"f:{place}"
        assert "never closed" in caught.value.problems[0].what
    with pytest.raises(UserError) as caught:
        reader.parse_solver('net_param {\n  layer {\n    name: "a"\n  layer { name: "b" typ: "" }\n}\n', "f")
    assert [str(problem.where) for problem in caught.value.problems] == ["f:2:9", "f:4:21"]


def test_nesting_has_a_limit() -> None:
    with pytest.raises(UserError, match="nested more than 64 deep"):
        reader.parse_net("foo { " * 100_000)
    with pytest.raises(UserError, match="never closed"):
        reader.parse_solver("net_param { " + "layer { " * 900)


def test_size_has_a_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    with path.open("wb") as file:
        file.write(b'name: "n"\n' * 500)
        file.truncate(2**40)
    with pytest.raises(UserError, match="the net is too large"):
        reader.read_net(path)
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match="the net is too large"):
        reader.read_net(path)
    monkeypatch.setattr(parser, "MAX_CHARACTERS", 10)
    with pytest.raises(UserError, match="the definition is too large"):
        reader.parse_net('name: "longer than ten"')


def test_a_flood_of_mistakes_is_cut_off() -> None:
    with pytest.raises(UserError) as caught:
        reader.parse_net("".join(f"zork{number}: 1\n" for number in range(1000)))
    assert len(caught.value.problems) == 21
    assert "stopped after 20" in caught.value.problems[-1].what


def test_mistakes_that_are_alike_are_one_and_do_not_end_the_reading() -> None:
    with pytest.raises(UserError) as caught:
        reader.parse_net("zork: 1\n" * 30 + "name: 7\n" + "zork: 1\n" * 30)
    first, second = caught.value.problems
    assert first.what.startswith("NetParameter has no field `zork`")
    assert first.what.endswith("(60 times)")
    assert first.received == "zork, on lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 48 more"
    assert "needs a string" in second.what


@pytest.mark.parametrize("name", ["crlf", "byte_order_mark", "latin1_comment", "tabs", "plain"])
def test_files_of_every_origin_read_alike_and_are_written_back_as_they_were(name: str, tmp_path: Path) -> None:
    path = VALID / f"{name}.prototxt"
    definition = reader.read_net(path)
    assert definition.message == reader.read_net(VALID / "plain.prototxt").message
    files.write_text(tmp_path / "copy", definition.text)
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


def test_a_comment_in_latin1_is_shown_readably() -> None:
    text = decoding.decode('name: 3 # réseau\nlayer { name: "r\xe9" }'.encode("latin-1"))
    with pytest.raises(UserError) as caught:
        reader.parse_net(text)
    first, second = caught.value.problems
    assert first.where is not None
    assert first.where.text == "name: 3 # réseau"
    assert second.remedy == "save the file as UTF-8"
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (b"", "0 bytes"),
        (b" \r\n", "3 bytes"),
        (b"# nothing\n", "no field"),
        (b"\x89HDF\r\n\x1a\n\0\0", "HDF5"),
        (b"PK\x03\x04\0\0", "zip"),
        (b"\x80\x02}q\0.", "pickle"),
        ('name: "x"'.encode("utf-16"), "UTF-16"),
        (b"\x08\x0a\x12\x07pytorch\0\x1a", "ONNX"),
        (b'\x40\0\0\0\0\0\0\0{"a":{"dtype":"F32"}}', "safetensors"),
        (b"\x0a\x03abc\0\x01\x02", "binary"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
    ],
)
def test_files_that_are_no_definition_are_named_for_what_they_are(data: bytes, received: str, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        reader.read_net(path)
    (problem,) = caught.value.problems
    assert problem.where is not None
    assert problem.where.file == str(path)
    assert received in (problem.received or "")
    assert problem.remedy


def test_a_missing_file_a_folder_and_the_wrong_kind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"net not found[\s\S]*nearest folder that exists is"):
        reader.read_net(tmp_path / "no" / "net.prototxt")
    with pytest.raises(UserError, match="a folder"):
        reader.read_net(tmp_path)
    solver, net = tmp_path / "solver.prototxt", tmp_path / "net.prototxt"
    solver.write_text('net: "net.prototxt"\nbase_lr: 1\n')
    net.write_text('name: "n"\nlayer { name: "x" }\n')
    with pytest.raises(UserError, match="looks like a solver, not a net"):
        reader.read_net(solver)
    with pytest.raises(UserError, match="looks like a net, not a solver"):
        reader.read_solver(net)


def test_a_place_in_the_message_is_a_place_in_the_file() -> None:
    definition = reader.read_net(VALID / "plain.prototxt")
    where = {path: str(definition.where(*path)).rpartition("plain.prototxt:")[2] for path in (
        ("name",), ("layer", 1), ("layer", 1, "type"), ("layer", 1, "convolution_param", "kernel_size", 0),
        ("layer", 1, "convolution_param", "stride", 0), ("layer", 1, "lrn_param", "alpha"), ("layer", 9), ("state",),
    )}  # fmt: skip
    assert list(where.values()) == ["2:7", "12:1", "14:9", "21:18", "19:3", "12:1", "1:1", "1:1"]


def test_a_place_in_an_upgraded_message_is_a_place_in_the_old_file() -> None:
    definition = reader.read_net(VALID / "v1.prototxt")
    assert [layer.name for layer in definition.message.layer] == ["input", "conv1", "relu1", "ip"]
    lines = [definition.where(*path) for path in (
        ("layer", 0, "top", 0), ("layer", 1, "type"), ("layer", 1, "param", 1, "decay_mult"),
        ("layer", 1, "convolution_param", "num_output"), ("layer", 3, "param", 0, "name"),
    )]  # fmt: skip
    assert [place and place.line for place in lines] == [3, 11, 15, 18, 27]


@needs_shared
def test_a_binary_net_is_read_without_its_weights() -> None:
    path = shared("models", "lenet", "examples__mnist__lenet_iter_5000.caffemodel")
    definition = reader.read_net(path)
    assert definition.origin == "binary"
    assert not any(layer.blobs for layer in definition.message.layer)
    assert definition.text.startswith(f"# Written from the binary file {path}.\n")
    assert str(definition.where("layer", 0)) == str(path)


@pytest.mark.skipif(SHARED is None, reason="needs the reference material")
@pytest.mark.parametrize(
    ("path", "forks"),
    [
        ("chuanqi305__MobileNet-SSD/deploy.prototxt", {"SSD"}),
        ("rbgirshick__fast-rcnn/models__VGG16__train.prototxt", {"R-CNN"}),
        ("farmingyard__ShuffleNet/shufflenet_1x_g3_deploy.prototxt", {"ShuffleNet"}),
        ("happynear__caffe-windows/src__caffe__test__flip_layer.prototxt", {"caffe-windows"}),
        ("ydwen__caffe-face/face_example__face_train_test.prototxt", {"caffe-face"}),
    ],
)
def test_a_forks_field_is_told_with_the_fork(path: str, forks: set[str]) -> None:
    with pytest.raises(UserError) as caught:
        reader.read_net(shared("corpus", "forks", path))
    named = [re.search(r"it comes from (.*)", problem.what) for problem in caught.value.problems]
    assert named
    assert all(any(fork in match[1] for fork in forks) for match in named if match)


LINES = [path.read_bytes().decode("utf-8", "surrogateescape") for path in definition_files()]
LINES = [text for text in LINES if len(text) < 20_000]
JUNK = st.sampled_from(list("{}[]<>:,;\"'\\#- .0x1f\n\t\r\u00e9\0"))


@given(st.data())
def test_a_damaged_file_is_read_or_its_mistakes_have_places(data: st.DataObject) -> None:
    text = LINES[data.draw(st.integers(0, len(LINES) - 1), label="file")]
    for _ in range(data.draw(st.integers(1, 2), label="damages")):
        lines = text.split("\n")
        at = data.draw(st.integers(0, len(lines) - 1), label="line")
        match data.draw(st.sampled_from(["delete", "double", "shuffle", "insert", "cut"]), label="damage"):
            case "delete":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "shuffle":
                lines[at] = "".join(data.draw(st.permutations(lines[at][:60])))
            case "insert":
                column = data.draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:column] + data.draw(JUNK) + lines[at][column:]
            case "cut":
                del lines[at:]
        text = "\n".join(lines)
    for parse in (reader.parse_net, reader.parse_solver):
        try:
            parse(text, "damaged.prototxt")
        except UserError as error:
            for problem in error.problems:
                if "stopped after" not in problem.what and "is empty" not in problem.what:
                    assert problem.where is not None
                    assert problem.where.line
                    assert problem.where.column
            str(error).encode()
