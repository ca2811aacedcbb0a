"""A folder of photos: counted, checked, and split without copies across it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.data import folder, split_pictures
from caffelungo.data.folder import PhotoFolder
from caffelungo.data.image_list import ImageList, read_list
from caffelungo.errors import UserError
from tests.data.make import classes, picture, save


def test_a_clean_folder(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    found = folder.scan(
        classes(tmp_path / "p", {"cat": 10, "ant": 12}), progress=lambda done, total: told.append((done, total))
    )
    assert found.classes == ("ant", "cat")
    assert found.counts() == {"ant": 12, "cat": 10}
    assert (found.notices, found.groups, found.unreadable) == ([], [], {})
    assert told[-1] == (22, 22)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 30, "bee": 2, "cat": 12, "dog": 11})
    (root / "empty").mkdir()
    (root / "cat" / "0.png").write_bytes(b"spoilt")
    shutil.copy(root / "ant" / "0.png", root / "ant" / "copy.png")
    save(root / "ant" / "same.bmp", picture(0))
    shutil.copy(root / "dog" / "0.png", root / "ant" / "z.png")
    found = folder.scan(root)
    text = "\n".join(found.notices)
    assert "1 folder without a picture skipped: empty" in text
    assert "1 class with fewer than 10 pictures: bee (2)" in text
    assert "the largest class has 33 pictures, the smallest 2" in text
    unread = "cat/0.png (6 bytes that Pillow does not recognise as a picture)"
    assert f"1 unreadable picture skipped: {unread}" in text
    assert "3 pictures are copies of another, as ant/0.png = ant/copy.png" in text
    assert "1 picture is in several classes: ant/z.png = dog/0.png" in text
    names = [{found.pictures.names[i] for i in group} for group in found.groups]
    assert {"ant/0.png", "ant/copy.png", "ant/same.bmp"} in names
    assert found.counts()["cat"] == 11


def test_bytes_alone_find_copied_files(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 3, "bee": 3})
    shutil.copy(root / "ant" / "0.png", root / "ant" / "copy.png")
    save(root / "ant" / "same.bmp", picture(0))
    (root / "bee" / "0.png").write_bytes(b"")
    found = folder.scan(root, decoded=False)
    assert [len(group) for group in found.groups] == [2]
    assert list(found.unreadable.values()) == ["an empty file"]


@pytest.mark.parametrize("counts", [{}, {"only": 3}, {"a": 3, "empty": 0}])
def test_two_classes_are_needed(tmp_path: Path, counts: dict[str, int]) -> None:
    root = classes(tmp_path / "p", counts) if counts else tmp_path
    with pytest.raises(UserError, match="make one sub-folder per class"):
        folder.scan(root)


def test_a_file_or_nothing_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(UserError, match="the list of pictures is empty"):
        folder.scan(tmp_path / "a")
    with pytest.raises(UserError, match="folder or list of pictures not found"):
        folder.scan(tmp_path / "b")


def made_up(sizes: list[int], copies: list[list[int]]) -> PhotoFolder:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    names = [f"{label}/{n}.png" for n, label in enumerate(labels)]
    pictures = ImageList(Path("p"), names, labels, np.zeros_like(labels), ("p/",), tuple(map(str, range(len(sizes)))))
    return PhotoFolder(Path("p"), pictures, groups=copies, copies=copies)


@given(data=st.data(), sizes=st.lists(st.integers(0, 25), min_size=2, max_size=5), seed=st.integers(0, 99))
def test_a_split_is_disjoint_stratified_and_keeps_copies_together(
    data: st.DataObject, sizes: list[int], seed: int
) -> None:
    total = sum(sizes)
    shuffled = data.draw(st.permutations(range(total)))
    cuts = data.draw(st.lists(st.integers(2, 3), max_size=total // 6))
    copies, start = [], 0
    for size in cuts:
        copies.append(sorted(shuffled[start : start + size]))
        start += size
    found = made_up(sizes, copies)
    share = data.draw(st.sampled_from([0.0, 0.1, 0.2, 0.5]))
    parts = split_pictures.split(found, share, seed)
    assert sorted(parts.train + parts.val) == list(range(total))
    for group in copies:
        assert len({index in parts.val for index in group}) == 1
    labels = found.pictures.labels
    for label, size in enumerate(sizes):
        val = int((labels[parts.val] == label).sum())
        assert val <= max(1, round(size * share)) * (share > 0)
        assert not size or (labels[parts.train] == label).any()
        if not copies and share and size > 1:
            assert val == max(1, round(size * share))
    assert split_pictures.split(found, share, seed) == parts


def test_another_seed_is_another_split() -> None:
    found = made_up([30, 30], [])
    assert split_pictures.split(found, 0.2, 1).val != split_pictures.split(found, 0.2, 2).val


def test_a_lone_picture_trains_and_is_said() -> None:
    parts = split_pictures.split(made_up([1, 10], []), 0.2)
    assert 0 in parts.train
    assert "1 class with only one picture" in parts.notices[0]
    assert "so not tested: 0" in parts.notices[0]


@pytest.mark.parametrize("share", [-0.1, 1, 5])
def test_a_share_is_between_0_and_1(share: float) -> None:
    with pytest.raises(UserError, match="at least 0 and below 1"):
        split_pictures.split(made_up([3, 3], []), share)


def test_a_folders_own_split_is_kept_less_its_copies(tmp_path: Path) -> None:
    classes(tmp_path / "train", {"ant": 3, "bee": 3})
    for number in range(2):
        save(tmp_path / "val" / "ant" / f"v{number}.png", picture(100 + number))
    shutil.copy(tmp_path / "train" / "bee" / "0.png", tmp_path / "val" / "ant" / "v2.png")
    found = folder.scan(tmp_path)
    assert found.classes == ("ant", "bee")
    parts = split_pictures.split(found, 0.5)
    names = [found.pictures.names[index] for index in parts.val]
    assert names == ["val/ant/v0.png", "val/ant/v1.png"]
    assert len(parts.train) == 6
    assert "1 val picture is also in train" in parts.notices[1]


@pytest.mark.parametrize(
    ("others", "used"), [(("val", "test"), "val"), (("test",), "test"), (("Validation",), "Validation")]
)
def test_val_goes_before_test(tmp_path: Path, others: tuple[str, ...], used: str) -> None:
    classes(tmp_path / "train", {"ant": 3, "bee": 3})
    for number, name in enumerate(others):
        save(tmp_path / name / "ant" / "0.png", picture(50 + number))
    found = folder.scan(tmp_path)
    assert [found.pictures.names[index] for index in split_pictures.split(found).val] == [f"{used}/ant/0.png"]


def test_classes_that_are_called_train_stay_classes(tmp_path: Path) -> None:
    found = folder.scan(classes(tmp_path, {"train": 3, "test": 3}))
    assert found.classes == ("test", "train")
    assert found.given is None


def test_train_alone_is_split_like_any_folder(tmp_path: Path) -> None:
    classes(tmp_path / "train", {"ant": 10, "bee": 10})
    found = folder.scan(tmp_path)
    assert found.classes == ("ant", "bee")
    assert len(split_pictures.split(found, 0.2).val) == 4


def test_written_lists_read_back(tmp_path: Path) -> None:
    root = classes(tmp_path / "p q", {"my cat": 5, "ünd": 5})
    found = folder.scan(root)
    parts = split_pictures.split(found, 0.4)
    paths = split_pictures.write(found, parts, tmp_path)
    assert paths["labels"].read_text() == "my cat\nünd\n"
    for name, indices in (("train", parts.train), ("val", parts.val)):
        back = read_list(paths[name], f"{root}/")
        assert back.names == [found.pictures.names[index] for index in indices]
        assert all(Path(back.path(index)).exists() for index in range(len(back)))


def test_a_name_with_a_line_break_is_left_out(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 3, "bee": 3})
    (root / "ant" / "0.png").rename(root / "ant" / "a\nb.png")
    found = folder.scan(root)
    assert list(found.unreadable.values()) == ["its name contains a line break, which a list cannot represent"]


def test_photos_that_cannot_be_read_are_spoken_of(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 10, "bee": 10})
    (root / "bee" / "IMG_1.HEIC").write_bytes(b"x")
    (root / "bee" / "notes.txt").write_text("x")
    text = "\n".join(folder.scan(root).notices)
    assert "1 photo in an unsupported format skipped: bee/IMG_1.HEIC; convert them to JPEG" in text
    assert "notes.txt" not in text


def test_a_folder_of_nothing_but_such_photos(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        (tmp_path / "p" / name).mkdir(parents=True)
        (tmp_path / "p" / name / "1.heic").write_bytes(b"x")
    with pytest.raises(UserError) as caught:
        folder.scan(tmp_path / "p")
    problem = caught.value.problems[0]
    assert problem.received == "2 sub-folders, 2 photos in an unsupported format, such as ant/1.heic"
    assert problem.remedy == "convert them to JPEG or PNG, in one sub-folder per class"


JUNK = ["__MACOSX", "@eaDir", ".ipynb_checkpoints", ".hidden", "$RECYCLE.BIN", "Thumbs.db", "System Volume Information"]


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("place", ["", "ant", "train"])
def test_what_systems_leave_behind_is_no_class_and_no_picture(tmp_path: Path, junk: str, place: str) -> None:
    root = tmp_path / "p"
    classes(root / "train" if place == "train" else root, {"ant": 3, "bee": 3})
    if place == "train":
        save(root / "val" / "ant" / "v.png", picture(90))
    save(root / (place if place == "ant" else "") / junk / "ant" / "0.png", picture(91))
    for name in {"Thumbs.db", "desktop.ini", ".DS_Store", "._0.png"} - {junk}:
        (root / name).write_bytes(b"x")
    found = folder.scan(root)
    assert found.classes == ("ant", "bee")
    assert len(found.pictures) == (7 if place == "train" else 6)
    assert (found.given is not None) is (place == "train")
    if not place:
        assert any(junk in text and "skipped" in text for text in found.notices)
    if place != "train":
        assert read_list(root).names == found.pictures.names


def test_a_class_of_which_nothing_can_be_read_is_none(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 3, "bee": 2, "cat": 3, "dog": 3})
    for number in range(2):
        (root / "bee" / f"{number}.png").write_bytes(b"spoilt")
    (root / "dog" / "0.png").write_bytes(b"spoilt")
    shutil.copy(root / "cat" / "1.png", root / "dog" / "copy.png")
    found = folder.scan(root)
    assert found.classes == ("ant", "cat", "dog")
    assert found.counts() == {"ant": 3, "cat": 3, "dog": 3}
    assert [found.pictures.names[index] for index in found.unreadable] == ["dog/0.png"]
    assert [[found.pictures.names[i] for i in group] for group in found.groups] == [["cat/1.png", "dog/copy.png"]]
    text = "\n".join(found.notices)
    assert "1 folder without a readable picture skipped: bee" in text
    assert "3 unreadable pictures" in text


def test_an_empty_folder_keeps_its_label_where_a_net_reads_the_folder(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 1, "bee": 0, "cat": 1})
    pictures = read_list(root)
    assert (pictures.classes, pictures.labels.tolist()) == (("ant", "bee", "cat"), [0, 2])
    assert pictures.notices == ("1 folder without a picture kept, with a label: bee",)


@pytest.mark.parametrize(("one", "other"), [("caf\u00e9", "cafe\u0301"), ("ant", "ant "), (" ant", "ant")])
def test_folders_of_one_name_to_the_eye_are_refused(tmp_path: Path, one: str, other: str) -> None:
    root = classes(tmp_path / "p", {one: 2, other: 2, "bee": 2})
    with pytest.raises(UserError, match="differ only by spaces") as error:
        folder.scan(root)
    assert repr(one) in str(error.value)
    assert repr(other) in str(error.value)
    classes(tmp_path / "q" / "train", {one: 2, "bee": 2})
    save(tmp_path / "q" / "val" / other / "v.png", picture(90))
    with pytest.raises(UserError, match="different names in train and val"):
        folder.scan(tmp_path / "q")


def test_capitals_make_two_classes_and_are_said(tmp_path: Path) -> None:
    found = folder.scan(classes(tmp_path / "p", {"a": 2, "A": 2, "b": 2}))
    assert found.classes == ("A", "a", "b")
    assert any("differ only in capitals are different classes: A and a" in text for text in found.notices)
    classes(tmp_path / "q" / "train", {"Ant": 2, "bee": 2})
    save(tmp_path / "q" / "test" / "ant" / "v.png", picture(90))
    with pytest.raises(UserError, match="different names"):
        folder.scan(tmp_path / "q")


def test_classes_of_val_are_those_of_train(tmp_path: Path) -> None:
    classes(tmp_path / "train", {"ant": 2, "bee": 2, "cat": 2})
    for number, name in enumerate(["bee", "cow"]):
        save(tmp_path / "val" / name / "0.png", picture(50 + number))
    found = folder.scan(tmp_path)
    assert found.classes == ("ant", "bee", "cat")
    assert [found.pictures.names[index] for index in split_pictures.split(found).val] == ["val/bee/0.png"]
    text = "\n".join(found.notices)
    assert "1 class of val skipped, missing in train: cow" in text
    assert "2 classes not tested, without a picture in val: ant, cat" in text


def test_folders_below_a_class_are_said_and_a_folder_around_all_is_looked_through(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 1, "bee": 2, "cat/persian": 2, "cat/siamese": 1})
    found = folder.scan(root)
    assert found.counts() == {"ant": 1, "bee": 2, "cat": 3}
    assert any("belong to that class: cat/persian, cat/siamese" in text for text in found.notices)
    (tmp_path / "around").mkdir()
    root.rename(tmp_path / "around" / "p")
    with pytest.raises(UserError, match="two classes with pictures") as error:
        folder.scan(tmp_path / "around")
    assert f"name the folder inside, which has 3 folders: {tmp_path}/around/p" in str(error.value)


def test_a_link_that_leads_back_ends(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 2, "bee": 2})
    (root / "ant" / "again").symlink_to(root / "ant")
    assert folder.scan(root).counts() == {"ant": 2, "bee": 2}
