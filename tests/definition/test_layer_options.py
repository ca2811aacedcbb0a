"""Options that a layer type declares itself: in text, binary, messages, edits and mistakes like those of the schema."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from caffelungo.bounds import Bounds
from caffelungo.definition import editor, layer_options, message_diff, printer
from caffelungo.definition.edits import ClearField, SetField
from caffelungo.definition.fields import message_info
from caffelungo.definition.layer_options import FILLER, Option
from caffelungo.definition.numeric import range_problems
from caffelungo.definition.reader import parse_net, read_net
from caffelungo.definition.schema import LayerParameter
from caffelungo.errors import UserError
from caffelungo.layers import fillers
from caffelungo.layers.base import Layer, LayerError

OPTIONS = (
    Option("slope", 0.25, "Slope.", Bounds(0, 1)),
    Option("steps", 3, "How many."),
    Option("signed", True, "Whether below 0, too."),
    Option("label", "none", "A text."),
    Option("mode", "FAST", "A word.", choices=("FAST", "EXACT")),
    Option("weight_filler", FILLER, "Where weights start."),
)
BEFORE = set(message_info(layer_options.EXTRAS).fields)
BLOCK = layer_options.declare("OptionsOfATest", OPTIONS)
TEXT = """layer {
  name: "a" type: "ReLU" bottom: "x" top: "a"
  lungo {
    # as measured
    options_of_a_test { slope: 0.5 steps: -2 signed: false label: "x" mode: EXACT weight_filler { type: "xavier" } }
  }
}
"""
PATH = ("layer", 0, "lungo", "options_of_a_test")


def refused(inside: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_net(TEXT.replace("steps: -2", inside))
    assert len(caught.value.problems) == 1
    return str(caught.value)


def test_a_later_declaration_is_known_to_the_reader() -> None:
    assert "options_of_a_test" not in BEFORE
    assert set(message_info(layer_options.EXTRAS).fields) >= {*BEFORE, "options_of_a_test"}


def test_defaults_and_values() -> None:
    silent = layer_options.value(LayerParameter().lungo, "options_of_a_test")
    assert (silent.slope, silent.steps, silent.signed, silent.label, silent.mode) == (0.25, 3, True, "none", 0)
    found = layer_options.value(parse_net(TEXT).message.layer[0].lungo, "options_of_a_test")
    assert (found.slope, found.steps, found.signed, found.label, found.mode) == (0.5, -2, False, "x", found.EXACT)
    assert found.weight_filler.type == "xavier"


def test_text_and_messages_round_trip() -> None:
    definition = parse_net(TEXT)
    printed = printer.print_net(definition.message)
    assert "    options_of_a_test {\n      " in printed
    assert parse_net(printed).message == definition.message


def test_a_binary_file_is_read_by_a_process_that_has_loaded_no_type(tmp_path: Path) -> None:
    text = TEXT.replace("options_of_a_test", "hard_sigmoid").split(" { slope")[0] + " { alpha: 0.75 } } }"
    path = tmp_path / "net.binaryproto"
    path.write_bytes(parse_net(text).message.SerializeToString())
    assert read_net(path).message == parse_net(text).message
    code = (
        "import sys; from caffelungo.definition import reader, printer\n"
        f"print(printer.print_net(reader.read_net({str(path)!r}).message))\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "hard_sigmoid { alpha: 0.75 }" in done.stdout


def test_edits_keep_text_and_message_equal() -> None:
    definition = parse_net(TEXT)
    for edits in (
        [SetField((*PATH, "steps"), 9), SetField((*PATH, "mode"), "FAST")],
        [ClearField((*PATH, "label")), SetField((*PATH, "weight_filler", "type"), "msra")],
        [ClearField(PATH)],
        [ClearField(("layer", 0, "lungo"))],
    ):
        after = editor.apply(definition, edits)
        assert after.message == editor.apply_message(definition.message, edits)
        assert after.message != definition.message
        assert ("# as measured" in after.text) == (edits[0].path != ("layer", 0, "lungo"))
        assert parse_net(after.text).message == after.message


def test_differences_name_the_option() -> None:
    was, now = parse_net(TEXT).message, parse_net(TEXT.replace("steps: -2", "steps: 7")).message
    assert [str(one) for one in message_diff.changes(was, now)] == [
        "layer `a`: lungo.options_of_a_test.steps is 7, was -2"
    ]


@pytest.mark.parametrize(
    ("inside", "what", "remedy"),
    [
        ("stepz: 2", "5:36: `options_of_a_test` has no field `stepz`", "did you mean `steps`?"),
        ("steps: 2.5", "`steps` needs an integer", "an integer"),
        ("zork: 2", "`options_of_a_test` has no field `zork`", "`options_of_a_test` has "),
        ("name: 2", "`options_of_a_test` has no field `name`", "is a field of LayerParameter"),
        ("steps: 1 steps: 2", "`steps` may occur only once in `options_of_a_test`", "keep one"),
        ("signed: 3", "`signed` must be true or false", "true or false"),
    ],
)
def test_mistakes_have_a_place_and_a_remedy(inside: str, what: str, remedy: str) -> None:
    text = refused(inside)
    assert what in text
    assert remedy in text


def test_a_word_that_is_no_choice() -> None:
    with pytest.raises(UserError, match="did you mean EXACT"):
        parse_net(TEXT.replace("EXACT", "EXACTT"))


def test_ranges_are_judged() -> None:
    definition = parse_net(TEXT.replace("slope: 0.5", "slope: 1.5"))
    (problem,) = range_problems(definition.message, definition.where)
    assert problem.what == "slope must be from 0 to 1"
    assert problem.where is not None
    assert problem.where.line == 5


def test_the_place_of_a_filler_is_found() -> None:
    layer = parse_net(TEXT).message.layer[0]
    filler = layer_options.value(layer.lungo, "options_of_a_test").weight_filler
    assert fillers.place(layer, filler) == (*PATH[2:], "weight_filler")


def test_a_layer_refuses_the_options_of_another_type() -> None:
    class Strange(Layer):
        type = "Strange"

    with pytest.raises(LayerError, match="another type") as caught:
        Strange(parse_net(TEXT).message.layer[0])
    assert caught.value.path == PATH[2:]


def test_names_of_blocks() -> None:
    names = {"HardSigmoid": "hard_sigmoid", "ReLU6": "re_lu6", "MyLRN": "my_lrn", "LSTM": "lstm", "a.b-C": "a_b_c"}
    assert {name: layer_options.key(name) for name in names} == names


def test_the_same_again_changes_nothing_and_others_are_refused() -> None:
    assert layer_options.declare("OptionsOfATest", OPTIONS) is BLOCK
    with pytest.raises(UserError, match="declared otherwise before"):
        layer_options.declare("OptionsOfATest", OPTIONS[:1])


def test_numbers_on_the_wire_follow_from_names() -> None:
    """Another order, or a further option, reads old files alike."""
    numbers = {field.name: field.number for field in BLOCK.extension.message_type.fields}
    other = layer_options.declare("OptionsOfATestInAnotherOrder", OPTIONS[::-1])
    assert {field.name: field.number for field in other.extension.message_type.fields} == numbers
    assert BLOCK.extension.number != other.extension.number
    assert numbers["steps"] == 17058175  # fixed: files in the world have it


@pytest.mark.parametrize(
    ("layer_type", "option", "what"),
    [
        ("T1", Option("Slope", 1.0, "Slope."), "lower case"),
        ("T2", Option("slope", 1.0, " "), "no text"),
        ("T3", Option("mode", "A", "Mode.", choices=("B",)), "none of its choices"),
        ("T4", Option("mode", "a b", "Mode.", choices=("a b",)), "plain words"),
        ("T5", Option("slope", 2.0, "Slope.", Bounds(0, 1)), "out of its range"),
        ("Temperature", Option("slope", 2.0, "Slope."), "a field of lungo.LayerExtras already"),
    ],
)
def test_declarations_that_make_no_sense(layer_type: str, option: Option, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        layer_options.declare(layer_type, (option,))


@pytest.mark.parametrize(
    ("layer_type", "written", "remedy"),
    [
        ("HardSigmoid", "hard_sigmoid_param { alpha: 0.3 }", "write lungo { hard_sigmoid { ... } }"),
        ("HardSigmoid", "hard_sigmoid { alpha: 0.3 }", "write lungo { hard_sigmoid { ... } }"),
        ("HardSigmoid", "hard_sigmod { alpha: 0.3 }", "write lungo { hard_sigmoid { ... } }"),
        ("HardSigmoid", "alpha: 0.3", "write lungo { hard_sigmoid { alpha: ... } }"),
        ("HardSigmoid", "lungo { beta: 0.3 }", "write lungo { hard_sigmoid { beta: ... } }"),
        ("HardSigmoid", "lungo { hard_sigmod { } }", "did you mean `hard_sigmoid`?"),
        ("OptionsOfATest", "options_of_a_test_param { }", "write lungo { options_of_a_test { ... } }"),
        ("OptionsOfATest", "steps: 3", "write lungo { options_of_a_test { steps: ... } }"),
        ("ReLU", "relu { }", "did you mean `relu_param`?"),
        ("LRN", "alpha: 0.3", "write lrn_param { alpha: ... }"),
    ],
)
def test_options_of_a_type_in_another_place_are_led_to_their_block(layer_type: str, written: str, remedy: str) -> None:
    with pytest.raises(UserError) as error:
        parse_net(f'layer {{ name: "a" type: "{layer_type}" bottom: "x" top: "a" {written} }}')
    assert [problem.remedy for problem in error.value.problems] == [remedy]
