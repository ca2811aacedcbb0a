"""Who knows the passes: set by the package itself, so that ``definition`` need not know the room of the passes."""

from __future__ import annotations

from collections.abc import Callable

load_passes: Callable[[], object] | None = None
"""Imports every pass, which then declares its step of a recipe (see ``recipe_steps``)."""
