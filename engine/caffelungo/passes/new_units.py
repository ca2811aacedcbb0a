"""New units that read what old ones read: what ``widen`` and ``deepen`` build with.

    before:  a layer, the neurons after it (BatchNorm, Scale, ReLU, Dropout), and the classifier that reads them
    after:   copies of those under new names, with separate rates, around a fresh InnerProduct or Convolution
             Normalize between the non-linearity and Dropout

Growing a Brain (Wang, Ramanan, Hebert, CVPR 2017), section 4.3: old units need small changes, new ones start from
noise, so each group is scaled to unit length (per sample, over its channels) times a learned factor a channel.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from caffelungo import shell
from caffelungo.bounds import COUNT, NOT_NEGATIVE, POSITIVE, WHOLE
from caffelungo.definition.schema import FillerParameter, LayerParameter
from caffelungo.errors import did_you_mean
from caffelungo.layers.base import Shape
from caffelungo.layers.fillers import FILLERS
from caffelungo.layers.kinds import HEADS, JOINING, NEURONS, PASSING
from caffelungo.layers.types.normalize import Normalize
from caffelungo.passes.base import Refusal
from caffelungo.passes.names import Names, root
from caffelungo.passes.option_fields import SEED, option
from caffelungo.passes.param_blocks import FROZEN, NEW, Rate, give_rates, weak, weighted_blobs
from caffelungo.passes.view import ClassifierLayer, Graph, View
from caffelungo.plan.plan import PlannedLayer

WIDE_KERNEL_CHANNELS = 512
"""A new convolution looks at 3x3 places while its input has at most this many channels; above, at one (the cost)."""


STARTS = ("filler", "copy", "net2net")
"""What ``UnitOptions.start`` may be."""


@dataclass(frozen=True)
class UnitOptions:
    """How new units are made, for every growth pass.

    ``scale`` is where the factors of Normalize start (the paper takes 10 or 20; a measured mean norm keeps old features
    as large as they were); ``new_scale`` is for the new group, where it differs. ``kernel`` is for convolutions that
    have no example to follow. ``filler`` replaces the weight filler that new units take from the layer beside them.

    ``start``: "filler"; "copy", each new unit an old one drawn with ``seed`` plus normal noise of ``noise`` times the
    standard deviation of the old weights (the paper's "copy + random", table 3); "net2net", copies without noise, whose
    share the classifier divides (Chen, Goodfellow, Shlens 2015), so that its answers stay. ``keep_head``: the
    classifier stays, with zeros for what it newly reads, so that its answers stay.
    """

    units: int = option("Number of new units.", bounds=COUNT)
    normalize: bool = option("Normalize old and new units to one scale.", default=True, flag="--normalize")
    scale: float = option(
        "Initial value of the learned factors of Normalize.", default=20.0, bounds=POSITIVE, flag="--scale"
    )
    new_scale: float | None = option(
        "Initial value of the factors of the new units (default: as --scale).",
        default=None,
        bounds=POSITIVE,
        flag="--new-scale",
    )
    suffix: str = option("Suffix for the names of new layers.", default="new", flag="--unit-suffix")
    kernel: int | None = option(
        "Kernel size of new convolutions without an example to follow.", default=None, bounds=WHOLE, flag="--kernel"
    )
    filler: str | None = option(
        "Weight filler of the new units (default: that of the layer beside them).", default=None, flag="--filler"
    )
    rates: tuple[Rate, Rate] = option(
        "Rate multipliers of the weights and the bias of new layers, as in a layer's `param` blocks.",
        default=NEW, bounds=NOT_NEGATIVE, recipe="param", parts=("lr_mult", "decay_mult"), flag="--unit-rates",
    )  # fmt: skip
    start: str = option("How new units start.", default="filler", choices=STARTS, flag="--start")
    noise: float = option(
        "Noise of copied units, as a share of the standard deviation of the old weights.",
        default=0.1, bounds=NOT_NEGATIVE, flag="--noise",
    )  # fmt: skip
    seed: int = option("Random seed for the choice of copied units and their noise.", default=0, bounds=SEED,
                       flag="--seed")  # fmt: skip
    keep_head: bool = option("Keep the classifier and its answers.", default=False, flag="--keep-head")

    @property
    def keeps(self) -> bool:
        """Whether the classifier stays as it is."""
        return self.keep_head or self.start == "net2net"

    @property
    def normalizes_old(self) -> bool:
        """Whether old units are normalized, too: not before a classifier that knows them as they are."""
        return self.normalize and not self.keeps


def pace(unit: UnitOptions) -> str:
    """How fast new layers learn, as a comment says it behind "learn": "ten times as fast"."""
    rate = unit.rates[0][0]
    if rate == 1:
        return "as fast as pre-trained ones"
    return f"{'ten' if rate == NEW[0][0] else f'{rate:g}'} times as fast" if rate else "not at all"


def check_units(layer: str, unit: UnitOptions) -> None:
    """Refusal for numbers and words that make no sense."""
    if unit.units < 1:
        raise Refusal("no units to add", received=f"{layer}:{unit.units}", remedy="write a number of 1 or more")
    if unit.start not in STARTS:
        raise Refusal(
            "unknown start of new units", received=f"--start {unit.start}", remedy=f"use one of: {', '.join(STARTS)}"
        )
    if unit.filler is not None and unit.filler not in FILLERS:
        near = did_you_mean(unit.filler, FILLERS)
        raise Refusal(
            "unknown filler type",
            received=f"--filler {unit.filler}",
            remedy=(f"did you mean {near}? " if near else "") + f"There are {', '.join(FILLERS)}",
        )
    for scale in (unit.scale, unit.new_scale):
        if scale is not None and not (scale > 0 and math.isfinite(scale)):
            raise Refusal(
                "the learned scale must start above 0",
                received=f"--scale {scale:g}",
                remedy="write --scale 20, or the norm that was measured",
            )
    if not (unit.noise >= 0 and math.isfinite(unit.noise)):
        raise Refusal("noise cannot be negative", received=f"--noise {unit.noise:g}", remedy="write --noise 0.1")
    if not re.fullmatch(r"\w+", unit.suffix):
        raise Refusal(
            "the suffix of new layers is one word of letters, digits and underscores",
            received=f"--unit-suffix {shell.word(unit.suffix)}",
            remedy="write --unit-suffix new",
        )
    if unit.kernel is not None and unit.kernel < 1:
        raise Refusal("a kernel size must be at least 1", received=f"--kernel {unit.kernel}", remedy="write --kernel 3")
    if not all(math.isfinite(number) and number >= 0 for rate in unit.rates for number in rate):
        raise Refusal(
            "rates of new units cannot be negative",
            received=", ".join(f"lr_mult {rate:g} decay_mult {decay:g}" for rate, decay in unit.rates),
            remedy="10 and 1 for weights, 20 and 0 for the bias are usual",
        )


@dataclass
class Built:
    """A run of new layers: the layers in order and the blob they end in."""

    layers: list[Any]
    top: str


def normalize(name: str, bottom: str, top: str, scale: float) -> Any:
    """A Normalize layer over the channels of each place, with one learned factor a channel that starts at ``scale``."""
    layer = LayerParameter(name=name, type="Normalize", bottom=[bottom], top=[top])
    layer.norm_param.across_spatial = False
    layer.norm_param.channel_shared = False
    layer.norm_param.scale_filler.CopyFrom(FillerParameter(type="constant", value=scale))
    give_rates(layer, [Normalize.new_unit_rate])
    return layer


def split_chain(chain: Sequence[PlannedLayer]) -> tuple[list[PlannedLayer], list[PlannedLayer]]:
    """A chain cut after its last layer that is no Dropout: Normalize goes between the two parts."""
    cut = max((k + 1 for k, one in enumerate(chain) if one.layer.type != "Dropout"), default=0)
    return list(chain[:cut]), list(chain[cut:])


def units_like(example: Any, name: str, bottom: str, options: UnitOptions, whole: bool = False) -> Any:
    """A layer of new units with the geometry and fillers of ``example`` (an InnerProduct or a Convolution).

    ``whole``: each unit reads all channels, where ``example`` is in groups.
    """
    layer = LayerParameter(name=name, type=example.type, bottom=[bottom], top=[name])
    if example.type == "InnerProduct":
        layer.inner_product_param.CopyFrom(example.inner_product_param)
        given = layer.inner_product_param
        given.ClearField("transpose")
    else:
        layer.convolution_param.CopyFrom(example.convolution_param)
        given = layer.convolution_param
        if given.group > 1 and (whole or options.units % given.group):
            given.ClearField("group")
    finish_units(layer, given, options)
    return layer


def convolution(name: str, bottom: str, kernel: int, stride: int, options: UnitOptions, like: Any = None) -> Any:
    """A convolution of new units that keeps the size of the picture (divided by ``stride``)."""
    layer = LayerParameter(name=name, type="Convolution", bottom=[bottom], top=[name])
    given = layer.convolution_param
    given.kernel_size.append(kernel)
    if kernel > 1:
        given.pad.append(kernel // 2)
    if stride > 1:
        given.stride.append(stride)
    if like is not None and like.type == "Convolution":
        given.weight_filler.CopyFrom(like.convolution_param.weight_filler)
        if not like.convolution_param.bias_term:
            given.bias_term = False
    finish_units(layer, given, options)
    return layer


def _unit_filler() -> Any:
    """How the weights of new units start where the layer that they are beside has no filler that tells units apart."""
    return FillerParameter(type="xavier")


def finish_units(layer: Any, given: Any, options: UnitOptions) -> None:
    """Number of units, fillers and rates of a layer of new units."""
    given.num_output = options.units
    if options.filler is not None:
        given.weight_filler.CopyFrom(FillerParameter(type=options.filler))
    elif weak(given.weight_filler):
        given.weight_filler.CopyFrom(_unit_filler())
    if given.bias_term and not given.HasField("bias_filler"):
        given.bias_filler.CopyFrom(FillerParameter(type="constant", value=0))
    give_rates(layer, options.rates[: weighted_blobs(layer)])


def neuron_like(one: PlannedLayer, old: Any, name: str, bottom: str, top: str) -> Any:
    """A copy of the neuron ``one`` (``old`` in the file) for new units; what it learns starts from its filler, at the
    pace that its class says."""
    layer = LayerParameter()
    layer.CopyFrom(old)
    layer.name, layer.bottom[:], layer.top[:] = name, [bottom], [top]
    layer.ClearField("blobs")
    one.layer.for_new_units(layer)
    learned = [use.spec.learned for use in one.params]
    if any(learned):
        give_rates(layer, [one.layer.new_unit_rate if learns else FROZEN for learns in learned])
    elif learned:
        layer.ClearField("param")
        give_rates(layer, [FROZEN] * len(learned) if old.param else [])
    return layer


def follow(built: Built, chain: Sequence[PlannedLayer], names: Names, suffix: str) -> None:
    """Put copies of ``chain`` behind ``built``, in place where the old ones are."""
    for one in chain:
        name = names.take(f"{root(one.name, 'new', 'wide', 'deep', suffix)}_{suffix}")
        top = built.top if all(one.in_place) else name
        built.layers.append(neuron_like(one, names.view.net.layer[one.index], name, built.top, top))
        built.top = top


def heads_behind(
    view: View, graph: Graph, target: PlannedLayer, value: int, verb: str, through: frozenset[str] = frozenset()
) -> list[ClassifierLayer]:
    """The classifiers that ``value`` reaches through layers without parameters; Refusal when it reaches anything else.

    ``verb`` says what is asked, for the message: "widening". ``through`` are further types that are no obstacle.
    """
    heads = {one.head.index: one for one in view.classifiers}
    found: dict[int, ClassifierLayer] = {}
    queue = [(graph, value)]
    while queue:
        for state, reader in view.readers(*queue.pop()):
            if reader.index in heads:
                found[reader.index] = heads[reader.index]
            elif (reader.layer.type in PASSING and len(reader.bottoms) == 1) or reader.layer.type in through:
                queue.append((state, reader.top_values[0]))
            elif reader.layer.type != "Silence":
                raise Refusal(
                    f"`{target.name}` feeds `{reader.name}` ({reader.layer.type}); {verb} it would change "
                    f"`{reader.tops[0] if reader.tops else reader.name}`, which is pre-trained",
                    view.where(reader.index),
                    received=target.name,
                    remedy=_instead(view, graph, target, verb),
                )
    if not found:
        raise Refusal(
            f"`{target.name}` feeds no classifier",
            view.where(target.index),
            received=target.name,
            remedy=_instead(view, graph, target, verb),
        )
    return [found[index] for index in sorted(found)]


def _instead(view: View, graph: Graph, target: PlannedLayer, verb: str = "") -> str:
    """The layers that could be grown instead: those nearest to the classifiers."""
    names = [name for one in view.classifiers if (name := feeding(graph, one)) not in (None, target.name)]
    known = list(dict.fromkeys(str(name) for name in names))
    good = [name for name in known if verb != "widening" or view.find(name).layer.type in HEADS | JOINING | {"Scale"}]
    if good:
        return f"grow a layer that only a classifier reads: {', '.join(good)}"
    if known:
        return f"add a layer on top of `{known[0]}` instead: lungo grow --deepen {shell.word(f'{known[0]}:UNITS')}"
    return "only a layer that nothing else reads can grow"


def feeding(graph: Graph, one: ClassifierLayer) -> str | None:
    """The layer whose features a classifier reads, seen through the layers that only pass them on."""
    value = one.head.bottom_values[0]
    while value in graph.producer:
        maker = graph.producer[value]
        if not maker.bottom_values:
            return None
        if len(maker.bottoms) > 1 or maker.layer.type not in PASSING | NEURONS:
            return maker.name
        value = maker.bottom_values[0]
    return None


def refuse_head(view: View, target: PlannedLayer, graph: Graph) -> None:
    """A classifier is not grown itself: its outputs are the classes."""
    if target.layer.type in HEADS and target.index in {one.head.index for one in view.classifiers}:
        raise Refusal(
            f"`{target.name}` is the classifier: its outputs are the classes",
            view.where(target.index),
            received=target.name,
            remedy=_instead(view, graph, target),
        )


def refuse_rules(view: View, target: PlannedLayer) -> None:
    """A layer that is in one phase only cannot be grown for both."""
    if target.layer.param.include or target.layer.param.exclude:
        raise Refusal(
            f"`{target.name}` is in one phase only",
            view.where(target.index),
            remedy="remove its include and exclude rules first",
        )


def spatial(shape: Shape | None) -> tuple[int | None, int | None] | None:
    """Height and width of a blob with four axes, None for others."""
    return (shape[2], shape[3]) if shape is not None and len(shape) == 4 else None
