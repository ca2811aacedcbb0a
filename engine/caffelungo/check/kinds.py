"""What a file is, by what it contains: its name is a hint only where the content leaves it open."""

from __future__ import annotations

import re
from pathlib import Path

from caffelungo import filetypes
from caffelungo.data.decode import SUFFIXES
from caffelungo.data.image_list import LABELS
from caffelungo.definition import typography
from caffelungo.definition.schema import NetParameter, Recipe, SolverParameter
from caffelungo.errors import did_you_mean
from caffelungo.weights import sniff

NET, SOLVER, LIST, HDF5_LIST, WEIGHTS, STATE, MEAN, FOLDER, DATABASE, PICTURE, RECIPE, NAMES, OTHER = (
    "net", "solver", "list of pictures", "list of HDF5 files", "weights", "solver state", "mean picture",
    "folder of pictures", "database", "picture", "recipe", "class names", "not checked",
)  # fmt: skip
HEAD = 1 << 20
"""Bytes of a text that are looked at: the first megabyte tells."""

_MARKS = re.compile(r"\{[%{#]")
_CLOSING = {"{%": "%}", "{{": "}}", "{#": "#}"}
# Possessive, and with ends that may lack, so that no text is looked at twice.
_QUIET = re.compile(r"\"(?:\\.|[^\"\\\n])*+\"?|'(?:\\.|[^'\\\n])*+'?|#[^\n]*+")
_FIELD = re.compile(r"[{}<>]|(?<!\w)[A-Za-z_]\w*+(?=\s*+[:{<])")
_DEFINITIONS = (".prototxt", ".j2", ".pbtxt")
_HDF5 = (".h5", ".hdf5")
_OTHER = (".md", ".onnx", ".json", ".csv", ".log", ".py", ".sh")


def kind_of(path: Path) -> str:
    """One of the constants above. A file that cannot be read is taken for what its name says."""
    if path.is_dir():
        return DATABASE if (path / "data.mdb").is_file() else FOLDER
    if path.suffix.lower() in SUFFIXES:
        return PICTURE
    if path.suffix.lower() in _OTHER:
        return OTHER
    if path.name == LABELS:
        return NAMES
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return _by_name(path)
    if (encoding := filetypes.encoding_of(head[: filetypes.HEAD])) is not None:
        text = head[: len(head) // 4 * 4].decode(encoding[1], "replace")
    elif head and not _is_text(head) and not (path.suffix in _DEFINITIONS and b"\0" not in head):
        return _binary(path)
    else:
        text = head.decode("utf-8", "replace")
    text, _ = typography.mended(text.removeprefix("\ufeff"))
    fields = _top_fields(text)
    if not fields & _known() and _is_list(text):
        first = next(line for line in text.splitlines() if line.strip())
        return HDF5_LIST if first.strip().lower().endswith(_HDF5) else LIST
    return _definition(path, fields)


def _is_text(head: bytes) -> bool:
    return b"\0" not in head and sniff.is_text(head[:4096])


def _binary(path: Path) -> str:
    """A weights file, a solver state or a mean, by the fields at its top."""
    name = path.name
    if name.endswith((".solverstate", ".solverstate.h5")):
        return STATE
    if name.endswith((".binaryproto", ".npy")):
        return MEAN
    return WEIGHTS


def _by_name(path: Path) -> str:
    if path.suffix == ".txt":
        return LIST
    if path.suffix not in (*_DEFINITIONS, ""):
        return _binary(path)
    return SOLVER if "solver" in path.name else NET


def _known() -> frozenset[str]:
    kinds = (NetParameter, SolverParameter, Recipe)
    return frozenset(name for kind in kinds for name in kind.DESCRIPTOR.fields_by_name)


def _top_fields(text: str) -> set[str]:
    """Names of the fields that are outside all braces."""
    plain = _QUIET.sub('""', _without_template(text))
    depth, found = 0, set()
    for match in _FIELD.finditer(plain):
        token = match[0]
        if token in "{<":
            depth += 1
        elif token in "}>":
            depth = max(0, depth - 1)
        elif depth == 0:
            found.add(token)
    return found


def _without_template(text: str) -> str:
    """``text`` with a blank in the place of each of Jinja2's marks that is closed."""
    pieces, at, closing = [], 0, dict(_CLOSING)
    for mark in _MARKS.finditer(text):
        if mark.start() < at or mark[0] not in closing:
            continue
        end = text.find(closing[mark[0]], mark.end())
        if end < 0:
            del closing[mark[0]]  # nor is any later one closed
            continue
        pieces += [text[at : mark.start()], " "]
        at = end + 2
    return "".join([*pieces, text[at:]])


def _is_list(text: str) -> bool:
    """Whether the first line with something on it is ``path label`` or a path."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    path = (line.rsplit(None, 1) or [""])[0].strip("\"'")
    pictures = path.lower().endswith((*SUFFIXES, *_HDF5)) or line.lower().endswith((*SUFFIXES, *_HDF5))
    return pictures or bool(re.fullmatch(r"(?!\w+\s*:)[^{}#]+\s-?\d+", line))


def _definition(path: Path, fields: set[str]) -> str:
    """Net, solver or recipe: what more of the top fields belong to, misspelt ones counted by their nearest name."""
    net, solver = set(NetParameter.DESCRIPTOR.fields_by_name), set(SolverParameter.DESCRIPTOR.fields_by_name)
    as_net = sum(field in net for field in fields)
    as_solver = sum(field in solver for field in fields)
    if sum(field in Recipe.DESCRIPTOR.fields_by_name for field in fields) > max(as_net, as_solver):
        return RECIPE
    if as_net == as_solver:
        unknown = fields - net - solver
        as_net += sum(did_you_mean(field, net) is not None for field in unknown)
        as_solver += sum(did_you_mean(field, solver) is not None for field in unknown)
    if not fields and path.suffix == ".txt":
        return LIST
    if as_net == as_solver:
        return SOLVER if "solver" in path.name else NET
    return SOLVER if as_solver > as_net else NET
