"""What a linear classifier may read: one blob, several concatenated, all stages, or the input of the net's own one.

No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffelungo.definition.schema import TEST
from caffelungo.errors import Location, Problem, UserError
from caffelungo.features.blobs import find_blobs
from caffelungo.passes.graph import Graph
from caffelungo.passes.stage_ends import stage_ends
from caffelungo.passes.view import View

JOINED = "all"
HEAD = "head"
AUTO = "auto"


@dataclass(frozen=True)
class ProbeCandidate:
    """``name`` is what the user reads, ``blobs`` what the classifier does; none for the net's own classifier."""

    name: str
    blobs: tuple[str, ...]

    @property
    def own(self) -> bool:
        """Whether it is the net's own classifier, reading what it reads now."""
        return not self.blobs


def before_replacing(view: View, words: Sequence[str], head: str | None = None) -> list[Problem]:
    """What is wrong with ``words`` in the net of a file, whose classifiers (or ``head`` alone) will be replaced.

    The net that is probed in its place has other names for them, which are not those that a user knows.
    """
    heads = {one.head.index for one in view.classifiers if head in (None, one.name)}
    graph = view.graphs.get(TEST) or view.graph
    problems: list[Problem] = []
    for word in dict.fromkeys(words):
        if word in (HEAD, AUTO, JOINED):
            continue
        replaced = {part: name for part in _parts(word) if (name := _classifier_of(graph, part, heads))}
        try:
            find_blobs(view, [part for part in _parts(word) if part not in replaced] or list(graph.plan.blobs)[:1])
        except UserError as error:
            problems += error.problems
        for part, name in replaced.items():
            what = f"`{part}` is what classifier `{name}` makes" if part != name else f"`{name}` is the classifier"
            others = [stage for stage in stage_ends(view) if not _classifier_of(graph, stage, heads)]
            problems.append(
                Problem(f"{what}, in whose place one for the classes of the pictures is put",
                        Location(str(view.definition.path)), f"--layers {','.join(words)}",
                        f"name a blob before it{f', such as {others[-1]}' if others else ''}")
            )  # fmt: skip
    return problems


def _parts(word: str) -> list[str]:
    """The blobs that ``word`` joins."""
    return [part.strip() for part in word.split("+")]


def _classifier_of(graph: Graph, blob: str, heads: set[int]) -> str | None:
    """The layer of ``heads`` that makes ``blob``, or that it depends on; None without any."""
    maker = graph.producer.get(graph.plan.value_of(blob)) if blob in graph.plan.blobs else None
    above = graph.upstream([maker]) if maker is not None else []
    return next((one.name for one in above if one.index in heads), None)


def candidates(view: View, words: Sequence[str]) -> list[ProbeCandidate]:
    """The candidates that ``words`` name: blobs, ``a+b``, "all", "head", or "auto" (each stage end, and all).

    UserError with everything that is no blob of the net, or is named twice.
    """
    found: list[ProbeCandidate] = []
    problems: list[Problem] = []
    for word in dict.fromkeys(words):
        if word == HEAD:
            found.append(ProbeCandidate(HEAD, ()))
        elif word in (AUTO, JOINED):
            stages = stage_ends(view)
            # All of one stage is that stage.
            if word == AUTO or len(stages) == 1:
                found += [ProbeCandidate(stage, (stage,)) for stage in stages]
            if len(stages) > 1:
                found.append(ProbeCandidate(JOINED, tuple(stages)))
        else:
            try:
                found.append(ProbeCandidate(word, tuple(find_blobs(view, _parts(word)))))
            except UserError as error:
                problems += error.problems
    if not words:
        problems.append(Problem("no layer is named", None, "--layers", "remove it to try every stage of the net"))
    elif not found and not problems:
        problems.append(
            Problem("the net has no layer below its classifier", Location(str(view.definition.path)), ", ".join(words),
                    "name a blob of pictures: --layers data")
        )  # fmt: skip
    if problems:
        raise UserError(problems)
    return list({(one.name, one.blobs): one for one in found}.values())
