"""A list of pictures, or a folder of classes: every line, every file, every label."""

from __future__ import annotations

from pathlib import Path

from caffelungo import files
from caffelungo.check.findings import Findings
from caffelungo.data import image_list, labels, target_rows
from caffelungo.data.image_list import ImageList
from caffelungo.data.parallel import in_order
from caffelungo.data.source import DataSource
from caffelungo.data.sources.database import DatabaseSource
from caffelungo.data.sources.images import ImageSource
from caffelungo.definition.reader import read_net
from caffelungo.errors import Location, Problem, UserError
from caffelungo.wording import counted


def check_list(path: Path, findings: Findings) -> str:
    """Check the list ``path`` by itself: lines, files (decoded), labels from 0 without gaps. Raises UserError."""
    net, root, label_size = _user(path)
    pictures = image_list.read_list(path, root, beside=net, problems=findings.problems, label_size=label_size)
    findings.notices += [f"{path}: {text}" for text in pictures.notices]
    check_pictures(pictures, findings)
    if label_size:
        return f"{counted(len(pictures), 'picture')} with {counted(label_size, 'number')} each"
    report = labels.scan(pictures.labels)
    findings.notices += labels.notices(report, layer=str(path), shuffled=True)
    if report.minimum == 1 and 0 not in report.counts:
        findings.notices.append(f"{path}: labels start at 1; Caffe's losses count classes from 0")
    return report.describe()


def _user(path: Path) -> tuple[Path | None, str, int]:
    """The net beside a list that reads it, its root_folder and its label_size: what the list's lines mean."""
    for net in sorted(path.parent.glob("*.prototxt")) if path.is_file() else []:
        try:
            layers = read_net(net).message.layer
        except UserError:
            continue
        for layer in layers:
            options = layer.image_data_param
            size = target_rows.label_size(layer)
            named = files.candidates(options.source, net) if options.root_folder or size else []
            if any(one.exists() and one.samefile(path) for one in named):
                return net, str(options.root_folder), size
    return None, "", 0


def check_pictures(pictures: ImageList, findings: Findings) -> int | None:
    """The first picture of a list that exists and decodes; what is wrong goes to ``findings``. A list is read once."""
    key = pictures.file.resolve(), pictures.bases
    if key not in findings.shapes:
        shapes: dict[int, tuple[int, int]] = {}
        findings.problems += image_list.check(pictures, decoded=True, progress=findings.progress, shapes=shapes)
        findings.shapes[key] = shapes
    return min(findings.shapes[key], default=None)


def check_records(source: DataSource, findings: Findings) -> list[Problem]:
    """Records of a database whose picture files cannot be decoded, or do not fit; a database is read once."""
    if not isinstance(source, DatabaseSource) or not source.encoded:
        return []
    key = ("records", str(source.path.resolve()), source.resize, source.crop, source.color)
    if key in findings.seen:
        return []
    wrong: list[Problem] = []
    for _, problem in in_order(source.unusable, range(source.reader.size), findings.progress):
        if problem is not None:
            wrong.append(problem)
    findings.seen[key] = not wrong
    return limited(wrong, Location(str(source.path)), source.reader.size)


def check_sizes(source: DataSource, findings: Findings) -> list[Problem]:
    """Pictures of a list that cannot go into a batch with the first one, or are smaller than the crop."""
    if not isinstance(source, ImageSource) or source.resize[0]:
        return []
    pictures = source.pictures
    shapes = findings.shapes.get((pictures.file.resolve(), pictures.bases), {})
    channels = source.shapes[0][1]
    found = (source.misfit((channels, *shape), pictures.where(index)) for index, shape in sorted(shapes.items()))
    return limited([one for one in found if one is not None], Location(str(pictures.file)), len(pictures))


def limited(problems: list[Problem], where: Location, total: int) -> list[Problem]:
    """The first of ``problems`` with samples, and how many more there are."""
    shown = problems[: image_list.LIMIT]
    if more := len(problems) - len(shown):
        received = f"{len(problems)} of {total}"
        shown.append(Problem(f"{more} more pictures have the same problem", where, received, "correct these first"))
    return shown
