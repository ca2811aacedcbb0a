"""`lungo finetune`: from a net and a folder of photos to a folder with everything a training needs. No torch.

NET, DIR/cat/*.jpg, DIR/dog/*.jpg  ->  OUT/train.txt val.txt labels.txt
                                       OUT/train_val.prototxt deploy.prototxt solver.prototxt README.md
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from caffelungo import catalogue, files
from caffelungo.data import folder as photos
from caffelungo.data.image_list import Progress
from caffelungo.definition.reader import Definition, read_net
from caffelungo.errors import Location, UserError
from caffelungo.passes.base import Note, Step, run, step
from caffelungo.passes.branch import feeding
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.finetune import FinetuneOptions, finetune
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.remember import Remembering, RememberOptions
from caffelungo.passes.solver import SolverOptions, activations, batch_size, sizes, solver_text
from caffelungo.passes.view import View
from caffelungo.rewriting import apply, carried
from caffelungo.weights import formats, sniff
from caffelungo.weights.base import Weights

STARTED = "start.caffemodel"
"""The weights under their new names, where a rewrite changes them."""
FILES = ("train.txt", "val.txt", "labels.txt", "train_val.prototxt", "deploy.prototxt", "solver.prototxt", "README.md")


@dataclass(frozen=True)
class ProjectOptions:
    """What `lungo finetune` is told. ``net`` is a path or a name of the catalogue; None: decided from the data.

    ``weights`` are written into the commands as given ("none": train from scratch; None: those that come with a net of
    the catalogue). ``batch_size``, ``size``, ``resize`` and ``mean_value`` are as in the files they end up in;
    ``passes`` is how often training sees each picture. ``remember``: the old classifier stays, taught by the old net.
    """

    net: str
    data: str
    out: str
    weights: str | None = None
    val: float = 0.2
    head: str | None = None
    freeze_to: str | None = None
    suffix: str | None = None
    size: int | None = None
    resize: int | None = None
    mean_value: tuple[float, ...] | None = None
    batch_size: int | None = None
    passes: int | None = None
    remember: bool = False
    seed: int = 0
    device: str = "cpu"
    variables: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False


@dataclass(frozen=True)
class Summary:
    """What was found and written, for the command line to print.

    ``counts`` are readable pictures of each class, ``notes`` what the passes did, ``notices`` what is worth a look,
    ``commands`` what to run next, with a word on each.
    """

    classes: tuple[str, ...]
    counts: dict[str, int]
    train: int
    val: int
    heads: tuple[str, ...]
    weights: str | None
    iterations: int
    batch_size: int
    files: dict[str, Path]
    commands: list[tuple[str, str]]
    notes: list[Note]
    notices: list[str]


def finetune_project(options: ProjectOptions, progress: Progress | None = None) -> Summary:
    """Write the folder ``options.out`` and return what is in it.

    Everything is made before anything is written, and a folder that exists is not touched without ``overwrite``.
    Raises UserError for a net, a folder or weights that do not fit.
    """
    out = Path(options.out)
    _refuse_overwriting(out, options.overwrite)
    path, variables = catalogue.resolve(options.net, options.variables)
    original = read_net(path, variables or None)
    view = View(original)
    weights = _weights(options)
    found = photos.scan(options.data, progress=progress)
    parts = photos.split(found, options.val, options.seed)
    notices = [*original.notes, *found.notices, *parts.notices]
    if not parts.val:
        notices.append("no picture is left to test on: TEST measures the training pictures; --val 0.2 keeps a fifth")
    tested = parts.val or parts.train
    if weights is not None and options.freeze_to is None:
        notices += _few(view, options, len(parts.train), len(found.classes))
    batch = options.batch_size or batch_size(len(parts.train), activations(view), options.device)
    size, channels = options.size, None
    if size is None:
        size, channels = _size_elsewhere(view, path)
    pointed = FinetuneOptions(
        classes=len(found.classes),
        train_source=_reference(out, "train.txt"),
        val_source=_reference(out, "val.txt" if parts.val else "train.txt"),
        root_folder=str(Path(options.data).resolve()),
        head=options.head,
        suffix=options.suffix or _suffix(options.data),
        batch_size=batch,
        test_batch_size=min(batch, len(tested)),
        size=size,
        resize=options.resize,
        channels=channels,
        mean_value=options.mean_value,
        preprocessing=_record(weights),
        fresh=weights is None,
    )
    steps: list[Step] = [step(finetune, pointed)]
    if options.remember:
        if weights is None:
            raise UserError(
                "there is nothing to remember without weights", remedy="name them: --weights net.caffemodel"
            )
        steps.append(Remembering(RememberOptions(head=options.head)))
    if options.freeze_to is not None:
        steps.append(step(freeze, FreezeOptions(options.freeze_to)))
    result = apply(original, steps)
    started = carried(original, result, weights, []) if result.moves else None
    if started is not None:
        weights = str(out / STARTED)
    notices += [f"{note.what} ({note.why})" for note in result.notes if "assumed:" in note.why]
    answering = run(result.definition, [step(deploy, DeployOptions())])
    solver = SolverOptions(
        net=_reference(out, "train_val.prototxt"),
        pictures=len(parts.train),
        tested=len(tested),
        classes=len(found.classes),
        batch_size=batch,
        weights=weights,
        solver=str(out / "solver.prototxt"),
        fresh=weights is None,
        passes=options.passes,
        seed=options.seed,
    )
    commands = _commands(out, weights, sizes(solver).all)
    if weights is None:
        notices.append("no weights are named, so every layer starts from its filler: --weights net.caffemodel")
    texts = {
        "train_val.prototxt": _headed(result.definition, options, found.classes),
        "deploy.prototxt": answering.definition.text,
        "solver.prototxt": solver_text(solver),
        "README.md": _readme(options, found.counts(), len(parts.train), len(parts.val), commands, result.notes),
    }
    written = _write(out, texts, found, parts, started, result.definition)
    return Summary(
        classes=tuple(found.classes),
        counts=found.counts(),
        train=len(parts.train),
        val=len(parts.val),
        heads=tuple(one.name for one in View(result.definition).classifiers),
        weights=weights,
        iterations=sizes(solver).all,
        batch_size=batch,
        files=written,
        commands=commands,
        notes=result.notes,
        notices=notices,
    )


def _refuse_overwriting(out: Path, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UserError("the output must be a folder", where=Location(str(out)), received="a file", remedy="-o mine/")
    there = [name for name in (*FILES, STARTED) if (out / name).exists()]
    if there and not overwrite:
        raise UserError(
            "the folder holds files of an earlier run, which would be lost",
            where=Location(str(out)),
            received=", ".join(there),
            remedy="choose another folder with -o, or add --overwrite",
        )


def _weights(options: ProjectOptions) -> str | None:
    """The weights as the commands will name them: the user's, else those that come with the net of the catalogue."""
    if options.weights == "none":
        return None
    if options.weights is not None:
        for name in options.weights.split(","):
            if ":" not in name.strip():
                sniff.container(files.find(name.strip(), what="weights file"))
        return options.weights
    if Path(options.net).is_file() or options.variables.get("variant"):
        return None
    shipped = catalogue.find(options.net).weights
    return None if shipped is None else str(shipped)


def _record(weights: str | None) -> Any:
    """The preprocessing record inside a weights file, or None."""
    if weights is None or not weights.endswith(".caffemodel") or not Path(weights).is_file():
        return None
    from caffelungo.definition.schema import message_class
    from caffelungo.weights import caffemodel

    extras = caffemodel.read_net(weights).lungo
    if not extras.HasField("preprocessing") or extras.preprocessing.mean_image:
        return None
    return message_class("lungo.Preprocessing").FromString(extras.preprocessing.SerializeToString())


FEW = 20
"""Below so many training pictures a class, features that stay as they are often do as well (Kornblith et al. 2019)."""


def _few(view: View, options: ProjectOptions, pictures: int, classes: int) -> list[str]:
    """A word on freezing, when there is little to learn from."""
    below = feeding(view.graph, view.heads(options.head)[-1])
    if pictures >= FEW * classes or below is None:
        return []
    return [
        f"about {pictures / classes:.0f} pictures a class are few to train a whole net on; compare with "
        f"--freeze-to {below}, which trains only the classifier, and faster"
    ]


def _size_elsewhere(view: View, path: Path) -> tuple[int | None, int | None]:
    """Side and channels of the input from the deploy file beside ``path``, where ``path`` itself does not tell them."""
    shapes = [
        shape for one in view.plan.sources for shape in one.top_shapes[:1] if shape is not None and len(shape) == 4
    ]
    if not shapes or None not in shapes[0][1:]:
        return None, None
    stems = {path.name.replace(part, "deploy") for part in ("train_val", "train_test", "trainval")}
    stems.update(path.name.replace(part, "") for part in ("_train_test", "_train_val"))
    for name in sorted(stems - {path.name}):
        beside = path.with_name(name)
        if beside.is_file():
            try:
                inputs = [one.top_shapes[0] for one in View(read_net(beside)).plan.sources]
            except UserError:
                continue
            if inputs and inputs[0] is not None and len(inputs[0]) == 4 and inputs[0][2] == inputs[0][3]:
                return (inputs[0][2] if shapes[0][2] is None else None), inputs[0][1]
    return None, None


def _suffix(data: str) -> str:
    """The name of the folder of photos as a part of a layer's name."""
    return re.sub(r"\W+", "_", Path(data).resolve().name).strip("_").lower() or "new"


def _reference(out: Path, name: str) -> str:
    """How a file in ``out`` names another one there.

    The bare name moves with the folder; but names are tried from the working directory first, so where another file
    of that name lies there, the path from the working directory is written.
    """
    elsewhere = Path(name)
    if elsewhere.exists() and elsewhere.resolve() != (out / name).resolve():
        return str(out / name)
    return name


def _commands(out: Path, weights: str | None, iterations: int) -> list[tuple[str, str]]:
    solver, net, onnx = out / "solver.prototxt", out / "train_val.prototxt", out / "model.onnx"
    start = f" --weights {weights}" if weights else ""
    final = out / f"solver_iter_{iterations}.caffemodel"
    return [
        (f"lungo check {solver}", "everything wrong with the files, before anything is loaded"),
        (f"lungo train --solver {solver}{start}", "train; Ctrl-C stops with a snapshot"),
        (f"lungo test --model {net} --weights {final}", "accuracy of each class, confusion matrix"),
        (f"lungo export --model {net} --weights {final} -o {onnx}", "one file with weights, labels and preprocessing"),
        (f"lungo classify {onnx} photo.jpg", "use it"),
    ]


def _headed(definition: Definition, options: ProjectOptions, classes: tuple[str, ...]) -> str:
    """The text of the net under a line that says where it comes from."""
    some = ", ".join(classes[:6]) + (f" and {len(classes) - 6} more" if len(classes) > 6 else "")
    line = f"# {Path(options.net).name}, made ready for {len(classes)} classes ({some}) by `lungo finetune`.\n"
    text = definition.text
    return line + text if not text.startswith("\ufeff") else text


def _readme(
    options: ProjectOptions,
    counts: dict[str, int],
    train: int,
    val: int,
    commands: list[tuple[str, str]],
    notes: list[Note],
) -> str:
    lines = [f"# {options.net} on {Path(options.data).name}", ""]
    lines += [f"{len(counts)} classes, {train} pictures to train on, {val} to test on.", ""]
    lines += ["| label | class | pictures |", "|---|---|---|"]
    lines += [f"| {label} | {name} | {number} |" for label, (name, number) in enumerate(counts.items())]
    lines += ["", "## Next", "", "```"]
    for command, what in commands:
        lines += [f"# {what}", command]
    lines += ["```", "", "## What was changed in the net", ""]
    lines += [f"- {replace(note, where=None)}" for note in notes]
    lines += [
        "",
        "The classes are numbered as in `labels.txt`. Pictures are found through `root_folder` in",
        "`train_val.prototxt`: change it there when they move. All files here are plain text and meant to be edited.",
    ]
    return "\n".join(lines) + "\n"


def _write(
    out: Path,
    texts: dict[str, str],
    found: photos.PhotoFolder,
    parts: photos.Split,
    started: Weights | None,
    net: Definition,
) -> dict[str, Path]:
    """All files into a folder of their own first, then into place, so that a full disk leaves nothing half-written."""
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
    try:
        photos.write(found, parts, staging)
        for name, text in texts.items():
            files.write_text(staging / name, text)
        if started is not None:
            formats.write(staging / STARTED, started, net.message)
        made = [name for name in (*FILES, STARTED) if (staging / name).exists()]
        out.mkdir(exist_ok=True)
        for name in made:
            (staging / name).replace(out / name)
        files.sync_folder(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return {name: out / name for name in made}
