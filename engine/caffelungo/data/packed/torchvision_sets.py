"""torchvision's data sets by name: ``torchvision:MNIST``, ``torchvision:FakeData?size=100``, ``...?root=DIR``.

Without ``root`` they are downloaded by torchvision into the cache. CIFAR is read from its binary version, because
torchvision's own is a pickle.
"""

from __future__ import annotations

import inspect
import os
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from caffelungo.data.packed import cifar
from caffelungo.data.packed.packed import Packed, PackedPart, Stored, check_labels
from caffelungo.errors import Location, Problem, RunError, UserError, did_you_mean
from caffelungo.wording import listed

PREFIX = "torchvision:"
_BOOL: dict[str, dict[str, Any]] = {"train": {"train": True}, "test": {"train": False}}


def _by_split(train: str = "train", val: str = "", test: str = "test") -> dict[str, dict[str, Any]]:
    return {part: {"split": name} for part, name in (("train", train), ("val", val), ("test", test)) if name}


SETS: dict[str, dict[str, dict[str, Any]]] = {
    **dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST", "QMNIST", "USPS"), _BOOL),
    **dict.fromkeys(("SVHN", "STL10", "Food101", "GTSRB", "StanfordCars"), _by_split()),
    **dict.fromkeys(("DTD", "Flowers102", "PCAM", "RenderedSST2"), _by_split(val="val")),
    "Country211": _by_split(val="valid"), "Imagenette": _by_split(val="val", test=""),
    **dict.fromkeys(("OxfordIIITPet", "FGVCAircraft"), _by_split(train="trainval")),
    **{name: {"train": {}} for name in ("EuroSAT", "Caltech101", "Caltech256", "SUN397", "SEMEION", "FakeData")},
}  # fmt: skip
"""By name what the constructor is given for each part."""
BINARY = {
    "CIFAR10": ("cifar-10-batches-bin", "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
    "CIFAR100": ("cifar-100-binary", "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
}
"""By name the folder in the archive, the archive, and its MD5, as https://www.cs.toronto.edu/~kriz/cifar.html says."""
URL = "https://www.cs.toronto.edu/~kriz/"
_OURS = ("self", "root", "download", "transform", "target_transform", "transforms", "loader", "train", "split")


def read(name: str, cache: Path) -> Packed:
    """The set that ``name`` (``torchvision:NAME?option=value&...``) asks for; its files go to ``cache`` by default."""
    word, _, query = name.removeprefix(PREFIX).partition("?")
    if word not in SETS and word not in BINARY:
        near = did_you_mean(word, [*SETS, *BINARY])
        raise UserError(
            "no such data set of torchvision with one class per picture", received=name,
            remedy=f"did you mean {PREFIX}{near}?" if near else f"use one of: {', '.join(sorted([*SETS, *BINARY]))}",
        )  # fmt: skip
    pairs = parse_qsl(query, keep_blank_values=True)
    given = dict(pairs)
    root = Path(given.pop("root")).expanduser() if "root" in given else cache / word
    if word in BINARY:
        if given:
            raise UserError("the data set has no such option", received=listed(given), remedy="write only ?root=DIR")
        return _binary(word, root)
    return _read(word, root, "root" in dict(pairs), given)


def _binary(word: str, root: Path) -> Packed:
    inner, archive, md5 = BINARY[word]
    places = [root / inner, root]
    for place in places:
        if place.is_dir() and (found := cifar.in_folder(place)):
            return cifar.read(found)
    for place in (root / inner.replace("-bin", "-py").replace("-binary", "-python"), root):
        if place.is_dir():
            cifar.refuse_python(place)
    try:
        from torchvision.datasets.utils import download_and_extract_archive

        root.mkdir(parents=True, exist_ok=True)
        download_and_extract_archive(URL + archive, str(root), md5=md5)
    except (OSError, RuntimeError) as error:
        raise RunError(
            f"{URL}{archive} could not be downloaded: {error}\n  to do: put the unpacked folder {inner} into "
            f"{root.absolute()}"
        ) from error
    return cifar.read(cifar.in_folder(root / inner))


def _read(word: str, root: Path, named: bool, given: dict[str, str]) -> Packed:
    from torchvision import datasets

    kind = getattr(datasets, word)
    known = {key: value for key, value in inspect.signature(kind.__init__).parameters.items() if key not in _OURS}
    options = _options(word, given, list(known))
    takes = inspect.signature(kind.__init__).parameters
    rooted = "root" in takes and word != "FakeData"
    parts = []
    classes: tuple[str, ...] = ()
    for part, chosen in SETS[word].items():
        every = {**options, **chosen, **({"root": str(root)} if rooted else {})}
        if rooted and not named:
            root.mkdir(parents=True, exist_ok=True)
        made = _made(kind, every, root, rooted)
        labels = _labels(made)
        names = getattr(made, "classes", None) or getattr(made, "categories", None) or ()
        classes = classes or tuple(str(name) for name in names)
        one = PackedPart(part, labels, _reader(made, word), root if rooted else Path(word), f"{part} picture")
        check_labels(one)
        parts.append(one)
    largest = max(int(part.labels.max(initial=0)) for part in parts)
    files = sorted(Path(at, file) for at, _, found in os.walk(root) for file in found) if rooted else []
    return Packed(
        f"torchvision's {word}{''.join(f' {key}={value}' for key, value in given.items())}",
        tuple(parts),
        tuple(files),
        classes if len(classes) > largest else (),
    )


def _options(word: str, given: dict[str, str], known: list[str]) -> dict[str, Any]:
    problems = [
        Problem("the data set has no such option", None, key, f"use one of: root{''.join(f', {one}' for one in known)}")
        for key in given if key not in known
    ]  # fmt: skip
    if problems:
        raise UserError(problems)
    return {key: _value(text) for key, text in given.items()}


def _value(text: str) -> Any:
    parts = text.split(",")
    values = [int(part) if part.lstrip("-").isdigit() else part for part in parts]
    return tuple(values) if len(values) > 1 else values[0]


def _made(kind: Any, options: dict[str, Any], root: Path, rooted: bool) -> Any:
    """The data set in ``root`` or, where it is not there, downloaded into it."""
    try:
        if not rooted:
            return kind(**options)
        try:
            return kind(**options, **({"download": False} if "download" in inspect.signature(kind).parameters else {}))
        except (RuntimeError, FileNotFoundError):
            return kind(**options, download=True)
    except ImportError as error:
        raise UserError(
            "this data set of torchvision needs another package", received=f"{kind.__name__}: {error}",
            remedy="install it: pip install scipy",
        ) from error  # fmt: skip
    except (OSError, RuntimeError, ValueError, TypeError, EOFError) as error:
        raise UserError(
            "torchvision cannot open the data set", where=Location(str(root.absolute()) if rooted else kind.__name__),
            received=str(error).strip().split("\n")[0][:300],
            remedy="put its files there as torchvision keeps them, or connect to the network for a download",
        ) from error  # fmt: skip


def _labels(made: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    """All labels; from a field that holds them, where there is one, so that no picture is decoded for it."""
    for name in ("targets", "_labels", "labels", "y"):
        found = getattr(made, name, None)
        if found is not None and not callable(found) and len(found) == len(made):
            return np.array([int(one) for one in found], np.int64)
    samples = getattr(made, "samples", None) or getattr(made, "_samples", None)
    if samples is not None and len(samples) == len(made):
        return np.array([int(one[1]) for one in samples], np.int64)
    return np.array([int(made[index][1]) for index in range(len(made))], np.int64)


def _reader(made: Any, word: str) -> Any:
    alone = threading.Lock()  # some sets draw or read in a way that threads would mix up

    def picture(index: int) -> Stored:
        try:
            with alone:
                found = made[index][0]
        except (OSError, ValueError, RuntimeError, IndexError) as error:
            raise UserError("the picture cannot be read", where=Location(f"{word}, picture {index}"),
                            received=str(error)[:300], remedy="download the data set again") from error  # fmt: skip
        mode = found.mode if found.mode in ("L", "RGB") else "RGB"
        return np.asarray(found.convert(mode))

    return picture
