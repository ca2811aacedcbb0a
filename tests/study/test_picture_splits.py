"""A folder of classes as pictures to learn from, to choose rates on and to judge by, none of them in two."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from caffelungo.errors import UserError
from caffelungo.study import picture_splits
from caffelungo.study.picture_splits import PictureSplit
from tests.data.make import classes, picture, save


def gather(*args: str, seed: int = 0, **options: float) -> PictureSplit:
    """One split."""
    (found,) = picture_splits.gather(*args, seeds=[seed], **options)  # type: ignore[arg-type]
    return found


def parts(found: PictureSplit) -> list[set[str]]:
    return [{path for path, _ in part} for part in (found.fit, found.validation, found.test)]


def per_class(entries: list[tuple[str, int]]) -> dict[int, int]:
    return dict(Counter(label for _, label in entries))


def test_one_folder_is_divided(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 20, "bee": 10})
    found = gather(str(root))
    fit, chosen, judged = parts(found)
    assert len(fit | chosen | judged) == len(fit) + len(chosen) + len(judged) == 30
    assert found.classes == ("ant", "bee")
    assert per_class(found.test) == {0: 6, 1: 3}
    # A fifth of the 14 and 7 that are left.
    assert per_class(found.validation) == {0: 3, 1: 1}
    assert per_class(found.fit) == {0: 11, 1: 6}
    assert found.per_class == 8.5
    assert all(Path(path).is_absolute() and Path(path).parent.name == found.classes[label] for path, label in found.fit)
    assert found.text("test").splitlines()[0] == f"{found.test[0][0]} {found.test[0][1]}"


def test_the_same_each_time_another_by_seed_and_bytes(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 8, "bee": 8})
    first = gather(str(root))
    assert gather(str(root)) == first
    other = gather(str(root), seed=1)
    assert parts(other) != parts(first)
    save(Path(first.fit[0][0]), picture(777))
    changed = gather(str(root))
    assert changed.fit == first.fit
    assert changed.digest != first.digest


def test_at_most_so_many_a_class(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 20, "bee": 10})
    found = gather(str(root), per_class=5)
    assert per_class(found.fit) == {0: 4, 1: 4}
    assert per_class(found.validation) == {0: 1, 1: 1}
    assert per_class(found.test) == {0: 6, 1: 3}


def test_a_folder_of_its_own_judges(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 5, "bee": 5})
    judge = tmp_path / "q"
    for name in ("ant", "bee"):
        save(judge / name / "new.png", picture(1000 + ord(name[0])))
    save(judge / "bee" / "more.png", picture(2000))
    shutil.copy(root / "ant" / "0.png", judge / "ant" / "known.png")
    found = gather(str(root), str(judge))
    assert {Path(path).name for path, _ in found.test} == {"new.png", "more.png"}
    assert len(found.fit) + len(found.validation) == 10
    assert f"1 picture of {judge} removed, because --data has the same" in found.notices


def test_sub_folders_of_its_own_judge(tmp_path: Path) -> None:
    classes(tmp_path / "p" / "train", {"ant": 5, "bee": 5})
    for name in ("ant", "bee"):
        save(tmp_path / "p" / "val" / name / "v.png", picture(1000 + ord(name[0])))
    found = gather(str(tmp_path / "p"))
    assert {Path(path).name for path, _ in found.test} == {"v.png"}


def test_copies_do_not_choose_rates(tmp_path: Path) -> None:
    """Ten copies of one picture, of which some fall among those to choose rates on."""
    root = classes(tmp_path / "p", {"ant": 6, "bee": 6})
    judge = tmp_path / "q"
    for name in ("ant", "bee"):
        save(judge / name / "new.png", picture(1000 + ord(name[0])))
    for number in range(10):
        shutil.copy(root / "ant" / "0.png", root / "ant" / f"copy{number}.png")
    found = gather(str(root), str(judge), validation=0.5)
    copies = {str(root / "ant" / "0.png"), *(str(root / "ant" / f"copy{number}.png") for number in range(10))}
    fit, chosen, _ = parts(found)
    assert copies & fit
    assert not copies & chosen
    assert any("for choosing rates removed: copies" in notice for notice in found.notices)


def test_other_classes(tmp_path: Path) -> None:
    root, judge = classes(tmp_path / "p", {"ant": 5, "bee": 5}), classes(tmp_path / "q", {"ant": 5, "wasp": 5})
    with pytest.raises(UserError, match="other classes") as error:
        gather(str(root), str(judge))
    assert "bee, wasp" in str(error.value.problems[0].received)


@pytest.mark.parametrize(
    ("counts", "what"), [({"ant": 9, "bee": 1}, "choose rates on|train on|test on"), ({"ant": 9, "bee": 2}, "train")]
)
def test_too_few(tmp_path: Path, counts: dict[str, int], what: str) -> None:
    with pytest.raises(UserError, match=f"no picture to ({what})") as error:
        gather(str(classes(tmp_path / "p", counts)))
    assert error.value.problems[0].received == "bee"


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        gather(str(tmp_path / "none"))


def test_each_seed_has_a_split_of_its_own(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 20, "bee": 10})
    found = picture_splits.gather(str(root), seeds=range(3))
    for one in found:
        fit, chosen, judged = parts(one)
        assert len(fit | chosen | judged) == len(fit) + len(chosen) + len(judged) == 30
        assert per_class(one.test) == {0: 6, 1: 3}
    for part in range(3):
        assert len({frozenset(parts(one)[part]) for one in found}) == 3
    assert len({one.digest for one in found}) == 3
    assert found[2] == gather(str(root), seed=2)


def test_a_folder_that_judges_does_so_for_every_seed(tmp_path: Path) -> None:
    root = classes(tmp_path / "p", {"ant": 8, "bee": 8})
    for name in ("ant", "bee"):
        save(tmp_path / "q" / name / "new.png", picture(1000 + ord(name[0])))
    one, other = picture_splits.gather(str(root), str(tmp_path / "q"), seeds=(0, 1))
    assert one.test == other.test
    assert parts(one)[0] != parts(other)[0]
    assert parts(one)[0] | parts(one)[1] == parts(other)[0] | parts(other)[1]
