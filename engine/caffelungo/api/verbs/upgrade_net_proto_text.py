"""`lungo upgrade_net_proto_text`."""

from __future__ import annotations

from caffelungo.api import values
from caffelungo.api.values import Name
from caffelungo.api.verbs._upgrading import UpgradeReport, upgraded


def upgrade_net_proto_text(source: Name, target: Name) -> UpgradeReport:
    """Write an old net definition (V0, V1, ``input_dim`` ...) as today's Caffe writes it, its comments kept.

    UserError for a file that cannot be read.

    >>> cl.upgrade_net_proto_text("old.prototxt", "new.prototxt").notes != []
    True
    """
    from caffelungo.definition.reader import read_net

    return upgraded(read_net(values.path(source) or ""), target)
