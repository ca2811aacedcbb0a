"""A list of pictures, or a folder of classes: every line, every file, every label."""

from __future__ import annotations

from pathlib import Path

from caffelungo import files
from caffelungo.check.findings import Findings
from caffelungo.data import image_list, labels
from caffelungo.data.image_list import ImageList
from caffelungo.data.parallel import in_order
from caffelungo.data.source import Source
from caffelungo.data.sources.database import DatabaseSource
from caffelungo.definition.reader import read_net
from caffelungo.errors import Location, Problem, UserError


def check_list(path: Path, findings: Findings) -> str:
    """Check the list ``path`` by itself: lines, files (decoded), labels from 0 without gaps. Raises UserError."""
    net, root = _user(path)
    pictures = image_list.read_list(path, root, beside=net)
    check_pictures(pictures, findings)
    report = labels.scan(pictures.labels)
    findings.notices += labels.notices(report, layer=str(path), shuffled=True)
    if report.minimum == 1 and 0 not in report.counts:
        findings.notices.append(f"{path}: labels start at 1; Caffe's losses count classes from 0")
    return report.describe()


def _user(path: Path) -> tuple[Path | None, str]:
    """The net beside a list that reads it, and its root_folder: what the list's paths mean."""
    for net in sorted(path.parent.glob("*.prototxt")) if path.is_file() else []:
        try:
            layers = read_net(net).message.layer
        except UserError:
            continue
        for layer in layers:
            options = layer.image_data_param
            named = files.candidates(options.source, net) if options.root_folder else []
            if any(one.exists() and one.samefile(path) for one in named):
                return net, str(options.root_folder)
    return None, ""


def check_pictures(pictures: ImageList, findings: Findings) -> bool:
    """Whether every picture of a list exists and decodes; what is wrong goes to ``findings``. A list is read once."""
    key = ("pictures", str(pictures.file.resolve()), pictures.bases)
    if key not in findings.seen:
        problems = image_list.check(pictures, decoded=True, progress=findings.progress)
        findings.problems += problems
        findings.seen[key] = not problems
    return findings.seen[key]


def check_records(source: Source, findings: Findings) -> list[Problem]:
    """Records of a database whose picture files cannot be decoded; a database is read once."""
    if not isinstance(source, DatabaseSource):
        return []
    key = ("records", str(source.path.resolve()))
    if key in findings.seen:
        return []
    wrong: list[Problem] = []
    for _, problem in in_order(source.undecodable, range(source.reader.size), findings.progress):
        if problem is not None:
            wrong.append(problem)
    findings.seen[key] = not wrong
    if len(wrong) > image_list.LIMIT:
        more = len(wrong) - image_list.LIMIT
        received = f"{len(wrong)} of {source.reader.size} records"
        wrong[image_list.LIMIT :] = [
            Problem(f"{more} more pictures of the database cannot be read", Location(str(source.path)), received,
                    "make it again with `lungo convert_imageset`, and look at what that says of missing pictures")
        ]  # fmt: skip
    return wrong
