"""What a check found as SARIF, the format that code-scanning services and editors read.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0; sections are named where they decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from caffelungo.check.files import Report
from caffelungo.check.github import message
from caffelungo.check.notices import placed
from caffelungo.errors import Location, Problem, kind_of
from caffelungo.version import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
VERSION = "2.1.0"
NOTICE = "notice"
LONGEST_RULE = 80


def sarif(report: Report) -> dict[str, Any]:
    """A log of one run: a result for each problem (level ``error``) and each notice (level ``note``).

    GitHub's code scanning refuses a log in which a result has no location. What is about no file in particular is
    placed at the first file that was to be checked.
    """
    default = Location(report.asked[0]) if report.asked else None
    results = [_result(rule_of(one), "error", message(one), one.where or default) for one in report.problems]
    for notice in report.notices:
        where, text = placed(notice)
        results.append(_result(NOTICE, "note", text, where or default))
    rules = _rules(report.problems, notices=bool(report.notices))
    places = {rule["id"]: index for index, rule in enumerate(rules)}
    for result in results:
        result["ruleIndex"] = places[result["ruleId"]]
    driver = {"name": "lungo check", "version": __version__, "semanticVersion": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",  # 3.14.17
        "invocations": [{"executionSuccessful": True}],  # 3.20.14: the check ran, whatever it found
        "results": results,
    }
    return {"$schema": SCHEMA, "version": VERSION, "runs": [run]}


def rule_of(problem: Problem) -> str:
    """An identifier of what is wrong, without names and numbers: ``unknown-layer-type-in-layer``."""
    words = re.sub(r"[^a-z0-9]+", "-", kind_of(problem).lower()).strip("-")
    return words[:LONGEST_RULE].rstrip("-") or "problem"


def _rules(problems: Iterable[Problem], notices: bool) -> list[dict[str, Any]]:
    """The rules that the results name, each once (3.19.23)."""
    texts = {rule_of(one): kind_of(one) for one in problems}
    if notices:
        texts[NOTICE] = "allowed, but worth a look"
    return [{"id": rule, "shortDescription": {"text": text}} for rule, text in texts.items()]


def _result(rule: str, level: str, text: str, where: Location | None) -> dict[str, Any]:
    result: dict[str, Any] = {"ruleId": rule, "level": level, "message": {"text": text}}
    if where is not None:
        result["locations"] = [{"physicalLocation": _physical(where)}]
    return result


def _physical(where: Location) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": uri(where.file)}}
    if where.line is not None:
        region: dict[str, Any] = {"startLine": where.line}
        if where.column is not None:
            region["startColumn"] = where.column
        if where.text is not None:
            region["snippet"] = {"text": where.text.rstrip("\r\n")}
        place["region"] = region
    return place


def uri(file: str) -> str:
    """A path as a URI reference (3.4.3, RFC 3986): a relative one stays relative, to the folder of the run."""
    path = PurePath(file)
    if path.is_absolute():
        return Path(file).as_uri()
    return quote(path.as_posix(), safe="/", errors="surrogateescape")
