"""What a training is made of besides its solver file. No torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from caffelungo.plan.plan import ParamKey
from caffelungo.solve.nets import OpenedNet

if TYPE_CHECKING:
    from caffelungo.net.store import Store


@dataclass(frozen=True)
class GivenNet:
    """A train net with its data that replaces the one that the solver names.

    ``store`` holds its weights, ready as they are; None: they are filled. ``copied`` of them came from weights files,
    which L2-SP and DELTA need to know.
    """

    opened: OpenedNet
    store: Store | None = None
    copied: Collection[ParamKey] = ()


@dataclass(frozen=True)
class Setup:
    """``weights`` are copied by layer name into all nets before training; layers in ``reinit`` keep their fillers.

    ``variables`` fill templates; ``level`` and ``stages`` choose layers of the train net. ``workers`` load data (None:
    as the source and the machine suggest). ``seed`` replaces the file's random_seed (a resumed run's own).
    ``divided``: batches for training are that much smaller than the file says.
    """

    weights: Sequence[str | Path] = ()
    reinit: Sequence[str] = ()
    variables: Mapping[str, str] | None = None
    level: int = 0
    stages: Sequence[str] = ()
    workers: int | None = None
    seed: int | None = None
    divided: int = 1
    given: GivenNet | None = None
