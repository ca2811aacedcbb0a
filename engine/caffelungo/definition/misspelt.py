"""Which field a misspelt one was meant to be: by what fingers and memory do to a name, not by letters in common.

num_outptu -> num_output    kernelsize -> kernel_size    conv_param -> convolution_param    softmax -> softmax_param
"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 100
"""A longer name is nobody's field."""
_SHORT = 4
"""A word of so few letters is another one when its first letter is (`flip`, `clip`)."""
_PARAM = "_param"


def near_field(name: str, known: Iterable[str]) -> str | None:
    """The field of ``known`` that was meant by ``name``, or None."""
    if not 0 < len(name) <= LONGEST:
        return None
    costs = ((cost, field) for field in known if (cost := _cost(name.lower(), field.lower())) is not None)
    return min(costs, default=(0, None), key=lambda pair: pair[0])[1]


def _cost(name: str, field: str) -> int | None:
    """How many slips lie between the two, None for too many."""
    if _digits(name) not in ("", _digits(field)):
        return None  # `relu6` is no `relu`
    if name + _PARAM == field:
        return 1
    if field.startswith(name + "_"):
        return 2
    plain = edits(name.replace("_", ""), field.replace("_", ""), 1)
    if plain is not None and name.count("_") != field.count("_"):
        return 1 + plain
    if name[0] == field[0] and len(name) > _SHORT and edits(name, field, 1) is not None:
        return 1
    words, others = name.split("_"), field.split("_")
    if len(words) != len(others):
        return None
    costs = [_word(word, other) for word, other in zip(words, others, strict=True)]
    found = [cost for cost in costs if cost is not None]
    return sum(found) if len(found) == len(costs) and sum(found) <= max(1, len(name) // _SHORT) else None


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))


def _word(word: str, other: str) -> int | None:
    if word == other:
        return 0
    if sorted(word) == sorted(other) and len(word) < 3:
        return 1
    shorter = min(len(word), len(other))
    if shorter < 3 or (shorter <= _SHORT and word[0] != other[0]):
        return None
    return 1 if other.startswith(word) else edits(word, other, max(1, len(other) // 4))


def edits(one: str, other: str, most: int) -> int | None:
    """Letters to insert, delete, replace or swap with their neighbour between the two; None for more than ``most``.

    Damerau's distance of optimal string alignment.
    """
    if abs(len(one) - len(other)) > most:
        return None
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, row, older = row, [i], before
        for j, b in enumerate(other, 1):
            least = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                least = min(least, older[j - 2] + 1)
            row.append(least)
        before = last
        if min(row) > most:
            return None
    return row[-1] if row[-1] <= most else None
