"""Who knows the augmentations: set by the package itself, so that earlier rooms need not know the room of the data."""

from __future__ import annotations

from collections.abc import Callable

load_augmentations: Callable[[], object] | None = None
"""Imports every augmentation, which then declares its options (see ``option_blocks``)."""

gives_the_size: Callable[[str], bool] = lambda name: False  # noqa: E731
"""Whether the augmentation of this name returns pictures of the size that the net wants, whatever they had before."""
