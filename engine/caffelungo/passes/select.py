"""How a user names layers: one by one, as a range, by a pattern, or by the name of their block.

fc7            the layer, or the one that wrote the blob of that name
fire3          the layers whose names begin with fire3/, fire3_ or fire3.
conv1..conv3   from one layer to another in the order of the file
conv*          a pattern as in a shell: * any characters, ? one, [abc] one of these
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from caffelungo.errors import Location, UserError
from caffelungo.passes.view import View
from caffelungo.plan.plan import PlannedLayer


def select(view: View, words: Iterable[str], option: str) -> list[PlannedLayer]:
    """The layers that ``words`` name, in the order of the file, of both phases; UserError when a word names none."""
    every = {one.index: one for graph in view.graphs.values() for one in graph.plan.layers}
    layers = [every[index] for index in sorted(every)]
    found: dict[int, PlannedLayer] = {}
    for word in words:
        found.update((one.index, one) for one in _one(view, layers, word, option))
    return [found[index] for index in sorted(found)]


def _one(view: View, layers: list[PlannedLayer], word: str, option: str) -> list[PlannedLayer]:
    first, dots, last = word.partition("..")
    if dots and first and last:
        start = min(one.index for one in _one(view, layers, first, option))
        stop = max(one.index for one in _one(view, layers, last, option))
        if start > stop:
            raise UserError(
                f"`{first}` comes after `{last}` in the file",
                where=view.where(start),
                received=f"{option} {word}",
                remedy=f"write the earlier layer first: {last}..{first}",
            )
        return [one for one in layers if start <= one.index <= stop]
    named = [one for one in layers if one.name == word]
    if named:
        return named
    if any(letter in word for letter in "*?["):
        matching = [one for one in layers if fnmatchcase(one.name, word)]
        if matching:
            return matching
        raise UserError(
            "no layer's name fits the pattern",
            where=Location(str(view.definition.path)),
            received=f"{option} {word}",
            remedy=f"the net's layers are {', '.join(one.name for one in layers[:8])} ...",
        )
    return block(layers, word) or [view.find(word, option)]


def block(layers: Iterable[PlannedLayer], name: str) -> list[PlannedLayer]:
    """The layers of the block ``name``: those whose names begin with it and a separator."""
    return [one for one in layers if one.name.startswith((f"{name}/", f"{name}_", f"{name}."))]
