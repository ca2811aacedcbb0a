"""`lungo finetune` where the data are pairs of pictures: from a net and a list of pairs to a folder that trains.

NET, pairs.txt (path path 0|1)  ->  OUT/train.txt val.txt
                                    OUT/train_val.prototxt deploy.prototxt solver.prototxt run.sh README.md

The net gives each picture a vector of unit length, near for pictures that belong together (``passes.embed_pairs``).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from caffelungo import files
from caffelungo.data import group_split, picture_groups
from caffelungo.data.image_list import ImageList, check
from caffelungo.data.picture_pairs import Pair, looks_like_pairs, pairs_of, read_pairs, write_pairs
from caffelungo.errors import Location, UserError
from caffelungo.passes.base import Step, run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.embed_pairs import EmbedOptions, embed_pairs
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.suggested_solver import SolverOptions, sizes, solver_text
from caffelungo.passes.view import View
from caffelungo.projects import project_commands, started_net
from caffelungo.projects.class_choice import AUTO, ClassChoice
from caffelungo.projects.project_commands import BEST, At, Command, exported, trained
from caffelungo.projects.project_options import PAIRS, ProjectOptions, Stage, Summary, unfit
from caffelungo.rewriting import folder_texts
from caffelungo.rewriting.folder_files import reference, staged
from caffelungo.rewriting.retarget import Opened, Pictures, PointOptions, batch_of, point
from caffelungo.weights.load import anywhere
from caffelungo.wording import counted

FILES = ("train.txt", "val.txt", "train_val.prototxt", "deploy.prototxt", "solver.prototxt", "README.md", "run.sh")
WIDTH = 64
"""Numbers of an embedding."""
SEEN = 100
"""Lines by which a list of pairs is recognised."""


def sees_pairs(options: ProjectOptions) -> bool:
    """Whether ``options.data`` is a list of pairs; UserError where it must be one and is none."""
    path = Path(options.data)
    asked = options.predict == PAIRS
    head: list[str] = []
    if (asked or options.predict == AUTO) and path.is_file():
        with path.open("rb") as stream:
            lines = (line.decode("utf-8", "surrogateescape").strip() for line in itertools.islice(stream, SEEN))
            head = [line for line in lines if line]
    found = looks_like_pairs(head)
    if asked and not found and not path.is_file():
        raise UserError("pairs of pictures need a list", where=Location(options.data), received="--predict pairs",
                        remedy="name a text file with one `path path 0|1` per line")  # fmt: skip
    return found or asked


def pair_project(options: ProjectOptions, wanted: PointOptions, opened: Opened, say: Stage) -> Summary:
    """Write the folder ``options.out`` for the pairs of ``options.data``, and return what is in it.

    UserError for pictures that are missing, a list with pairs of one kind only, and as ``finetune_project``.
    """
    out = Path(options.out)
    _refuse_class_options(options)
    say("reading pairs", 0, 1)
    pictures = read_pairs(options.data)
    train, val, notices = split_pairs(_checked(pictures), options.val, options.seed)

    def instead(pointed: FinetuneOptions) -> Step:
        return step(embed_pairs, EmbedOptions(WIDTH, pointed))

    aimed = Pictures(1, len(train), len(val or train), reference(out, "train.txt"),
                     reference(out, "val.txt" if val else "train.txt"), pairs=True, instead=instead)  # fmt: skip
    result = point(opened, wanted, aimed, started_net.freezing(options))
    definition = result.definition
    solver = SolverOptions(
        net=reference(out, "train_val.prototxt"), pictures=len(train), tested=len(val or train), classes=1,
        batch_size=batch_of(View(opened.definition), wanted, len(train)), weights=opened.weights,
        solver=str(out / "solver.prototxt"), fresh=opened.weights is None, passes=options.passes, seed=options.seed,
        named=anywhere(opened.weights), watch="loss", compares=True,
    )  # fmt: skip
    line = f"{Path(options.net).name}, made ready to compare pictures by `lungo finetune`."
    texts = {
        "train_val.prototxt": folder_texts.headed(definition, line),
        "deploy.prototxt": run(definition, [step(deploy, DeployOptions())]).definition.text,
        "solver.prototxt": solver_text(solver),
        "README.md": _readme(options, train, val, result.notes),
        "run.sh": project_commands.script(_steps),
    }
    with staged(out) as folder:
        write_pairs(folder / "train.txt", train)
        write_pairs(folder / "val.txt", val)
        for name, text in texts.items():
            files.write_text(folder / name, text)
        (folder / "run.sh").chmod(0o755)
    notices += started_net.assumed(result)
    heads = tuple(name for name in ("embedding",) if name in [layer.name for layer in definition.message.layer])
    return Summary(
        (), {}, len(train), len(val), heads, opened.weights, sizes(solver).all, solver.batch_size,
        {name: out / name for name in FILES if (out / name).exists()}, _commands(out), result.notes, notices,
        ClassChoice("none"), pairs=True,
    )  # fmt: skip


def split_pairs(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair], list[str]]:
    """Pairs to train on and to test on, about ``share`` of each kind; no picture is in both where that can be had.

    Where pairs hold together nearly all pictures, only the pairs are divided, and a notice says so.
    """
    if not 0 <= share < 1:
        raise UserError("the share of validation pairs must be at least 0 and below 1", received=f"{share:g}",
                        remedy="use 0.2 for one in five")  # fmt: skip
    labels = [same for _, _, same in pairs]
    places: dict[str, list[int]] = {}
    for place, (first, second, _) in enumerate(pairs):
        places.setdefault(first, []).append(place)
        places.setdefault(second, []).append(place)
    groups = picture_groups.merged(len(pairs), places.values(), ())
    notices = []
    if max(map(len, groups), default=0) > len(pairs) * (1 - share):
        groups = []
        if share:
            notices.append("nearly all pairs share pictures with others, so training and test pairs have pictures in "
                           "common; name other pairs for an honest test")  # fmt: skip
    held = set(group_split.held_out(labels, groups, share, seed))
    parts = [[pair for place, pair in enumerate(pairs) if (place in held) == tested] for tested in (False, True)]
    return parts[0], parts[1], notices


def _checked(pictures: ImageList) -> list[Pair]:
    """The pairs by absolute paths; UserError for pictures that are missing, and for pairs of one kind only."""
    if problems := check(pictures):
        raise UserError(problems)
    if len(set(pictures.labels.tolist())) < 2:
        raise UserError(
            "there must be pairs that belong together, and pairs that do not", where=Location(str(pictures.file)),
            received=f"{counted(len(pictures) // 2, 'pair')}, all {pictures.labels[0]}",
            remedy="add lines that end with 1, and lines that end with 0",
        )  # fmt: skip
    names = [os.path.abspath(pictures.path(index)) for index in range(len(pictures))]
    same = [label for _, _, label in pairs_of(pictures)]
    return list(zip(names[::2], names[1::2], same, strict=True))


def _refuse_class_options(options: ProjectOptions) -> None:
    given = {
        "--remember": options.remember, "--balance": options.balance if options.balance != AUTO else None,
        "--corrections": options.corrections, "--label-column": options.label_column, "--groups": options.groups,
        "--loss": options.loss if options.loss != AUTO else None,
        "--layers": ",".join(options.layers) if options.layers != ("auto",) else None,
    }  # fmt: skip
    if problems := unfit(given, "not for pairs of pictures", "leave it out"):
        raise UserError(problems)


def _steps(at: At) -> list[Command]:
    return [
        *trained(at, BEST, "how well distances separate the held-out pairs"),
        exported(at, "one file that gives the embedding of each picture"),
    ]


def _commands(out: Path) -> list[tuple[str, str]]:
    use = ["infer", "photos/", "-o", "embeddings.npz"]
    return project_commands.commands(out, _steps, use, "one vector per picture")


def _readme(options: ProjectOptions, train: Sequence[Pair], val: Sequence[Pair], notes: Sequence[object]) -> str:
    together = sum(same for _, _, same in (*train, *val))
    middle = [
        f"{counted(len(train), 'training pair')}, {counted(len(val), 'test pair')}; {together} belong together.", "",
        f"The net gives each picture {WIDTH} numbers, a vector of unit length. Two pictures belong together where the",
        "distance of their vectors is at most the threshold that `solver_best.caffemodel` and the exported file keep:",
        "the one with the most correct test pairs.",
    ]  # fmt: skip
    end = ["A line of `train.txt` is two paths, and 1 where the pictures belong together. All files are plain text."]
    title = f"{options.net} on {Path(options.data).name}"
    return folder_texts.page(title, middle, _commands(Path(options.out)), notes, end)  # type: ignore[arg-type]
