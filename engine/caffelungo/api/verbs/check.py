"""`lungo check`."""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.api import values
from caffelungo.api.values import Name, Settings, Words
from caffelungo.api.verb_report import DataTable, VerbReport
from caffelungo.errors import Problem, UserError


@dataclass(frozen=True, repr=False)
class CheckReport(VerbReport):
    """What was looked at, a row per file, and every problem found: a report is true when there is none."""

    files: DataTable
    problems: list[Problem]
    notices: list[str]

    def __bool__(self) -> bool:
        return not self.problems

    def raise_problems(self) -> None:
        """UserError with all problems, if there are any."""
        if self.problems:
            raise UserError(self.problems)


def check(
    files: Name | list[Name],
    *,
    set: Settings | None = None,
    level: int = 0,
    stage: Words | None = None,
) -> CheckReport:
    """Find everything that is wrong with nets, solvers, lists of pictures, weights and databases; nothing is run.

    ``files`` is one path or several. Unlike other functions this one returns problems instead of raising them, each
    with ``what``, ``where`` (file, line, column), ``received`` and ``remedy``.

    UserError for a file that is not there.

    >>> bool(cl.check("mine/solver.prototxt"))
    True
    >>> [problem.remedy for problem in cl.check("wrong.prototxt").problems]
    ['did you mean `InnerProduct`?']
    """
    values.judge("check", locals())
    from caffelungo.check.files import check as run

    report = run(values.paths(files), values.variables(set), stages=values.listed(stage), level=level)
    rows = ({"file": str(one.path), "kind": one.kind, "summary": one.summary} for one in report.files)
    return CheckReport(DataTable(rows), list(report.problems), list(report.notices))
