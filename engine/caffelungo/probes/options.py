"""What a user can ask of `lungo probe`. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caffelungo.solve.options import EngineOptions

AUTO = ("auto",)


@dataclass
class ProbeOptions(EngineOptions):
    """`lungo probe`.

    ``net`` is a path or a name of the catalogue, ``data`` a folder of classes or a list (None: the net's own pictures,
    for ``layers`` "head"), ``test`` another one to judge by. ``weights`` None: those that come with the net.
    ``layers``: "auto" (each stage and all joined), "all", "head" (what the net's own classifier reads), blobs, or
    blobs joined by "+". ``mirrored``: mirrored copies are learned from, too. ``penalty`` None: chosen by
    cross-validation with ``folds`` folds; a number: this one. ``before``: the weights that a training began with, which
    stay unless those it led to, or the mean of both, are better on the pictures it set aside; with ``refit`` False that
    is all, and no classifier is fitted. ``output`` None: nothing is written. ``cache``: a folder for features (None:
    inside ``output``). ``groups``: a pattern over file names or a column of a table, whose pictures stay in one fold;
    ``per_class``: the most pictures per class to learn from. ``path_column``, ``label_column``: of a table.
    ``corrections``: a file of them for the labels of ``data``.
    ``balance``: how classes of different sizes are corrected (``passes.balance``); None: as the net does (``layers``
    "head"), else not at all.
    """

    net: str = ""
    data: str | None = None
    test: str | None = None
    weights: str | None = None
    layers: tuple[str, ...] = AUTO
    classifier: str = "logistic"
    scaling: str = "unit"
    mirrored: bool = False
    penalty: float | None = None
    folds: int = 5
    size: int | None = None
    batch_size: int = 32
    suffix: str | None = None
    before: str | None = None
    refit: bool = True
    output: str | None = None
    cache: str | None = None
    seed: int = 0
    groups: str | None = None
    per_class: int | None = None
    balance: str | None = None
    path_column: str | None = None
    label_column: str | None = None
    corrections: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    head: str | None = None
    stages: Sequence[str] = ()
    level: int = 0
    overwrite: bool = False
