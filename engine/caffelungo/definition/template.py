"""Jinja2 templates of definitions, rendered in a sandbox; each rendered line knows the template's line it comes from.

A template sees only its variables, includes only files below its own folder, and every variable must be given or have a
default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from caffelungo import files, shell
from caffelungo.definition.sandbox import MAX_TEXT, Sandbox, TooMuchError, Unusual
from caffelungo.definition.tree import LineTable
from caffelungo.errors import Location, Problem, UserError, did_you_mean

Variables = Mapping[str, Any]

_MARK = re.compile("\0([0-9]+):([0-9]+)\0")
_MARKS = re.compile(f"(?:{_MARK.pattern})+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LINE_END = re.compile(r"\r\n|\r|\n")


def _lines(source: str) -> list[str]:
    """The lines of a template as Jinja counts them: a carriage return alone ends one, too."""
    return _LINE_END.split(source)


class _LineMarks(Extension):
    """Puts a mark with file and line before every line of the template's text; ``_unmarked`` takes them out again."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        files: list[str] = self.environment.sources  # type: ignore[attr-defined]
        files.append(stream.filename or stream.name or "")
        number, previous = len(files) - 1, 0
        for token in stream:
            if token.type == "data":
                lines = token.value.split("\n")
                marked = [f"\0{number}:{token.lineno + index}\0{line}" for index, line in enumerate(lines)]
                if token.lineno == previous:
                    marked[0] = lines[0]
                yield Token(token.lineno, "data", "\n".join(marked))
            else:
                yield token
            previous = token.lineno


@dataclass
class Rendered(LineTable):
    """A rendered template: its text, and for each line the file and line of the template it comes from."""

    file: str
    text: str
    origins: list[tuple[str, int]]
    sources: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.file, self.text)

    def locate(self, offset: int) -> Location:
        """The place in the template; without a column where the line was computed."""
        place = super().locate(offset)
        assert place.line is not None
        file, line = self.origins[min(place.line, len(self.origins)) - 1]
        if file not in self.sources:
            self.sources[file] = _lines(Path(file).read_bytes().decode("utf-8", "surrogateescape"))
        text = self.sources[file][line - 1]
        return Location(file, line, place.column, text) if text == place.text else Location(file, line, None, text)


def parse_variables(settings: Iterable[str]) -> dict[str, bool | int | float | str]:
    """``["depth=50", "name=x"]`` as variables: true and false are bools, then int, float, str are tried."""
    result: dict[str, bool | int | float | str] = {}
    problems = []
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not _NAME.match(name.strip()):
            problems.append(
                Problem("a template variable has the form NAME=VALUE", None, setting, "write --set NAME=VALUE")
            )
        else:
            result[name.strip()] = _value(value.strip())
    if problems:
        raise UserError(problems)
    return result


def _value(text: str) -> bool | int | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def render_here(source: str, file: str, variables: Variables, bounded: bool = False) -> Rendered:
    """``rendering.render`` in this process. Raises ``Unusual`` too, unless it is ``bounded`` by the system."""
    path = Path(file)
    lines = LineTable(file, source)
    if len(source) > MAX_TEXT:
        raise too_much(f"its own text has {len(source):,} characters", Location(file))
    wanted: dict[str, bool] = {}
    try:
        environment = Sandbox(path.parent, [_LineMarks], bounded)
        wanted = _wanted(environment, source, set(), file)
        _refuse_unused(variables, wanted, file)
        code = environment.compile(source, name=path.name, filename=file)
        template = environment.template_class.from_code(environment, code, environment.make_globals(None))
        parts, size = [], 0
        for part in template.generate(**variables):
            parts.append(part)
            size += len(part)
            if size > MAX_TEXT * 2:  # the marks of the lines are in it
                raise TooMuchError(f"more than {MAX_TEXT:,} characters")
    except TemplateSyntaxError as error:
        where = _line(error.filename or file, error.lineno, lines)
        remedy = "fix the line; Jinja2's marks are {{ value }}, {% if %} ... {% endif %} and {# comment #}"
        raise UserError("the template has a syntax error", where=where, received=error.message, remedy=remedy) from None
    except UndefinedError as error:
        raise _undefined(error, lines, wanted, variables) from None
    except (TooMuchError, MemoryError, OverflowError) as error:
        what = "what does not fit into memory" if isinstance(error, MemoryError) else str(error)
        raise too_much(what, _line(*_template_line(error, lines), lines)) from None
    except (UserError, Unusual):
        raise
    except (
        TemplateError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
        SyntaxError,
    ) as error:
        where = _line(*_template_line(error, lines), lines)
        raise UserError(
            "the template cannot be rendered",
            where=where,
            received=f"{type(error).__name__}: {error}",
            remedy="fix the line, or the value in --set",
        ) from None
    result = _unmarked("".join(parts), file, environment.sources, source)
    if len(result.text) > MAX_TEXT:
        raise too_much(f"it produces {len(result.text):,} characters", Location(file))
    return result


def too_much(received: str, where: Location) -> UserError:
    """The error for a template that asks for more than a definition can need."""
    return UserError(
        "the template exceeds the limits", where=where, received=received,
        remedy=f"reduce its loops and numbers; the limit is {MAX_TEXT:,} characters, made in seconds",
    )  # fmt: skip


def wanted_variables(source: str, file: str) -> dict[str, bool]:
    """The variables a template reads: name -> whether it must be given (it has no default)."""
    return _wanted(Sandbox(Path(file).parent), source, set(), file)


def meant_for(path: str | Path, variables: Variables, besides: str | Path | None = None) -> dict[str, Any]:
    """Those of ``variables`` that the file at ``path`` reads; with ``besides`` also those that neither file reads.

    A solver and its net are given the same variables. Each takes its own, and one that is misspelt goes to the net,
    which refuses it.
    """
    mine = _read_by(path, variables)
    others = variables if besides is None else _read_by(besides, variables)
    return {name: value for name, value in variables.items() if name in mine or name not in others}


def _read_by(path: str | Path, variables: Variables) -> set[str]:
    """Names of ``variables`` that the file at ``path`` reads; all when it is no template that can be read."""
    if not variables:
        return set()
    try:
        wanted = wanted_variables(files.read(path, most=MAX_TEXT).decode("utf-8", "replace"), str(path))
    except (OSError, TemplateError, UserError):
        return set(variables)
    return set(variables) & set(wanted)


def _wanted(environment: Any, source: str, seen: set[str], file: str) -> dict[str, bool]:
    tree = environment.parse(source)
    result = dict.fromkeys(sorted(_undeclared(tree, environment)), True)
    for name in _defaulted(tree):
        if name in result:
            result[name] = False
    for below, line in _referenced(tree):
        if below not in seen:
            seen.add(below)
            try:
                included, path, _ = environment.loader.get_source(environment, below)
            except TemplateError as error:
                text = _lines(source)[line - 1]
                raise UserError(
                    "the template cannot be rendered",
                    where=Location(file, line, None, text.rstrip("\r")),
                    received=f"{type(error).__name__}: {error}",
                    remedy="include only files in the template's own folder or below",
                ) from None
            for variable, needed in _wanted(environment, included, seen, path or below).items():
                result[variable] = result.get(variable, False) or needed
    return {name: needed for name, needed in result.items() if name not in environment.globals}


def _undeclared(tree: nodes.Template, environment: Any) -> set[str]:
    """``meta.find_undeclared_variables``, which computes constants on its way, however large they get."""
    generator = meta.TrackingCodeGenerator(environment)
    generator.optimizer = None
    generator.visit(tree)
    return generator.undeclared_identifiers


def _referenced(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    """The files that the template names, each with its line."""
    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        name = getattr(node, "template", None)
        names = name.value if isinstance(name, nodes.Const) else ()
        if not (isinstance(node, nodes.Include) and node.ignore_missing):
            for below in [names] if isinstance(names, str) else names:
                yield below, node.lineno


def _defaulted(tree: nodes.Template) -> set[str]:
    """Names that the template gives a default or asks whether they are defined."""
    names = set()
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        assert isinstance(node, nodes.Filter | nodes.Test)
        if node.name in ("default", "d", "defined", "undefined") and isinstance(node.node, nodes.Name):
            names.add(node.node.name)
    return names


def _refuse_unused(variables: Variables, wanted: Mapping[str, bool], file: str) -> None:
    problems = []
    for name, value in variables.items():
        if name not in wanted:
            near = did_you_mean(name, wanted)
            known = f"its variables are {', '.join(wanted)}" if wanted else "it has no variables"
            remedy = f"did you mean `{near}`? ({known})" if near else f"remove --set {shell.word(name)}; {known}"
            problems.append(
                Problem(f"the template has no variable `{name}`", Location(file), f"{name}={value}", remedy)
            )
    if problems:
        raise UserError(problems)


def _undefined(error: UndefinedError, lines: LineTable, wanted: Mapping[str, bool], variables: Variables) -> UserError:
    where = _line(*_template_line(error, lines), lines)
    missing = [name for name, needed in wanted.items() if needed and name not in variables]
    if not missing:
        remedy = "fix the line, or the value in --set"
        return UserError("the template cannot be rendered", where=where, received=error.message, remedy=remedy)
    many = "s" if len(missing) > 1 else ""
    settings = " ".join(f"--set {shell.word(name + '=VALUE')}" for name in missing)
    return UserError(
        f"the template needs the variable{many} {', '.join(f'`{name}`' for name in missing)}",
        where=where,
        received=", ".join(f"{name}={value}" for name, value in variables.items()) or "no variables",
        remedy=f"add {settings}",
    )


def _template_line(error: Exception, lines: LineTable) -> tuple[str, int | None]:
    """File and line of the innermost template that ``error`` came through."""
    place: tuple[str, int | None] = (lines.file, None)
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name == lines.file or name.endswith((".j2", ".prototxt")):
            place = (name, trace.tb_lineno)
        trace = trace.tb_next
    return place


def _line(file: str, number: int | None, lines: LineTable) -> Location:
    if number is None:
        return Location(file)
    source = lines.text if file == lines.file else Path(file).read_text("utf-8", "replace")
    texts = _lines(source)
    return Location(file, number, None, texts[number - 1].rstrip("\r") if number <= len(texts) else None)


def _unmarked(text: str, file: str, files: list[str], source: str) -> Rendered:
    result, origins, last = [], [], (file, 1)
    for line in text.split("\n"):
        if marks := _MARKS.match(line) or _MARK.search(line):
            last = (files[int(marks[1])] or file, int(marks[2]))
            line = _MARK.sub("", line)
        result.append(line)
        origins.append(last)
    return Rendered(file, "\n".join(result), origins, {file: _lines(source)})
