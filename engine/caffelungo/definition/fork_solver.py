"""What to do about fields and policies of solvers that forks of Caffe added: what does the same here, or that nothing
does. A field is to be deleted only where that leaves the training as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from caffelungo.errors import Problem

_NEITHER = "without it the training differs: remove it only if that is intended"
_MEASURES = "delete it: it tests detectors, and does not change the training"
_SHOWN = "delete it: it controls when tests run or what is shown, and does not change the training"
_STORED = "delete it: weights and updates are float32 here, and `lungo { weights_format: ... }` sets the file format"
_LIBRARY = "delete it: it chooses a library, and does not change the training"
_MOMENTUM = f"not offered: momentum is the same in every iteration; {_NEITHER}"
_DECAY = f"not offered: weight_decay is the same in every iteration; {_NEITHER}"
_LAYERWISE = (
    f"not offered: the rate of a layer does not depend on its gradient; `param {{ lr_mult: ... }}` sets it; {_NEITHER}"
)
_CLIPPED = f"not offered: weights are not clipped; {_NEITHER}"
_ADAM = f'not offered: the update rules are those of Caffe and type: "AdamW"; {_NEITHER}'
_RESTARTS = f'the rate does not start again here: lr_policy: "cosine" falls once, until max_iter; {_NEITHER}'
_PLATEAU = (
    'lr_policy "plateau" is not offered: write lr_policy: "multistep" with the iterations at which the rate is to fall '
    '(`stepvalue:`), or lr_policy: "cosine"; `lungo { early_stop: 5 }` ends a run whose tests no longer improve'
)
_STAGES = (
    'lr_policy "multifixed" is not offered: write lr_policy: "multistep" where each stage has `gamma` times the rate '
    "of the one before, else a solver for each stage that starts from the weights of the last"
)
_WARMUP = "write `lungo { warmup_iter: N warmup_start: S }`, S being warmup_start_lr / base_lr"
_RAMPUP = "write `lungo { warmup_iter: N warmup_start: S }`, N being rampup_interval and S rampup_lr / base_lr"
_SQUARE = "; the rate rises evenly, where NVCaffe's rises with the square"
_CURVED = "; the rate rises to that of the policy in each iteration, where the fork's rises to base_lr"
_FLOOR = (
    'write lr_policy: "cosine" and `lungo { cosine_floor: F }`, F being min_lr / base_lr: no other policy ends above 0'
)

FIELDS: dict[str, tuple[str | None, str]] = {
    **dict.fromkeys(("eval_type", "ap_version", "show_per_class_result"), (None, _MEASURES)),
    **dict.fromkeys(
        ("test_offset", "test_before_snapshot", "log_avg_gradient_norm", "test_and_snapshot_last_epochs"),
        (None, _SHOWN),
    ),
    **dict.fromkeys(("solver_data_type", "store_blobs_in_old_format"), (None, _STORED)),
    "engine": (None, _LIBRARY),
    "disabled_update": ("false", f"not offered; {_NEITHER}"),
    "richness": (None, f"not offered; {_NEITHER}"),
    "warmup_iter": ("0", _WARMUP),
    "warmup_start_lr": (None, _WARMUP),
    "rampup_interval": ("0", _RAMPUP + _SQUARE),
    "rampup_lr": (None, _RAMPUP + _SQUARE),
    "min_lr": ("0", _FLOOR),
    "plateau_winsize": (None, _PLATEAU),
    **dict.fromkeys(("stagelr", "stageiter"), (None, _STAGES)),
    **dict.fromkeys(("lr_mult", "p_mult", "period"), (None, _RESTARTS)),
    "momentum_policy": ("fixed", _MOMENTUM),
    **dict.fromkeys(("max_momentum", "momentum_power"), (None, _MOMENTUM)),
    "weight_decay_policy": ("fixed", _DECAY),
    **dict.fromkeys(("max_weight_decay", "weight_decay_power"), (None, _DECAY)),
    **dict.fromkeys(("larc", "larc_turbo", "local_lr_auto"), ("false", _LAYERWISE)),
    **dict.fromkeys(("larc_policy", "larc_eta", "local_gw_ratio"), (None, _LAYERWISE)),
    "clip_weights": ("-1", _CLIPPED),
    "clamp_weights_lower": ("-999999.9", _CLIPPED),
    "clamp_weights_upper": ("999999.9", _CLIPPED),
    **dict.fromkeys(("amsgrad", "adabelief", "lookahead", "gc"), ("false", _ADAM)),
    **dict.fromkeys(("rectified", "lookahead_steps", "lookahead_alpha"), (None, _ADAM)),
    **dict.fromkeys(("decoupled_wd_t0", "decoupled_wd_mult"), (None, _ADAM)),
    "lr_dropout": ("1", _ADAM),
}
"""Field of a fork's solver -> the value that changes nothing in every fork that has it (None: there is none), and what
to do about others."""

POLICIES = {"plateau": _PLATEAU, "multifixed": _STAGES, "sgdr": _RESTARTS}
"""Policy of forks -> what to do about it."""

_CHANGING = ("exp", "inv", "poly", "sigmoid", "cosine")
"""Policies whose rate is another one in each iteration."""
_STARTS = (("warmup_iter", "warmup_start_lr", _WARMUP, ""), ("rampup_interval", "rampup_lr", _RAMPUP, _SQUARE))


def remedy(field: str) -> str:
    """What to do about ``field``, whatever its value."""
    return FIELDS[field][1] if field in FIELDS else f"not offered; {_NEITHER}"


def with_values(problems: list[Problem], written: Mapping[str, str], message: Any) -> list[Problem]:
    """``problems`` of a solver whose remedies say the numbers to write, where these follow from the file.

    ``written``: the text of each field that the solver ``message`` does not have.
    """
    values = {field: _value(text) for field, text in written.items() if field in FIELDS}
    todo = {field: remedy for field in values if (remedy := _computed(field, values, message))}
    return [
        replace(one, remedy=todo[field]) if (field := (one.received or "").partition(",")[0]) in todo else one
        for one in problems
    ]


def _computed(field: str, values: Mapping[str, str], message: Any) -> str | None:
    usual = FIELDS[field][0]
    if usual is not None and _same(values[field], usual):
        return f"delete it: {field} {usual} changes nothing"
    for length, start, _, rises in _STARTS:
        if field in (length, start):
            if length not in values or _number(values[length]) == 0:
                return f"delete it: without {length} it changes nothing"
            share = _share(values.get(start, "0"), message)
            iterations = _number(values[length])
            if share is None or iterations is None:
                return None
            curved = _CURVED if message.lr_policy in _CHANGING and not rises else ""
            block = f"lungo {{ warmup_iter: {iterations:.0f} warmup_start: {share:g} }}"
            return f"write `{block}` instead of both{rises}{curved}"
    if field == "min_lr" and (share := _share(values[field], message)) is not None:
        return _FLOOR.replace("cosine_floor: F }`, F being min_lr / base_lr:", f"cosine_floor: {share:g} }}`:")
    return None


def _share(rate: str, message: Any) -> float | None:
    number = _number(rate)
    if number is None or not message.HasField("base_lr") or message.base_lr <= 0:
        return None
    share = float(f"{number / message.base_lr:.6g}")  # base_lr is a float32: no more digits than it has
    return share if 0 <= share <= 1 else None


def _value(text: str) -> str:
    return re.sub(r"^\w+\s*:?\s*|[\s,;]+$", "", text).strip("\"'")


def _number(text: str) -> float | None:
    try:
        return float(text.rstrip("fF"))
    except ValueError:
        return None


def _same(one: str, other: str) -> bool:
    numbers = _number(one), _number(other)
    return one == other or (None not in numbers and numbers[0] == numbers[1])
