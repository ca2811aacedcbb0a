"""Pictures to learn from and to judge by: folders, lists, and everything that can be wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from caffelungo.definition.reader import parse_net, read_net
from caffelungo.errors import UserError
from caffelungo.probes.picture_entries import gather, own
from tests.probes.own_nets import own_net
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
    with pytest.raises(UserError, match="have other classes") as error:
        gather(str(folder), str(photos(tmp_path / "more", 1, ("cat", "cow"))))
    assert "cow" in str(error.value)


@pytest.mark.parametrize(("labels", "received"), [((0, 3, -1, 1), "label 3, and 1 more"), ((0, -1), "label -1")])
def test_labels_that_were_not_learned(labels: tuple[int, ...], received: str, folder: Path) -> None:
    with pytest.raises(UserError, match=received) as error:
        gather(str(folder), str(listing(folder, *labels)))
    assert error.value.problems[0].where is not None
    assert error.value.problems[0].where.line == 2


def test_lists_that_cannot_be_learned_from(folder: Path) -> None:
    with pytest.raises(UserError, match="must be classes from 0"):
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
    with pytest.raises(UserError, match="of test pictures not found"):
        gather(str(photos(tmp_path / "two", 1)), str(tmp_path / "nowhere"))


# -- the net's own


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A net with 12 photos in train.txt and 6 in val.txt, found through root_folder."""
    return own_net(tmp_path).net


def test_the_lists_of_a_net(net: Path) -> None:
    found = own(read_net(net))
    assert found.classes == CLASSES
    assert found.aside is not None
    assert found.aside.tolist() == [False] * 12 + [True] * 6
    assert found.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [0, 0, 1, 1, 2, 2]
    assert found.entries[0] == (str(net.parent / "photos" / "cat" / "0.png"), 0)
    assert found.entries[12] == (str(net.parent / "photos" / "cat" / "2.png"), 0)
    assert (found.test, found.notices) == (None, [])


def test_its_lists_and_their_folder_stand_beside_it(net: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    net.write_text(net.read_text().replace(str(net.parent / "photos"), "photos"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert own(read_net(net)).entries[0] == (str(net.parent / "photos" / "cat" / "0.png"), 0)


def test_pictures_to_judge_by_come_beside_them(net: Path) -> None:
    found = own(read_net(net), str(net.parent / "others"))
    assert found.test is not None
    assert len(found.test) == 15
    assert len(found.entries) == 18


@pytest.mark.parametrize("seen", [0, 1, 2])
def test_what_training_saw_does_not_judge(net: Path, seen: int) -> None:
    """All of TEST's, one of them under another spelling of its path, or no list at all."""
    train, val = (net.with_name(name).read_text() for name in ("train.txt", "val.txt"))
    if seen == 1:
        net.with_name("val.txt").write_text("cat/../cat/0.png 0\n" + val)
    else:
        net.with_name("val.txt").write_text(train)
    text = net.read_text()
    if seen == 2:
        net.write_text("layer" + text.split("layer", 2)[1] + text[text.index("layer", text.index("val.txt")) :])
    found = own(read_net(net))
    if seen == 1:
        assert found.aside is not None
        assert (len(found.entries), int(found.aside.sum())) == (18, 6)
    else:
        assert (found.aside, len(found.entries)) == (None, 12)
        assert "no picture is held out" in found.notices[0]


def test_a_net_without_lists(net: Path) -> None:
    text = net.read_text()
    body = text[text.index("layer", text.index("val.txt")) :]
    blank = 'layer { name: "data" type: "Input" top: "data" top: "label" input_param { shape { dim: 1 } } }\n'
    with pytest.raises(UserError, match="no pictures of its own") as error:
        own(parse_net(blank + body, "x.prototxt"))
    assert error.value.problems[0].remedy == "name them: --data photos/"


@pytest.mark.parametrize(
    ("name", "lines", "words"),
    [
        ("val.txt", "cat/2.png 3\n", "labels without a class"),
        ("val.txt", "cat/2.png -1\n", "labels without a class"),
        ("train.txt", "cat/0.png 1\ndog/0.png 1\n", "two classes"),
        ("train.txt", "cat/none.png 0\ndog/0.png 1\n", "picture"),
        ("val.txt", "cat/none.png 0\n", "picture"),
        ("train.txt", "cat/0.png -1\ndog/0.png 1\n", "must be classes from 0"),
    ],
)
def test_lists_with_mistakes(net: Path, name: str, lines: str, words: str) -> None:
    net.with_name(name).write_text(lines)
    with pytest.raises(UserError, match=words):
        own(read_net(net))


def test_a_list_that_is_not_there(net: Path) -> None:
    net.with_name("train.txt").unlink()
    with pytest.raises(UserError, match="list of pictures"):
        own(read_net(net))


def test_without_names_classes_go_by_number(net: Path) -> None:
    net.with_name("labels.txt").unlink()
    assert own(read_net(net)).classes == ("0", "1", "2")
