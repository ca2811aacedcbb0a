"""What an export, or a conversion of a foreign net, may be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffelungo.deploy.parity import BATCHES, TOLERANCE

OPSETS = range(18, 24)
"""Opsets that the exporter writes and current runtimes read."""


@dataclass(frozen=True)
class ExportOptions:
    """How a net leaves.

    ``preprocess``: True puts channel order, mean and scale into the graph, whose input then is ``image`` (uint8, batch
    x height x width x channels, RGB or grey); False leaves the net's own float input blob; None is True where the net
    takes pictures. ``layout`` (``nhwc`` or ``nchw``) is that of pictures; with ``resize_inside`` the graph also does
    the record's resize and crop, and takes pictures of any size, one size a batch. ``record`` (a
    ``lungo.Preprocessing``) and ``labels`` (names, or a file with one a line) take precedence over those in the
    weights. ``size`` is the height and width that the net's picture is to have, whatever the file and the weights'
    record say; ``shapes`` gives input blobs' shapes without the batch where the file leaves them open, or over what it
    says. ``pictures`` are files or folders for the proof. ``more`` is added to the file's metadata. ``outputs`` are the
    blobs that come out (none: the net's own); ``batch`` fixes the number of pictures (None: free). ``free_size`` leaves
    height and width open, for fully convolutional nets.
    """

    opset: int = 20
    preprocess: bool | None = None
    layout: str = "nhwc"
    resize_inside: bool = False
    record: Any | None = None
    labels: Sequence[str] | str | Path | None = None
    size: tuple[int, int] | None = None
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    pictures: Sequence[str | Path] = ()
    batches: Sequence[int] = BATCHES
    tolerance: float = TOLERANCE
    device: str = "cpu"
    fold: bool = True
    outputs: Sequence[str] = ()
    batch: int | None = None
    free_size: bool = False
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ConvertOptions:
    """How a foreign net leaves.

    ``mean`` (values of 0 to 255, one or one per channel in the order of ``channel_order``), ``mean_file`` (binaryproto
    or .npy, in BGR), ``scale``, ``channel_order`` (``bgr``, ``rgb`` or ``gray``) and ``resize`` (height, width; a width
    of 0: the shorter side) say how a picture becomes the net's input; what is not given is taken from the weights'
    record or the data layer, else assumed. ``preprocess`` False leaves the net's own float blobs. ``outputs`` are the
    blobs that come out, ``stages`` and ``level`` those of the net's state (none: those that its rules need); the rest
    is as in ``ExportOptions``.
    """

    mean: Sequence[float] = ()
    mean_file: str | Path | None = None
    scale: float | None = None
    channel_order: str | None = None
    resize: tuple[int, int] | None = None
    preprocess: bool | None = None
    layout: str = "nhwc"
    resize_inside: bool = False
    labels: Sequence[str] | str | Path | None = None
    outputs: Sequence[str] = ()
    stages: Sequence[str] = ()
    level: int = 0
    size: tuple[int, int] | None = None
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    batch: int | None = None
    free_size: bool = False
    opset: int = 20
    pictures: Sequence[str | Path] = ()
    tolerance: float = TOLERANCE
    device: str = "cpu"
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def states_preprocessing(self) -> bool:
        return bool(self.mean) or any(
            given is not None for given in (self.mean_file, self.scale, self.channel_order, self.resize)
        )
