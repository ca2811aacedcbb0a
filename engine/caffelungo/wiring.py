"""What earlier rooms need of later ones, handed to them when the package is imported; nothing is loaded for that."""

from __future__ import annotations

from caffelungo.definition import augmentation_provider, layer_provider, pass_provider


def _load_layer_types() -> None:
    from caffelungo.layers import registry

    registry.layer_types()


def _load_passes() -> None:
    from caffelungo.passes import registry

    registry.passes()


def _load_augmentations() -> None:
    from caffelungo.data import augmentation

    augmentation.augmentation_types()


def _gives_the_size(name: str) -> bool:
    from caffelungo.data import augmentation

    return augmentation.gives_the_size(name)


layer_provider.load_types = _load_layer_types
pass_provider.load_passes = _load_passes
augmentation_provider.load_augmentations = _load_augmentations
augmentation_provider.gives_the_size = _gives_the_size
