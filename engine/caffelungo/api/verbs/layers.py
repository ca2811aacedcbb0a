"""`lungo layers`."""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.api.verb_report import Text, VerbReport


@dataclass(frozen=True, repr=False)
class LayersReport(VerbReport):
    """The list of layer types, or all of one ``type``: formula, shapes, blobs and options.

    ``text``: what the command line prints.
    """

    type: str | None
    text: Text


def layers(type: str | None = None) -> LayersReport:
    """List the layer types, or describe the one called ``type``: its formula, shapes, blobs and options.

    UserError with the nearest name for an unknown type.

    >>> cl.layers("ReLU").text.splitlines()[0]
    'ReLU'
    """
    from caffelungo.layers import documentation

    return LayersReport(type, Text(documentation.describe(type) if type else documentation.overview()))
