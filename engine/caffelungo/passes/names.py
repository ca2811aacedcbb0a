"""Names for new layers: free, and readable after the net has grown again and again.

fc7, fc8            ->  fc7_new, norm7, norm7_new, fc7_wide, fc8_wide
fc7_wide, fc8_wide  ->  fc7_new2, norm7_new2, fc7_wide2, fc8_wide2      and so on
"""

from __future__ import annotations

import re

from caffelungo.passes.view import View

PROB = "prob"
"""The probabilities of a net's one classifier, by Caffe's custom."""


class Names:
    """Names that are free in the net and not yet given out."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.given: set[str] = set()

    def take(self, wanted: str) -> str:
        name = self.view.free(wanted, self.given)
        self.given.add(name)
        return name

    def norm(self, layer: str) -> str:
        """``norm7`` for ``fc7``, ``fire9/concat_norm`` for ``fire9/concat``."""
        return self.take(norm_name(layer))


def answer_name(layer: str, several: bool) -> str:
    """How the probabilities of the classifier ``layer`` are called: ``prob``, or ``fc8_prob`` beside others."""
    return f"{layer}_prob" if several else PROB


def norm_name(layer: str, suffix: str = "") -> str:
    """How the Normalize behind ``layer`` is called: ``norm7`` for ``fc7``, ``norm7_new`` with a suffix."""
    match = re.fullmatch(r"(?:fc|ip)(\d+)(.*)", layer)
    return (f"norm{match[1]}{match[2]}" if match else f"{layer}_norm") + (f"_{suffix}" if suffix else "")


def root(name: str, *suffixes: str) -> str:
    """``name`` without the suffixes that earlier growth gave it: ``fc7`` for ``fc7_wide`` and ``fc7_wide2``."""
    pattern = re.compile(rf"_(?:{'|'.join(map(re.escape, suffixes))})\d*$")
    while pattern.search(name):
        name = pattern.sub("", name)
    return name


def numbered(name: str, suffix: str) -> str:
    """``name`` with ``suffix`` behind it; what carries the suffix already gets the next number (``fc8_wide2``).

    Weights are copied by name, so a name that was in use before must not come back with another shape.
    """
    match = re.search(rf"_{re.escape(suffix)}(\d*)(?=_|$)", name)
    if match is None:
        return f"{name}_{suffix}"
    return f"{name[: match.start()]}{name[match.end() :]}_{suffix}{int(match[1] or 1) + 1}"
