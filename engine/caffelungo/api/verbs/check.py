"""`lungo check`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffelungo.api import values
from caffelungo.api.values import Name, Settings, Words
from caffelungo.api.verb_report import DataTable, VerbReport
from caffelungo.errors import Problem, UserError


@dataclass(frozen=True, repr=False)
class CheckReport(VerbReport):
    """What was looked at, a row per file, and every problem found: a report is true when there is none.

    ``files``: a row per file: its kind and a summary.
    ``problems``: every problem found.
    ``notices``: what was done differently from what could be expected.
    """

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
    files: Name | Sequence[Name],
    *,
    set: Settings | None = None,
    level: int = 0,
    stage: Words | None = None,
    no_data: bool = False,
    sarif: Name | None = None,
) -> CheckReport:
    """Find everything that is wrong with nets, solvers, lists of pictures, weights and databases; nothing is run.

    ``files`` is one path or several. Unlike other functions this one returns problems instead of raising them, each
    with ``what``, ``where`` (file, line, column), ``received`` and ``remedy``. ``sarif`` is a file to write them
    to as SARIF 2.1.0. With ``no_data`` the pictures, databases, means and weights that files name are not looked at.

    UserError for a file that is not there.

    >>> bool(cl.check("mine/solver.prototxt"))
    True
    >>> [str(problem.where) for problem in cl.check("wrong.prototxt").problems]
    ['wrong.prototxt:2:26']
    """
    values.judge("check", locals())
    from caffelungo import files as files_
    from caffelungo.check.files import check as run
    from caffelungo.check.sarif import sarif as log
    from caffelungo.report import json_output

    if sarif is not None:
        json_output.refuse(values.path(sarif) or "", None, "--sarif")
    report = run(
        values.paths(files), values.variables(set), stages=values.listed(stage), level=level, data=not no_data
    )  # fmt: skip
    if sarif is not None:
        files_.write_text(values.path(sarif) or "", json_output.text(log(report)))
    rows = ({"path": str(one.path), "kind": one.kind, "summary": one.summary} for one in report.files)
    return CheckReport(DataTable(rows), list(report.problems), list(report.notices))
