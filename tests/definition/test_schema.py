"""The schema is BVLC's to the last field, and the compiled set is what the .proto files say."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import pytest

from caffelungo import resources
from caffelungo.definition import schema
from tests.support import ASSETS

OURS = {
    ("LayerParameter", "norm_param"): 206,
    **{
        (message, "lungo"): 20160
        for message in (
            "NetParameter",
            "LayerParameter",
            "SolverParameter",
            "SolverState",
            "TransformationParameter",
        )
    },
}


def _rows() -> list[dict[str, str]]:
    with (ASSETS / "caffe_schema.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _type(field: Any) -> str:
    if field.message_type:
        return str(field.message_type.name)
    if field.enum_type:
        return str(field.enum_type.full_name).removeprefix("caffe.")
    names = {value: name for name, value in vars(type(field)).items() if name.startswith("TYPE_")}
    return str(names[field.type]).removeprefix("TYPE_").lower()


def _default(field: Any) -> str:
    if field.is_packed:
        return " [packed]"
    if not field.has_default_value:
        return ""
    if field.enum_type:
        return str(field.enum_type.values_by_number[field.default_value].name)
    if isinstance(field.default_value, bool):
        return str(field.default_value).lower()
    return f"{field.default_value:g}" if isinstance(field.default_value, float) else str(field.default_value)


def test_every_field_has_the_number_label_type_default_and_packing_of_bvlc() -> None:
    differences = []
    for row in _rows():
        if row["kind"] == "enum":
            enum = schema.pool().FindEnumTypeByName(f"caffe.{row['message']}")
            if enum.values_by_name[row["name"]].number != int(row["number"]):
                differences.append(row)
            continue
        field = schema.descriptor(row["message"]).fields_by_name[row["name"]]
        label = "repeated" if field.is_repeated else "required" if field.is_required else "optional"
        found = (str(field.number), label, _type(field), _default(field))
        if found != (row["number"], row["label"], row["type"], row["default"]):
            differences.append({**row, "found": str(found)})
    assert not differences


def test_only_the_declared_fields_are_added() -> None:
    known = {(row["message"], row["name"]): int(row["number"]) for row in _rows() if row["kind"] == "field"}
    messages = {row["message"] for row in _rows() if row["kind"] == "field"}
    found = {(name, field.name): field.number for name in messages for field in schema.descriptor(name).fields}
    assert {key: number for key, number in found.items() if key not in known} == OURS


def test_every_enum_value_is_bvlcs() -> None:
    known = {(row["message"], row["name"]) for row in _rows() if row["kind"] == "enum"}
    for name in {message for message, _ in known}:
        enum = schema.pool().FindEnumTypeByName(f"caffe.{name}")
        assert {(name, value.name) for value in enum.values} <= known


def test_the_compiled_set_is_what_the_proto_files_say(tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc")
    folder, compiled = resources.folder("proto"), tmp_path / "compiled.desc"
    status = protoc.main(
        ["protoc", f"-I{folder}", "--include_imports", f"--descriptor_set_out={compiled}", str(folder / "caffe.proto")]
    )
    assert status == 0
    assert compiled.read_bytes() == (folder / "caffelungo.desc").read_bytes(), "run `make proto`"


def test_our_own_file_imports_nothing() -> None:
    text = (resources.folder("proto") / "lungo.proto").read_text()
    assert "\nimport" not in text


def test_every_message_and_top_level_enum_has_a_comment() -> None:
    lines = (resources.folder("proto") / "caffe.proto").read_text().splitlines()
    bare = [
        line
        for above, line in itertools.pairwise(lines)
        if line.startswith(("message ", "enum ")) and not above.startswith("//")
    ]
    assert not bare


@pytest.mark.parametrize("name", ["NetParameter", "lungo.StateExtras", "lungo.NetExtras", "SolverState"])
def test_text_that_is_not_utf8_becomes_text(name: str) -> None:
    """protobuf gives a string field of a damaged file as bytes, which no reader of text expects."""
    message = schema.message_class(name)()
    texts = [field for field in message.DESCRIPTOR.fields if field.type == field.TYPE_STRING]
    assert texts
    for field in texts:
        (getattr(message, field.name).append("MARK") if field.is_repeated else setattr(message, field.name, "MARK"))
    if name == "NetParameter":
        message.layer.add(name="MARK", bottom=["MARK", "fine"])
    read = schema.from_bytes(name, message.SerializeToString().replace(b"MARK", b"\xff\xfe\x80k"))
    for field in texts:
        value = getattr(read, field.name)
        assert (value[0] if field.is_repeated else value) == "\\xff\\xfe\\x80k"
    if name == "NetParameter":
        assert (read.layer[0].name, list(read.layer[0].bottom)) == ("\\xff\\xfe\\x80k", ["\\xff\\xfe\\x80k", "fine"])
