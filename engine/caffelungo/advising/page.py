"""The page of `lungo advise`."""

from __future__ import annotations

from pathlib import Path

from caffelungo.advising import figures
from caffelungo.advising.decide import Decision
from caffelungo.advising.findings import AHEAD, AdviceFindings, difference, picture_name
from caffelungo.advising.options import AdviseOptions
from caffelungo.data.decode import decode
from caffelungo.projects.finetune_project import Summary
from caffelungo.report.html_page import Page, Picture, Section, TableCell, thumbnail
from caffelungo.wording import counted, listed

LISTED = 8
"""Pairs of copies and unreadable files that are shown."""


def page(found: AdviceFindings, decision: Decision, project: Summary, rate: float, options: AdviseOptions) -> Page:
    """All of it: the decision first, then what it rests on."""
    pictures = found.pictures
    made = Page(
        f"What to do with {Path(options.data).name}",
        f"{counted(len(pictures.entries), 'picture')} of {counted(len(pictures.classes), 'class')}; "
        f"{listed(options.nets)}",
    )
    _decision(made, found, decision, project, rate)
    _pictures(made, found)
    _sources(made, found)
    _layers(made, found)
    _more(made, found)
    _trials(made, found)
    _labels(made, found)
    return made


def _decision(made: Page, found: AdviceFindings, decision: Decision, project: Summary, rate: float) -> None:
    part = made.section("What to do")
    for sentence in decision.sentences:
        part.text(sentence)
    for notice in found.notices:
        part.notice(notice)
    chosen = found.best.contender
    part.facts(
        {
            "recommended": decision.what, "set": decision.quadrant, "net": chosen.read.net,
            "input": f"{chosen.read.size} px", "layers": chosen.candidate.name,
            "expected accuracy": str(decision.expected), "rate": f"{rate:g}",
            "training": f"{counted(project.iterations, 'iteration')} of {project.batch_size}",
            "classes of different sizes": project.balance.word,
        }
    )  # fmt: skip
    for command, what in project.commands:
        part.text(f"{what[:1].upper()}{what[1:]}:").code(command)


def _pictures(made: Page, found: AdviceFindings) -> None:
    pictures = found.pictures
    width, height = pictures.sizes.T
    part = made.section("The pictures")
    part.facts(
        {
            "pictures": len(pictures.entries), "classes": len(pictures.classes),
            "per class": f"{min(pictures.counts.values())} to {max(pictures.counts.values())}",
            "largest class to smallest": f"{pictures.ratio:.1f}",
            "width": f"{width.min()} to {width.max()} px", "height": f"{height.min()} to {height.max()} px",
            "unreadable": len(pictures.unreadable), "equal copies": len(pictures.equal),
            "near copies": len(pictures.near), "copies across classes": len(pictures.torn),
        }
    )  # fmt: skip
    part.figure(figures.counts(pictures.counts), "Pictures per class.")
    if pictures.unreadable:
        rows = list(pictures.unreadable.items())[:LISTED]
        part.table(["picture", "why it cannot be read"], rows)
    pairs = [*pictures.torn, *[pair for pair in (*pictures.equal, *pictures.near) if pair not in pictures.torn]]
    if pairs:
        part.table(
            ["copies", "classes"],
            [
                [[_thumbnail(found, one), _thumbnail(found, two)],
                 TableCell(_classes(found, one, two), tone="bad" if (one, two) in pictures.torn else "")]
                for one, two in pairs[:LISTED]
            ],
            f"{counted(len(pairs), 'pair')} of copies, those of different classes first.",
        )  # fmt: skip


def _classes(found: AdviceFindings, one: int, two: int) -> str:
    names = [found.pictures.classes[found.pictures.entries[place][1]] for place in (one, two)]
    return names[0] if names[0] == names[1] else " / ".join(names)


def _thumbnail(found: AdviceFindings, place: int, caption: str = "") -> Picture:
    path = found.pictures.entries[place][0]
    pixels = decode(path)
    return thumbnail(pixels[:, :, ::-1] if pixels.shape[2] == 3 else pixels, caption or picture_name(path))


def _sources(made: Page, found: AdviceFindings) -> None:
    part = made.section(
        "The source",
        "What the net was trained on, against these pictures. Frechet distances are of equally many pictures, beside "
        "that of two draws from the source; the domain classifier's AUC is 0.5 where it cannot tell them apart. LogME, "
        "H-score and LEEP estimate how well the last stage's features suit the classes: higher is better, and they "
        "only compare nets of similar size.",
    )
    rows = []
    for one in found.sources:
        distance, apart, answers = one.distance, one.separation, one.answers
        rows.append(
            [
                one.read.net, one.read.size,
                None if distance is None
                else f"{distance.distance:.4g} (chance {distance.chance:.4g}, n {distance.count})",
                None if distance is None else f"{distance.relative:.2f}",
                None if apart is None else f"{apart.auc:.3f} ({apart.low:.3f} to {apart.high:.3f})",
                f"{one.logme.score:.3f}", f"{one.h_score.score:.2f} of {one.h_score.most}",
                None if answers is None else f"{answers.leep:.3f} (floor {answers.floor:.3f})",
                None if answers is None else f"{answers.nce:.3f}",
            ]
        )  # fmt: skip
    part.table(["net", "px", "Frechet distance", "relative", "domain AUC", "LogME", "H-score", "LEEP", "NCE"], rows)
    for why in dict.fromkeys(f"{one.read.net} at {one.read.size} px: {one.why}." for one in found.sources):
        part.text(why)


def _layers(made: Page, found: AdviceFindings) -> None:
    best = found.best
    count = int(found.judged.judged.sum())
    part = made.section(
        "What the frozen net knows",
        "Linear classifiers on the features of each stage, and of all stages joined, cross-validated. The best is "
        "chosen by its log loss. These accuracies compare layers: what to expect of the choice is below the table, of "
        "pictures that it has not seen.",
    )
    part.figure(figures.layers(found.rows, best), "Linear classifiers by layer; the choice is marked.")
    part.table(
        ["net", "px", "layers", "features", "penalty", "accuracy", "95 % interval", "log loss", "less the choice"],
        [
            [row.contender.read.net, row.contender.read.size,
             TableCell(row.contender.candidate.name, tone="strong" if row is best else ""), row.contender.x.shape[1],
             f"{row.penalty:.3g}", f"{row.accuracy:.1%}", "{:.1%} to {:.1%}".format(*row.interval), f"{row.loss:.3f}",
             "" if row is best else _difference(difference(row, best))]
            for row in found.rows
        ],
    )  # fmt: skip
    picks = [one.title for one in found.judged.picks]
    part.text(
        f"The choice itself was judged on {counted(count, 'picture')}: each by a choice made of the other folds alone. "
        f"It was right for {found.judged.right(found.pictures.labels).mean():.1%} of them (mean recall "
        f"{found.balanced:.1%}). The folds chose: {listed(dict.fromkeys(picks))}."
    )
    if found.expected.more:
        part.text(f"Learning from all pictures adds {100 * found.expected.more:+.1f} points, by the learning curve.")


def _difference(values: tuple[float, float, float]) -> str:
    mean, low, high = (100 * value for value in values)
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def _more(made: Page, found: AdviceFindings) -> None:
    if found.curve is None or found.ahead is None:
        return
    more = found.more()
    assert more is not None
    part = made.section(
        "More pictures",
        f"{AHEAD:g} times the pictures would bring about {100 * more.value:+.1f} points ({100 * more.low:+.1f} to "
        f"{100 * more.high:+.1f}). Nothing is said beyond 4 times.",
    )
    part.figure(
        figures.learning_curve(found.curve, found.ahead),
        "Accuracy of the linear classifier over pictures per class: measured (dots), and a power law with 95 % band.",
    )


def _trials(made: Page, found: AdviceFindings) -> None:
    if not found.trials:
        return
    part: Section = made.section(
        "Fine-tuning, tried",
        "Each trained on four fifths of the pictures from the best linear classifier, as the project does but for "
        "fewer passes, and answered the fifth that had no part in any choice.",
    )
    part.figure(figures.trials(found.trials), "Fine-tuned less linear classifier.")
    part.table(
        ["what learns", "accuracy", "linear classifier", "difference, points", "pictures", "passes", "seconds"],
        [
            [one.title, f"{one.right.mean():.1%}", f"{one.probe.mean():.1%}", _difference(one.difference),
             len(one.right), f"{one.passes:.1f} of {one.full}", f"{one.seconds:.0f}"]
            for one in found.trials
        ],
    )  # fmt: skip


def _labels(made: Page, found: AdviceFindings) -> None:
    doubtful = found.doubtful
    if not doubtful:
        return
    part = made.section(
        "Doubtful labels",
        "Pictures whose label the held-out classifiers believe least (confident learning). Some are mistakes of the "
        "classifier: look before you change any.",
    )
    classes = found.pictures.classes
    part.pictures(
        _thumbnail(
            found, place,
            f"{picture_name(found.pictures.entries[place][0])}: {classes[int(found.suspects.likely[place])]}? "
            f"({found.suspects.confidence[place]:.0%})",
        )
        for place in doubtful
    )  # fmt: skip
