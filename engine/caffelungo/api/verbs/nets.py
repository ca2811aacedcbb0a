"""`lungo nets`."""

from __future__ import annotations

from dataclasses import dataclass, field

from caffelungo.api import values
from caffelungo.api.values import Name, Settings
from caffelungo.api.verb_report import DataTable, Text, VerbReport
from caffelungo.errors import UserError


@dataclass(frozen=True, repr=False)
class NetsReport(VerbReport):
    """The nets that ship, the card of one, or the files of a copy, as it was asked for.

    ``nets``: a row per net: name, family, whether it comes with weights, and a summary.
    ``card``: the card of one net.
    ``files``: the files of a copy.
    """

    nets: DataTable = field(default_factory=DataTable)
    card: Text = field(default=Text(""))
    files: list[str] = field(default_factory=list)


def nets(
    action: str = "list", name: str | None = None, *, output: Name | None = None, set: Settings | None = None
) -> NetsReport:
    """List the nets that ship, show the card of one, or copy one to a folder (``output``, by default its name).

    UserError for an unknown name or action, and for files that exist.

    >>> cl.nets().nets.columns["name"][:3]
    ['lenet', 'cifar10_quick', 'cifar10_full']
    >>> cl.nets("copy", "lenet", output="own").files
    ['own/train_val.prototxt', 'own/deploy.prototxt', 'own/solver.prototxt']
    """
    from caffelungo.definition import catalogue

    if action == "list":
        found = (catalogue.find(one) for one in catalogue.names())
        rows = ({"name": one.name, "family": one.family, "weights": one.weights is not None, "about": one.summary}
                for one in found)  # fmt: skip
        return NetsReport(DataTable(rows))
    if action not in ("show", "copy"):
        raise UserError("unknown action", received=action, remedy="one of list, show and copy")
    if name is None:
        raise UserError("which net?", received=f"lungo nets {action}", remedy=f'as cl.nets("{action}", "caffenet")')
    if action == "show":
        return NetsReport(card=Text(catalogue.find(name).card))
    copied = catalogue.copy(name, values.path(output) or name, values.variables(set))
    return NetsReport(files=[str(path) for path in copied])
