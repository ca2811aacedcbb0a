"""Messages as Python's users read them: ``--weights FILE`` becomes ``weights="FILE"``, ``lungo nets`` ``cl.nets()``.

The rooms speak of the command line's options. What leaves the public functions is translated here, and nowhere else.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from caffelungo.errors import LungoError, Problem, UserError

SPELLINGS = {"preprocessing": "preprocess", "o": "output"}
"""Options whose argument in Python has another name."""
_WORDS = (
    "all|auto|caffe|classes|constant|copy|cpu|cuda|data|fp16|fp32|gpu|gradmax|head|int8|labels|lsuv|mean|measured|nchw"
    "|net2net|new|nhwc|none|numbers|onnx|top|train"
)
"""Values of options that are plain words, in messages that go on after them."""
_QUOTED = r"'[^']*'|\"[^\"]*\""
_VALUE = (
    rf"(?:{_QUOTED}|-?\d[^\s`,;)]*(?:,\d[^\s`,;)]*)*|[^\s`,;'\"(-][^\s`,;]*[/:=*.\d@\\|][^\s`,;)]*(?:,\w+\d)*"
    rf"|[A-Z][A-Z_]*(?=\b)|(?:{_WORDS})(?=[\s,;.)`]|$))"
)
"""What is seen to be a value wherever it is: quoted, a number, a path, ``LAYER:UNITS``, ``FILE``."""
_FLAG = r"(?<![\w-])(?:--[a-z][a-z_-]*[a-z]|-(?:o|gpu|backend)(?![\w-]))"
_OPTION = re.compile(
    rf"(?P<flag>{_FLAG})(?:[ =](?P<value>{_VALUE})"
    r"|(?<=\S) (?P<last>(?!and\b|or\b|to\b)[^\s`,;(-][^\s`,;?]*)(?=[,;?]|$))?"
)
_GIVING = re.compile(r"(?:^|[:(]|\b(?:write|use|add|as|is|needs|did you mean|or|with|set it)) ?`?$")
"""What stands before an option that a message says to give: the word after it, if it is the last, is its value."""


@dataclass(frozen=True)
class Vocabulary:
    """The verbs, and which arguments of the functions are switches."""

    verbs: Collection[str]
    switches: Collection[str]


def translated(text: str, words: Vocabulary) -> str:
    """``text`` with Python's names for the command line's."""
    return _OPTION.sub(lambda match: _option(match, words), _commands(text, words))


def received(text: str, words: Vocabulary) -> str:
    """What was received, of which all after an option's name is its value: ``--scale a b``."""
    if re.fullmatch(rf"{_FLAG} (?!and |or |without |of |not )(?:(?!{_FLAG}).)+", text, re.DOTALL) and "\n" not in text:
        flag, _, value = text.partition(" ")
        return _argument(flag, value, words)
    return translated(text, words)


def _commands(text: str, words: Vocabulary) -> str:
    verbs = "|".join(sorted(words.verbs, key=len, reverse=True))
    part = rf"(?: (?:{_FLAG}(?:[ =](?:{_VALUE}))?|-h\b|{_VALUE}|<[^>]*>))"
    command = re.compile(rf"(?P<tick>`?)(?<![\w/])lungo (?P<verb>{verbs})\b(?P<rest>{part}*)(?P<close>`?)")

    def called(match: re.Match[str]) -> str:
        quote = "`" if match["tick"] else ""
        return f"{quote}{_call(match['verb'], match['rest'], words)}{match['close']}"

    return command.sub(called, text)


def _call(verb: str, rest: str, words: Vocabulary) -> str:
    """One command as a call of its function."""
    if re.fullmatch(r" (?:-h|--help)", rest):
        return f"help(cl.{verb})"
    try:
        tokens = shlex.split(rest)
    except ValueError:
        tokens = rest.split()
    if not tokens:
        return f"cl.{verb}()" if verb in ("nets", "layers", "doctor") else f"cl.{verb}"
    arguments: list[str] = []
    while tokens:
        token = tokens.pop(0)
        if not token.startswith("-"):
            arguments.append(_quoted(token))
            continue
        flag, _, value = token.partition("=")
        name = _name(flag)
        takes = name not in words.switches and not name.startswith("no_")
        if takes and not value and tokens and not tokens[0].startswith("-"):
            value = tokens.pop(0)
        arguments.append(_argument(flag, value, words, whole=True))
    return f"cl.{verb}({', '.join(arguments)})"


def _option(match: re.Match[str], words: Vocabulary) -> str:
    text, flag = match.string, match["flag"]
    if _name(flag) in words.switches or _name(flag).startswith("no_"):
        return _argument(flag, "", words, whole=_asked(text, match.start())) + match[0][len(flag) :]
    if match["value"]:
        value = match["value"]
        end = ""
        while value[-1:] in (".", ":", "?") and len(value) > 1:
            value, end = value[:-1], value[-1] + end
        return _argument(flag, value, words) + end
    if match["last"]:
        if _GIVING.search(text[: match.start()]):
            return _argument(flag, match["last"], words)
        return f"{_argument(flag, '', words)} {match['last']}"
    return _argument(flag, "", words)


def _asked(text: str, start: int) -> bool:
    """Whether the text before ``start`` says to give the option that begins there."""
    return bool(re.search(r"(?:^|[:]|\b(?:add|write|use|by|and add|with|or)) ?`?$", text[:start]))


def _name(flag: str) -> str:
    name = flag.lstrip("-").replace("-", "_")
    return SPELLINGS.get(name, name)


def _argument(flag: str, value: str, words: Vocabulary, whole: bool = False) -> str:
    """``flag`` and its value as an argument; without a value its name, or as a switch (``whole``)."""
    name = _name(flag)
    off = name.startswith("no_") and name not in words.switches
    if off:
        return f"{name.removeprefix('no_')}=False"
    if name in words.switches:
        return f"{name}=True" if whole else f"`{name}=`"
    if not value:
        return f"{name}=..." if whole else f"`{name}=`"
    value = value.strip("'\"") if value[:1] in "'\"" and value[-1:] == value[:1] else value
    if name in ("set", "set_solver") and "=" in value:
        key, _, given = value.partition("=")
        return f'{name}={{"{key}": {_quoted(given)}}}'
    return f"{name}={_quoted(value)}"


def _quoted(value: str) -> str:
    """A value as Python writes it; a number and the placeholder N are themselves."""
    if re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?|N", value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def reworded(error: LungoError, words: Vocabulary) -> None:
    """Translate the messages of ``error`` in place, so that its class, its fields and its traceback stay."""
    if isinstance(error, UserError):
        UserError.__init__(error, [spoken(problem, words) for problem in error.problems])
    else:
        error.args = tuple(translated(part, words) if isinstance(part, str) else part for part in error.args)


def spoken(problem: Problem, words: Vocabulary) -> Problem:
    """``problem`` in Python's words."""
    return replace(
        problem,
        what=translated(problem.what, words),
        received=None if problem.received is None else received(problem.received, words),
        remedy=None if problem.remedy is None else translated(problem.remedy, words),
    )


def moved(error: LungoError, names: Sequence[tuple[str, str]]) -> None:
    """Replace in the messages of ``error`` each path of ``names`` by what it is called, in their order."""

    def said(text: str | None) -> str | None:
        for path, name in names:
            text = text.replace(path, name) if text else text
        return text

    if not isinstance(error, UserError):
        error.args = tuple(said(part) if isinstance(part, str) else part for part in error.args)
        return
    problems = []
    for one in error.problems:
        where = one.where and replace(one.where, file=said(one.where.file) or "")
        problems.append(replace(one, what=said(one.what) or "", where=where, received=said(one.received),
                                remedy=said(one.remedy)))  # fmt: skip
    UserError.__init__(error, problems)
