"""Pictures to learn from and to judge by: folders, lists, and everything that can be wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from caffelungo.errors import UserError
from caffelungo.probes.pictures import gather
from tests.probes.places import CLASSES, photos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return photos(tmp_path / "my photos 照片", 3)


def listing(folder: Path, *labels: int, name: str = "list.txt") -> Path:
    """A list of the cats with ``labels``."""
    path = folder.parent / name
    path.write_text("".join(f"{folder}/cat/{each % 3}.png {label}\n" for each, label in enumerate(labels)))
    return path


def test_a_folder(folder: Path) -> None:
    found = gather(str(folder))
    assert found.classes == CLASSES
    assert found.counts.tolist() == [3, 3, 3]
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found.entries[3] == (str(folder / "dog" / "0.png"), 1)
    assert (found.test, found.groups) == (None, [])


def test_copies_are_groups_by_place(folder: Path) -> None:
    shutil.copy(folder / "dog" / "2.png", folder / "cat" / "copy.png")
    (folder / "cat" / "0.png").write_bytes(b"no picture")
    found = gather(str(folder))
    pairs = [{Path(found.entries[place][0]).name for place in group} for group in found.groups]
    assert pairs == [{"2.png", "copy.png"}]
    assert found.counts.tolist() == [3, 3, 3]
    assert any("0.png" in notice for notice in found.notices)


def test_a_folder_that_is_split_already(tmp_path: Path) -> None:
    photos(tmp_path / "all" / "train", 3)
    photos(tmp_path / "all" / "val", 2, seed=1)
    found = gather(str(tmp_path / "all"))
    assert found.test is not None
    assert (len(found.entries), len(found.test)) == (9, 6)
    assert all("/train/" in name for name, _ in found.entries)
    assert all("/val/" in name for name, _ in found.test)
    # A folder that is named judges instead.
    other = photos(tmp_path / "other", 1, seed=2)
    again = gather(str(tmp_path / "all"), str(other))
    assert again.test is not None
    assert (len(again.entries), len(again.test)) == (15, 3)


def test_a_list_of_its_own_names_and_without(folder: Path) -> None:
    path = listing(folder, 0, 2, 0)
    found = gather(str(path))
    assert found.classes == ("0", "1", "2")
    assert found.counts.tolist() == [2, 0, 1]
    (path.parent / "labels.txt").write_text("a\nb\nc\nd\n")
    assert gather(str(path)).classes == ("a", "b", "c", "d")


def test_another_folder_may_lack_classes_but_has_no_others(folder: Path, tmp_path: Path) -> None:
    fewer = photos(tmp_path / "fewer", 1, ("zebra fish", "cat"))
    found = gather(str(folder), str(fewer))
    assert found.test is not None
    assert {(Path(name).parent.name, label) for name, label in found.test} == {("cat", 0), ("zebra fish", 2)}
    with pytest.raises(UserError, match="of other classes") as error:
        gather(str(folder), str(photos(tmp_path / "more", 1, ("cat", "cow"))))
    assert "cow" in str(error.value)


@pytest.mark.parametrize(("labels", "received"), [((0, 3, -1, 1), "label 3, and 1 more"), ((0, -1), "label -1")])
def test_labels_that_were_not_learned(labels: tuple[int, ...], received: str, folder: Path) -> None:
    with pytest.raises(UserError, match=received) as error:
        gather(str(folder), str(listing(folder, *labels)))
    assert error.value.problems[0].where is not None
    assert error.value.problems[0].where.line == 2


def test_lists_that_cannot_be_learned_from(folder: Path) -> None:
    with pytest.raises(UserError, match="counts classes from 0"):
        gather(str(listing(folder, 0, -3)))
    with pytest.raises(UserError, match="two classes"):
        gather(str(listing(folder, 1, 1)))
    path = listing(folder, 0, 1)
    path.write_text(path.read_text() + "nowhere.png 1\nnorthere.png 0\n")
    with pytest.raises(UserError) as error:
        gather(str(path))
    assert len(error.value.problems) == 2
    assert all(problem.what == "picture not found" for problem in error.value.problems)


def test_one_class_and_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two classes"):
        gather(str(photos(tmp_path / "one", 2, ("cat",))))
    with pytest.raises(UserError, match="folder or list of pictures not found"):
        gather(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="to judge by not found"):
        gather(str(photos(tmp_path / "two", 1)), str(tmp_path / "nowhere"))
