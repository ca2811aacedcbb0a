"""What was found, in a sentence or two."""

from __future__ import annotations

import math

from caffelungo.verify.matching_blobs import EQUAL, GONE, IDENTICAL, NEW, Blob
from caffelungo.verify.same_inputs import Fed
from caffelungo.verify.verified import Verified


def verdict_of(found: Verified, fed: Fed, paired: dict[int, int]) -> str:
    """What was found, in a sentence or two."""
    old = found.compared
    same = [blob for blob in old if blob.status == IDENTICAL]
    near = [blob for blob in old if blob.status == EQUAL]
    first = found.first
    if first is not None:
        text = (
            f"CHANGED: the first old blob that differs is `{first.blob}`, made by layer `{first.layer}` "
            f"({first.type}), {_by(first.difference)}: {first.why}"
        )
        before = f"; bit-identical: {_blobs(same)}" + (f", equal within float: {_blobs(near)}" if near else "")
        return text + before + _scores(found) + "."
    if not old:
        return "Nothing was compared: the two nets have no blob in common besides inputs and what is new."
    if near:
        worst = max(near, key=lambda blob: blob.difference)
        text = "All old blobs are kept: " + (f"{_blobs(same)} bit-identical, " if same else "")
        text += f"{_blobs(near)} equal within float "
        text += f"(largest relative difference {worst.difference:.1e}, `{worst.blob}` of layer `{worst.layer}`)"
    else:
        text = f"All old blobs are bit-identical ({_blobs(same)})"
    return text + _head_inputs(found, fed, paired) + _scores(found) + "."


def _blobs(some: list[Blob]) -> str:
    return f"{len(some)} blob{'' if len(some) == 1 else 's'}"


def _by(difference: float) -> str:
    return "not comparable" if math.isinf(difference) else f"by {difference:.2g} of its largest value"


def _scores(found: Verified) -> str:
    parts: list[str] = []
    new: list[str] = []
    for one in found.answers:
        place = f"`{one.layer}`" if one.now in ("", one.layer) else f"`{one.now}` for `{one.layer}`"
        if one.status == IDENTICAL:
            parts.append(f"the scores of {place} are identical")
        elif one.status == EQUAL:
            parts.append(f"the scores of {place} are equal ({one.difference:.1e})")
        elif one.status == GONE:
            parts.append(f"the classifier `{one.layer}` is gone")
        elif one.status == NEW:
            new.append(place)
        elif one.same is not None:
            other = one.same[1] - one.same[0]
            parts.append(f"the scores of {place} changed, and so did the best class for {other} of {one.same[1]}")
        else:
            parts.append(f"the scores of {place} changed")
    if new:
        parts.append(f"the scores of {', '.join(new)} are new")
    return "".join(f"; {part}" for part in parts)


def _head_inputs(found: Verified, fed: Fed, paired: dict[int, int]) -> str:
    """Where a classifier reads other numbers than before, although all that is old computes what it did."""
    states = {(blob.layer, blob.blob): blob for blob in found.blobs}
    makers = {value: one for one in fed.after.layers for value in one.top_values}
    for one in found.answers:
        if one.status != NEW or not one.now:
            continue
        head = fed.after.layer(one.now)
        value = head.bottom_values[0]
        maker = makers[value]
        if states[maker.name, fed.after.values[value].blob].status == NEW:
            was = fed.before.layer(one.layer).bottoms[0]
            now = f"`{head.bottoms[0]}` instead of `{was}`" if head.bottoms[0] != was else f"`{was}` has other values"
            return f"; the input of the classifier changed: {now}{_from(fed, value)}"
    return ""


def _from(fed: Fed, value: int) -> str:
    """The first new layer with weights on the way to ``value``, and that of Normalize before others."""
    makers = {made: one for one in fed.after.layers for made in one.top_values}
    old = {one.key for one in fed.before.layers}
    queue, seen, new = [value], set(), []
    while queue:
        maker = makers.get(queue.pop())
        if maker is None or maker.key in seen:
            continue
        seen.add(maker.key)
        if maker.key not in old and maker.params:
            new.append(maker)
        if maker.key not in old or not maker.params:
            queue.extend(maker.bottom_values)
    norms = [one for one in new if one.layer.type == "Normalize"]
    if norms:
        names = ", ".join(f"`{one.name}`" for one in reversed(norms))
        return f", rescaled by {names} (Normalize)"
    return f", with new values from {', '.join(f'`{one.name}`' for one in reversed(new))}" if new else ""
