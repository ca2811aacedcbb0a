"""Pictures in, classes out: an exported file knows its own preprocessing and labels, so nothing else need be said."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.deploy import metadata, pictures
from caffelungo.deploy.runtime import open_session
from caffelungo.errors import Location, Problem, UserError
from caffelungo.report import gallery

Picture = str | Path | NDArray[np.uint8]
TOP = 5
BATCH = 32
_READERS = 4


@dataclass(frozen=True)
class Guess:
    """One class of a prediction: its number, its label (the number where no labels are known), its probability."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The classes of one picture, the most probable first. ``name`` is its path, or ``picture N``."""

    name: str
    guesses: tuple[Guess, ...]

    @property
    def best(self) -> Guess:
        return self.guesses[0]


class Classifier:
    """An exported classifier. ``device`` is where it runs; ``labels`` are None where the file has none.

    ``device``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; a device that is named is used, or RunError says why not.
    Raises UserError for a file that ``lungo export`` did not write, keeps weights elsewhere, or is no classifier.
    """

    def __init__(self, path: str | Path, device: str = "auto", *, threads: int = 0) -> None:
        self.path = Path(path)
        self.session = open_session(self.path, device, threads=threads)
        self.device = self.session.device
        self.metadata = metadata.read(self.session.metadata, self.path)
        self.record, self.labels, self.input = self.metadata.record, self.metadata.labels, self.metadata.input
        if self.metadata.classifier not in self.session.outputs or self.input.name not in self.session.inputs:
            raise UserError(
                "this net is no classifier: no output holds one probability a class",
                where=Location(str(self.path)),
                received=f"outputs {', '.join(self.session.outputs)}",
                remedy="export a net that ends in Softmax or SoftmaxWithLoss",
            )
        shape = self.session.shapes[self.input.name]
        self.size = (shape[1], shape[2]) if self.input.takes_pictures else (shape[2], shape[3])

    def probabilities(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """One row of probabilities for each of ``images``, which are as ``pictures.read`` gives them."""
        stack: NDArray[Any] = np.stack(images)
        if not self.input.takes_pictures:
            stack = pictures.apply(self.record, stack)
        output = str(self.metadata.classifier)
        rows = self.session.run({self.input.name: stack}, [output])[output]
        return np.asarray(rows.reshape(len(rows), -1), np.float32)

    def classify(self, given: Sequence[Picture], *, top: int = TOP, batch: int = BATCH) -> list[Prediction]:
        """The ``top`` classes of every picture: files, folders, or uint8 arrays (H x W x 3 RGB, or H x W grey).

        Raises UserError that lists every picture that cannot be used.
        """
        return list(self.stream(given, top=top, batch=batch))

    def stream(self, given: Sequence[Picture], *, top: int = TOP, batch: int = BATCH) -> Iterator[Prediction]:
        """The same one by one; pictures are read ahead while the net runs. Bad ones are told at the end."""
        if top < 1 or batch < 1:
            raise UserError(
                "top and batch must be at least 1", received=f"top {top}, batch {batch}", remedy="give 1 or more"
            )
        items = self._items(given)
        problems: list[Problem] = []
        with ThreadPoolExecutor(_READERS) as readers:
            ahead = readers.map(self._read, items[:batch])
            for start in range(0, len(items), batch):
                read, rest = list(ahead), items[start + batch : start + 2 * batch]
                ahead = readers.map(self._read, rest)
                for _, found in read:
                    if isinstance(found, UserError):
                        problems += found.problems
                good = [(name, image) for name, image in read if not isinstance(image, UserError)]
                if good:
                    rows = self.probabilities([image for _, image in good])
                    for (name, _), row in zip(good, rows, strict=True):
                        yield Prediction(name, self._guesses(row, top))
        if problems:
            raise UserError(problems)

    def _items(self, given: Sequence[Picture]) -> list[tuple[str, Picture]]:
        items: list[tuple[str, Picture]] = []
        problems = []
        for number, picture in enumerate(given):
            if isinstance(picture, np.ndarray):
                items.append((f"picture {number + 1}", picture))
                continue
            files = pictures.picture_files([picture])
            if not files:
                problems.append(
                    Problem("this folder holds no pictures", Location(str(picture)), str(Path(picture).absolute()),
                            "give a folder with pictures in it, or the pictures themselves")
                )  # fmt: skip
            items += [(str(path), path) for path in files]
        if problems:
            raise UserError(problems)
        return items

    def _read(self, item: tuple[str, Picture]) -> tuple[str, Any]:
        name, picture = item
        try:
            if isinstance(picture, np.ndarray):
                image = pictures.from_array(self.record, picture)
            else:
                image = pictures.read(self.record, picture, name)
        except UserError as error:
            return name, UserError([_placed(problem, name) for problem in error.problems])
        if image.shape[:2] != self.size:
            return name, UserError(
                "picture has another size than the net takes, and the file's record does not resize",
                where=Location(name),
                received=f"{image.shape[0]}x{image.shape[1]} for {self.size[0]}x{self.size[1]}",
                remedy="resize it, or export the net with a record that does",
            )
        return name, image

    def _guesses(self, row: NDArray[np.float32], top: int) -> tuple[Guess, ...]:
        order = np.argsort(-row, kind="stable")[:top]
        return tuple(Guess(int(index), self.label(int(index)), float(row[index])) for index in order)

    def label(self, index: int) -> str:
        """The name of class ``index``."""
        return self.labels[index] if self.labels is not None and index < len(self.labels) else str(index)

    def draw(
        self,
        predictions: Sequence[Prediction],
        path: str | Path,
        *,
        truth: Mapping[str, str] | None = None,
        images: Mapping[str, NDArray[np.uint8]] | None = None,
        most: int = 24,
        title: str = "",
    ) -> None:
        """Write a sheet of the first ``most`` pictures with their classes to ``path`` (PNG).

        ``truth`` gives the true label of a prediction's name, ``images`` the pictures that came as arrays.
        """
        tiles = []
        for prediction in predictions[:most]:
            given = (images or {}).get(prediction.name, prediction.name)
            image = self._read((prediction.name, given))[1]
            right = (truth or {}).get(prediction.name)
            tiles.append(
                gallery.Tile(
                    image,
                    [(short(guess.label), guess.probability) for guess in prediction.guesses],
                    short(right) if right is not None else None,
                    Path(prediction.name).name if right is None else short(right),
                )
            )
        gallery.draw(tiles, path, title=title)


def short(label: str) -> str:
    """A label for a picture: without a WordNet number before it and synonyms after it."""
    return re.sub(r"^n\d{8}\s+", "", label).split(",")[0].strip() or label


def _placed(problem: Problem, name: str) -> Problem:
    return problem if problem.where else Problem(problem.what, Location(name), problem.received, problem.remedy)


def table(predictions: Sequence[Prediction]) -> str:
    """Aligned text: picture, then its classes with probabilities."""
    if not predictions:
        return ""
    names = max(len(prediction.name) for prediction in predictions)
    labels = max(len(guess.label) for prediction in predictions for guess in prediction.guesses)
    lines = []
    for prediction in predictions:
        for position, guess in enumerate(prediction.guesses):
            name = prediction.name if position == 0 else ""
            lines.append(f"{name:<{names}}  {guess.label:<{labels}}  {guess.probability:7.2%}")
    return "\n".join(lines)


def as_json(predictions: Sequence[Prediction]) -> str:
    """A JSON list of ``{"picture", "classes": [{"index", "label", "probability"}]}``."""
    return json.dumps(
        [
            {"picture": prediction.name, "classes": [_plain(guess) for guess in prediction.guesses]}
            for prediction in predictions
        ],
        indent=2,
        ensure_ascii=False,
    )


def _plain(guess: Guess) -> Mapping[str, Any]:
    return {"index": guess.index, "label": guess.label, "probability": round(guess.probability, 6)}


def as_csv(predictions: Sequence[Prediction]) -> str:
    """CSV with the columns picture, rank, index, label, probability."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["picture", "rank", "index", "label", "probability"])
    for prediction in predictions:
        for rank, guess in enumerate(prediction.guesses, 1):
            writer.writerow([prediction.name, rank, guess.index, guess.label, f"{guess.probability:.6f}"])
    return text.getvalue()
