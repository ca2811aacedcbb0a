"""What earlier rooms need of later ones, handed to them when the package is imported; nothing is loaded for that."""

from __future__ import annotations

from caffelungo.definition import layer_provider, pass_provider


def _load_layer_types() -> None:
    from caffelungo.layers import registry

    registry.layer_types()


def _load_passes() -> None:
    from caffelungo.passes import registry

    registry.passes()


layer_provider.load_types = _load_layer_types
pass_provider.load_passes = _load_passes
