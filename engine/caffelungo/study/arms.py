"""The ways of adapting a net that a comparison sets side by side: recipes that ship, with settings. No torch.

a net made ready for the target's classes  +  an arm, a depth of tuning, a number of units
->  the net to train, the weights it starts from, and what was done to it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from caffelungo.definition.reader import Definition
from caffelungo.errors import UserError, did_you_mean
from caffelungo.passes.base import Note, Refusal, Result, Step, run, step
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.rewriting import recipes, rewrite
from caffelungo.study.new_unit_reads import new_units, reads
from caffelungo.weights.weights import Weights
from caffelungo.wording import counted

REFERENCE = "finetune"
"""The arm that has no control in it: what is fine-tuned as it is."""
BAR = "probe"
"""What gains are compared with: the best converged linear classifier on the frozen net."""
LONGER = "longer"


@dataclass(frozen=True)
class Arm:
    """One way of adapting a net.

    ``recipe`` is a card (see ``recipes.cards``), ``settings`` its variables. ``grows``: it takes a number of units.
    ``longer``: it trains for as many operations as the largest arm. ``reads``: the classifier also reads what the new
    units of that arm read. ``frozen``: its new units do not learn.
    """

    name: str
    title: str
    recipe: str
    settings: Mapping[str, str] = field(default_factory=dict)
    grows: bool = False
    longer: bool = False
    reads: str = ""
    frozen: bool = False


_RAW = {"normalize": "false"}

ARMS = {
    one.name: one
    for one in (
        Arm("finetune", "FT: fine-tuned as it is", "finetune"),
        Arm("deeper", "DA: a new layer on top", "deeper", grows=True),
        Arm("wider", "WA: new units beside the top layer", "wider", grows=True),
        Arm("joint", "DWA: new units and a layer on both", "joint", grows=True),
        Arm("recursive", "WWA: new units beside the top two", "recursive", grows=True),
        Arm("wide", "wide from the start (Net2Net), fine-tuned", "enlarged", grows=True),
        Arm("normalized", "control: normalized, no new units", "normalized"),
        Arm("features", "control: also reads what WA's new units read", "features", reads="wider"),
        Arm("features-recursive", "control: also reads what WWA's new units read", "features", reads="recursive"),
        Arm("random", "control: WA whose new units stay random", "wider", grows=True, frozen=True),
        Arm("random-recursive", "control: WWA whose new units stay random", "recursive", grows=True, frozen=True),
        Arm("longer", "control: FT for as long as growth takes", "finetune", longer=True),
        Arm("wider-raw", "WA without normalization", "wider", _RAW, grows=True),
        Arm("wider-copy", "WA without normalization, copied units", "wider", {**_RAW, "start": "COPY"}, grows=True),
        Arm("deeper-raw", "DA without normalization", "deeper", _RAW, grows=True),
        Arm("remember", "FT that keeps the old task (LwF)", "remember"),
        Arm("wider-remember", "WA that keeps the old task (LwF)", "remember", grows=True),
    )
}
"""Every arm that is trained, in the order of tables."""

PROBE = Arm(BAR, "linear classifier", "")
"""The bar, which is fitted and not trained (see ``probe_cell``)."""

SETS = {
    "paper": ("finetune", "deeper", "wider", "joint", "recursive"),
    "controls": ("normalized", "features", "features-recursive", "random", "random-recursive", "longer"),
    "normalization": ("deeper-raw", "wider-raw", "wider-copy"),
    "wide": ("wide",),
}
"""Names for several arms."""


def chosen(words: Sequence[str]) -> list[Arm]:
    """The arms that ``words`` (names of arms and of sets) ask for, the reference first. UserError for other words.

    Where one of them grows, the control that trains as long is among them.
    """
    names: dict[str, None] = {REFERENCE: None}
    for word in words:
        if word not in ARMS and word not in SETS:
            near = did_you_mean(word, [*ARMS, *SETS])
            raise UserError(
                "unknown arm",
                received=word,
                remedy=(f"did you mean {near}? " if near else "")
                + f"There are {', '.join(ARMS)}; and {', '.join(SETS)} for groups of arms",
            )
        names |= dict.fromkeys(SETS.get(word, (word,)))
    if any(ARMS[name].grows for name in names):
        names[LONGER] = None
    return [ARMS[name] for name in ARMS if name in names]


@dataclass(frozen=True)
class Configuration:
    """One row of a table: an arm at a depth of tuning, with so many units (0: it has none).

    ``after`` names the arm by which the net learned another task before; empty: none. ``blobs`` are what a linear
    classifier reads.
    """

    arm: Arm
    tune: str
    units: int = 0
    after: str = ""
    blobs: tuple[str, ...] = ()

    @property
    def read(self) -> str:
        """What a linear classifier reads, in a few words."""
        if len(self.blobs) == 1:
            return self.blobs[0]
        return f"all {counted(len(self.blobs), 'layer')}" if self.blobs else ""

    @property
    def title(self) -> str:
        """What tables call it."""
        came = f"after {self.after} on the intermediate task: " if self.after else ""
        on = f" on {self.read}" if self.blobs else ""
        return f"{came}{self.arm.title}{on}{f', {self.units} units' if self.units else ''}"

    @property
    def label(self) -> str:
        """In a few words, for a terminal."""
        came = f" after {self.after}" if self.after else ""
        return f"{self.arm.name}{f' {self.units}' if self.units else ''}{f' {self.read}' if self.blobs else ''}{came}"


def configurations(arms: Sequence[Arm], tunes: Sequence[str], units: Sequence[int]) -> list[Configuration]:
    """Every arm at every depth, and with every number of units if it grows."""
    return [
        Configuration(arm, tune, number) for tune in tunes for arm in arms for number in (units if arm.grows else (0,))
    ]


@dataclass(frozen=True)
class BuiltArm:
    """A configuration's net, the weights it starts from (None: those that were given), and what the passes did."""

    definition: Definition
    weights: Weights | None
    notes: list[Note]


def build(one: Configuration, net: Definition, ready: Step, weights: str | None) -> BuiltArm:
    """The net of ``one``, from ``net``: ``ready`` gives it the target's classifier and data, then the recipe's steps.

    Raises UserError (a Refusal) when a pass cannot be applied to this net.
    """
    arm, settings = one.arm, {**one.arm.settings, "tune": one.tune}
    if one.units:
        settings["units"] = str(one.units)
    if arm.reads:
        settings["layer"] = ",".join(_read_by(arm.reads, net, ready))
    result = _applied(net, ready, arm.recipe, settings)
    notes = result.notes
    if arm.frozen:
        plain = run(net, [ready]).definition
        held = step(freeze, FreezeOptions(None, tuple(new_units(plain, result.definition))))
        frozen = run(result.definition, [held])
        return BuiltArm(frozen.definition, None, [*notes, *frozen.notes])
    carried = None
    if result.moves and weights is not None:
        carried = rewrite.carried(net, result, weights, [])
    return BuiltArm(result.definition, carried, notes)


def _applied(net: Definition, ready: Step, recipe: str, settings: Mapping[str, str]) -> Result:
    steps = recipes.open_recipe(recipes.find(recipe), settings).steps
    return run(net, [ready, *steps])


def _read_by(arm: str, net: Definition, ready: Step) -> list[str]:
    """The layers that the new units of ``arm`` read in ``net``: as many of them as there are units, it is the same."""
    grown = _applied(net, ready, ARMS[arm].recipe, {**ARMS[arm].settings, "tune": "ALL", "units": "2"})
    found = reads(run(net, [ready]).definition, grown.definition)
    if not found:
        raise Refusal(f"the new units of `{arm}` read the picture itself, so there are no further features to read",
                      received=arm, remedy="remove this arm")  # fmt: skip
    return found
