"""Which layers of a net belong to a state: phase, level and stages, by include and exclude rules.

Caffe: Net::FilterNet and Net::StateMeetsRule.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from caffelungo.definition.schema import PHASE_NAMES, NetState


def net_state(net: Any, phase: int, level: int = 0, stages: Iterable[str] = (), solver_state: Any = None) -> Any:
    """The NetState a net is built in: ``phase``, merged with ``net.state``, then with the solver's state and the flags.

    Stages are concatenated; a net that itself sets ``state { phase: TEST }`` is built so even as a train net.
    """
    state = NetState(phase=phase)
    state.MergeFrom(net.state)
    if solver_state is not None:
        state.MergeFrom(solver_state)
    if level:
        state.level = level
    state.stage.extend(stage for stage in stages if stage)
    return state


def state_text(state: Any) -> str:
    """``state`` for people: ``TEST``, ``TRAIN with stage train``."""
    stages = list(dict.fromkeys(state.stage))
    parts = [f"stage{'s' if len(stages) > 1 else ''} {', '.join(stages)}"] if stages else []
    parts += [f"level {state.level}"] if state.level else []
    return " with ".join([PHASE_NAMES[state.phase], *([" and ".join(parts)] if parts else [])])


def meets(state: Any, rule: Any) -> bool:
    """Whether ``state`` fulfils every condition of one NetStateRule."""
    stages = set(state.stage)
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and all(stage in stages for stage in rule.stage)
        and not any(stage in stages for stage in rule.not_stage)
    )


def included(layer: Any, state: Any) -> bool:
    """Whether ``layer`` is part of the net in ``state``: any include rule met, or no exclude rule met."""
    if layer.include:
        return any(meets(state, rule) for rule in layer.include)
    return not any(meets(state, rule) for rule in layer.exclude)
