"""The net that `lungo probe` looks into, pointed at the pictures: features, classifiers, and the net written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.definition.definition import Definition
from caffelungo.errors import UserError
from caffelungo.features.pooled import Pooled
from caffelungo.passes.join import JoinedOptions, Read, columns
from caffelungo.passes.view import ClassifierLayer, View
from caffelungo.probes import write_net
from caffelungo.probes.candidates import HEAD, ProbeCandidate, candidates
from caffelungo.probes.choose_candidate import (
    LinearHead,
    TriedCandidate,
    attempt,
    fit_head,
    held_out,
)
from caffelungo.probes.class_correction import UNCORRECTED, ClassCorrection, of_net, without
from caffelungo.probes.feature_matrix import LISTED, Subject, matrix, read, read_head
from caffelungo.probes.options import ProbeOptions
from caffelungo.probes.penalty_path import KORNBLITH
from caffelungo.probes.picture_entries import Entry, Gathered
from caffelungo.probes.refit_classifier import Refitted, as_it_is, gained, losses, refitted
from caffelungo.probes.results import JudgedHead, Probed, judge
from caffelungo.rewriting.retarget import Opened, Pictures, PointOptions, point
from caffelungo.solve.engine import make_engine
from caffelungo.weights import formats
from caffelungo.weights.average import average
from caffelungo.weights.load import load
from caffelungo.wording import counted, listed

CACHE = "features"
"""Folder in the output that keeps features and the rows of the table."""
Stage = Callable[[str, int, int], None]
"""What is done now, how much of it is, and of how much."""


class ProbedNet:
    """The net pointed at the pictures, its candidates, and the features that they share."""

    def __init__(
        self, options: ProbeOptions, gathered: Gathered, wanted: PointOptions, opened: Opened, weights: str, say: Stage
    ) -> None:
        self.options, self.gathered, self.opened, self.weights, self.say = options, gathered, opened, weights, say
        self.classes, self.labels = gathered.classes, gathered.labels
        self.keeps = tuple(options.layers) == (HEAD,)
        self.definition = self.opened.definition if self.keeps else self._pointed(wanted)
        self.view = View(self.definition, head=options.head if self.keeps else None)
        self.candidates = candidates(self.view, options.layers)
        self.engine = make_engine(options)
        self.subject = Subject(self.definition, [self.weights], self.engine)
        place = options.cache or (str(Path(options.output) / CACHE) if options.output else None)
        self.cache = Path(place) if place else None
        self.parts = held_out(self.labels, options.folds, options.seed, gathered.groups)
        self.classifier = self._classifier()
        self.judgements: list[str] = []
        self.correction = of_net(self.definition) if self.keeps else UNCORRECTED
        self.correction = self.correction if options.balance is None else ClassCorrection(options.balance)
        self.counts = self.correction.weights(self.labels, len(self.classes))
        self.shares = self.correction.shares(self.labels, len(self.classes))
        self._kept: dict[tuple[bool, tuple[str, ...]], Pooled] = {}
        self._own: dict[tuple[bool, tuple[str, ...]], Tensor] = {}

    def _pointed(self, wanted: PointOptions) -> Definition:
        gathered = self.gathered
        tested = gathered.test or gathered.entries
        pictures = Pictures(
            len(self.classes), len(gathered.entries), len(tested), "train.txt",
            "test.txt" if gathered.test else "train.txt",
        )  # fmt: skip
        return point(self.opened, wanted, pictures).definition

    def _classifier(self) -> ClassifierLayer:
        head = self.view.heads()[-1]
        if self.keeps and head.classes != len(self.classes):
            raise UserError(
                f"`{head.name}` has other classes than the pictures",
                where=self.view.where(head.head.index),
                received=f"{counted(head.classes, 'output')}, {counted(len(self.classes), 'class')} in "
                f"{self.options.data or 'its own pictures'}",
                remedy="use pictures of the classes it was trained on, or probe other layers: --layers all",
            )
        return head

    # -- features

    def joined(self, candidate: ProbeCandidate) -> JoinedOptions:
        """The pass that writes ``candidate``."""
        return JoinedOptions(tuple(Read(blob) for blob in candidate.blobs), suffix="joined")

    def features(self, entries: Sequence[Entry], candidate: ProbeCandidate, mirrored: bool) -> Tensor:
        """The matrix of ``candidate`` for ``entries``; blobs that several candidates read are computed once."""
        what = f"features of {counted(len(entries), 'picture')}"

        def tell(done: float, total: float, text: str = "") -> None:
            self.say(what, int(done), int(total))

        key = (mirrored, tuple(name for name, _ in entries))
        if candidate.own:
            if key not in self._own:
                self._own[key] = read_head(self.subject, entries, self.classifier, mirrored, tell)
            return self._own[key]
        parts = [(blob, pool) for blob, pool, _ in columns(self.view, self.joined(candidate))]
        if key not in self._kept:
            blobs = list(dict.fromkeys(blob for one in self.candidates for blob in one.blobs))
            self._kept[key] = read(self.subject, entries, blobs, mirrored=mirrored, cache=self.cache, say=tell)
        return matrix(self._kept[key], parts)

    # -- classifiers

    def tried(self, candidate: ProbeCandidate) -> TriedCandidate:
        """The row of ``candidate``, from the cache where it is there."""
        x = self.features(self.gathered.entries, candidate, self.options.mirrored)
        penalties = KORNBLITH if self.options.penalty is None else (self.options.penalty,)
        name = f"classifier on {candidate.name}"
        address = self._address(x, penalties)
        if address is not None and (found := write_net.load_row(address, candidate)) is not None:
            return found
        found = attempt(
            candidate, x.to(self.engine.device), self.labels, len(self.classes), self.parts,
            classifier=self.options.classifier, scaling=self.options.scaling, penalties=penalties,
            progress=lambda done, total: self.say(name, done, total),
        )  # fmt: skip
        if address is not None:
            write_net.save_row(address, found)
        return found

    def _address(self, x: Tensor, penalties: Sequence[float]) -> Path | None:
        """Where a row is kept: named by everything that its numbers follow from."""
        if self.cache is None:
            return None
        total = hashlib.sha256(repr((x.shape, list(penalties), self.options.classifier, self.options.scaling)).encode())
        for array in (x.numpy(), self.labels, self.parts.numpy()):
            total.update(np.ascontiguousarray(array).tobytes())
        return self.cache / f"{total.hexdigest()}.row.json"

    def use(self, weights: str, subject: Subject | None = None) -> None:
        """Go on with the net's ``weights``, which ``subject`` has loaded if it is given."""
        self.weights, self.subject = weights, subject or Subject(self.definition, [weights], self.engine)
        self._kept.clear()
        self._own.clear()

    def use_better(self, before: str, folder: Path, refit: bool) -> Refitted | None:
        """Go on from the weights ``before`` a training, unless it has gained on the pictures that it set aside.

        What counts is what would come of each: the better of its classifier as it is and, with ``refit``, refitted,
        which is returned. Where the gain is within one standard error, the mean of both weights is used if its loss is
        below that before training; its file is in ``folder``. UserError where no pictures were set aside.
        """
        if self.gathered.aside is None:
            raise UserError(
                "whether training has gained cannot be measured: it has no held-out pictures",
                received=f"--before {before}",
                remedy="remove --before, or use it with --layers head and without --data on a net that tests on "
                "other pictures than it trains on",
            )
        after = self.weights
        self.use(before)
        untrained, first = self.subject, self._losses()
        self.use(after)
        again, then = self._outcome(refit)
        losses = f"the log loss was {first.mean():.3f} before training and is {then.mean():.3f} after"
        what = f"on the {len(first)} held-out pictures {losses}"
        if gained(first, then):
            self.judgements.append(f"{what}: the trained weights are kept")
            return again
        self.use(before, untrained)
        start, first = self._outcome(refit)
        mean = str(folder / "average.caffemodel")
        formats.write(mean, average(load(before), load(after)), self.definition.message)
        self.use(mean)
        again, between = self._outcome(refit)
        if float(between.mean()) < float(first.mean()):
            self.judgements.append(
                f"{what}, which may be chance: the mean of both weights is used (log loss {between.mean():.3f})"
            )
            return again
        self.judgements.append(f"{what}, which may be chance: the weights from before training are used")
        self.use(before, untrained)
        return start

    def _outcome(self, refit: bool) -> tuple[Refitted | None, Tensor]:
        """The classifier refitted, if at all, and the losses of the better one on the pictures set aside."""
        if not refit:
            return None, self._losses()
        assert self.gathered.aside is not None
        again = self.refitted(self.gathered.aside)
        return again, again.losses

    def _losses(self) -> Tensor:
        """Those of the net's own classifier on the pictures set aside."""
        assert self.gathered.aside is not None
        chosen = np.flatnonzero(self.gathered.aside)
        x = read_head(self.subject, [self.gathered.entries[index] for index in chosen], self.classifier)
        counts = None if self.counts is None else self.counts[chosen]
        return losses(self.as_it_is(), x, self.labels[chosen], counts, self.shares)

    @property
    def learned(self) -> Sequence[Entry]:
        """The pictures that the classifier has learned from in the end: those set aside come last."""
        aside = 0 if self.options.refit or self.gathered.aside is None else int(self.gathered.aside.sum())
        return self.gathered.entries[: len(self.gathered.entries) - aside]

    def as_it_is(self) -> LinearHead:
        """The net's own classifier."""
        assert self.subject.store is not None
        return as_it_is(self.classifier, self.subject.store)

    def refitted(self, aside: NDArray[np.bool_]) -> Refitted:
        """The net's own classifier fitted again, chosen by the pictures that its training has set ``aside``."""
        x = self.features(self.gathered.entries, self.candidates[0], self.options.mirrored).to(self.engine.device)
        return refitted(
            x, self.labels, len(self.classes), torch.from_numpy(aside), self.as_it_is(), scaling=self.options.scaling,
            progress=lambda done, total: self.say("refitting the classifier", done, total), correction=self.correction,
        )  # fmt: skip

    def head(self, chosen: ProbeCandidate, penalty: float) -> LinearHead:
        """The classifier of the choice, fitted to all pictures."""
        x = self.features(self.gathered.entries, chosen, self.options.mirrored)
        self.say(f"fitting {chosen.name} to all pictures", 0, 0)
        fitted = fit_head(
            x.to(self.engine.device), self.labels, len(self.classes), penalty,
            classifier=self.options.classifier, scaling=self.options.scaling, counts=self.counts,
        )  # fmt: skip
        return without(fitted, self.shares)

    def judged(self, chosen: ProbeCandidate, head: LinearHead) -> JudgedHead | None:
        """How ``head`` does on the pictures to judge by; None where there are none."""
        if self.gathered.test is None:
            return None
        answers = head.answers(self.features(self.gathered.test, chosen, False)).argmax(1).numpy()
        return judge(answers, np.array([label for _, label in self.gathered.test], np.int64))

    def notices(self, rows: Sequence[TriedCandidate], head: LinearHead) -> list[str]:
        """What is worth a look."""
        found = [*self.engine.notices(), *self.opened.definition.notes, *self.gathered.notices, *self.judgements]
        if new := list(self.subject.filled):
            found.append(f"missing in the weights, so initialised by their fillers: {listed(new, LISTED)}")
        slow = [row.candidate.name for row in rows if not row.converged]
        if slow:
            found.append(f"not converged within the iterations allowed: {', '.join(slow)}")
        if not head.converged:
            found.append("the classifier fitted to all pictures has not converged")
        ends = {float(KORNBLITH[0]), float(KORNBLITH[-1])}
        edge = [row.candidate.name for row in rows if self.options.penalty is None and row.penalty in ends]
        if edge:
            found.append(f"the best penalty is at the end of the range for {', '.join(edge)}")
        return found

    # -- the net

    def write(self, out: Path, found: Probed) -> tuple[list[Path], list[tuple[str, str]]]:
        """The chosen classifier as a net, and what was found, into ``out``."""
        learned = self.learned
        # What only judged the training goes on doing so.
        aside = self.gathered.entries[len(learned) :]
        subject = write_net.Chosen(
            self.definition, self.weights, None if found.chosen.own else self.joined(found.chosen), found.head,
            self.classifier, self.classes, learned, self.gathered.test or aside or None, self.options.net,
            self.subject.filled,
        )  # fmt: skip
        paths = write_net.write(out, subject, found.plain(), found.rows, found.chosen)
        return paths, write_net.commands(out)
