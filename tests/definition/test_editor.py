"""Edits in the text mean what edits on the message mean, and can be undone to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.definition import cursor, editor, reader
from caffelungo.definition.definition import Definition
from caffelungo.definition.edits import (
    ClearField,
    DeleteLayer,
    InsertLayer,
    MoveLayer,
    RenameBlob,
    RenameField,
    SetField,
)
from caffelungo.definition.schema import LayerParameter, NetParameter
from caffelungo.definition.tokens import Tokens
from caffelungo.errors import UserError
from tests.definition.files import definition_files, is_solver
from tests.definition.strategies import LAYER, edits, messages, written
from tests.support import ASSETS

LARGEST = 40_000


def _nets() -> list[Definition]:
    result = []
    for path in definition_files():
        if not is_solver(path) and path.stat().st_size < LARGEST:
            try:
                result.append(reader.read_net(path))
            except UserError:
                continue
    return result[:: max(1, len(result) // 60)]


NETS = _nets()


@given(st.data())
def test_text_and_message_agree_and_the_inverse_restores_every_byte(data: st.DataObject) -> None:
    definition = NETS[data.draw(st.integers(0, len(NETS) - 1), label="net")]
    batch = data.draw(edits(definition.message), label="edits")
    try:
        expected = editor.apply_message(definition.message, batch)
    except IndexError:
        with pytest.raises(IndexError):
            editor.apply(definition, batch)
        return
    edited = editor.apply(definition, batch)
    assert edited.message == expected
    assert editor.apply(edited, editor.inverse(definition, batch)).text == definition.text


@given(st.data())
def test_so_they_do_in_any_layout_a_hand_may_write(data: st.DataObject) -> None:
    layers = data.draw(st.lists(messages(LAYER), min_size=1, max_size=3), label="layers")
    text = data.draw(written(NetParameter(name="n", layer=layers)), label="text")
    definition = reader.parse_net(text)
    assert list(definition.message.layer) == layers
    batch = data.draw(edits(definition.message), label="edits")
    try:
        expected = editor.apply_message(definition.message, batch)
    except IndexError:
        return
    if not expected.ListFields():
        return
    edited = editor.apply(definition, batch)
    assert edited.message == expected
    assert editor.apply(edited, editor.inverse(definition, batch)).text == text


def _edited(text: str, *batch: Any) -> str:
    definition = reader.parse_net(text)
    result = editor.apply(definition, batch)
    assert result.message == editor.apply_message(definition.message, batch)
    assert editor.apply(result, editor.inverse(definition, batch)).text == text
    return result.text


def _relu(name: str = "new") -> Any:
    layer = LayerParameter(name=name, type="ReLU", bottom=["a"], top=[name])
    layer.relu_param.negative_slope = 0.5
    return layer


PLAIN = """\
# header

layer {
  name: "a"  # first
  type: "Input"
}

# about b
layer {
  name: "b"
  type: "Scale"
  bottom: "a"
}

# last
layer {
  name: "c"
  bottom: "b"
}
"""
TIGHT = 'name: "n"\nlayer { name: "a" top: "x" }\nlayer { name: "b" bottom: "x" }\n'


def test_a_new_layer_looks_like_its_neighbours() -> None:
    new = '# why\nlayer {\n  name: "new"\n  type: "ReLU"\n  bottom: "a"\n  top: "new"\n'
    new += "  relu_param {\n    negative_slope: 0.5\n  }\n}\n"
    assert _edited(PLAIN, InsertLayer(1, _relu(), "why")) == PLAIN.replace("# about b", new + "\n# about b")
    assert _edited(PLAIN, InsertLayer(3, _relu(), "why")) == PLAIN + "\n" + new
    one = 'layer { name: "new" type: "ReLU" bottom: "a" top: "new" relu_param { negative_slope: 0.5 } }\n'
    assert _edited(TIGHT, InsertLayer(0, _relu())) == TIGHT.replace('layer { name: "a"', one + 'layer { name: "a"')
    assert _edited(TIGHT, InsertLayer(2, _relu())) == TIGHT + one
    assert _edited(TIGHT.replace("\n", "\r\n"), InsertLayer(1, _relu())).count("\r\n") == 4
    tabs = PLAIN.replace("  name", "\tname").replace("  type", "\ttype").replace("  bottom", "\tbottom")
    assert "\n\trelu_param {\n\t\tnegative_slope: 0.5\n\t}\n}\n" in _edited(tabs, InsertLayer(2, _relu()))


def test_a_deleted_layer_takes_the_comment_that_is_attached_to_it() -> None:
    rest = PLAIN.replace('# about b\nlayer {\n  name: "b"\n  type: "Scale"\n  bottom: "a"\n}\n\n', "")
    assert _edited(PLAIN, DeleteLayer(1)) == rest
    assert _edited(PLAIN, DeleteLayer(2)).endswith('  bottom: "a"\n}\n')
    assert _edited(PLAIN, DeleteLayer(0)).startswith("# header\n\n# about b\nlayer {")
    apart = PLAIN.replace("# about b\n", "# section\n\n")
    assert "# section\n" in _edited(apart, DeleteLayer(1))
    assert _edited(TIGHT, DeleteLayer(0), DeleteLayer(1)) == 'name: "n"\n'


def test_a_moved_layer_keeps_its_text_and_its_comment() -> None:
    text = _edited(PLAIN, MoveLayer(1, 0), SetField(("layer", 1, "name"), "moved"))
    b = '# about b\nlayer {\n  name: "moved"\n  type: "Scale"\n  bottom: "a"\n}\n\n'
    assert text == PLAIN.replace(b.replace("moved", "b"), "").replace("layer {", b + "layer {", 1)


def test_a_value_is_changed_where_it_stands() -> None:
    assert _edited(PLAIN, SetField(("layer", 0, "name"), "z")) == PLAIN.replace('"a"  #', '"z"  #')
    spaced = 'layer {\n  name:   "a" , type : "b"  # t\n}\n'
    assert _edited(spaced, SetField(("layer", 0, "type"), "c")) == spaced.replace('"b"', '"c"')


def test_a_new_field_stands_where_the_schema_puts_it() -> None:
    text = _edited(PLAIN, SetField(("layer", 1, "param", 0, "lr_mult"), 0.0), SetField(("layer", 0, "top", 0), "t"))
    assert '  bottom: "a"\n  param {\n    lr_mult: 0\n  }\n}' in text
    assert '  name: "a"  # first\n  type: "Input"\n  top: "t"\n}' in text
    one = _edited(
        TIGHT, SetField(("layer", 0, "type"), "ReLU"), SetField(("layer", 1, "relu_param", "engine"), "CAFFE")
    )
    assert 'layer { name: "a" type: "ReLU" top: "x" }\n' in one
    assert 'bottom: "x" relu_param { engine: CAFFE } }' in one
    likewise = 'layer {\n  name: "a"\n  param { lr_mult: 1 }  # w\n}\n'
    assert _edited(likewise, SetField(("layer", 0, "param", 1, "lr_mult"), 2)) == likewise.replace(
        "# w\n", "# w\n  param { lr_mult: 2 }\n"
    )


def test_an_index_one_past_the_last_appends_and_further_ones_are_refused() -> None:
    definition = reader.parse_net(PLAIN)
    appended = editor.apply(definition, [SetField(("layer", 3), _relu())])
    assert appended.message.layer[3] == _relu()
    for edit in (SetField(("layer", 4), _relu()), SetField(("layer", 1, "top", 1), "x"), DeleteLayer(3)):
        with pytest.raises(IndexError):
            editor.apply(definition, [edit])
        with pytest.raises(IndexError):
            editor.apply_message(definition.message, [edit])
    with pytest.raises(ValueError, match="no field nothing"):
        editor.apply_message(definition.message, [SetField(("layer", 0, "nothing"), 1)])


def test_a_removed_field_takes_its_line_and_nothing_else() -> None:
    assert _edited(PLAIN, ClearField(("layer", 1, "type"))) == PLAIN.replace('  type: "Scale"\n', "")
    assert _edited(TIGHT, ClearField(("layer", 0, "name"))) == TIGHT.replace(' name: "a"', "")
    glued = 'layer{name:"a"lrn_param{}type:"b"}'
    assert _edited(glued, ClearField(("layer", 0, "lrn_param"))) == 'layer{name:"a" type:"b"}'
    listed = "layer { loss_weight: [1, 2, 3] }"
    assert _edited(listed, ClearField(("layer", 0, "loss_weight", 0))) == "layer { loss_weight: [2, 3] }"
    assert _edited(listed, ClearField(("layer", 0, "loss_weight"))) == "layer { }"
    assert _edited(listed, SetField(("layer", 0, "loss_weight"), [4])) == "layer { loss_weight: [4] }"
    assert _edited(listed, ClearField(("layer", 0, "loss_weight", 0)), ClearField(("layer", 0, "loss_weight", 1))) == (
        "layer { loss_weight: [3] }"
    )


def test_a_blob_is_renamed_from_a_layer_onward() -> None:
    text = 'layer { name: "a" top: "x" }\nlayer { bottom: "x" top: "x" } # x\nlayer { bottom: "x" bottom: "xx" }\n'
    assert _edited(text, RenameBlob("x", "y", 1)) == (
        'layer { name: "a" top: "x" }\nlayer { bottom: "y" top: "y" } # x\nlayer { bottom: "y" bottom: "xx" }\n'
    )


def test_layers_written_as_a_list_can_be_edited() -> None:
    text = 'layer: [ { name: "a" }, # first, of two\n { name: "b" } ]\n'
    assert [layer.name for layer in editor.apply(reader.parse_net(text), [DeleteLayer(0)]).message.layer] == ["b"]
    assert "# first, of two" in _edited(text, SetField(("layer", 1, "name"), "c"))


def test_a_solver_is_edited_too() -> None:
    text = 'net: "n"  # here\nbase_lr: 0.1\nlr_policy: "fixed"\n'
    definition = reader.parse_solver(text)
    batch: list[Any] = [SetField(("base_lr",), 0.01), SetField(("test_iter", 0), 5), ClearField(("lr_policy",))]
    edited = editor.apply(definition, batch)
    assert edited.text == 'net: "n"  # here\ntest_iter: 5\nbase_lr: 0.01\n'
    assert edited.message == editor.apply_message(definition.message, batch)


def test_edits_of_a_template_act_on_the_rendered_text(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt.j2"
    path.write_text('# Net.\nlayer { name: "{{ name }}" }\n')
    definition = reader.read_net(path, {"name": "x"})
    assert definition.text == f'# Written from the template {path} with name=x.\n# Net.\nlayer {{ name: "x" }}\n'
    edited = editor.apply(definition, [SetField(("layer", 0, "type"), "ReLU")])
    assert edited.text.endswith('# Net.\nlayer { name: "x" type: "ReLU" }\n')
    assert edited.origin == "template"


def test_a_place_in_an_edited_net_is_a_place_in_the_users_file() -> None:
    definition = reader.parse_net(PLAIN, "net.prototxt")
    edited = editor.apply(definition, [InsertLayer(0, _relu()), DeleteLayer(1), SetField(("name",), "n")])
    assert edited.where("layer", 2, "bottom", 0) == definition.where("layer", 2, "bottom", 0)
    assert str(edited.where("layer", 0)) == "net.prototxt:3:1"


def test_both_changes_can_be_shown() -> None:
    definition = reader.read_net(ASSETS / "valid" / "v1.prototxt")
    edited = editor.apply(definition, [SetField(("layer", 1, "name"), "first")])
    upgrade = editor.upgrade_diff(definition)
    assert '-  type: CONVOLUTION  # sees the picture\n+  type: "Convolution"  # sees the picture\n' in upgrade
    assert 'first"' not in upgrade
    rewrite = editor.diff(definition, edited)
    assert [line for line in rewrite.splitlines() if line[:1] in "+-"][2:] == ['-  name: "conv1"', '+  name: "first"']
    assert editor.diff(edited, edited) == ""


def test_the_work_grows_with_the_text_and_not_with_text_times_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = 'layer {\n  name: "l%d"\n  type: "Convolution"\n  param { lr_mult: 1 }\n'
    layer += "  convolution_param { num_output: 3 }\n}\n"
    definition = reader.parse_net("".join(layer % number for number in range(200)))
    batch = [SetField(("layer", index, "param", 0, "lr_mult"), 0) for index in range(200)]
    read = 0

    class Counted(Tokens):
        def __init__(self, text: str) -> None:
            nonlocal read
            read += len(text)
            super().__init__(text)

    monkeypatch.setattr(cursor, "Tokens", Counted)
    edited = editor.apply(definition, batch)
    assert read < 4 * len(definition.text)
    assert edited.text == definition.text.replace("lr_mult: 1", "lr_mult: 0")


def test_a_sub_message_under_another_name_keeps_its_comments() -> None:
    text = (
        'layer {\n  name: "a" type: "InnerProduct"\n  # its options\n  inner_product_param {\n'
        '    num_output: 5  # units\n    transpose: true\n    weight_filler { type: "xavier" }  # small\n  }\n}\n'
    )
    edits = [
        SetField(("layer", 0, "type"), "Convolution"),
        ClearField(("layer", 0, "inner_product_param", "transpose")),
        RenameField(("layer", 0, "inner_product_param"), "convolution_param"),
        SetField(("layer", 0, "convolution_param", "kernel_size", 0), 3),
    ]
    before = reader.parse_net(text)
    after = editor.apply(before, edits)
    assert after.message == editor.apply_message(before.message, edits)
    assert after.message.layer[0].convolution_param.num_output == 5
    assert after.message.layer[0].convolution_param.weight_filler.type == "xavier"
    assert not after.message.layer[0].HasField("inner_product_param")
    assert all(comment in after.text for comment in ("# its options", "# units", "# small"))
    with pytest.raises(ValueError, match="transpose"):
        editor.apply_message(before.message, edits[2:3])
