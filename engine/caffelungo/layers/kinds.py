"""Kinds of layer types, asked by name: each is a live query of the registry, so that a new type belongs at once.

"HardSigmoid" in NEURONS   ->   find("HardSigmoid").neuron
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

from caffelungo.layers import registry
from caffelungo.layers.base import Layer

Question = Callable[[type[Layer]], bool]


class Kind(Set[str]):
    """The types whose class answers a question with yes. Unions and differences are kinds, too."""

    def __init__(self, asks: Question, named: frozenset[str] = frozenset()) -> None:
        self._asks, self._named = asks, named

    def __contains__(self, layer_type: object) -> bool:
        if layer_type in self._named:
            return True
        found = registry.find(layer_type) if isinstance(layer_type, str) else None
        return found is not None and self._asks(found)

    def __iter__(self) -> Iterator[str]:
        known = registry.layer_types()
        return iter([*(name for name in known if name in self), *sorted(self._named.difference(known))])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __hash__(self) -> int:
        return id(self)

    def __or__(self, other: Set[str]) -> Kind:  # type: ignore[override]
        return Kind(lambda cls: cls.type in self or cls.type in other, self._named | _names(other))

    __ror__ = __or__

    def __sub__(self, other: Set[str]) -> Kind:
        return Kind(lambda cls: cls.type in self and cls.type not in other)

    def __and__(self, other: Set[str]) -> Kind:
        return Kind(lambda cls: cls.type in self and cls.type in other)


def _names(other: Set[str]) -> frozenset[str]:
    return other._named if isinstance(other, Kind) else frozenset(other)


def answer_of(loss_type: str) -> str | None:
    """The type that gives a net's answer in the place of a loss; None where there is none."""
    found = registry.find(loss_type)
    return found.answer if found is not None else None


def blob_names(layer_type: str) -> tuple[str, ...]:
    """The names of the blobs of a type; those of a layer with weights for one that is not known."""
    found = registry.find(layer_type)
    return found.blob_names if found is not None else Layer.blob_names


HEADS = Kind(lambda cls: cls.classifies)
"""Types that can be a classifier: their outputs are classes."""
CLASS_LOSSES = Kind(lambda cls: cls.class_loss)
"""Losses whose bottom 1 is a class label."""
NUMBER_LOSSES = Kind(lambda cls: cls.number_loss)
"""Losses of differences between numbers and their targets."""
LABEL_LOSSES = Kind(lambda cls: cls.label_loss)
"""Losses of several labels per sample."""
NONLINEAR = Kind(lambda cls: cls.nonlinear)
"""What makes units of weighted sums."""
NEURONS = Kind(lambda cls: cls.neuron)
"""Layers with one bottom whose top has the same shape: what may follow a layer in a chain."""
SIZED = Kind(lambda cls: cls.per_channel)
"""Layers with one parameter a channel: they do not fit another number of channels."""
PASSING = Kind(lambda cls: (cls.neuron or cls.passes_on) and not cls.per_channel)
"""Layers with one bottom and no parameters: a classifier's outputs, or features for it, pass through them."""
MIXING = Kind(lambda cls: not cls.channels_apart and not cls.hands_on and (cls.neuron or cls.passes_on))
"""Of these, those whose channels depend on each other: with more channels, or copies, the old ones change."""
APART = Kind(lambda cls: cls.channels_apart)
"""Layers that treat every channel by itself."""
AFFINE = Kind(lambda cls: cls.affine)
"""Layers that only scale and shift each channel, and so belong to the layer before them."""
UNIT_ENDS = Kind(lambda cls: cls.unit_end)
"""What makes units of what precedes it; nothing else of a chain belongs to them."""
HANDING_ON = Kind(lambda cls: cls.hands_on)
"""Layers that in the mean give the values they read, perhaps in another shape."""
IDLE = Kind(lambda cls: cls.hands_on and (cls.neuron or cls.any_rank))
"""Layers that in the mean hand on what they read as it is."""
FLAT = Kind(lambda cls: cls.any_rank)
"""Further layers that do to a vector of N x C what they do to N x C x 1 x 1."""
JOINING = Kind(lambda cls: cls.joins)
"""Layers that put together what several branches make."""
WEIGHTED = Kind(lambda cls: cls.depth)
"""Types that count as a layer of depth; BatchNorm, Scale and others belong to the one before them."""
MEASURING = Kind(lambda cls: cls.measures)
"""Types that a net which answers has no use for."""
CHOOSING = Kind(lambda cls: cls.chooses)
"""Types that count or choose: their values may agree where what they read does not."""
OBSERVING = MEASURING | CHOOSING
"""Types that only look at scores."""
ANSWERED = Kind(lambda cls: cls.answer is not None)
"""Losses in whose place another type gives the net's answer (see ``answer_of``)."""
ANSWERING = Kind(lambda cls: any(one.answer == cls.type for one in registry.layer_types().values()))
"""The types that give it."""
PROBABILITIES = Kind(lambda cls: cls.answer == "Softmax")
"""Losses that take a softmax of their bottom, so that the answer is one, too."""
