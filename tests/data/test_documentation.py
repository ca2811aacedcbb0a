"""The page of augmentations."""

from __future__ import annotations

import pytest

from caffelungo.data import augmentation, documentation
from caffelungo.definition.option_blocks import Option
from tests.support import REPOSITORY


def test_the_page_is_current() -> None:
    """After a change: python -m caffelungo.data.documentation > docs/augmentations.md"""
    assert (REPOSITORY / "docs/augmentations.md").read_text(encoding="utf-8") == documentation.markdown()


def test_those_of_packages_are_on_the_page_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    augmentation.augmentation_types()
    monkeypatch.setattr(augmentation, "_registered", dict(augmentation._registered))

    @augmentation.register("OfATest", options=(Option("mode", "FAST", "A word.", choices=("FAST", "EXACT")),))
    def of_a_test(picture: object, options: object, size: object, rng: object) -> object:
        """Nothing happens."""
        return picture

    assert "OfATest" not in documentation.markdown()
    page = documentation.markdown(every=True)
    assert "## OfATest\n\nNothing happens.\n\nPictures keep their size.\n\n| `of_a_test` | type | default | |" in page
    assert "| `mode` | FAST \\| EXACT | FAST | A word. |" in page
