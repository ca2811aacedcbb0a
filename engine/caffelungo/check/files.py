"""Any files -> everything wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffelungo import files
from caffelungo.check import copies, kinds, learning, nets, pictures, solvers
from caffelungo.check.findings import Findings
from caffelungo.data import phase_differences
from caffelungo.data.image_list import Progress
from caffelungo.definition.partial import UnreadableError
from caffelungo.definition.reader import read_net, read_solver
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.definition.template import meant_for
from caffelungo.errors import Problem, UserError
from caffelungo.wording import counted


@dataclass(frozen=True)
class Checked:
    """One file that was looked at: what kind of file it is, and what it holds in a few words."""

    path: Path
    kind: str
    summary: str = ""


@dataclass
class Report:
    """What a check found. ``notices`` are allowed, but worth a look; ``asked`` are the paths that it was given."""

    files: list[Checked] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


def check_files(paths: Iterable[str | Path], variables: Mapping[str, Any] | None = None) -> list[Problem]:
    """Everything wrong with ``paths``; empty when they are in order."""
    return check(paths, variables).problems


def check(
    paths: Iterable[str | Path],
    variables: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    stages: Sequence[str] = (),
    level: int = 0,
    data: bool = True,
) -> Report:
    """Look at each of ``paths``, at what it names (a solver its nets, a net its data), and at every picture of a list.

    Files are recognised by content. Weights among them are matched with the nets. A mistake that two files lead to is
    reported once. Nets are judged in ``stages`` and ``level`` where these are given, else in every state that their own
    rules name; those of a solver as it says. Without ``data`` the pictures, databases, means and weights that a file
    names need not be there: they are not looked at.
    """
    paths = list(paths)
    report = Report(asked=[str(path) for path in paths])
    findings = Findings(
        variables=dict(variables or {}), progress=progress, stages=tuple(stages), level=level, data=data
    )
    found: list[tuple[Path, str]] = []
    for path in paths:
        try:
            found.append((Path(path), kinds.kind_of(files.find(path))))
        except UserError as error:
            findings.problems.extend(error.problems)
    learning.read_weights(found, findings)
    for path, kind in found:
        findings.files[str(path)] = None
        try:
            summary = _one(kind, path, findings)
        except UserError as error:
            findings.problems.extend(error.problems)
            summary = ""
        trained, tested = (findings.prepared.get(phase, []) for phase in (TRAIN, TEST))
        findings.notices += phase_differences.notices(trained, tested)
        if not findings.problems:
            findings.notices += copies.notices(trained, tested, findings.progress)
        findings.prepared.clear()
        report.files.append(Checked(path, kind, summary))
    report.problems = in_order(findings.problems, findings.files)
    report.notices = list(dict.fromkeys(findings.notices))
    return report


def in_order(problems: Iterable[Problem], read: Iterable[str] = ()) -> list[Problem]:
    """Each of ``problems`` once: by files in the order in which they were ``read``, then by lines and columns."""
    once = list(dict.fromkeys(problems))
    met = dict.fromkeys([*read, *(one.where.file for one in once if one.where)])
    order = {file: number for number, file in enumerate(met)}

    def place(one: Problem) -> tuple[int, int, int]:
        return (order[one.where.file], one.where.line or 0, one.where.column or 0) if one.where else (-1, 0, 0)

    return sorted(once, key=place)


def _one(kind: str, path: Path, findings: Findings) -> str:
    if kind == kinds.NET:
        rest = None
        try:
            definition = read_net(path, findings.variables or None)
        except UnreadableError as error:
            findings.problems += error.problems
            if (rest := error.rest) is None:
                return ""
            definition = rest.definition
        return nets.check_net(definition.within(findings.stages, findings.level), findings, rest=rest)
    if kind == kinds.SOLVER:
        given = meant_for(files.find(path), findings.variables)
        try:
            return solvers.check_solver(read_solver(path, given or None), findings)
        except UnreadableError as error:
            findings.problems += error.problems
            return solvers.check_solver(error.rest.definition, findings, error.rest) if error.rest else ""
    if kind == kinds.RECIPE:
        from caffelungo.rewriting.recipes import open_recipe

        return counted(len(open_recipe(path, findings.variables or None).steps), "pass")
    if kind == kinds.OTHER:
        return ""
    return _data(kind, path, findings)


def _data(kind: str, path: Path, findings: Findings) -> str:
    """Pictures, their lists and names, databases."""
    if kind in (kinds.LIST, kinds.FOLDER):
        return pictures.check_list(path, findings)
    if kind == kinds.NAMES:
        lines = path.read_text("utf-8", errors="replace").splitlines()
        return counted(sum(bool(line.strip()) for line in lines), "class")
    if kind == kinds.PICTURE:
        from caffelungo.data.decode import decode

        return "x".join(map(str, decode(path).shape))
    if kind == kinds.DATABASE:
        from caffelungo.data.lmdb_reader import LmdbReader
        from caffelungo.data.record_survey import survey

        reader = LmdbReader(path)
        findings.problems += survey(reader, resized=True, labelled=False).problems
        return counted(reader.size, "record")
    if kind == kinds.HDF5_LIST:
        from caffelungo.data.sources.hdf5_data import read_file_list

        return counted(len(read_file_list(path)), "file")
    return _binary(kind, path, findings)


def _binary(kind: str, path: Path, findings: Findings) -> str:
    """Weights, a solver state or a mean: read from beginning to end, so that a truncated one is found."""
    if kind == kinds.STATE:
        from caffelungo.weights import solverstate

        state = solverstate.read(path)
        return f"iteration {state.iter}"
    if kind == kinds.MEAN:
        from caffelungo.weights import meanfile

        return "x".join(map(str, meanfile.read(path).shape))
    from caffelungo.weights import formats

    weights = findings.read.get(path) or formats.read(path)
    return f"{counted(len(weights.layers), 'layer')}, {weights.bytes / 1e6:.1f} MB"
