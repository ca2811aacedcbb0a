"""Parts of sentences that many messages have."""

from __future__ import annotations

from caffelungo.wording import listed


def test_a_long_list_is_cut_and_the_rest_counted() -> None:
    assert listed(range(3)) == "0, 1, 2"
    assert listed(range(2), 2) == "0, 1"
    assert listed(range(12), 2) == "0, 1 and 10 more"
    assert listed([]) == ""
    assert listed("abc", 2, "; ") == "a; b and 1 more"
    assert listed("ab", 8, total=9) == "a, b and 7 more"
