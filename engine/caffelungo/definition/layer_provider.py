"""Who knows the layer types: set by the package itself, so that ``definition`` need not know the room of the layers."""

from __future__ import annotations

from collections.abc import Callable

load_types: Callable[[], object] | None = None
"""Imports every layer type, which then declares its options (see ``layer_options``)."""
