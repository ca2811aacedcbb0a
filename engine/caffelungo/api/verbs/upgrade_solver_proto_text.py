"""`lungo upgrade_solver_proto_text`."""

from __future__ import annotations

from caffelungo.api import values
from caffelungo.api.values import Name
from caffelungo.api.verbs._upgrading import UpgradeReport, upgraded


def upgrade_solver_proto_text(source: Name, target: Name) -> UpgradeReport:
    """Write an old solver as today's Caffe writes it, its comments kept.

    UserError for a file that cannot be read.

    >>> cl.upgrade_solver_proto_text("mine/solver.prototxt", "same.prototxt").notes
    []
    """
    from caffelungo.definition.reader import read_solver

    return upgraded(read_solver(values.path(source) or ""), target)
