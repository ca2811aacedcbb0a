"""Pictures in, classes out: preprocessing and labels are read from the exported file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo import shell
from caffelungo.data import preprocess
from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.inference import metadata, picture_input
from caffelungo.inference.inputs import Given, PictureBatch, batches, gather
from caffelungo.inference.onnx_engine import OnnxEngine
from caffelungo.inference.predictions import Guess, PredictedNumber, Prediction, short_label
from caffelungo.report import gallery
from caffelungo.wording import counted

Picture = str | Path | NDArray[np.uint8]
TOP = 5
BATCH = 32
MOST_AT_ONCE = 2**24
"""Pixels of pictures at their own size that go through a file at a time: 50 MB, and 200 MB as floats in the graph."""


class PictureModel:
    """An exported net whose one input is pictures. ``device`` is where it runs, ``engine`` runs it.

    ``device``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; a device that is named is used, or RunError says why not.
    ``options`` are those of ``OnnxEngine``. Raises UserError for a file that ``lungo export`` did not write, keeps
    weights elsewhere, or takes no pictures.
    """

    def __init__(self, path: str | Path, device: str = "auto", **options: Any) -> None:
        self.path = Path(path)
        self.engine = OnnxEngine(self.path, device, **options)
        self.session, self.device = self.engine.session, self.engine.device
        self.metadata = metadata.read(self.engine.metadata, self.path)
        self.record, self.labels, self.input = self.metadata.record, self.metadata.labels, self.metadata.input
        self.heads = tuple(head for head in self.metadata.heads if head.output in self.engine.outputs)
        """The classifiers of a file that answers for several tasks; none where there is one, or none."""
        self.head = ""
        """The task of the one that was chosen."""
        shape = self.engine.shapes.get(self.input.name, [])
        if len(self.engine.inputs) != 1 or len(shape) != 4 or not self.input.channels:
            raise UserError(
                "this net has other inputs than one picture",
                where=Location(str(self.path)),
                received=", ".join(f"{name} {'x'.join(map(str, sizes))}" for name, sizes in self.engine.shapes.items()),
                remedy="use a net with one input of 1 or 3 channels, or run the file with onnxruntime directly",
            )
        high, wide = self.input.plane
        self.size = (shape[high], shape[wide])
        # What is done to a picture before the file gets it.
        self.outside = picture_input.without_geometry(self.record) if self.input.resize else self.record
        self.batch: int | None = shape[0] if isinstance(shape[0], int) else None

    @property
    def classifier(self) -> str | None:
        """The output that holds one probability per class, where there is one."""
        return self.metadata.classifier if self.metadata.classifier in self.engine.outputs else None

    @property
    def numbers(self) -> metadata.NumberAnswer | None:
        """What the file says of the numbers that it predicts, where it does."""
        found = self.metadata.numbers
        return found if found is not None and found.output in self.engine.outputs else None

    def judges(self, head: str | None = None) -> list[Classifier]:
        """The classifiers of the file over one session: all, or that whose task, layer or output is called ``head``.

        None for a file without a classifier. Raises UserError for a name that none has.
        """
        if not self.heads:
            if head is not None:
                raise UserError(
                    "this file has no named classifiers",
                    where=Location(str(self.path)),
                    received=f"--head {head}",
                    remedy="remove --head",
                )
            if self.numbers is not None:
                return [NumberReader.of(self)]
            if self.classifier is not None and self.metadata.thresholds is not None:
                return [LabelReader.of(self)]
            return [Classifier.of(self)] if self.classifier is not None else []
        chosen = [one for one in self.heads if head is None or head in (one.task, one.name, one.output)]
        if not chosen:
            near = did_you_mean(str(head), [word for one in self.heads for word in (one.task, one.name)])
            raise UserError(
                f"the file has no task `{head}`",
                where=Location(str(self.path)),
                received=f"--head {head}",
                remedy=(f"did you mean `{near}`? " if near else "")
                + f"its tasks are {', '.join(one.title for one in self.heads)}",
            )
        return [Classifier.of(self, one) for one in chosen]

    def outputs(
        self, images: Sequence[NDArray[np.uint8]], names: Sequence[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        """All outputs (or those of ``names``), a row for each of ``images``.

        These are as ``picture_input.read`` gives them for ``outside``, and all of one size. Where the file is for a
        fixed number of pictures, they may be fewer.
        """
        if self.input.resize and self.batch is None:
            step = max(1, MOST_AT_ONCE // (images[0].shape[0] * images[0].shape[1]))
            if len(images) > step:
                parts = [self.outputs(images[first : first + step], names) for first in range(0, len(images), step)]
                return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        stack: NDArray[Any] = images if isinstance(images, np.ndarray) else np.stack(images)
        stack = picture_input.fed(self.input, self.record, stack)
        many = len(stack)
        if self.batch is not None and many != self.batch:
            stack = np.concatenate([stack, np.repeat(stack[-1:], self.batch - many, axis=0)])
        made = self.engine.run({self.input.name: stack}, names)
        if len(stack) == many:
            return made
        return {name: rows[:many] for name, rows in made.items()}

    def batches(self, items: Sequence[tuple[str, Picture]], size: int, decoders: int = 0) -> Iterator[PictureBatch]:
        """The (name, picture) pairs ``items``, read ahead, as many at a time as ``size`` and the file admit."""
        if size < 1:
            raise UserError("batch must be at least 1", received=f"batch {size}", remedy="give 1 or more")
        most = MOST_AT_ONCE if self.input.resize else None
        return batches(items, self._answer, self.batch or size, decoders=decoders, most=most)

    def _answer(self, item: tuple[str, Picture]) -> Any:
        return self._read(item)[1]

    def _read(self, item: tuple[str, Picture]) -> tuple[str, Any]:
        name, picture = item
        try:
            if isinstance(picture, np.ndarray):
                image = picture_input.from_array(self.outside, picture)
            else:
                image = picture_input.read(self.outside, picture, name)
            if self.input.resize:
                preprocess.check_resized(self.record, *image.shape[:2])
        except UserError as error:
            return name, UserError([_placed(problem, name) for problem in error.problems])
        # Where the file leaves sizes open they are names.
        if any(isinstance(size, int) and size != got for size, got in zip(self.size, image.shape, strict=False)):
            return name, UserError(
                "the picture does not have the net's input size, and the file's record does not resize",
                where=Location(name),
                received=f"{image.shape[0]}x{image.shape[1]} for {self.size[0]}x{self.size[1]}",
                remedy="resize it, or export the net with a record that resizes",
            )
        return name, image


class Classifier(PictureModel):
    """An exported classifier: its outputs are classes with probabilities. ``labels`` are None where there are none.

    ``head`` chooses one of several, by task, layer or output.
    """

    def __init__(self, path: str | Path, device: str = "auto", head: str | None = None, **options: Any) -> None:
        super().__init__(path, device, **options)
        if len(self.heads) > 1 and head is None:
            raise UserError(
                "this file has several tasks, and one is needed",
                where=Location(str(self.path)),
                received=", ".join(one.title for one in self.heads),
                remedy=f"name one: --head {shell.word(self.heads[-1].title)}",
            )
        if self.heads or head is not None:
            self.__dict__.update(self.judges(head)[0].__dict__)
        if self.classifier is None:
            raise no_classifier(self)

    @classmethod
    def of(cls, model: PictureModel, head: metadata.Head | None = None) -> Classifier:
        """``model``, which has a classifier's output, with a classifier's methods; the session is shared.

        ``head``: that of its heads whose output and classes it has.
        """
        made = cls.__new__(cls)
        made.__dict__.update(model.__dict__)
        if head is not None:
            made.labels, made.head = None if head.labels is None else list(head.labels), head.title
            made.metadata = replace(model.metadata, classifier=head.output, labels=made.labels)
        return made

    def probabilities(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """One row of probabilities for each of ``images``, which are as ``picture_input.read`` gives them."""
        output = str(self.classifier)
        rows = self.outputs(images, [output])[output]
        return np.asarray(rows.reshape(len(rows), -1), np.float32)

    def classify(self, given: Sequence[Picture], *, top: int = TOP, batch: int = BATCH) -> list[Prediction]:
        """The ``top`` classes of every picture: files, folders, lists, or uint8 arrays (H x W x 3 RGB, or H x W grey).

        Raises UserError that lists every picture that cannot be used.
        """
        return list(self.stream(given, top=top, batch=batch))

    def stream(
        self, given: Sequence[Picture], *, top: int = TOP, batch: int = BATCH, decoders: int = 0
    ) -> Iterator[Prediction]:
        """The same one by one; pictures are read ahead while the net runs. Bad ones are reported at the end."""
        return stream([self], given, top=top, batch=batch, decoders=decoders)

    def prediction(self, name: str, row: NDArray[np.float32], top: int = TOP) -> Prediction:
        """The ``top`` classes of a row of probabilities."""
        return Prediction(name, self._guesses(row, top), self.head)

    def items(self, given: Sequence[Picture]) -> tuple[list[tuple[str, Picture]], Given]:
        """The pictures with their names, and where they were named."""
        items: list[tuple[str, Picture]] = []
        origins = Given()
        problems: list[Problem] = []
        for number, picture in enumerate(given):
            if isinstance(picture, np.ndarray):
                items.append((f"picture {number + 1}", picture))
                origins.add([Path(items[-1][0])])
                continue
            try:
                found = gather([picture])
                items += [(str(path), path) for path in found.paths]
                origins.extend(found)
            except UserError as error:
                problems += error.problems
        if problems:
            raise UserError(problems)
        return items, origins

    def _guesses(self, row: NDArray[np.float32], top: int) -> tuple[Guess, ...]:
        # Sorting a thousand classes takes ten times as long as finding the few that are shown.
        few = np.sort(np.argpartition(-row, top)[:top]) if 8 * top < len(row) else np.arange(len(row))
        order = few[np.argsort(-row[few], kind="stable")][:top]
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
                gallery.GalleryTile(
                    image,
                    [(short_label(guess.label), guess.probability) for guess in prediction.guesses],
                    short_label(right) if right is not None else None,
                    Path(prediction.name).name if right is None else short_label(right),
                )
            )
        gallery.draw(tiles, path, title=title)


class NumberReader(Classifier):
    """An exported net that predicts numbers: its ``prediction`` of a picture has these in the place of classes."""

    @classmethod
    def of(cls, model: PictureModel, head: metadata.Head | None = None) -> NumberReader:
        """``model``, which has an output with numbers; the session is shared."""
        made = cls.__new__(cls)
        made.__dict__.update(model.__dict__)
        assert model.numbers is not None
        made.fields = model.numbers.fields
        made.labels = [one.name for one in made.fields]
        made.metadata = replace(model.metadata, classifier=model.numbers.output, labels=None)
        return made

    fields: tuple[metadata.NumberField, ...]

    def prediction(self, name: str, row: NDArray[np.float32], top: int = TOP) -> Prediction:
        """The numbers in ``row``, all of them; UserError where the file names others."""
        if len(row) != len(self.fields):
            raise UserError(
                "the file names other numbers than it predicts", where=Location(str(self.path)),
                received=f"{counted(len(row), 'number')}, {counted(len(self.fields), 'name')}",
                remedy="export the net again",
            )  # fmt: skip
        numbers = zip(self.fields, row.tolist(), strict=True)
        return Prediction(name, (), "", tuple(PredictedNumber(one.name, value, one.unit) for one, value in numbers))


class LabelReader(Classifier):
    """An exported net that tells several labels: its ``prediction`` of a picture has those from their thresholds on."""

    @property
    def thresholds(self) -> NDArray[np.float32]:
        """One per label."""
        return np.array(self.metadata.thresholds, np.float32)

    def prediction(self, name: str, row: NDArray[np.float32], top: int = TOP) -> Prediction:
        """The labels in ``row``, the most probable first; UserError where the file has thresholds of others."""
        if len(row) != len(self.thresholds):
            raise UserError(
                "the file has thresholds of other labels", where=Location(str(self.path)),
                received=f"{counted(len(row), 'label')}, {counted(len(self.thresholds), 'threshold')}",
                remedy="export the net again",
            )  # fmt: skip
        every = tuple(Guess(index, self.label(index), float(score)) for index, score in enumerate(row))
        given = [one for one, told in zip(every, row >= self.thresholds, strict=True) if told]
        return Prediction(name, tuple(sorted(given, key=lambda one: -one.probability)), scores=every)


def open_judge(path: str | Path, device: str = "auto", head: str | None = None, **options: Any) -> Classifier:
    """What answers for pictures with the file ``path``: its classifier (``head`` of several), its NumberReader or its
    LabelReader."""
    model = PictureModel(path, device, **options)
    if (model.numbers is not None or model.metadata.thresholds is not None) and not model.heads and model.judges():
        return model.judges(head)[0]
    return Classifier(path, device, head, **options)


def no_classifier(model: PictureModel) -> UserError:
    """What is wrong with a file that is asked for classes and has none."""
    return UserError(
        "this net is not a classifier: no output has one probability per class",
        where=Location(str(model.path)),
        received=f"outputs {', '.join(model.engine.outputs)}",
        remedy="export a net that ends in Softmax or SoftmaxWithLoss, or write outputs with `lungo infer -o out.npz`",
    )


def stream(
    judges: Sequence[Classifier], given: Sequence[Picture], *, top: int = TOP, batch: int = BATCH, decoders: int = 0
) -> Iterator[Prediction]:
    """The answers of ``judges``, which are of one file, for every picture: each in turn, the net run once for all.

    Bad pictures are reported at the end.
    """
    if top < 1 or batch < 1:
        raise UserError(
            "top and batch must be at least 1", received=f"top {top}, batch {batch}", remedy="give 1 or more"
        )
    items, origins = judges[0].items(given)
    problems: list[Problem] = []
    for read in judges[0].batches(items, batch, decoders):
        problems += [origins.placed(index, problem) for index, problem in read.failed]
        if read.indices:
            outputs = judges[0].outputs(read.images, [str(one.classifier) for one in judges])  # type: ignore[arg-type]
            yield from predictions(judges, [items[index][0] for index in read.indices], outputs, top)
    if problems:
        raise UserError(problems)


def predictions(
    judges: Sequence[Classifier], names: Sequence[str], outputs: Mapping[str, NDArray[Any]], top: int
) -> list[Prediction]:
    """What ``judges`` make of a batch of ``outputs``: for each of ``names`` one prediction of each judge."""
    rows = [outputs[str(one.classifier)] for one in judges]
    flat = [np.asarray(one.reshape(len(one), -1), np.float32) for one in rows]
    return [
        judge.prediction(name, row[place], top)
        for place, name in enumerate(names)
        for judge, row in zip(judges, flat, strict=True)
    ]


def _placed(problem: Problem, name: str) -> Problem:
    return problem if problem.where else Problem(problem.what, Location(name), problem.received, problem.remedy)
