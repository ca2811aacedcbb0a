"""What a pass is: it reads a view of a net and returns edits and blob moves, or refuses with its reason.

    before:  Definition --View--> pass(view, options)
    after:   Rewrite(edits, moves, notes)  ->  editor.apply  ->  Definition, viewed again by the next pass
             or Refusal(reason): nothing has happened

A pass never writes a file, never loads weights and never imports torch. One that changes an old blob says so in its
moves, which act on ``{layer: [ndarray, ...]}``; see ``moves``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar, runtime_checkable

from caffelungo.definition import editor
from caffelungo.definition.edits import Edit, SetField
from caffelungo.definition.reader import Definition
from caffelungo.errors import Location, Problem, UserError
from caffelungo.layers.base import Shape
from caffelungo.passes.moves import Move
from caffelungo.passes.view import View

Options = TypeVar("Options", contravariant=True)


@dataclass(frozen=True)
class Note:
    """One thing a pass did: ``what`` fired, ``where`` in the file it read, and ``why``. ``--explain`` prints these."""

    what: str
    where: Location | None = None
    why: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class Rewrite:
    """What a pass wants done: ``edits`` of the definition, ``moves`` of the weights, and ``notes`` to explain them."""

    edits: tuple[Edit, ...] = ()
    moves: tuple[Move, ...] = ()
    notes: tuple[Note, ...] = ()


class Refusal(UserError):  # noqa: N818
    """A pass will not do what was asked, and says why: which layer prevents it, where, and what to do instead."""

    def __init__(
        self, reason: str, where: Location | None = None, received: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(Problem(reason, where, received, remedy))
        self.reason = reason


class Pass(Protocol[Options]):
    """The form of every pass."""

    def __call__(self, view: View, options: Options) -> Rewrite: ...


Step = Callable[[View], Rewrite]
"""A pass with its options bound; see ``step``.

A step that depends on the net as it was before any step ran has one or both of the methods of ``Looks`` and ``First``.
"""


@runtime_checkable
class Looks(Protocol):
    """A step that is shown the net before all steps."""

    def look(self, view: View) -> None:
        """Note what the step needs of the net in ``view``; Refusal when it cannot do its work there."""


@runtime_checkable
class First(Protocol):
    """A step that also does something before all others, as long as the weights are what they were."""

    def first(self, view: View) -> Rewrite:
        """What is done before all steps."""


def step(rewrite: Pass[Options], options: Options) -> Step:
    """``rewrite`` with ``options`` bound, for ``run``."""
    return partial(_call, rewrite, options)


def _call(rewrite: Pass[Options], options: Options, view: View) -> Rewrite:
    return rewrite(view, options)


@dataclass(frozen=True)
class Result:
    """The definition after all steps, and what each of them did."""

    definition: Definition
    rewrites: tuple[Rewrite, ...] = field(default=())

    @property
    def notes(self) -> list[Note]:
        """What was done, step by step."""
        return [note for rewrite in self.rewrites for note in rewrite.notes]

    def explain(self) -> str:
        """What fired, where and why, one line each."""
        return "\n".join(str(note) for note in self.notes)

    @property
    def moves(self) -> list[Move]:
        """What has to happen to the weights, in order."""
        return [move for rewrite in self.rewrites for move in rewrite.moves]


def run(
    definition: Definition,
    steps: Iterable[Step],
    sources: Mapping[str, Sequence[Shape]] | None = None,
    head: str | None = None,
) -> Result:
    """Apply ``steps`` one after the other, each to a fresh view of what the last one left.

    Steps that ask what was there before (``Looks``) are shown ``definition`` first, and ``First.first`` of each step is
    done before all steps. This is the only way in which passes are run.

    ``sources`` tells the shapes of data layers' tops that only opening the data tells, by layer name. ``head``: the
    classifier that is meant where a step names none, under whatever name the steps before gave it.

    Raises Refusal when a step refuses or would leave a net that does not fit together; ``definition`` is not changed.
    """
    rewrites: list[Rewrite] = []
    steps, amiss = list(steps), list[Problem]()
    objects: Sequence[object] = steps
    looking = [one for one in objects if isinstance(one, Looks)]
    firsts = [one for one in objects if isinstance(one, First)]
    view = View(definition, amiss, sources=sources, head=head)
    if amiss and (looking or not (steps and _gives_sizes(steps[0]))):
        raise UserError(amiss)
    if head is not None:
        view.heads(head)  # says so when there is no such classifier
    for asking in looking:
        asking.look(view)
    for one in [*(early.first for early in firsts), *steps]:
        rewrite = one(view)
        rewrites.append(rewrite)
        if rewrite.edits:
            problems: list[Problem] = []
            before, view = view, View(editor.apply(view.definition, rewrite.edits), problems, sources=sources)
            _hold(problems or ([] if before.amiss else view.amiss))
            view.head = _followed(before, view, rewrite)
    return Result(view.definition, tuple(rewrites))


def _gives_sizes(one: Step) -> bool:
    """Whether it is the next view that must fit together, as the sizes in the file are place-holders."""
    return any(getattr(bound, "gives_sizes", False) for bound in getattr(one, "args", ()))


def _followed(before: View, after: View, rewrite: Rewrite) -> str | None:
    """What the classifier ``before.head`` is called in ``after``: renamed, or the last one on its label."""
    if before.head is None:
        return None
    one = before.heads(before.head)[0]
    renamed = {edit.path: str(edit.value) for edit in rewrite.edits if isinstance(edit, SetField)}
    name = renamed.get(("layer", one.head.index, "name"), one.name)
    same = [found.name for found in after.classifiers if found.label == one.label]
    return name if any(found.name == name for found in after.classifiers) else (same[-1] if same else None)


def _hold(problems: Sequence[Problem]) -> None:
    if not problems:
        return
    first = problems[0]
    raise Refusal(
        f"after this rewrite the net would be invalid: {first.what}",
        first.where,
        received=first.received,
        remedy="the file is unchanged; a layer after the rewritten ones depends on their sizes, so edit that one first",
    )
