"""Steps, their composition, and what they carry."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.definition import editor
from caffelungo.definition.edits import SetField
from caffelungo.definition.schema import LayerParameter
from caffelungo.passes import moves
from caffelungo.passes.base import Note, Refusal, Rewrite, run, step
from caffelungo.passes.view import View
from tests.passes.nets import ALEX, FIRE, lines, net


def cast(view: View, name: str) -> Rewrite:
    """The classifier `name` as an InnerProduct's weights in a Convolution's shape: a pass that moves a blob."""
    index = view.named(name)[0]
    return Rewrite(
        (SetField(("layer", index, "name"), f"{name}_conv"),),
        (moves.rename(name, f"{name}_conv"), moves.reshape(f"{name}_conv", 0, (2, 3, 1, 1))),
        (Note("cast", view.where(index), "to slide over larger pictures"),),
    )


def test_moves_and_notes_travel_with_the_result() -> None:
    result = run(net(ALEX), [step(cast, "fc8")])
    after = moves.moved({"fc8": [np.zeros((2, 3))]}, result.moves)
    assert after["fc8_conv"][0].shape == (2, 3, 1, 1)
    assert result.explain() == "net.prototxt:44:1: cast (to slide over larger pictures)"


def test_each_step_sees_what_the_last_one_left() -> None:
    result = run(net(ALEX), [step(cast, "fc8"), step(cast, "fc8_conv")])
    assert any(line.startswith("fc8_conv_conv ") for line in lines(result.definition))


def test_text_and_message_agree() -> None:
    before = net(FIRE)
    rewrite = cast(View(before), "conv10")
    assert editor.apply(before, rewrite.edits).message == editor.apply_message(before.message, rewrite.edits)


def test_a_step_without_edits_changes_nothing() -> None:
    before = net(ALEX)
    assert run(before, [lambda view: Rewrite()]).definition is before


def test_a_rewrite_that_leaves_a_broken_net_is_refused() -> None:
    def breaks(view: View) -> Rewrite:
        return Rewrite((SetField(("layer", view.named("fc7")[0], "bottom", 0), "nowhere"),))

    with pytest.raises(Refusal, match="would be invalid") as caught:
        run(net(ALEX), [breaks])
    assert caught.value.exit_status == 2


def test_a_field_message_may_be_a_whole_layer() -> None:
    from caffelungo.definition.edits import InsertLayer

    def adds(view: View) -> Rewrite:
        return Rewrite((InsertLayer(len(view.net.layer), LayerParameter(name="s", type="Silence", bottom=["fc8"])),))

    assert lines(run(net(ALEX), [adds]).definition)[-1] == "s Silence fc8 -> "
