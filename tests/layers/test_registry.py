"""The list of layer types."""

from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from caffelungo.layers import registry
from caffelungo.layers.base import Layer


def test_the_list_is_alphabetical_and_keyed_by_type() -> None:
    types = registry.layer_types()
    assert list(types) == sorted(types)
    assert all(cls.type == name for name, cls in types.items())
    assert registry.find("ReLU") is types["ReLU"]
    assert registry.find("Relu") is None


def test_absent_types_are_absent() -> None:
    assert not registry.ABSENT & set(registry.layer_types())


def test_two_classes_of_one_type_are_an_error() -> None:
    class Another(Layer):
        type = "ReLU"

    with pytest.raises(UserError, match="registered twice"):
        registry.register(Another)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("Axpy", "Scale with two bottoms"), ("LSTM", "not offered"), ("Poling", "Pooling"), ("Zorro", "`lungo layers`")],
)
def test_suggestions(name: str, remedy: str) -> None:
    assert remedy in registry.suggestion(name)
