"""Splits by groups, and nested draws of a few pictures per class: pure functions of labels, groups and the seed.

They are drawn from ``random_numbers`` and computed in whole numbers and single floating-point operations, so that they
are the same on every machine.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from caffelungo.data import random_numbers
from caffelungo.errors import UserError
from caffelungo.wording import counted

_FEW = 1_000_003
"""Added to a label, the pass whose permutation draws a few of its pictures."""


def few(labels: Sequence[int], per_class: int | None, seed: int) -> dict[int, list[int]]:
    """By class the places of at most ``per_class`` pictures, in the order in which they are drawn.

    The first 5 of a draw of 10 are the draw of 5: draws of one seed are nested.
    """
    by: dict[int, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        by[int(label)].append(place)
    return {
        label: [by[label][i] for i in random_numbers.permutation(seed, _FEW + label, len(by[label]))][:per_class]
        for label in sorted(by)
    }


def held_out(labels: Sequence[int], groups: Sequence[Sequence[int]], share: float, seed: int) -> list[int]:
    """The places of about ``share`` of each class, so that each of ``groups`` (disjoint) is on one side; sorted.

    Groups are taken in an order drawn by ``seed``, the large ones first, where they bring the classes nearer to their
    share. A class whose pictures are all in one group stays out; each class keeps a picture that is not held out.
    UserError when nothing can be held out.
    """
    if share <= 0:
        return []
    inside = {place for group in groups for place in group}
    units = [list(group) for group in groups] + [[place] for place in range(len(labels)) if place not in inside]
    units.sort(key=min)
    counts = [Counter(int(labels[place]) for place in unit) for unit in units]
    sizes = Counter(int(label) for label in labels)
    several = Counter(label for count in counts for label in count)
    wanted = {label: max(1, round(size * share)) if several[label] > 1 else 0 for label, size in sizes.items()}
    order = [int(i) for i in random_numbers.permutation(seed, _FEW - 1, len(units))]
    order.sort(key=lambda number: -len(units[number]))
    rank = {number: place for place, number in enumerate(order)}
    have: Counter[int] = Counter()
    taken: set[int] = set()

    def allowed(number: int) -> bool:
        return all(sizes[label] - have[label] - held >= 1 for label, held in counts[number].items())

    def cost(number: int) -> float:
        total = 0.0
        for label, held in sorted(counts[number].items()):
            total += held * (2 * (have[label] - wanted[label]) + held) / sizes[label]
        return total

    def take(number: int) -> None:
        taken.add(number)
        have.update(counts[number])

    for number in order:
        if allowed(number) and cost(number) < 0:
            take(number)
    for label in sorted(sizes):
        if wanted[label] and not have[label]:
            left = [number for number in order if number not in taken and label in counts[number] and allowed(number)]
            if left:
                take(min(left, key=lambda number: (cost(number), rank[number])))
    if not taken:
        raise UserError(
            "no group can be held out: every class must keep a picture to train on",
            received=f"{counted(len(units), 'group')} of "
            f"{counted(len(labels), 'picture')}, {counted(len(sizes), 'class')}",
            remedy="use smaller groups, or name pictures to test on",
        )  # fmt: skip
    return sorted(place for number in taken for place in units[number])
