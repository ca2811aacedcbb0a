"""`lungo extract_features`."""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.api import values
from caffelungo.api.values import Name, Settings, Words
from caffelungo.api.verb_report import VerbReport


@dataclass(frozen=True, repr=False)
class DatabasesReport(VerbReport):
    """The databases written, with the number of records in each.

    ``records``: the number of records by database.
    """

    records: dict[str, int]


def extract_features(
    weights: Name,
    net: Name,
    blobs: Words,
    databases: Words,
    batches: int,
    db_type: str,
    mode: str = "CPU",
    device_id: str = "0",
    *,
    set: Settings | None = None,
    overwrite: bool = False,
) -> DatabasesReport:
    """Write blobs of a net into LMDB databases of float Datums, as Caffe's tool does: one database per blob.

    ``net`` is a prototxt with the data layer to read, of which ``batches`` are run; ``mode`` CPU or GPU. The arguments
    are those of ``lungo extract_features``.

    UserError with everything that is wrong with the net, the weights or the data.

    >>> net, weights = "mine/train_val.prototxt", "mine/start.caffemodel"
    >>> made = cl.extract_features(weights, net, "fire9/concat", "fire9_lmdb", 1, "lmdb")
    >>> made.records
    {'fire9_lmdb': 3}
    """
    values.judge("extract_features", locals())
    from caffelungo.features.extract_features import Arguments
    from caffelungo.features.extract_features import extract_features as run

    given = Arguments(
        weights=values.path(weights) or "", net=values.path(net) or "", blobs=values.words(blobs),
        databases=values.words(databases), batches=batches, db_type=db_type, mode=mode, device_id=device_id,
        variables=values.variables(set), overwrite=overwrite,
    )  # fmt: skip
    return DatabasesReport({str(path): count for path, count in run(given).items()})
