"""``cl.open``: a net by the name of a file, a template or a net that ships, with its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from caffelungo.api import values
from caffelungo.api.values import Name, Settings, Shapes, Words
from caffelungo.layers.base import Shape

if TYPE_CHECKING:
    from caffelungo.api.net import Net
    from caffelungo.definition.definition import Definition
    from caffelungo.weights.weights import Weights

NONE = "none"
"""Instead of weights: the layers' fillers."""


def open(
    net: Name,
    weights: Name | Sequence[Name] | Weights | None = None,
    *,
    set: Settings | None = None,
    shape: Shapes | None = None,
    level: int = 0,
    stage: Words | None = None,
    seed: int = 0,
) -> Net:
    """Open ``net``, a prototxt, a template (.prototxt.j2) or a name of ``cl.nets()``, as a module in phase TEST.

    ``weights`` are files (.caffemodel, .caffemodel.h5, .safetensors), ``torchvision:NAME``, several of them, or
    ``"none"`` for the layers' fillers, drawn with random seed ``seed``; by default those that come with a net of that
    name or are in the file itself (a .caffemodel), else fillers. Layers that the weights lack start from their fillers:
    ``net.fresh`` names them. ``set`` are a template's variables, ``{"depth": 50}``. ``shape`` gives shapes of inputs
    that the file does not specify, without the batch: ``{"data": (3, 227, 227)}``. ``level`` and ``stage`` choose the
    net's state. Data that the net names need not be there.

    UserError with everything that is wrong with the net, or with weights that do not fit it.

    >>> cl.open("nets/own.prototxt.j2", set={"units": 4})
    own (own.prototxt.j2), phase TEST: 3 layers, 43 parameters, all learn
    weights: from their fillers
    layer  type          bottoms  tops   shape      parameters  learns
    data   Input                  data   N x 3 x 2
    fc     InnerProduct  data     fc     N x 4              28  x1
    relu   ReLU          fc       fc     N x 4
    score  InnerProduct  fc       score  N x 3              15  x1
    """
    from caffelungo.api.net import Net
    from caffelungo.definition import catalogue
    from caffelungo.plan import states
    from caffelungo.plan.read_net import read_net
    from caffelungo.weights.load import load
    from caffelungo.weights.weights import Weights

    values.judge("check", {"level": level, "seed": seed})
    variables = values.variables(set)
    name = values.path(net) or ""
    path, known = catalogue.resolve(name, variables)
    definition = states.checked(read_net(path, known or None).within(values.listed(stage), level))
    if weights is None:
        weights = catalogue.weights_with(name, variables)
        if weights is None and definition.origin == "binary":  # a .caffemodel is the net, too
            own = load([str(path)])
            weights = own if own is not None and own.layers else None
    if not isinstance(weights, Weights):
        names = values.names(weights)
        weights = load(names, path) if names and names != [NONE] else None
    return Net(definition, weights, sources=_sources(definition, values.shapes(shape)), seed=seed)


def _sources(definition: Definition, shapes: Mapping[str, Sequence[int]]) -> Mapping[str, Sequence[Shape]] | None:
    """Shapes of data layers' tops, by layer: those of ``shapes``, else what HDF5 files tell."""
    from caffelungo.data import shapes_from_data as data_shapes
    from caffelungo.rewriting.rewrite import sources

    found: dict[str, Any] = {**data_shapes.in_files(definition), **shapes}
    return sources(definition, found)
