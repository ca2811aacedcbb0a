"""`lungo classify`: pictures and folders in, a table on the screen and a CSV, JSON or picture file out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from caffelungo import files, shell
from caffelungo.errors import Location, Problem, RunError, UserError
from caffelungo.inference.classify import Classifier, NumberReader, PictureModel, no_classifier, stream
from caffelungo.inference.predictions import Prediction, as_csv, as_json
from caffelungo.wording import counted

SUFFIXES = (".csv", ".json", ".png")


@dataclass(frozen=True)
class ClassifyOptions:
    """``pictures`` are files or folders; ``output`` ends in .csv, .json or .png (a sheet of the first ``most``).

    ``head``: one of several classifiers, by task, layer or output (None: all).
    """

    model: str | Path
    pictures: Sequence[str | Path]
    top: int = 5
    device: str = "auto"
    output: str | Path | None = None
    most: int = 24
    head: str | None = None


def classify_files(options: ClassifyOptions, failed: list[Problem] | None = None) -> list[Prediction]:
    """Classify, and write ``options.output``; the most probable classes of each picture come first.

    ``failed`` takes what is wrong with pictures that cannot be read, where others can; without it, and where none can,
    they are a UserError. So are a model that is none, and an output of unknown kind.
    """
    target = Path(options.output) if options.output else None
    if target is not None and target.suffix.lower() not in SUFFIXES:
        raise UserError(
            "the suffix of the output is not a known format",
            received=f"-o {target}",
            remedy=f"use {', '.join(SUFFIXES)}",
        )
    if target is not None:
        files.refuse_obstacle(target)
    judges = judges_of(PictureModel(options.model, options.device), options.head, target)
    predictions: list[Prediction] = []
    try:
        predictions += stream(judges, options.pictures, top=options.top)
    except UserError as error:
        if failed is None or not predictions:
            raise
        failed += error.problems
    if target is None:
        return predictions
    if target.suffix.lower() == ".png":
        sheet(judges[0], predictions, target, options.most)
    else:
        files.write_text(target, as_csv(predictions) if target.suffix.lower() == ".csv" else as_json(predictions))
    return predictions


def incomplete(failed: Sequence[Problem]) -> RunError:
    """What to end with after the answers for all other pictures."""
    problems = "\n".join(str(problem) for problem in failed)
    return RunError(f"{counted(len(failed), 'picture')} could not be read, without a result:\n{problems}")


def judges_of(model: PictureModel, head: str | None, target: Path | None) -> list[Classifier]:
    """The classifiers of ``model`` that are asked for; UserError for none, or for several on one sheet."""
    judges = model.judges(head)
    if not judges:
        raise no_classifier(model)
    if isinstance(judges[0], NumberReader) and target is not None and target.suffix.lower() == ".png":
        raise UserError(
            "a sheet shows classes, and the file predicts numbers", where=Location(str(model.path)),
            received=f"-o {target}", remedy="write a .csv or .json file",
        )  # fmt: skip
    if len(judges) > 1 and target is not None and target.suffix.lower() == ".png":
        raise UserError(
            "a sheet shows one classifier, and the file has several",
            where=Location(str(model.path)),
            received=", ".join(one.head for one in judges),
            remedy=f"name one: --head {shell.word(judges[-1].head)}",
        )
    return judges


def sheet(classifier: Classifier, predictions: Sequence[Prediction], target: Path, most: int) -> None:
    """Draw ``most`` of the predictions, evenly spaced, to ``target`` (PNG), and how many of all are right if known."""
    known = truth(predictions, classifier.labels)
    classifier.draw(_spread(predictions, most), target, truth=known, most=most, title=_title(predictions, known))


def truth(predictions: Sequence[Prediction], labels: Sequence[str] | None) -> dict[str, str]:
    """The true label of each picture, where all of them are in folders named as classes; else empty."""
    folders = {prediction.name: Path(prediction.name).parent.name for prediction in predictions}
    return folders if labels and set(folders.values()) <= set(labels) else {}


def _spread(predictions: Sequence[Prediction], most: int) -> list[Prediction]:
    """``most`` of the predictions, evenly spaced, so that a sheet shows all folders."""
    if len(predictions) <= most:
        return list(predictions)
    return [predictions[k * len(predictions) // most] for k in range(most)]


def _title(predictions: Sequence[Prediction], known: Mapping[str, str]) -> str:
    if not known:
        return ""
    if any(prediction.scores for prediction in predictions):
        return ""
    right = sum(known[prediction.name] == prediction.best.label for prediction in predictions)
    return f"{right} of {len(predictions)} right ({right / len(predictions):.1%})"
