"""What a recipe changes of the solver: ``solver { name: "base_lr" value: "0.0005" }`` as edits of its file."""

from __future__ import annotations

from caffelungo.definition import solver_settings
from caffelungo.definition.edits import Edit, SetField
from caffelungo.definition.fields import message_info
from caffelungo.definition.numeric import range_problems
from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import SolverParameter
from caffelungo.errors import Problem, UserError, did_you_mean


def solver_edits(definition: Definition, problems: list[Problem] | None = None) -> list[Edit]:
    """The changes of the solver that a recipe asks for; mistakes are raised, or added to ``problems``."""
    found: list[Problem] = []
    edits: list[Edit] = []
    info = message_info(SolverParameter.DESCRIPTOR.full_name)
    for k, setting in enumerate(definition.message.solver):
        known = info.fields.get(setting.name)
        if known is None or known.kind == "message":
            near = did_you_mean(setting.name, [name for name, other in info.fields.items() if other.kind != "message"])
            found.append(
                Problem(
                    "the solver has no such field",
                    definition.where("solver", k, "name"),
                    setting.name or "no name",
                    f"did you mean `{near}`?" if near else "name a field of the solver, such as base_lr",
                )
            )
            continue
        place = definition.where("solver", k, "value")
        try:
            value = solver_settings.value((setting.name,), setting.value)
            edits.append(SetField((setting.name,), value))
            found += range_problems(SolverParameter(**{setting.name: value}), lambda *path, place=place: place)
        except UserError as error:
            found += [Problem(one.what, place, one.received, one.remedy) for one in error.problems]
    if problems is not None:
        problems += found
    elif found:
        raise UserError(found)
    return edits
