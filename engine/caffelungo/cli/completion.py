"""What the tab key offers as values of arguments and options; verbs and options complete by themselves.

Each function takes what has been typed of a word and returns the words that begin so. Where it returns none, the shell
completes file names. Nothing here loads more than it needs: a shell waits for it.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from caffelungo.cli.caffe_spelling import caffe_spelling
from caffelungo.definition.catalogue_names import NETS

VARIABLE = "_LUNGO_COMPLETE"
"""Set by the shell's completion script, as ``complete_bash``."""
SHELLS = ("bash", "zsh", "fish")
DEFINITIONS = (".prototxt", ".prototxt.j2")
_FLAG = re.compile(r"(--?)([A-Za-z]\w[\w-]*)(=?)(.*)", re.DOTALL)
_OFFERED_FLAG = re.compile(r"""^((?:_arguments '\*: :\(\()?"?)--([\w-]+)""", re.MULTILINE)
"""A flag that is offered: alone on a line, or among what zsh evaluates."""
_TYPE = re.compile(r'^    type(?:: [\w.\[\]]+)? = "(\w+)"$', re.MULTILINE)


def words_typed() -> list[str] | None:
    """The words behind `lungo` up to the one that is being typed, which may be empty; None: nothing is completed.

    bash tells all words and the number of the current one, zsh and fish the text up to the cursor.
    """
    if not os.environ.get(VARIABLE, "").startswith("complete"):
        return None
    if (text := os.environ.get("_TYPER_COMPLETE_ARGS")) is not None:
        return [*_split(text), *([] if text and not text[-1].isspace() else [""])][1:]
    words = _split(os.environ.get("COMP_WORDS", ""))
    current = int(os.environ.get("COMP_CWORD") or 1)
    return [*words, ""][1 : current + 1] if current >= len(words) else words[1 : current + 1]


def hand_to_typer(words: Sequence[str], commands: Mapping[str, Any]) -> Callable[[str], str]:
    """Tell Typer ``words`` in its spelling of flags; the result turns what it offers into the spelling of the last one.

    -solv        ->  --solv        --solver                ->  -solver
    --device=cu  ->  --device cu   cuda                    ->  --device=cuda  (bash parts the word at `=` itself)
    """
    shell = os.environ.get(VARIABLE, "").removeprefix("complete_")
    if shell not in SHELLS:
        return str
    *before, word = [one for k, one in enumerate(words) if one != "=" or not words[k - 1].startswith("-")]
    if words[-1] == "=" != word:
        before, word = [*before, word], ""
    before = caffe_spelling(before, commands)
    flag = _FLAG.fullmatch(word)
    turned: Callable[[str], str] = _with_apostrophes if shell == "zsh" else str
    if flag and flag[3]:
        before, word = [*before, f"--{flag[2].replace('_', '-')}"], flag[4]
        turned = functools.partial(_after_equals_sign, start=f"{flag[1]}{flag[2]}=", shell=shell)
    elif flag and flag[1] == "-":
        word = f"--{flag[2].replace('_', '-')}"
        turned = functools.partial(_with_one_dash, joint="_" if "_" in flag[2] else "-", shell=shell)
    line = shlex.join(["lungo", *before])
    if shell == "bash":
        os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = f"{line} {shlex.quote(word)}", str(len(before) + 1)
    else:
        os.environ["_TYPER_COMPLETE_ARGS"] = f"{line} {shlex.quote(word) if word else ''}"
    return turned


def _after_equals_sign(text: str, start: str, shell: str) -> str:
    """Values for a word that begins with ``start``, which zsh leaves out of what it compares."""
    return (
        f"compset -P '*='; {_with_apostrophes(text)}"
        if shell == "zsh"
        else re.sub("^(?=.)", start, text, flags=re.MULTILINE)
    )


def _with_one_dash(text: str, joint: str, shell: str) -> str:
    text = _with_apostrophes(text) if shell == "zsh" else text
    return _OFFERED_FLAG.sub(lambda one: f"{one[1]}-{one[2].replace('-', joint)}", text)


def _with_apostrophes(text: str) -> str:
    """What zsh evaluates, with the apostrophes of help texts, which Typer doubles: zsh drops such a pair."""
    return text.replace("''", "'\\''")


def _split(text: str) -> list[str]:
    """The words of a command line, of which the last may have an open quote."""
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:
        words.append(lexer.token)
    return words


def summary(verb: str) -> str:
    """The first line of a verb's help, read from its file: importing all of them takes longer than a shell may wait."""
    text = Path(__file__).with_name(f"{verb}.py").read_text("utf-8")
    found = re.search(rf'^def {verb}\(.*?\) -> \w+:\n    """(.+?)(?:"""|\n)', text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def nets(incomplete: str) -> list[str]:
    """Names of the nets that ship, and definitions in the folder that is being typed."""
    names = _begun(NETS, incomplete)
    return [*names, *_definitions(incomplete)] if names else []


def net_names(incomplete: str) -> list[str]:
    """Names of the nets that ship."""
    return _begun(NETS, incomplete)


def layer_types(incomplete: str) -> list[str]:
    """The layer types; read from the files that define them where no package adds any, as importing them is slow."""
    from importlib.metadata import entry_points

    if entry_points(group="caffelungo.layers"):
        from caffelungo.layers import registry

        return _begun(registry.layer_types(), incomplete)
    folder = Path(__file__).parents[1] / "layers" / "types"
    found = [name for path in folder.glob("*.py") for name in _TYPE.findall(path.read_text("utf-8"))]
    return _begun(sorted(found), incomplete)


def devices(incomplete: str) -> list[str]:
    """Where a net may run."""
    return _begun(("auto", "cpu", "cuda"), incomplete)


def precisions(incomplete: str) -> list[str]:
    """In which precision a net may run."""
    return _begun(("fp32", "tf32", "bf16"), incomplete)


def phases(incomplete: str) -> list[str]:
    """The phases of a net."""
    return _begun(("TRAIN", "TEST"), incomplete)


def net_actions(incomplete: str) -> list[str]:
    """What `lungo nets` does."""
    return _begun(("list", "show", "copy"), incomplete)


def _begun(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def _definitions(incomplete: str) -> list[str]:
    folder, slash, begun = incomplete.rpartition("/")
    try:
        names = sorted(path.name for path in Path(f"{folder}{slash}" or ".").iterdir())
    except OSError:
        return []
    return [f"{folder}{slash}{name}" for name in _begun(names, begun) if name.endswith(DEFINITIONS)]
