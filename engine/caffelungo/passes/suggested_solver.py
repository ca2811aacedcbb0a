"""A solver file sized to the data, commented like a recipe card.

before:  800 pictures for training, 200 to test on, batches of 32
after:   net: "train_val.prototxt"   base_lr: 0.001   lr_policy: "multistep"   stepvalue: 450 and 638
         max_iter: 750 (30 passes)   test_interval: 25 (once a pass)           snapshot: 125
         momentum: 0.9   weight_decay: 0.0005: the values of Caffe's own fine-tuning example
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from caffelungo import shell
from caffelungo.bounds import LARGEST
from caffelungo.definition.printer import quoted
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import UserError
from caffelungo.layers.base import count
from caffelungo.passes.view import View
from caffelungo.wording import counted, sentence

PASSES = 30
"""How often training sees each picture. Sets of some thousand pictures have converged by then."""
LEAST = 200
"""Fewest iterations: with some dozen pictures, thirty passes would be a handful of steps."""
MOST = 30_000
"""Most iterations: with a million pictures a few passes do."""
MEMORY = {"cpu": 2 << 30, "cuda": 12 << 30}
"""Bytes that the activations of a batch and their gradients may take."""
FULL_RATE = 32
"""Batch size from which on the rate is that of Caffe's examples."""
STARTED_PASSES = 20
"""As ``PASSES``, from a fitted classifier."""
STARTED_LEAST = 400
STARTED_RATE = 0.0003
"""AdamW's rate for batches of ``FULL_RATE``; `python -m benchmarks.small_sets` measures what it leads to."""
PATIENCE = 0.8
"""Share of all tests without a better one after which training ends. The first steps from a fitted classifier lose
before they gain, so a short patience would end every training there."""
BATCH = {"cpu": 32, "cuda": 64}
"""Largest batch that is suggested; larger ones ask for another rate."""


@dataclass(frozen=True)
class SolverOptions:
    """What the solver file is made from. ``net`` and ``weights`` are written as they are given.

    ``fresh``: there are no weights to start from, so the rate is ten times that of fine-tuning. ``passes`` None: as
    many as fit the number of pictures. ``held``: all that is old is held fixed, and only what is new learns.

    ``rate``: what a classifier that was fitted to the features it reads bears, instead of a rate for all nets.

    ``started``: the classifier is a fitted one (``probes.finetune_start``), and training refines the whole net from
    there by the output ``watch`` of TEST. ``named``: the weights as the solver file names them, so that no flag is
    needed. ``balance``: a sentence on classes of different sizes. ``predicts``: what numbers the net predicts in the
    place of classes, of which ``classes`` then is the count. ``compares``: ``pictures`` are pairs.
    """

    net: str
    pictures: int
    tested: int
    classes: int
    batch_size: int
    weights: str | None = None
    solver: str = "solver.prototxt"
    fresh: bool = False
    passes: int | None = None
    seed: int | None = None
    held: bool = False
    rate: float | None = None
    started: bool = False
    named: tuple[str, ...] = ()
    watch: str = ""
    balance: str = ""
    predicts: str = ""
    labelled: bool = False
    compares: bool = False


@dataclass(frozen=True)
class Sizes:
    """Iterations of one pass, of all, between tests and between snapshots, and the two at which the rate falls."""

    one_pass: int
    all: int
    test: int
    snapshot: int
    steps: tuple[int, int]


def sizes(options: SolverOptions) -> Sizes:
    """How long to train: ``options.passes`` over the pictures, within sensible bounds when none are asked for.

    UserError for passes that are more iterations than a solver can count.
    """
    one_pass = max(1, math.ceil(options.pictures / options.batch_size))
    if options.passes is not None:
        iterations = max(1, options.passes) * one_pass
        if iterations > LARGEST:
            raise UserError(
                f"the passes are more than {LARGEST} iterations",
                received=f"--passes {options.passes}: {iterations} iterations of {options.batch_size} pictures",
                remedy=f"write at most --passes {LARGEST // one_pass}",
            )
    else:
        passes, least = (STARTED_PASSES, STARTED_LEAST) if options.started else (PASSES, LEAST)
        iterations = min(max(passes * one_pass, least), max(MOST, one_pass))
    test = min(max(one_pass, iterations // 30), iterations)
    snapshot = min(max(5 * one_pass, iterations // 6), iterations)
    return Sizes(one_pass, iterations, test, snapshot, (round(iterations * 0.6), round(iterations * 0.85)))


def activations(view: View) -> int:
    """Numbers that one picture makes on its way through the net; blobs of unknown size are left out."""
    plan = view.graphs[TRAIN].plan if TRAIN in view.graphs else view.plan
    return sum(count(value.shape[1:]) or 0 for value in plan.values if value.shape is not None and len(value.shape) > 1)


def batch_size(pictures: int, per_picture: int, device: str = "cpu") -> int:
    """A power of two that fits the device's memory and gives at least eight batches a pass.

    ``per_picture`` are ``activations``; each is held as a float and has a gradient.
    """
    kind = device.split(":")[0] if device.split(":")[0] in BATCH else "cpu"
    most = min(BATCH[kind], max(4, pictures // 8), max(1, MEMORY[kind] // max(1, 8 * per_picture)))
    return 1 << (most.bit_length() - 1)


def base_rate(batch: int, fresh: bool = False) -> float:
    """The rate for batches of ``batch``: 0.001 for fine-tuning and 0.01 from scratch, less for small batches.

    A step on fewer pictures is noisier, so the rate falls in proportion (Goyal et al. 2017); at the full rate the new
    classifier would spoil the features below it before it has learned anything.
    """
    return float(f"{(0.01 if fresh else 0.001) * min(1.0, batch / FULL_RATE):.2g}")


def solver_text(options: SolverOptions) -> str:
    """The solver file."""
    return _started(options) if options.started else _classic(options)


def _pictures(options: SolverOptions) -> str:
    named = counted(options.classes, "label" if options.labelled else "class")
    what = f"to predict: {options.predicts}" if options.predicts else named
    if options.compares:
        return f"{counted(options.pictures, 'pair')} to train on, {options.tested} to test on."
    return f"{counted(options.pictures, 'picture')} to train on, {options.tested} to test on, {what}."


def _start(options: SolverOptions) -> str:
    """What a training that is ``started`` begins with."""
    return "ridge regression" if options.predicts else "linear classifier"


def _command(options: SolverOptions) -> str:
    named = [] if options.named or not options.weights else ["--weights", options.weights]
    return shell.command("lungo", "train", "--solver", options.solver, *named)


def _weights(options: SolverOptions) -> list[str]:
    """The line that names the weights, so that they cannot be forgotten."""
    if not options.named:
        return []
    lines = [f"weights: {quoted(one)}" for one in options.named]
    return ["# What training starts from; --weights names others.", *lines, ""]


def _started(options: SolverOptions) -> str:
    """From a fitted classifier: AdamW, a rate that rises over one pass and falls along half a cosine."""
    size = sizes(options)
    rate = float(f"{STARTED_RATE * math.sqrt(min(1.0, options.batch_size / FULL_RATE)):.2g}")
    pictures = _pictures(options)
    lines = [
        f"# Fine-tuning from the best {_start(options)} on the frozen net, which is what iteration 0 tests.",
        f"# {pictures}",
        "#",
        f"#   {_command(options)}",
        "#",
        "# What to change first: max_iter (longer gains where photos differ much from those the net knows), then",
        f"# base_lr, by factors of three. Where no test is better than the first, the {_start(options)} is the answer:",
        "# its weights are those that are kept.",
        *(["#", *_balance(options)] if options.balance else []),
        f"net: {quoted(options.net)}",
        *_weights(options),
        f"# A test after each pass, {options.tested} pictures: without test_iter, the whole set is tested once.",
        f"test_interval: {size.test}",
        "",
        "# AdamW's steps do not depend on the size of gradients, which differs much between the classifier, fitted",
        "# already, and the layers below it. Smaller batches are noisier: the rate goes with the root of their size.",
        'type: "AdamW"',
        f"base_lr: {rate:g}",
        'lr_policy: "cosine"',
        f"# {size.all / size.one_pass:.3g} passes of {size.one_pass} iterations with batches of {options.batch_size}.",
        f"max_iter: {size.all}",
        "momentum: 0.9",
        "momentum2: 0.999",
        "delta: 1e-08",
        "weight_decay: 0.01",
        "lungo {",
        "  # The first pass is slow, so that the classifier is not shaken before AdamW knows the gradients' size.",
        f"  warmup_iter: {min(2 * size.one_pass, size.all // 10)}",
        f"  # The weights of the {_best(options)} on test pictures are kept as solver_best.caffemodel;",
        f"  # {_patience(size)} tests without a better one end the training (the first few always are worse).",
        f"  watch: {quoted(options.watch)}",
        "  keep_best: true",
        f"  early_stop: {_patience(size)}",
        "  keep_last: 2",
        "}",
        "",
        *_ends(options, size),
    ]
    return "\n".join(lines) + "\n"


def _best(options: SolverOptions) -> str:
    return "highest balanced accuracy" if options.watch == "balanced_accuracy" else "lowest loss"


def _balance(options: SolverOptions) -> list[str]:
    """The comment on classes of different sizes."""
    return [f"# {line}" for line in sentence(options.balance)]


def _ends(options: SolverOptions, size: Sizes) -> list[str]:
    """What every solver file ends with."""
    seed = ["# The same seed gives the same run.", f"random_seed: {options.seed}"] if options.seed is not None else []
    return [
        f"display: {max(1, min(20, size.one_pass))}",
        f"average_loss: {max(1, min(20, size.one_pass))}",
        "# Snapshots are written beside this file, as solver_iter_N.caffemodel; snapshot_prefix names another place.",
        f"snapshot: {size.snapshot}",
        *seed,
    ]


def _patience(size: Sizes) -> int:
    return max(1, round(PATIENCE * size.all / size.test))


def _clipped(options: SolverOptions) -> list[str]:
    """What keeps the first steps of a new output small: gradients of differences have no bound, as those of a softmax
    have."""
    if not options.predicts or options.rate:
        return []
    return ["# A new output is far off at first, and squared differences have large gradients.", "clip_gradients: 1"]


def _kept(options: SolverOptions) -> list[str]:
    """What keeps the weights that are best by the output ``watch``."""
    if not options.watch:
        return []
    return [
        "lungo {",
        "  # The weights of the lowest loss on test pictures are kept as solver_best.caffemodel, those of the start",
        f"  # among them; {_patience(sizes(options))} tests without a lower one end the training.",
        f"  watch: {quoted(options.watch)}",
        "  keep_best: true",
        f"  early_stop: {_patience(sizes(options))}",
        "  keep_last: 2",
        "}",
    ]


def _classic(options: SolverOptions) -> str:
    """Caffe's fine-tuning: SGD with momentum, a rate that falls twice."""
    size = sizes(options)
    return "\n".join([*_classic_head(options, size), *_classic_body(options, size)]) + "\n"


def _classic_head(options: SolverOptions, size: Sizes) -> list[str]:
    """The comment that opens the file, the net, its weights and its tests."""
    what = (
        "Training from scratch" if options.fresh else "Fine-tuning: old layers learn slowly, new ones ten times as fast"
    )
    if options.held:
        what = "A new task on a net that is held fixed: only what is new learns"
    starts = (
        "One vector for all pictures has half the share of pairs apart as its loss"
        if options.compares
        else "The loss starts as the fitted classifier's"
        if options.rate
        else f"The loss starts near {options.classes / 2:g}, half for each number"
        if options.predicts
        else f"The loss starts below labels x ln(2) = {options.classes * math.log(2):.2f}"
        if options.labelled
        else f"The loss starts near ln(classes) = {math.log(options.classes):.2f}"
    )
    head = [
        f"# {what} (lr_mult in the net).",
        f"# {_pictures(options)}",
        *_balance(options),
        "#",
        f"#   {_command(options)}",
        "#",
        f"# What to change first: base_lr, by factors of three. {starts}; if it",
        "# rises, divide base_lr by ten; "
        + (
            "if it stays high, the features lack something: --widen or --read."
            if options.held
            else "if it falls to nothing while test accuracy stays low, freeze more layers."
        ),
        f"net: {quoted(options.net)}",
        *(_weights(options) or [""]),
    ]
    if options.tested:
        head += [
            f"# Each test covers all {options.tested} pictures: without test_iter, the whole set is tested once.",
            f"test_interval: {size.test}",
            "",
        ]
    return head


def _classic_body(options: SolverOptions, size: Sizes) -> list[str]:
    """The rates, the length of the training, and what is kept."""
    rate = options.rate or base_rate(options.batch_size, options.fresh)
    passes = size.all / size.one_pass
    suits = (
        "# The classifier is fitted already: at this rate a step changes its answers a little. It falls twice."
        if options.rate
        else f"# The rate suits batches of {options.batch_size}: half the batch, half the rate. It falls to a tenth "
        "twice."
    )
    return [
        suits,
        f"base_lr: {rate:g}",
        'lr_policy: "multistep"',
        "gamma: 0.1",
        f"stepvalue: {size.steps[0]}",
        f"stepvalue: {size.steps[1]}",
        f"# {passes:.3g} passes of {size.one_pass} iterations with batches of {options.batch_size}.",
        f"max_iter: {size.all}",
        "",
        "momentum: 0.9",
        "weight_decay: 0.0005",
        *_clipped(options),
        *_kept(options),
        "",
        *_ends(options, size),
    ]
