"""What the tab key offers as values of arguments and options; verbs and options complete by themselves.

Each function takes what has been typed of a word and returns the words that begin so. Where it returns none, the shell
completes file names. Nothing here loads more than it needs: a shell waits for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from caffelungo.definition.catalogue_names import NETS

VARIABLE = "_LUNGO_COMPLETE"
"""Set by the shell's completion script, as ``complete_bash``."""
DEFINITIONS = (".prototxt", ".prototxt.j2")
_TYPE = re.compile(r'^    type(?:: [\w.\[\]]+)? = "(\w+)"$', re.MULTILINE)


def words_typed() -> list[str] | None:
    """The words behind `lungo` up to the one that is being typed, which may be empty; None: nothing is completed.

    bash tells all words and the number of the current one, zsh and fish the text up to the cursor.
    """
    if not os.environ.get(VARIABLE, "").startswith("complete"):
        return None
    if (text := os.environ.get("_TYPER_COMPLETE_ARGS")) is not None:
        return [*text.split(), *([] if text and not text[-1].isspace() else [""])][1:]
    words = os.environ.get("COMP_WORDS", "").split()
    current = int(os.environ.get("COMP_CWORD") or 1)
    return [*words, ""][1 : current + 1] if current >= len(words) else words[1 : current + 1]


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
