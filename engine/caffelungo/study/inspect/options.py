"""What a user may ask of `lungo inspect`. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from caffelungo.errors import UserError
from caffelungo.solve.options import EngineOptions


@dataclass
class InspectOptions(EngineOptions):
    """`lungo inspect`. ``before``: the weights that training began with; None: those that the record of the run names,
    where there is one. ``before_model``: their net, where they are of another than ``model``.

    ``snapshots``: prefix or folder of the run's snapshots; None: those beside ``weights`` of the same prefix.
    ``units`` as ``fc7:3,17``; none: chosen. ``per_class``: pictures of each class that are looked at; None: all.
    ``size``: height and width of the net's input, instead of the file's.
    """

    model: str | Path = ""
    weights: Sequence[str] = ()
    before: str | None = None
    before_model: str | Path | None = None
    snapshots: str | None = None
    data: str | Path | None = None
    out: str | Path = ""
    units: Sequence[str] = ()
    per_class: int | None = None
    seed: int = 0
    size: tuple[int, int] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    level: int = 0
    stages: Sequence[str] = ()
    head: str | None = None
    workers: int | None = None
    quiet: bool = False


def needed(weights: str | None) -> str:
    """The weights; UserError where none are named."""
    if not weights:
        raise UserError("the weights after training are needed", received="no --weights",
                        remedy="name them: --weights mine/solver_iter_300.caffemodel")  # fmt: skip
    return weights


def wanted_units(given: Sequence[str]) -> dict[str, list[int]]:
    """The units of ``fc7:3,17`` by layer; UserError for another form."""
    found: dict[str, list[int]] = {}
    for text in given:
        layer, _, numbers = text.rpartition(":")
        parts = [part.strip() for part in numbers.split(",") if part.strip()]
        if not layer or not parts or not all(part.isascii() and part.isdigit() for part in parts):
            raise UserError(
                "--units takes a layer's name and indices of units, counted from 0",
                received=f"--units {text}",
                remedy="write it as --units fc7:3,17",
            )
        known = found.setdefault(layer, [])
        known += [int(part) for part in parts if int(part) not in known]
    return found
