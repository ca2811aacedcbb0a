"""Lists of pictures: what lines mean, and a message for each that is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.data.image_list import check, read_list, write_list
from caffelungo.errors import UserError
from tests.data.make import classes, picture, pictures, save


def read(tmp_path: Path, text: str | bytes, root: str = "") -> tuple[list[str], list[int]]:
    path = tmp_path / "list.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    found = read_list(path, root)
    return found.names, found.labels.tolist()


@pytest.mark.parametrize(
    ("line", "name", "label"),
    [
        ("cat.jpg 3", "cat.jpg", 3),
        ("my cat 2.jpg 3", "my cat 2.jpg", 3),
        ('"my cat.jpg" 3', "my cat.jpg", 3),
        ("'my cat.jpg' 3", "my cat.jpg", 3),
        ("cat.jpg\t3", "cat.jpg", 3),
        ("cat.jpg  3  \r", "cat.jpg", 3),
        ("ñandú 日本.jpg -1", "ñandú 日本.jpg", -1),
        ("#1.jpg 0", "#1.jpg", 0),
        ("\ufeffcat.jpg 0", "cat.jpg", 0),
    ],
)
def test_a_line(tmp_path: Path, line: str, name: str, label: int) -> None:
    assert read(tmp_path, f"{line}\n\n") == ([name], [label])


def test_windows_lines_and_no_newline_at_the_end(tmp_path: Path) -> None:
    assert read(tmp_path, "a.jpg 0\r\nb.jpg 1") == (["a.jpg", "b.jpg"], [0, 1])


def test_every_wrong_line_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, "a.jpg 0\nb.jpg\nc.jpg cat\nd.jpg 1.5\n")
    lines = [problem.where.line for problem in error.value.problems if problem.where]
    assert lines == [2, 3, 4]
    assert "received: no space (line 2)" in str(error.value)
    assert "`cat` after the last space (line 3)" in str(error.value)
    assert "3 lines have no label" in str(error.value)
    assert "end the line with a space and the label" in str(error.value)


def test_many_wrong_lines_are_counted(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, "a.jpg\n" * 1050)
    assert len(error.value.problems) == 1001
    assert "1000 lines have no label" in str(error.value)
    assert "50 more lines have no label" in str(error.value)


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_an_empty_list_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"list\.txt: the list of pictures is empty"):
        read(tmp_path, text)


def test_a_binary_file_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="received: a binary file"):
        read(tmp_path, b"a\0b 0\n")


def test_a_missing_list_names_the_places_tried(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read_list("nowhere.txt", beside=tmp_path / "net.prototxt")
    assert str(tmp_path / "nowhere.txt") in str(error.value)
    assert str(Path.cwd() / "nowhere.txt") in str(error.value)


def test_names_are_found_from_the_root_the_list_and_the_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "photos" / "sub" / "a.png", picture(0))
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "list.txt").write_text("sub/a.png 0\n")
    (tmp_path / "photos" / "list.txt").write_text("sub\\a.png 0\n")
    (lists / "absolute.txt").write_text(f"{tmp_path}/photos/sub/a.png 0\n")
    for found in (
        read_list("lists/list.txt", "photos"),
        read_list("lists/list.txt", "photos/"),
        read_list(lists / "list.txt", f"{tmp_path}/photos/s"[:-1]),
        read_list("photos/list.txt"),
        read_list("lists/absolute.txt", "elsewhere"),
    ):
        assert Path(found.path(0)).resolve() == tmp_path / "photos" / "sub" / "a.png"
    monkeypatch.chdir(lists)
    assert Path(read_list("list.txt", "photos", beside=tmp_path / "net.prototxt").path(0)).exists()


def test_a_root_is_a_prefix_as_in_caffe(tmp_path: Path) -> None:
    save(tmp_path / "set_1.png", picture(0))
    (tmp_path / "list.txt").write_text("1.png 0\n")
    assert Path(read_list(tmp_path / "list.txt", f"{tmp_path}/set_").path(0)).exists()


def test_check_tells_every_missing_empty_and_damaged_picture(tmp_path: Path) -> None:
    file = pictures(tmp_path, 4)
    (tmp_path / "im1.png").unlink()
    (tmp_path / "im2.png").write_bytes(b"")
    (tmp_path / "im3.png").write_bytes((tmp_path / "im3.png").read_bytes()[:100])
    told: list[tuple[int, int]] = []
    shallow = check(read_list(file))
    deep = check(read_list(file), decoded=True, progress=lambda done, total: told.append((done, total)))
    assert [(p.what, p.where.line) for p in shallow if p.where] == [
        ("picture not found", 2),
        ("picture is an empty file", 3),
    ]
    assert [(p.what, p.where.line) for p in deep if p.where][2:] == [("picture cannot be read", 4)]
    assert str(tmp_path / "im1.png") in (shallow[0].received or "")
    assert told == [(4, 4)]


def test_check_counts_beyond_its_limit(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"{n}.jpg 0\n" for n in range(100)))
    found = check(read_list(tmp_path / "list.txt"), limit=5)
    assert len(found) == 6
    assert found[-1].what == "95 more pictures are missing or unreadable"
    assert found[-1].received == "100 of 100"


def test_a_folder_of_classes_is_a_list(tmp_path: Path) -> None:
    folder = classes(tmp_path / "photos", {"dog": 2, "Ant": 1, "cat": 2})
    (folder / "notes.txt").write_text("no picture")
    (folder / "dog" / ".hidden.png").write_bytes(b"")
    (folder / ".cache").mkdir()
    save(folder / "cat" / "more" / "9.JPG", picture(0))
    found = read_list(folder)
    assert found.classes == ("Ant", "cat", "dog")
    assert found.names == ["Ant/0.png", "cat/0.png", "cat/1.png", "cat/more/9.JPG", "dog/0.png", "dog/1.png"]
    assert found.labels.tolist() == [0, 1, 1, 1, 2, 2]
    assert check(found) == []
    assert found.where(0).line is None


def test_a_folder_without_class_folders_says_what_it_needs(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(0))
    with pytest.raises(UserError, match="make one sub-folder per class"):
        read_list(tmp_path)


def test_a_written_list_reads_back(tmp_path: Path) -> None:
    names = ["a b.jpg", "ü.png", "c'd.jpg", "raw\udcff.png"]
    write_list(tmp_path / "list.txt", zip(names, range(4), strict=True))
    found = read_list(tmp_path / "list.txt")
    assert found.names == names
    assert np.array_equal(found.labels, np.arange(4))


@pytest.mark.parametrize("label", ["2147483648", "-2147483649", "9" * 400, "1e3", "nan", "0x10"])
def test_a_label_that_no_list_can_hold(label: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"a.png 0\nb.png {label}\n")
    with pytest.raises(UserError, match="no label") as caught:
        read_list(tmp_path / "list.txt")
    assert "list.txt:2:1" in str(caught.value)
