"""Whether training and testing prepare pictures alike: values and sizes; augmentation may differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from caffelungo.data import label_uses, preprocess
from caffelungo.data.source import DataSource
from caffelungo.plan.plan import Plan


def pictures(plan: Plan, sources: Iterable[DataSource]) -> list[DataSource]:
    """Those of ``sources`` that give pictures; a database of label maps is none."""
    labels = {use.data.name for use in label_uses.uses(plan) if use.top == 0}
    return [source for source in sources if source.record is not None and source.name not in labels]


def notices(trained: Sequence[DataSource], tested: Sequence[DataSource]) -> list[str]:
    """A notice for each layer of ``tested`` that prepares pictures otherwise than the one of the same blob in training
    (the only one, where there is no other)."""
    found = []
    for source in tested:
        same = [one for one in trained if one.names[0] == source.names[0]] or (trained if len(trained) == 1 else [])
        for one in same[:1]:
            if apart := [*preprocess.differences(source.record, one.record), *sizes(source.record, one.record)]:
                found.append(
                    f"layer `{source.name}` prepares pictures differently from training: {'; '.join(apart)}. If that "
                    "is not intended, make its transform_param the same"
                )
    return list(dict.fromkeys(found))


def sizes(one: Any, other: Any) -> list[str]:
    """How two records bring pictures to different sizes; nothing of what either only assumed."""
    found = []
    outputs = [preprocess.output_size(record, 0, 0) for record in (one, other)]
    if outputs[0] != outputs[1] and (0, 0) not in outputs and not _assumed(one, other):
        found.append(f"size {_text(outputs[0])} and {_text(outputs[1])}")
    before = [(record.resize_height, record.resize_width) for record in (one, other)]
    if before[0] != before[1] and not found and not _assumed(one, other):
        texts = [f"resized to {_text(size)}" if size[0] else "not resized" for size in before]
        found.append(f"{texts[0]} and {texts[1]} before the crop")
    return found


def _assumed(one: Any, other: Any) -> bool:
    return any(name.startswith("resize") for record in (one, other) for name in record.assumed)


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
