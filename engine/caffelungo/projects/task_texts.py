"""What `lungo grow --task` writes for people: the commands that come next, a README, and run.sh, which runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffelungo import shell
from caffelungo.definition.reader import Definition
from caffelungo.passes.base import Note
from caffelungo.passes.task import KnownTask
from caffelungo.rewriting import folder_texts
from caffelungo.wording import counted, listed


@dataclass(frozen=True)
class TaskAbout:
    """A task that was added: the ``net`` it was added to (a path, or a name of the catalogue) with its weights
    ``before``, the folder ``out`` that was written, the weights that training starts from (``start``), and the folder
    of ``pictures``. ``fitted``: the classifier starts fitted, and the weights that are best in training are kept."""

    net: str
    task: str
    out: Path
    before: str
    start: str
    iterations: int
    pictures: Path
    fitted: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict)


def commands(about: TaskAbout) -> list[tuple[str, str]]:
    """What to run next, from where the folder was made, with a word on each; quoted for a shell."""
    steps = _steps(about, about.net, about.before, about.start, lambda name: str(about.out / name))
    classify = ["lungo", "classify", str(about.out / "model.onnx"), "photo.jpg"]
    return folder_texts.quoted([*steps, (classify, "classify: results for every task")])


def script(about: TaskAbout) -> str:
    """run.sh: the same commands from the folder itself, wherever it is called from."""
    net = _absolute(about.net)
    before, start = (",".join(map(_absolute, text.split(","))) for text in (about.before, about.start))
    if Path(about.start).parent == about.out:
        start = Path(about.start).name
    line = f"The task {about.task}: train it, test it, and verify that the old outputs are unchanged."
    return folder_texts.script(line, _steps(about, net, before, start, lambda name: name))


def _absolute(name: str) -> str:
    return str(Path(name.strip()).resolve()) if Path(name.strip()).exists() else name.strip()


def _steps(
    about: TaskAbout, net: str, before: str, start: str, at: Callable[[str], str]
) -> list[tuple[list[str], str]]:
    """The words of each command; ``at`` says how a file of the folder is named."""
    final = at("solver_best.caffemodel" if about.fitted else f"solver_iter_{about.iterations}.caffemodel")
    settings = shell.settings(about.variables.items())
    return [
        (["lungo", "check", at("solver.prototxt")], "check all files"),
        (["lungo", "train", "--solver", at("solver.prototxt")], "train the new layers; Ctrl-C stops with a snapshot"),
        (["lungo", "test", "--model", at("train_val.prototxt"), "--weights", final],
         "accuracy per class of the new task; --head and --data test an old one"),
        (["lungo", "verify", net, at("deploy.prototxt"), "--weights", before, "--after-weights", final,
          "--data", str(about.pictures), *settings],
         "verify that the old outputs are unchanged"),
        (["lungo", "export", "--model", at("deploy.prototxt"), "--weights", final, "-o", at("model.onnx")],
         "one file for all tasks"),
    ]  # fmt: skip


def headed(definition: Definition, about: TaskAbout, classes: Sequence[str]) -> str:
    """The text of the net under a line that says where it comes from."""
    some = listed(classes, folder_texts.SHOWN)
    line = f"{Path(about.net).name} and the task {about.task} ({some}), added by `lungo grow --task`."
    return folder_texts.headed(definition, line)


def readme(
    about: TaskAbout,
    counts: Mapping[str, int],
    parts: tuple[int, int],
    known: Mapping[str, KnownTask],
    notes: Sequence[Note],
) -> str:
    """README.md: classes, the old tasks, what to run next, what was changed. ``parts``: pictures to train, to test."""
    middle = ["", "## Old tasks, which are kept", ""]
    middle += [
        f"- {one.task} (`{name}`)"
        + (f": {counted(len(one.labels), 'class')}, {listed(one.labels, folder_texts.SHOWN)}" if one.labels else "")
        for name, one in known.items()
    ]
    end = [
        "The new classes are numbered as in `labels.txt`. Pictures are found through `root_folder` in",
        "`train_val.prototxt`: change it there when they move. `lungo { head }` at its end names the classifiers,",
        "their tasks and their classes; the weights contain them as well.",
    ]
    title = f"{about.task} on {Path(about.net).name}"
    return folder_texts.readme(title, counts, parts, middle, commands(about), notes, end)
