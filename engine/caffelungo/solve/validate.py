"""What is wrong with a solver file, found before anything is loaded. No torch.

Caffe: the CHECKs of Solver::Init, of the solvers' constructors and of GetLearningRate, found here all at once.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from caffelungo.definition import fork_solver
from caffelungo.definition.numeric import range_problems
from caffelungo.errors import Problem, did_you_mean
from caffelungo.layers.base import shape_text
from caffelungo.passes.unknown_layer import suggestion
from caffelungo.plan.build_plan import Where
from caffelungo.plan.plan import Plan
from caffelungo.solve.rate_policy import Need, missing, policies
from caffelungo.wording import counted

TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")
NETS = ("net_param", "train_net_param", "test_net_param")
"""Fields that hold a net, whose numbers its plan judges."""
CAFFE_RULES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
ENTRY_POINTS = "caffelungo.solvers"
"""The entry point group through which other packages add update rules (see ``lr_mult.Update``)."""


def rule_names() -> list[str]:
    """Every known value of the solver's ``type``: Caffe's six and those that entry points add (not imported here)."""
    return [*CAFFE_RULES, *(point.name for point in entry_points(group=ENTRY_POINTS))]


def count_test_nets(solver: Any) -> int:
    """How many test nets a SolverParameter asks for.

    The ones named by ``test_net`` and ``test_net_param``, plus as many of the shared net as ``test_iter`` asks beyond
    them; a shared net without ``test_iter`` is tested once (on its whole set) when ``test_interval`` is set.
    """
    named = len(solver.test_net) + len(solver.test_net_param)
    shared = solver.HasField("net") or solver.HasField("net_param")
    if not shared:
        return named
    if solver.test_iter:
        return max(named, len(solver.test_iter))
    return named + (1 if solver.test_interval > 0 and not named else 0)


def solver_problems(solver: Any, where: Where, *, whole: bool = True) -> list[Problem]:
    """Every problem of ``solver``, an upgraded SolverParameter, but for those of nets inside it.

    A field that lacks is reported at the one that needs it. Without ``whole`` fields may lack that the file has, and
    nothing is said to lack.
    """
    return [
        *range_problems(solver, where, skip=NETS), *_train_net(solver, where, whole),
        *_test_nets(solver, where, whole), *_policy(solver, where, whole), *_rule(solver, where),
        *_names(solver, where), *_held(solver, where),
    ]  # fmt: skip


def _given(s: Any, field: str) -> bool:
    """Whether the file says something of ``field``."""
    return bool(getattr(s, field)) if s.DESCRIPTOR.fields_by_name[field].is_repeated else bool(s.HasField(field))


def _at(where: Where, s: Any, *fields: str) -> Any:
    """The place of the first of ``fields`` that the file has; that of the whole solver where it has none."""
    return next((place for field in fields if _given(s, field) and (place := where(field))), None) or where()


def _train_net(s: Any, where: Where, whole: bool) -> list[Problem]:
    given = [name for name in TRAIN_FIELDS if s.HasField(name)]
    if len(given) == 1 or not (given or whole):
        return []
    return [
        Problem(
            "a solver names its train net in exactly one field",
            _at(where, s, *given[1:]),
            " and ".join(given) or "none of them",
            f"keep one of {', '.join(TRAIN_FIELDS)}",
        )
    ]


def _test_nets(s: Any, where: Where, whole: bool) -> list[Problem]:
    problems = []
    count = count_test_nets(s)
    named = len(s.test_net) + len(s.test_net_param)
    given = any(s.HasField(name) for name in TRAIN_FIELDS)
    if s.test_iter and len(s.test_iter) != count:
        problems.append(
            Problem(
                "test_iter must be given once for each test net, or not at all",
                _at(where, s, "test_iter"),
                f"{len(s.test_iter)} test_iter for {counted(count, 'test net')}",
                f"write {counted(count, '`test_iter:` line')}; without any, each whole set is tested once",
            )
        )
    if s.test_iter and not named and not (s.HasField("net") or s.HasField("net_param")) and given:
        problems.append(
            Problem(
                "test_iter is given but there is no test net",
                _at(where, s, "test_iter"),
                f"test_iter: {s.test_iter[0]}",
                "add `test_net:`, or name the net with `net:` instead of `train_net:`",
            )
        )
    if count and s.test_interval <= 0 and (whole or s.HasField("test_interval")):
        problems.append(
            Problem(
                "a solver with test nets needs test_interval > 0",
                _at(where, s, "test_interval", "test_iter", "test_net", "test_net_param"),
                f"test_interval: {s.test_interval}",
                "add `test_interval: 500`, or remove test_iter and test_net",
            )
        )
    if s.test_state and len(s.test_state) != count:
        problems.append(
            Problem(
                "test_state must be given once for each test net, or not at all",
                _at(where, s, "test_state"),
                f"{len(s.test_state)} test_state for {counted(count, 'test net')}",
                f"write {counted(count, '`test_state` block')}",
            )
        )
    extras = [name for name in ("early_stop", "keep_best", "watch") if getattr(s.lungo, name)]
    if extras and whole and not (count and (not s.test_iter or any(s.test_iter))):
        problems.append(
            Problem(
                f"{' and '.join(extras)} judge{'s' if len(extras) == 1 else ''} a run by its tests, and this solver "
                "runs none",
                where("lungo", extras[0]) or where("lungo") or where(),
                f"{extras[0]}: {_shown(getattr(s.lungo, extras[0]))}",
                "add `test_interval: 500` to the solver, or remove the field",
            )
        )
    return problems


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def _policy(s: Any, where: Where, whole: bool) -> list[Problem]:
    known, policy = policies(), s.lr_policy
    if not policy and not whole:
        return []
    if policy not in known:
        near = did_you_mean(policy, known) if policy else None
        several = ", ".join(known)
        listed = f'write lr_policy: "fixed", or another of: {several}' if not policy else f"use one of: {several}"
        remedy = fork_solver.POLICIES.get(policy)
        return [
            Problem(
                "unknown learning rate policy" if policy else "the solver has no lr_policy",
                _at(where, s, "lr_policy"),
                f'lr_policy: "{policy}"' if policy else None,
                remedy or (f'did you mean "{near}"?' if near else listed),
            ),
            *(missing(policy) if policy else []),
        ]
    problems = missing(policy)
    for need in (*known[policy].needs, _HAS_A_RATE):
        if not need.met(s) and (whole or _given(s, need.field)):
            what = need.message or f'lr_policy "{policy}" needs {need.what}'
            place = _at(where, s, need.field, "lr_policy")
            problems.append(Problem(what, place, _received(s, need.field), need.remedy))
    return problems


_HAS_A_RATE = Need(
    "base_lr", "base_lr", lambda solver: bool(solver.HasField("base_lr")),
    "write `base_lr: 0.001` for fine-tuning, `base_lr: 0.01` from scratch",
)  # fmt: skip
"""What every policy needs."""


def _received(s: Any, field: str) -> str:
    value = getattr(s, field)
    if not _given(s, field):
        return f"no {field}"
    if s.DESCRIPTOR.fields_by_name[field].is_repeated:
        return ", ".join(map(str, value))
    return f"{field}: {value:g}" if isinstance(value, int | float) else f"{field}: {value}"


def _rule(s: Any, where: Where) -> list[Problem]:
    rules = rule_names()
    if s.type not in rules:
        near = did_you_mean(s.type, rules)
        return [
            Problem(
                "unknown solver type",
                _at(where, s, "type"),
                f'type: "{s.type}"',
                f'did you mean "{near}"?' if near else f"use one of: {', '.join(rules)}",
            )
        ]
    problems = []
    if s.type in ("AdaGrad", "RMSProp") and s.momentum != 0:
        problems.append(
            Problem(
                f"momentum cannot be used with {s.type}",
                _at(where, s, "momentum"),
                f"momentum: {s.momentum:g}",
                'remove momentum, or use type: "SGD"',
            )
        )
    return problems


def _names(s: Any, where: Where) -> list[Problem]:
    problems = []
    if s.weight_decay != 0 and s.regularization_type not in ("L1", "L2"):
        problems.append(
            Problem(
                "unknown regularization type",
                _at(where, s, "regularization_type"),
                f'regularization_type: "{s.regularization_type}"',
                'use "L2" (the default) or "L1"',
            )
        )
    return problems


def holds(solver: Any) -> list[str]:
    """Which options that hold a net near its start are on: ``l2_sp``, ``delta``."""
    extras = solver.lungo
    return [name for name, on in (("l2_sp", extras.l2_sp > 0), ("delta", extras.delta.weight > 0)) if on
            and extras.HasField(name)]  # fmt: skip


def _held(s: Any, where: Where) -> list[Problem]:
    problems = []

    def bad(what: str, received: str, remedy: str, *path: str | int) -> None:
        place = where("lungo", *path) or where("lungo") or where()
        problems.append(Problem(what, place, received, remedy))

    extras = s.lungo
    layers = list(extras.delta.layer)
    if extras.HasField("delta") and not layers:
        bad("delta names no layer", "delta { }", 'add `layer: "conv5"`', "delta")
    for k, name in enumerate(layers):
        if name in layers[:k]:
            bad("delta names a layer twice", f'layer: "{name}"', "write it once", "delta", "layer", k)
    if extras.HasField("delta") and s.debug_info:
        bad("debug_info does not support delta", "debug_info and delta",
            "remove one of them", "delta")  # fmt: skip
    return problems


def delta_problems(s: Any, plan: Plan, where: Where) -> list[Problem]:
    """What is wrong with the layers that ``delta`` names; ``plan`` is that of the train net, ``where`` the solver's."""
    problems = []
    names = [planned.name for planned in plan.layers if not planned.layer.source]
    for k, name in enumerate(s.lungo.delta.layer):
        place = where("lungo", "delta", "layer", k) or where("lungo")
        found = next((planned for planned in plan.layers if planned.name == name), None)
        if found is None or found.layer.source:
            what = "the train net has no layer of this name" if found is None else "a data layer has no feature map"
            problems.append(Problem(what, place, f'layer: "{name}"', suggestion(name, names)))
        elif found.layer.type == "Dropout":
            problems.append(
                Problem("the frozen net has no Dropout", place, f'layer: "{name}"', "name the layer before it")
            )
        else:
            shape = found.top_shapes[0] if found.top_shapes else ()
            if shape is not None and len(shape) < 2:
                what = f"`{name}` ({found.layer.type}) makes no feature map with channels"
                problems.append(Problem(what, place, shape_text(shape), "name a Convolution or an InnerProduct"))
    return problems


def source_problem(s: Any, where: Where) -> Problem | None:
    """What to say when a net is to be held near its start and no weights say what that is; None when it is not."""
    on = holds(s)
    if not on:
        return None
    return Problem(
        f"{' and '.join(on)} hold{'s' if len(on) == 1 else ''} a net near its initial weights, and no weights are "
        "given",
        where("lungo", on[0]) or where("lungo") or where(),
        "no weights",
        "name the pre-trained weights with --weights, or remove it",
    )
