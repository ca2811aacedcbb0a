"""What a user may name as pictures, and what becomes of it: lists, splits without leaks, trainings."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from caffelungo.data import folder, named_pictures, split_pictures
from caffelungo.data.image_list import read_list
from caffelungo.data.picture_table import PictureColumns
from caffelungo.errors import UserError
from caffelungo.features.picture_list import listing
from caffelungo.probes.picture_entries import Choice, gather
from caffelungo.study import picture_splits
from tests.data import make
from tests.data.packed import make as packed


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def people(folder: Path, persons: int = 10, each: int = 4) -> Path:
    """Photos of ``persons`` showing two signs, ``each`` of them ``each`` times, with a table of them."""
    rows = ["path,label,person"]
    for person in range(persons):
        for number in range(each):
            sign = ("left", "right")[number % 2]
            name = f"{sign}/p{person}_{number}.png"
            make.save(folder / name, make.picture(100 * person + number))
            rows.append(f"{name},{sign},{person}")
    (folder / "t.csv").write_text("\n".join(rows))
    return folder


def person(path: str) -> str:
    return Path(path).name.split("_")[0]


def apart(*parts: list[str]) -> bool:
    """Whether no person is in two parts."""
    found = [{person(path) for path in part} for part in parts]
    return all(not one & other for number, one in enumerate(found) for other in found[number + 1 :])


@pytest.mark.parametrize("data", ["", "t.csv"])
@pytest.mark.parametrize("seed", range(4))
def test_no_person_is_on_two_sides(tmp_path: Path, data: str, seed: int) -> None:
    root = people(tmp_path / "photos")
    groups = "person" if data else r"p\d+"
    found = folder.scan(root / data, groups=groups)
    parts = split_pictures.split(found, 0.3, seed)
    names = found.pictures.names
    assert sorted(parts.train + parts.val) == list(range(40))
    assert apart([names[i] for i in parts.train], [names[i] for i in parts.val])
    assert Counter(found.pictures.labels[parts.val].tolist()) == {0: 6, 1: 6}


def test_equal_pictures_join_the_groups_that_they_are_in(tmp_path: Path) -> None:
    root = people(tmp_path / "photos")
    (root / "left/p1_0.png").write_bytes((root / "left/p0_0.png").read_bytes())
    found = folder.scan(root, groups=r"p\d+")
    assert max(map(len, found.together)) == 8
    for seed in range(8):
        val = {person(found.pictures.names[index]) for index in split_pictures.split(found, 0.3, seed).val}
        assert ("p0" in val) == ("p1" in val)


def test_without_groups_persons_leak(tmp_path: Path) -> None:
    """So that the tests above can fail."""
    found = folder.scan(people(tmp_path / "photos"))
    parts = split_pictures.split(found, 0.3, 0)
    names = found.pictures.names
    assert not apart([names[i] for i in parts.train], [names[i] for i in parts.val])


def test_folds_of_a_probe_keep_persons_together(tmp_path: Path) -> None:
    from caffelungo.probes.choose_candidate import held_out

    root = people(tmp_path / "photos")
    found = gather(str(root / "t.csv"), choice=Choice(groups="person", per_class=13))
    assert found.counts.tolist() == [13, 13]
    folds = np.asarray(held_out(found.labels, 5, 0, found.groups))
    by: dict[str, set[tuple[bool, ...]]] = {}
    for place, (path, _) in enumerate(found.entries):
        by.setdefault(person(path), set()).add(tuple(np.atleast_1d(folds.T[place] if folds.ndim > 1 else folds[place])))
    assert all(len(sides) == 1 for sides in by.values())


@pytest.mark.parametrize("seed", range(3))
def test_a_comparison_keeps_persons_in_one_of_three_parts(tmp_path: Path, seed: int) -> None:
    root = people(tmp_path / "photos")
    (split,) = picture_splits.gather(str(root), seeds=[seed], groups=r"p\d+")
    parts = [[path for path, _ in part] for part in (split.fit, split.validation, split.test)]
    assert apart(*parts)
    assert sum(map(len, parts)) == 40


def test_draws_are_nested_in_every_verb(tmp_path: Path) -> None:
    root = str(people(tmp_path / "photos"))
    probed = [{path for path, _ in gather(root, choice=Choice(per_class=n, seed=3)).entries} for n in (3, 7)]
    assert probed[0] < probed[1]
    compared = [picture_splits.gather(root, per_class=n, seeds=[3])[0] for n in (3, 7)]
    drawn = [{path for path, _ in (*one.fit, *one.validation)} for one in compared]
    assert drawn[0] < drawn[1]
    found = folder.scan(root)
    whole = split_pictures.split(found, 0.2, 3)
    few, more = (split_pictures.few(found, whole, n, 3) for n in (3, 7))
    assert set(few.train) < set(more.train) < set(whole.train)
    assert few.val == more.val == whole.val


def test_test_pictures_of_learned_persons_are_removed(tmp_path: Path) -> None:
    root, other = people(tmp_path / "photos", 6), people(tmp_path / "test", 8)
    found = gather(str(root), str(other), choice=Choice(groups=r"p\d+"))
    assert found.test is not None
    assert {person(path) for path, _ in found.test} == {"p6", "p7"}
    assert any("removed" in notice for notice in found.notices)
    found = gather(str(root / "t.csv"), str(other / "t.csv"), choice=Choice(groups="person"))
    assert {person(path) for path, _ in found.test or ()} == {"p6", "p7"}
    with pytest.raises(UserError, match="every test picture is of a group"):
        gather(str(other), str(root), choice=Choice(groups=r"p\d+"))
    (split,) = picture_splits.gather(str(root), str(other), groups=r"p\d+")
    assert {person(path) for path, _ in split.test} == {"p6", "p7"}


def test_a_given_split_loses_val_pictures_of_training_persons(tmp_path: Path) -> None:
    people(tmp_path / "all" / "train", 6)
    people(tmp_path / "all" / "val", 8)
    found = folder.scan(tmp_path / "all", groups=r"p\d+")
    parts = split_pictures.split(found)
    names = found.pictures.names
    assert len(parts.val) == 8
    assert apart([names[i] for i in parts.train], [names[i] for i in parts.val])


def test_a_given_split_whose_persons_all_train_is_refused(tmp_path: Path) -> None:
    for part in ("train", "val"):
        people(tmp_path / "all" / part, 3)
    for path in (tmp_path / "all" / "val").rglob("*.png"):
        make.save(path, make.picture(1000 + int(path.stem[1]) * 10 + int(path.stem[3])))
    found = folder.scan(tmp_path / "all", groups=r"p\d+")
    with pytest.raises(UserError, match="every val picture is of a group that is also in train"):
        split_pictures.split(found)


def test_a_class_of_one_person_is_said_to_be_untested(tmp_path: Path) -> None:
    root = people(tmp_path / "photos")
    for number in range(4):
        make.save(root / f"up/p77_{number}.png", make.picture(5000 + number))
    parts = split_pictures.split(folder.scan(root, groups=r"p\d+"), 0.3)
    assert parts.notices == ["1 class has no group that could be held out, so not tested: up"]


def test_hints_only_where_they_are_asked_for(tmp_path: Path) -> None:
    root = people(tmp_path / "photos", each=8)
    assert any("--groups '" in notice for notice in folder.scan(root, hints=True).notices)
    assert any("--groups person" in notice for notice in folder.scan(root / "t.csv", hints=True).notices)
    for path in (root, root / "t.csv"):
        assert not any("--groups" in notice for notice in folder.scan(path).notices)
        assert not any("--groups" in notice for notice in folder.scan(path, groups=r"p\d", hints=True).notices)


def test_a_list_keeps_its_numbers_and_a_table_its_names(tmp_path: Path) -> None:
    root = people(tmp_path / "photos", 3)
    (root / "l.txt").write_text("left/p0_0.png 4\nright/p0_1.png 2\n")
    found = folder.scan(root / "l.txt")
    assert found.pictures.labels.tolist() == [4, 2]
    assert len(found.classes) == 5
    for index, name in enumerate(["left/p0_0.png", "right/p0_1.png"]):
        assert Path(found.pictures.path(index)).samefile(root / name)
    (root / "l.txt").write_text("left/p0_0.png 0\nright/none.png 1\nright/p0_1.png -1\n")
    with pytest.raises(UserError, match=r"l\.txt:2:1: picture not found"):
        folder.scan(root / "l.txt")


@pytest.mark.parametrize(
    ("label", "rest", "more"), [(-1, "", "\n"), (100_000, "left/p0_2.png -5\n", ", and 1 more line\n")]
)
def test_labels_of_a_list_that_are_no_classes(tmp_path: Path, label: int, rest: str, more: str) -> None:
    root = people(tmp_path / "photos", 3)
    (root / "l.txt").write_text(f"left/p0_0.png 0\nright/p0_1.png {label}\n{rest}")
    with pytest.raises(UserError, match=r"l\.txt:2:1: labels must be classes from 0 on") as caught:
        folder.scan(root / "l.txt")
    assert f"label {label}{more}" in str(caught.value)


def test_a_val_part_judges_before_a_test_part(tmp_path: Path) -> None:
    parts = {"train": [0, 1, 0, 1], "val": [1, 1, 0], "test": [0, 1]}
    arrays = {f"{part}_images": packed.random(len(labels), 4, 5, seed=len(labels)) for part, labels in parts.items()}
    np.savez(tmp_path / "a.npz", **arrays, **{f"{part}_labels": labels for part, labels in parts.items()})  # type: ignore[arg-type]
    found = folder.scan(tmp_path / "a.npz")
    assert found.pictures.labels[split_pictures.split(found).val].tolist() == parts["val"]
    assert len(read_list(named_pictures.resolve(tmp_path / "a.npz").judging)) == len(parts["test"])


def test_features_and_tests_read_a_table_by_a_list(tmp_path: Path) -> None:
    root = people(tmp_path / "photos", 3)
    named = named_pictures.resolve(root / "t.csv")
    one = read_list(named.judging)
    assert one.classes == ("left", "right")
    assert [Path(name).name for name in one.names] == [line.split(",")[0].split("/")[1] for line in
                                                       (root / "t.csv").read_text().splitlines()[1:]]  # fmt: skip
    assert listing(root / "t.csv", tmp_path).pictures.labels.tolist() == one.labels.tolist()


def test_columns_are_of_tables_only(tmp_path: Path) -> None:
    root = people(tmp_path / "photos", 3)
    with pytest.raises(UserError, match=r"--label-column with .*photos\n.*remove --label-column"):
        named_pictures.resolve(root, PictureColumns(None, "x"))


def test_parts_of_a_set_train_and_judge(tmp_path: Path) -> None:
    held = packed.mnist(tmp_path / "m", 30, 9)
    found = folder.scan(tmp_path / "m", decoded=False)
    parts = split_pictures.split(found)
    assert (len(parts.train), len(parts.val)) == (30, 9)
    assert found.pictures.labels[parts.val].tolist() == held["test"][1].tolist()
    assert len(read_list(named_pictures.resolve(tmp_path / "m").judging)) == 9
    assert len(listing(tmp_path / "m", tmp_path).pictures) == 39


TRAINING = """
net_param {{
  layer {{ name: "d" type: "ImageData" top: "data" top: "label" image_data_param {{ source: "{source}" batch_size: 5
          shuffle: true is_color: false }} transform_param {{ scale: 0.01 mirror: true }} }}
  layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param {{ num_output: 3
          weight_filler {{ type: "xavier" }} }} }}
  layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
}}
base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 max_iter: 7 snapshot: 3 snapshot_prefix: "{prefix}" random_seed: 3
"""


def test_a_prototxt_trains_on_a_set_and_resumes_exactly(tmp_path: Path) -> None:
    from caffelungo.solve.options import TrainOptions
    from caffelungo.solve.run_training import train

    packed.mnist(tmp_path / "m", 12, 6)
    source = named_pictures.resolve(tmp_path / "m").sources["train"]
    weights = []
    for name, snapshots in (("whole", [None]), ("resumed", [None, "resumed_iter_3.solverstate"])):
        solver = tmp_path / f"{name}.prototxt"
        for number, snapshot in enumerate(snapshots):
            text = TRAINING.format(source=source, prefix=tmp_path / name)
            if len(snapshots) > 1 and number == 0:
                text = text.replace("max_iter: 7", "max_iter: 3")
            solver.write_text(text)
            train(TrainOptions(solver=str(solver), device="cpu", quiet=True,
                               snapshot=str(tmp_path / snapshot) if snapshot else None))  # fmt: skip
        weights.append((tmp_path / f"{name}_iter_7.caffemodel").read_bytes())
    assert weights[0] == weights[1]
