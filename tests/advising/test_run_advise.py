"""`lungo advise` from pictures to a folder that trains."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from numpy.testing import assert_allclose
from PIL import Image

from caffelungo.advising import run_advise, trials
from caffelungo.advising.options import FILES, AdviseOptions
from caffelungo.advising.run_advise import Advised, advise
from caffelungo.check import check
from caffelungo.errors import UserError
from caffelungo.projects.finetune_project import ProjectOptions, finetune_project
from caffelungo.weights import formats
from tests.probes.places import Place, photos, place


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place(tmp_path_factory.mktemp("there"))


def options(there: Place, out: Path, **more: object) -> AdviseOptions:
    given = {"nets": [str(there.net)], "weights": [str(there.weights)], "data": str(there.data), "output": str(out),
             "device": "cpu", "threads": 1, "minutes": 5.0, **more}  # fmt: skip
    return AdviseOptions(**given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(there: Place, tmp_path_factory: pytest.TempPathFactory) -> Advised:
    source = photos(tmp_path_factory.mktemp("source"), 9, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "STARTED_PASSES", 3)
        patch.setattr(run_advise, "REPEATS", 1)
        return advise(options(there, tmp_path_factory.mktemp("advised") / "mine", source=str(source)))


def test_the_folder_trains(made: Advised) -> None:
    assert sorted(made.files) == sorted(FILES)
    report = check([made.files["solver.prototxt"]])
    assert not report.problems


def test_the_project_is_that_of_finetune(there: Place, made: Advised, tmp_path: Path) -> None:
    """The same start, though its features are not computed again."""
    best = made.found.best.contender
    finetune_project(
        ProjectOptions(str(there.net), str(there.data), str(tmp_path / "mine"), weights=str(there.weights),
                       layers=(best.candidate.name,), freeze_to=made.decision.freeze_to or None)
    )  # fmt: skip
    ours, theirs = (formats.read(path).layers for path in (made.files["start.caffemodel"],
                                                           tmp_path / "mine" / "start.caffemodel"))  # fmt: skip
    assert ours.keys() == theirs.keys()
    for name, arrays in ours.items():
        for one, other in zip(arrays, theirs[name], strict=True):
            assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_what_it_says_rests_on_numbers(made: Advised) -> None:
    plain = json.loads(made.files["advice.json"].read_text())
    assert plain == json.loads(json.dumps(made.plain()))
    assert plain["decision"]["what"] in ("features only", "fine-tune", "not sure")
    assert plain["pictures"]["counts"] == {"cat": 6, "dog": 6, "zebra fish": 6}
    assert len(plain["layers"]) == len(made.found.rows)
    assert plain["source"][0]["frechet"]["count"] == 13  # of 27 pictures half, the other half measures chance
    assert plain["learning_curve"]["gain_of_twice"][1] <= plain["learning_curve"]["gain_of_twice"][2]
    assert [one["freeze_to"] is None for one in plain["trials"]] == [True, False]
    assert str(made.decision.expected) in " ".join(made.decision.sentences)


def test_the_page_shows_it(made: Advised) -> None:
    page = made.files["report.html"].read_text()
    for sentence in made.decision.sentences:
        assert sentence.split(":")[0].replace("`", "").replace("'", "&#39;")[:40] in re.sub("<[^>]+>", "", page)
    assert page.count("data:image/png") >= 4
    assert "http" not in re.sub(r"https?://[^\s\"<]*w3\.org[^\s\"<]*", "", page)


def test_a_trial_is_judged_on_pictures_that_it_did_not_learn_from(made: Advised) -> None:
    fold = made.found.judged.folds == 0
    for one in made.found.trials:
        assert len(one.right) == len(one.probe) == int(fold.sum())
        assert 0 < one.passes <= one.full


def test_a_second_call_reads_what_the_first_computed(there: Place, made: Advised) -> None:
    out = made.files["report.html"].parent
    with pytest.raises(UserError, match="overwrite"):
        advise(options(there, out))
    said: list[str] = []
    again = advise(options(there, out, overwrite=True), lambda what, done, total: said.append(what))
    assert [row.loss for row in again.found.rows] == [row.loss for row in made.found.rows]
    assert (again.found.judged.predictions == made.found.judged.predictions).all()
    assert not any(what.startswith("features of") for what in said)


def test_everything_wrong_with_the_options_at_once(there: Place, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        advise(options(there, tmp_path / "mine", minutes=-1.0, weights=["a", "b"], seed=-1))
    assert len(caught.value.problems) == 3
    assert not (tmp_path / "mine").exists()


def test_every_net_that_cannot_be_read_is_named(there: Place, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        advise(options(there, tmp_path / "mine", nets=["alexnet", "absent.prototxt"], weights=[], data="absent"))
    assert [problem.what for problem in caught.value.problems] == [
        "reading features needs weights", "there is no such file, and no net of this name ships with Caffelungo",
    ]  # fmt: skip


def test_a_source_of_a_few_pictures_is_refused(there: Place, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least 20 pictures"):
        advise(options(there, tmp_path / "mine", source=str(there.test)))


def test_damaged_pictures_and_copies_are_told(there: Place, tmp_path: Path) -> None:
    data = photos(tmp_path / "photos", 5)
    (data / "cat" / "broken.png").write_bytes(b"no picture")
    Image.open(data / "cat" / "0.png").save(data / "dog" / "same.png")
    made = advise(options(there, tmp_path / "mine", data=str(data), minutes=0.001))
    pictures = made.found.pictures
    assert list(pictures.unreadable) == ["cat/broken.png"]
    assert pictures.equal == pictures.torn
    assert [pictures.entries[place][0].split("/")[-2:] for place in pictures.torn[0]] == [
        ["cat", "0.png"], ["dog", "same.png"],
    ]  # fmt: skip
    assert made.found.judged.folds[pictures.torn[0][0]] == made.found.judged.folds[pictures.torn[0][1]]
    assert not made.found.trials
    assert any("different labels" in sentence for sentence in made.decision.sentences)
    assert any("for lack of time" in notice for notice in made.notices)
