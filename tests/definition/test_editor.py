"""Edits in the text mean what edits on the message mean, and can be undone to the byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.definition import editor, reader
from caffelungo.definition.definition import Definition
from caffelungo.errors import UserError
from tests.definition.files import definition_files, is_solver
from tests.definition.strategies import edits

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
