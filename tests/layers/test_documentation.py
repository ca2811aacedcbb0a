"""What is said about layers, and that it is said of all of them."""

from __future__ import annotations

import inspect

import pytest

from caffelungo.errors import UserError
from caffelungo.layers import documentation, registry
from tests.support import REPOSITORY

TYPES = registry.layer_types()


def test_the_page_is_current() -> None:
    assert (REPOSITORY / "docs/layers.md").read_text(encoding="utf-8") == documentation.markdown()


def test_overview_has_a_line_a_type() -> None:
    assert [line.split()[0] for line in documentation.overview().splitlines()[: len(TYPES)]] == list(TYPES)


@pytest.mark.parametrize("name", TYPES)
def test_every_type_is_described(name: str) -> None:
    text = documentation.describe(name)
    assert text.startswith(f"{name}\n")
    doc = inspect.cleandoc(TYPES[name].__doc__ or "")
    assert "\nCaffe: " in doc or "\nSource: " in doc
    assert "ottom" in doc or "op" in doc or TYPES[name].source


def test_options_carry_type_default_and_comment() -> None:
    text = documentation.describe("Pooling")
    assert "pool            MAX | AVE | STOCHASTIC = MAX\n      What is taken of each window." in text
    assert "Takes 1 bottom, makes 1 to 2 tops." in text


@pytest.mark.parametrize("name", TYPES)
def test_every_option_is_explained(name: str) -> None:
    for field, options in documentation._groups(TYPES[name]):
        for option in options:
            assert option.text, f"{field}.{option.name} has no comment in the schema"


def test_an_unknown_type_gets_a_suggestion() -> None:
    with pytest.raises(UserError, match='did you mean "Convolution"'):
        documentation.describe("convolutoin")


@pytest.mark.parametrize("name", TYPES)
def test_every_type_has_a_file_and_a_test_of_its_name(name: str) -> None:
    module = TYPES[name].__module__.rpartition(".")[2]
    assert module.replace("_", "") == name.lower()
    assert (REPOSITORY / "tests/layers/types" / f"test_{module}.py").is_file()
