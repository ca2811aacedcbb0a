"""Which stages a net is read in: those that are asked for, else those that its rules name and in which it is whole.

    train-data { stage: train }  val-data { stage: val }  conv1 ...  loss { not deploy }  softmax { stage: deploy }
    to train: stage train        to test: stage val       to answer: stage deploy, fed by what val-data would give

A net that makes sense without stages is read without any, as Caffe does (Net::FilterNet). This is the one place that
chooses; ``settled`` writes the choice into the net's own `state`, ``state_of`` serves passes, which keep the file. No
torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from caffelungo import shell
from caffelungo.definition import editor
from caffelungo.definition import filter as filter_
from caffelungo.definition.edits import ClearField, DeleteLayer, Edit, SetField
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import PHASE_NAMES, TEST, TRAIN, NetStateRule
from caffelungo.errors import Location, UserError, did_you_mean
from caffelungo.layers import registry

Stages = tuple[str, ...]

DEPLOY = "deploy"
"""The stage in which an all-in-one net answers, by DIGITS' and Caffe's custom."""
MOST = 12
"""Pairs are made of at most as many sets of stages."""
TRAINS, TESTS = ("train",), ("val", "test")
"""What stages for training and testing are called, where the layers do not tell them apart."""


@dataclass(frozen=True)
class Held:
    """What a net holds in one state: positions of its layers, and whether they fit together.

    ``lacking`` are blobs that are read and made only by layers outside the state, ``double`` those that two data
    layers make.
    """

    layers: tuple[int, ...]
    sources: tuple[int, ...]
    lacking: tuple[str, ...]
    double: tuple[str, ...]
    losses: int
    measures: int
    fed: bool
    """Whether a layer with data is among the sources (an Input has none)."""

    @property
    def whole(self) -> bool:
        """Whether data come in, and every blob that is read is made once."""
        return bool(self.sources) and not self.lacking and not self.double

    @property
    def learns(self) -> bool:
        """Whether data with something to compare answers with come in: the net can be trained or tested."""
        return self.whole and self.fed and bool(self.losses or self.measures)

    @property
    def answers(self) -> bool:
        """Whether nothing is compared with a label."""
        return not self.losses and not self.measures


def held(net: Any, state: Any) -> Held:
    """What ``net`` (an upgraded NetParameter) holds in ``state``."""
    here = [index for index, layer in enumerate(net.layer) if included(layer, state)]
    elsewhere = {top for index, layer in enumerate(net.layer) if index not in here for top in layer.top}
    made: set[str] = set()
    lacking: dict[str, None] = {}
    double: dict[str, None] = {}
    sources: list[int] = []
    losses = measures = 0
    fed = False
    for index in here:
        layer = net.layer[index]
        cls = registry.find(layer.type)
        lacking.update((blob, None) for blob in layer.bottom if blob not in made and blob in elsewhere)
        if not layer.bottom and layer.top and (cls is None or cls.source):
            sources.append(index)
            double.update((top, None) for top in layer.top if top in made)
            fed = fed or layer.type != "Input"
        losses += bool(cls.loss if cls is not None else layer.type.endswith("Loss"))
        measures += layer.type == "Accuracy"
        made.update(layer.top)
    return Held(tuple(here), tuple(sources), tuple(lacking), tuple(double), losses, measures, fed)


def stage_sets(net: Any) -> list[Stages]:
    """The sets of stages that rules of ``net`` ask for together, in the order of the file, then pairs of these."""
    found = _asked_together(net)
    pairs = {tuple(dict.fromkeys((*one, *two))): None for one, two in combinations(found[:MOST], 2)}
    return list({**dict.fromkeys(found), **pairs})


def _asked_together(net: Any) -> list[Stages]:
    found: dict[Stages, None] = {}
    for layer in net.layer:
        for rule in (*layer.include, *layer.exclude):
            if rule.stage:
                found[tuple(dict.fromkeys(rule.stage))] = None
            found.update(((stage,), None) for stage in rule.not_stage)
    return list(found)


def stage_names(net: Any) -> list[str]:
    """Every stage that ``net`` names."""
    return list(dict.fromkeys(stage for stages in stage_sets(net) for stage in stages))


def state_of(definition: Definition, phase: int, answering: bool = False) -> Any:
    """The NetState that ``definition`` is read in: with the stages and level asked for, else with those it needs.

    ``answering``: the net is read for its answers alone, without labels.
    """
    net = definition.message
    if definition.stages or definition.level:
        return net_state(net, phase, definition.level, definition.stages)
    if definition.solver_stages.get(phase) and not answering:
        return net_state(net, phase, stages=definition.solver_stages[phase])
    return net_state(net, phase, stages=choice(net, phase, answering))


def choice(net: Any, phase: int, answering: bool = False) -> Stages:
    """The stages in which ``net`` is whole in ``phase``; none where it is so without any, or in no stage at all.

    A net whose own `state` names stages is in those.
    """
    candidates = stage_sets(net)
    if not candidates or net.state.stage:
        return ()
    plain = held(net, net_state(net, phase))
    looks = {stages: held(net, net_state(net, phase, stages=stages)) for stages in candidates}
    if answering:
        plain_answers = plain.whole
        fitting = [stages for stages, one in looks.items() if one.answers and _feeders(net, one, phase) is not None]
        if plain_answers:
            fitting = [stages for stages in fitting if DEPLOY in stages]
        if fitting:
            return min(fitting, key=lambda stages: (DEPLOY not in stages, len(stages), candidates.index(stages)))
    if plain.learns:
        return ()
    learning = [stages for stages, one in looks.items() if one.learns]
    if learning:
        return min(learning, key=lambda stages: (*_unlikely(stages, looks[stages], phase), candidates.index(stages)))
    whole = [] if plain.whole else [stages for stages, one in looks.items() if one.whole]
    return min(whole, key=lambda stages: (len(stages), DEPLOY not in stages), default=())


def _unlikely(stages: Stages, one: Held, phase: int) -> tuple[bool | int, ...]:
    """How unlikely ``stages`` are those of ``phase``, by what they are called and what they measure."""
    wanted, other = (TRAINS, TESTS) if phase == TRAIN else (TESTS, TRAINS)
    called = any(word in stage.lower() for word in wanted for stage in stages)
    opposite = any(word in stage.lower() for word in other for stage in stages)
    measured = bool(one.measures) if phase == TRAIN else not one.measures
    return opposite, not called, measured, not one.losses if phase == TRAIN else 0, len(stages)


def _feeders(net: Any, one: Held, phase: int) -> list[int] | None:
    """Data layers outside a state that make all that it lacks; None where none do, or it is not whole even so."""
    if one.whole:
        return []
    if one.sources or one.double or not one.lacking or not one.answers:
        return None
    outside = [index for index in range(len(net.layer)) if index not in one.layers and _is_source(net.layer[index])]
    for other in (TEST, TRAIN) if phase == TEST else (TRAIN, TEST):
        stages = choice(net, other)
        here = set(held(net, net_state(net, other, stages=stages)).layers)
        for some in ([i for i in outside if i in here], outside):
            chosen: dict[int, None] = {}
            for blob in one.lacking:
                makers = [index for index in some if blob in net.layer[index].top]
                if not makers:
                    break
                chosen[makers[0]] = None
            else:
                return sorted(chosen)
    return None


def _is_source(layer: Any) -> bool:
    cls = registry.find(layer.type)
    return bool(layer.top) and not layer.bottom and (cls is None or cls.source)


def settled(definition: Definition, phase: int, answering: bool = False, notes: list[str] | None = None) -> Definition:
    """``definition`` whose own `state` holds the stages and level of ``state_of``, for whoever runs it in ``phase``.

    In a state that only answers and has no data layer, the data layers of testing (of training, where there are none)
    give its inputs. ``notes`` hears which stages were chosen, where none were asked for.
    """
    net = checked(definition).message
    asked = bool(definition.stages or definition.level)
    state = state_of(definition, phase, answering)
    stages, own = list(state.stage), list(net.state.stage)
    edits: list[Edit] = []
    if stages != own:
        edits.append(SetField(("state", "stage"), stages))
    if state.level != net.state.level:
        edits.append(SetField(("state", "level"), int(state.level)))
    edits += _fed(net, state, phase)
    if notes is not None and not asked and stages != own:
        notes.append(_choice_note(stages[len(own) :]))
    return editor.apply(definition, edits).within((), 0) if edits else definition.within((), 0)


def _choice_note(stages: Iterable[str]) -> str:
    """A note of stages that the file made necessary."""
    several = [f"`{stage}`" for stage in stages]
    word = "stage" if len(several) == 1 else "stages"
    return f"read in {word} {' and '.join(several)}, which the net's rules name (--stage: another one)"


def notices(definition: Definition, answering: bool = False) -> list[str]:
    """A notice of the stages in which passes saw ``definition``; none where they were asked for, or not needed."""
    if definition.stages or definition.level:
        return []
    seen = ((TEST, True),) if answering else ((TRAIN, False), (TEST, False))
    texts = {phase: filter_.state_text(state_of(definition, phase, only)) for phase, only in seen}
    more = [text for phase, text in texts.items() if text != PHASE_NAMES[phase]]
    return [f"the net was seen in {' and '.join(more)}, which its rules name (--stage: another one)"] if more else []


def _fed(net: Any, state: Any, phase: int) -> list[Edit]:
    """Edits that let data layers from outside ``state`` feed it, where it has none and only answers."""
    edits: list[Edit] = []
    for index in _feeders(net, held(net, state), phase) or ():
        layer = net.layer[index]
        if layer.include:
            rule = NetStateRule(stage=list(state.stage))
            edits.append(SetField(("layer", index, "include", len(layer.include)), rule))
        else:
            edits.append(ClearField(("layer", index, "exclude")))
    return edits


def phased(definition: Definition, notes: list[str] | None = None) -> Definition:
    """``definition`` with phases in the place of stages: what a solver without states trains and tests.

    Layers that are in neither the state for training nor that for testing go. A net that needs no stages stays as it
    is.
    """
    states = [state_of(checked(definition), phase) for phase in (TRAIN, TEST)]
    more = [tuple(state.stage)[len(definition.message.state.stage) :] for state in states]
    if not any(more) and not definition.level:
        return definition.within((), 0)
    if notes is not None and not (definition.stages or definition.level):
        notes.append(_choice_note(dict.fromkeys(stage for stages in more for stage in stages)))
    for state in states:
        definition = with_feeders(definition, state)
    net = definition.message
    clear: list[Edit] = []
    edits: list[Edit] = []
    for index, layer in enumerate(net.layer):
        phases = [int(state.phase) for state in states if included(layer, state)]
        if not phases:
            edits.append(DeleteLayer(index))
        elif layer.include or layer.exclude:
            clear += [ClearField(("layer", index, name)) for name in ("include", "exclude") if getattr(layer, name)]
            if len(phases) == 1:
                edits.append(SetField(("layer", index, "include", 0), NetStateRule(phase=phases[0])))
    return editor.apply(editor.apply(definition, clear), edits).within((), 0)


@dataclass(frozen=True)
class Judged:
    """A state that a net is to be judged in, the ``definition`` to build there, and what is worth a ``notice``."""

    definition: Definition
    state: Any
    notice: str = ""


def judged(definition: Definition) -> list[Judged]:
    """The states that the file itself names and is whole in, each with the definition that is read in it.

    A state of the same layers as an earlier one is left out. A layer that is in no such state brings the one in which
    it lacks the least. A net that names no stage is judged in both phases.
    """
    net = definition.message
    asked = definition.stages or definition.level
    checked(definition)
    singles = _asked_together(net)
    if asked or net.state.stage or not singles:
        return [
            Judged(with_feeders(definition, state), state)
            for state in (net_state(net, phase, definition.level, definition.stages) for phase in (TRAIN, TEST))
        ]
    broken: list[tuple[Any, Held]] = []
    seen: set[int] = set()
    whole: dict[tuple[int, ...], Judged] = {}
    for stages in ((), *stage_sets(net)):
        looks = {phase: held(net, net_state(net, phase, stages=stages)) for phase in (TRAIN, TEST)}
        tests = bool(stages) and (bool(looks[TEST].measures) or looks[TEST].answers)
        for phase in (TEST, TRAIN) if tests else (TRAIN, TEST):
            state, one = net_state(net, phase, stages=stages), looks[phase]
            new = [index for index in one.layers if index not in seen]
            if not (one.whole or _feeders(net, one, phase) is not None):
                broken.append((state, one))
            elif one.layers not in whole and (stages in singles or not stages or new):
                notice = "" if stages in singles or not stages else _only_together(net, new, stages, broken)
                whole[one.layers] = Judged(with_feeders(definition, state), state, notice)
                seen.update(one.layers)
    result = list(whole.values())
    for state, one in sorted(broken, key=lambda pair: (not pair[1].sources, len(pair[1].lacking))):
        if not seen.issuperset(one.layers):
            result.append(Judged(with_feeders(definition, state), state))
            seen.update(one.layers)
    return result


def worth(judged_: list[Judged]) -> list[Judged]:
    """Those of ``judged`` to report on: a phase without any data layer is left out, unless there is no other."""
    kept = [one for one in judged_ if one.state.stage or _has_data(one.definition.message, one.state)]
    return kept or judged_[-1:]


def _has_data(net: Any, state: Any) -> bool:
    """Whether ``net`` has a data layer in ``state``, be it one that cannot be planned."""
    here = [layer for layer in net.layer if included(layer, state)]
    return any(_is_source(one) or getattr(registry.find(one.type), "source", False) for one in here)


def _only_together(net: Any, new: list[int], stages: Stages, broken: list[tuple[Any, Held]]) -> str:
    """What to say of the layers ``new``, which are whole only in stages that no rule asks for together."""
    names = ", ".join(f"`{net.layer[index].name}`" for index in new)
    alone = [(state, one) for state, one in broken if set(new) <= set(one.layers) and one.lacking]
    why = ""
    if alone:
        state, one = min(alone, key=lambda pair: (len(pair[0].stage), len(pair[1].lacking)))
        why = f"; in {filter_.state_text(state)} nothing makes {', '.join(f'`{blob}`' for blob in one.lacking)}"
    return f"{names} fit{'s' if len(new) == 1 else ''} only where stages {' and '.join(stages)} are given together{why}"


def with_feeders(definition: Definition, state: Any) -> Definition:
    """``definition`` with data layers that feed ``state``, where it only answers and has none."""
    edits = _fed(definition.message, state, int(state.phase))
    return editor.apply(definition, edits) if edits else definition


def checked(definition: Definition) -> Definition:
    """``definition``; UserError for a stage asked for that no layer of it names."""
    known = [*stage_names(definition.message), *definition.message.state.stage]
    for stage in definition.stages:
        if stage not in known:
            near = did_you_mean(stage, known)
            raise UserError(
                "no layer of the net names this stage",
                where=Location(str(definition.path)),
                received=f"--stage {stage}",
                remedy=(f"did you mean --stage {shell.word(near)}? " if near else "")
                + (f"its rules name {', '.join(dict.fromkeys(known))}" if known else "remove it: the net names none"),
            )
    return definition
