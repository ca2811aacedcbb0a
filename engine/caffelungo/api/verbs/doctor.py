"""`lungo doctor`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from caffelungo.api.verb_report import DataTable, VerbReport


@dataclass(frozen=True, repr=False)
class DoctorReport(VerbReport):
    """What this machine can do, a row per finding; true when nothing is broken. ``facts`` are the details.

    ``findings``: a row per finding with its state.
    ``well``: whether nothing is broken.
    """

    findings: DataTable
    well: bool
    facts: dict[str, Any] = field(repr=False)

    def __bool__(self) -> bool:
        return self.well


def doctor() -> DoctorReport:
    """Try what this machine can do: PyTorch and ONNX Runtime each compute a convolution on each device.

    Nothing is raised for what does not work: it is a finding, with its remedy.

    >>> found = cl.doctor()
    >>> len(found.findings) > 0
    True
    """
    from caffelungo.inference.doctor import BAD, judge
    from caffelungo.inference.machine_facts import examine

    facts = examine()
    findings = judge(facts)
    return DoctorReport(
        DataTable(asdict(one) for one in findings), not any(one.state == BAD for one in findings), asdict(facts)
    )
