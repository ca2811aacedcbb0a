"""What a project does about classes of different sizes."""

from __future__ import annotations

import pytest

from caffelungo.projects.class_choice import AUTO, UNEVEN, chosen, problem


@pytest.mark.parametrize(
    ("asked", "counts", "known", "fitted", "word", "said"),
    [
        (AUTO, (100, 90), "none", True, "none", ""),
        (AUTO, (100, 50), "none", True, "inverse", "2.0 times the pictures of the smallest (b, 50)"),
        (AUTO, (100, 51), "none", True, "none", ""),
        (AUTO, (100, 10), "none", False, "none", "--balance inverse"),
        (AUTO, (100, 10), "logits", True, "logits", "as the net has it"),
        (AUTO, (100, 0), "none", True, "none", ""),
        ("none", (100, 10), "inverse", True, "none", ""),
        ("sampling", (100, 90), "none", False, "sampling", "as --balance asks"),
    ],
)
def test_the_choice(asked: str, counts: tuple[int, int], known: str, fitted: bool, word: str, said: str) -> None:
    found = chosen(asked, dict(zip("ab", counts, strict=True)), known, fitted)
    assert found.word == word
    assert said in found.why
    assert bool(found.why) == bool(said)
    assert UNEVEN == 2


def test_a_word_that_does_not_exist() -> None:
    assert problem("effective") is None
    assert "sampling" in str(problem("inverted").remedy)
