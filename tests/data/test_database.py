"""Data: databases of raw, float and encoded samples, and what is no such database."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from caffelungo.data import datum
from caffelungo.data.convert_imageset import ConvertImagesetOptions, convert_imageset
from caffelungo.data.sources import database as module
from caffelungo.data.sources import open_source
from caffelungo.definition.schema import TEST, TRAIN, Datum, Preprocessing
from caffelungo.errors import UserError
from caffelungo.weights import meanfile
from tests.data.make import database, layer, pictures, random_database


def data(path: Path, transform: str = "", batch: int = 3, phase: int = TEST, tops: int = 2, **kwargs: Any) -> Any:
    names = " ".join(f'top: "{name}"' for name in ("data", "label")[:tops])
    options = f'data_param {{ source: "{path}" batch_size: {batch} backend: LMDB }}'
    return open_source(
        layer(f'name: "d" type: "Data" {names} transform_param {{ {transform} }} {options}'), phase, **kwargs
    )


@pytest.fixture(params=[True, False], ids=["in memory", "from disk"])
def in_memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.setattr(module, "IN_MEMORY", 0)
    return bool(request.param)


def test_batches_wrap_in_the_order_of_the_keys(tmp_path: Path, in_memory: bool) -> None:
    path, samples = random_database(tmp_path / "db")
    source = data(path)
    assert source.heavy is not in_memory
    assert source.shapes == [(3, 3, 8, 9), (3,)]
    assert (source.size, source.batches) == (7, 3)
    values = [source.finish(source.batch(k)) for k in range(5)]
    index = np.arange(15) % 7
    np.testing.assert_array_equal(np.concatenate([v[0] for v in values]), samples[index])
    np.testing.assert_array_equal(np.concatenate([v[1] for v in values]), index)


def test_any_batch_can_be_asked_first(tmp_path: Path, in_memory: bool) -> None:
    path, _ = random_database(tmp_path / "db")
    text = "crop_size: 5 mirror: true mean_value: 100"
    used, fresh = data(path, text, phase=TRAIN, seed=4), data(path, text, phase=TRAIN, seed=4)
    for k in range(6):
        used.batch(k)
    for k in (5, 0, 3):
        for left, right in zip(used.finish(used.batch(k)), fresh.finish(fresh.batch(k)), strict=True):
            assert left.equal(right)


def test_disk_and_memory_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = random_database(tmp_path / "db")
    extras = "channel_order: RGB label_offset: 2 resize_height: 6 resize_width: 7"
    text = f"crop_size: 5 mirror: true scale: 0.5 lungo {{ {extras} }}"
    kept = data(path, text, phase=TRAIN)
    monkeypatch.setattr(module, "IN_MEMORY", 0)
    read = data(path, text, phase=TRAIN)
    assert (kept.small, read.small) == (True, False)
    for k in range(4):
        for left, right in zip(kept.finish(kept.batch(k)), read.finish(read.batch(k)), strict=True):
            assert left.equal(right)
    assert kept.labels().tolist() == read.labels().tolist() == [2, 3, 4, 5, 6, 7, 8]


def test_floats_and_negative_labels(tmp_path: Path, in_memory: bool) -> None:
    samples = list(np.random.default_rng(0).normal(size=(4, 2, 3, 3)).astype(np.float32))
    source = data(database(tmp_path / "db", samples, [-1, 5, 2**31 - 1, 0]), "mean_value: 1 mean_value: 2 scale: 2")
    assert source.labels().tolist() == [-1, 5, 2**31 - 1, 0]
    expected = (np.stack(samples[:3]) - np.float32([1, 2])[:, None, None]) * np.float32(2)
    np.testing.assert_array_equal(source.finish(source.batch(0))[0], expected)


def test_train_crops_and_mirrors_vary_and_take_the_mean_along(tmp_path: Path) -> None:
    path, samples = random_database(tmp_path / "db", count=2, shape=(3, 10, 12))
    mean = np.random.default_rng(1).uniform(0, 255, (3, 10, 12)).astype(np.float32)
    meanfile.write(tmp_path / "mean.binaryproto", mean)
    text = f'crop_size: 6 mirror: true mean_file: "{tmp_path}/mean.binaryproto" scale: 0.25'
    source = data(path, text, batch=2, phase=TRAIN, seed=1)
    places = set()
    for k in range(30):
        batch = source.batch(k)
        values = source.finish(batch)[0].numpy()
        for n, (row, column, mirrored) in enumerate(batch.crops):
            cut = np.s_[:, row : row + 6, column : column + 6]
            expected = (samples[n][cut].astype(np.float32) - mean[cut]) * np.float32(0.25)
            np.testing.assert_array_equal(values[n], expected[:, :, ::-1] if mirrored else expected)
            places.add((int(row), int(column), int(mirrored)))
    assert {row for row, _, _ in places} == set(range(5))
    assert {column for _, column, _ in places} == set(range(7))
    assert {mirrored for _, _, mirrored in places} == {0, 1}
    assert source.notices == []
    once = data(path, text, batch=2, once=True)
    np.testing.assert_array_equal(
        once.finish(once.batch(0))[0], (samples[:, :, 2:8, 3:9] - mean[:, 2:8, 3:9]) * np.float32(0.25)
    )


def test_a_mean_larger_than_the_pictures_is_centred_with_a_notice(tmp_path: Path) -> None:
    path, samples = random_database(tmp_path / "db")
    mean = np.random.default_rng(1).uniform(0, 255, (3, 12, 13)).astype(np.float32)
    meanfile.write(tmp_path / "mean.binaryproto", mean)
    source = data(path, 'crop_size: 6 mean_file: "mean.binaryproto"', phase=TRAIN, beside=tmp_path / "net.prototxt")
    assert any("12x13" in text and "6x6" in text for text in source.notices)
    assert tuple(source.record.mean_image_shape) == (3, 6, 6)
    batch = source.batch(0)
    values = source.finish(batch)[0].numpy() + mean[:, 3:9, 3:9]
    np.testing.assert_allclose(values, batch.arrays[0], atol=1e-4)
    assert samples.shape == (7, 3, 8, 9)


@pytest.mark.parametrize(
    ("shape", "crop", "remedy"),
    [
        ((3, 5, 5), 0, "mean_value: 7 mean_value: 7 mean_value: 7; or resize the pictures to 5x5"),
        ((3, 64, 64), 0, "or resize the pictures to 64x64"), ((3, 9, 9), 0, "or resize"), ((3, 8, 10), 0, "or resize"),
        ((3, 5, 5), 6, "mean_value: 7"), ((1, 8, 9), 0, "compute_image_mean"), ((1, 64, 64), 4, "compute_image_mean"),
        ((4, 8, 9), 4, "compute_image_mean"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_a_mean_that_does_not_fit_is_refused(
    tmp_path: Path, shape: tuple[int, int, int], crop: int, remedy: str, phase: int
) -> None:
    path, _ = random_database(tmp_path / "db")
    meanfile.write(tmp_path / "mean.binaryproto", np.full(shape, 7, np.float32))
    with pytest.raises(UserError, match="the mean picture does not fit") as error:
        data(path, f'mean_file: "{tmp_path}/mean.binaryproto" crop_size: {crop}', phase=phase)
    (problem,) = error.value.problems
    assert "x".join(map(str, shape)) in str(problem.received)
    assert remedy in str(problem.remedy)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ('mean_value: 1 mean_file: "x"', "has both mean_file and mean_value"),
        ("mean_value: 1 mean_value: 2", "needs one mean_value, or one for each channel"),
        ("crop_size: 9", "pictures are smaller than the crop"),
        ('mean_file: "nowhere.binaryproto"', "mean file not found"),
        ("lungo { resize_height: 5 }", "sets only one side of the resize"),
    ],
)
def test_transforms_that_cannot_be(tmp_path: Path, transform: str, message: str) -> None:
    path, _ = random_database(tmp_path / "db")
    with pytest.raises(UserError, match=message) as error:
        data(path, transform)
    assert error.value.problems[0].remedy


def test_one_top_needs_no_label(tmp_path: Path, in_memory: bool) -> None:
    path, _ = random_database(tmp_path / "db")
    source = data(path, tops=1)
    assert source.shapes == [(3, 3, 8, 9)]
    assert len(source.finish(source.batch(0))) == 1
    assert source.labels() is None


def test_encoded_pictures_are_decoded_as_stored_unless_forced(tmp_path: Path) -> None:
    file = pictures(tmp_path, 4, height=12, width=14)
    for gray in (False, True):
        flags = ConvertImagesetOptions(encoded=True, gray=gray)
        convert_imageset(f"{tmp_path}/", file, tmp_path / f"db{gray}", flags)
    assert data(tmp_path / "dbFalse").shapes[0] == (3, 3, 12, 14)
    assert data(tmp_path / "dbTrue").shapes[0] == (3, 1, 12, 14)
    assert data(tmp_path / "dbTrue", "force_color: true").shapes[0] == (3, 3, 12, 14)
    grey = data(tmp_path / "dbFalse", "force_gray: true")
    assert grey.shapes[0] == (3, 1, 12, 14)
    np.testing.assert_array_equal(grey.batch(1).arrays[0], data(tmp_path / "dbTrue").batch(1).arrays[0])


def test_samples_of_several_sizes_need_a_resize(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = [rng.integers(0, 256, (3, 8 + n, 9), dtype=np.uint8) for n in range(4)]
    path = database(tmp_path / "db", samples, [0, 1, 2, 3])
    with pytest.raises(UserError, match="record 1") as error:
        data(path).batch(0)
    assert "3 channels of 9x9 where 3 of 8x9" in str(error.value)
    assert data(path, "lungo { resize_height: 6 resize_width: 6 }").batch(0).arrays[0].shape == (3, 3, 6, 6)
    assert data(path, "crop_size: 7").batch(0).arrays[0].shape == (3, 3, 7, 7)


def test_the_record_tells_what_is_known_and_marks_what_is_assumed(tmp_path: Path) -> None:
    path, _ = random_database(tmp_path / "db")
    source = data(path, "crop_size: 7 mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.5")
    record = source.record
    assert (record.resize_height, record.resize_width, record.crop_height, record.crop_width) == (8, 9, 7, 7)
    assert list(record.mean_value) == [104, 117, 123]
    assert record.scale == 0.5
    assert list(record.assumed) == ["channel_order", "resize_height", "resize_width"]
    file = pictures(tmp_path, 4)
    convert_imageset(f"{tmp_path}/", file, tmp_path / "made", ConvertImagesetOptions(resize_height=10, resize_width=11))
    stated = data(tmp_path / "made").record
    assert (stated.resize_height, stated.resize_width) == (10, 11)
    assert not stated.assumed
    assert stated.channel_order == Preprocessing.BGR
    (tmp_path / "made" / "preprocessing.prototxt").write_text("nonsense: 1")
    with pytest.raises(UserError, match="preprocessing record cannot be read"):
        data(tmp_path / "made")


def test_a_leveldb_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    for name in ("CURRENT", "MANIFEST-000007", "000005.ldb"):
        (tmp_path / "db" / name).touch()
    with pytest.raises(UserError, match="LevelDB databases are not read") as error:
        data(tmp_path / "db")
    assert "lungo convert_imageset" in str(error.value)
    assert "backend: LMDB" in str(error.value)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="database not found"):
        data(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"has no data\.mdb"):
        data(tmp_path / "folder")
    (tmp_path / "folder" / "data.mdb").write_bytes(b"x" * 10_000)
    with pytest.raises(UserError, match="LMDB database cannot be opened"):
        data(tmp_path / "folder")
    lmdb.open(str(tmp_path / "empty")).close()
    with pytest.raises(UserError, match="the database is empty"):
        data(tmp_path / "empty")


def test_a_database_cut_short_is_refused(tmp_path: Path) -> None:
    path, _ = random_database(tmp_path / "db", count=400, shape=(3, 32, 32))
    data(path)
    whole = (path / "data.mdb").read_bytes()
    short = tmp_path / "short"
    short.mkdir()
    (short / "data.mdb").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="LMDB database is truncated") as error:
        data(short)
    assert f"received: {len(whole) // 2} bytes of " in str(error.value)


def test_records_that_are_no_samples_are_named(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "db")) as env, env.begin(write=True) as txn:
        txn.put(b"a", b"\xff\xff\xff")
    with pytest.raises(UserError, match="database record is not a Datum"):
        data(tmp_path / "db")
    wrong = Datum(channels=10, height=12, width=3, data=b"x" * 100)
    with pytest.raises(UserError, match="looks like height x width x channels"):
        datum.array(wrong, "db")


@pytest.mark.parametrize("value", [0, 1, 300, -1, -(2**31)])
def test_a_header_is_found_without_parsing(value: int) -> None:
    message = Datum(channels=1, height=2, width=3, data=b"123456", label=value, encoded=True, float_data=[1.0])
    whole = message.SerializeToString()
    for data in (whole, memoryview(whole)):
        found = datum.header(data)
        assert (found.label, found.shape, found.size, found.floats) == (value, (1, 2, 3), 6, 1)
        assert found.encoded
    assert datum.header(memoryview(Datum(data=b"x").SerializeToString())).label is None
    for cut in (1, 3, 9, len(whole) - 3):
        with pytest.raises(ValueError, match=r"ends inside|do not parse"):
            datum.header(memoryview(whole[:cut]))


def test_two_sources_may_share_a_database(tmp_path: Path) -> None:
    path, _ = random_database(tmp_path / "db")
    one, two = data(path), data(path, "crop_size: 4")
    assert one.batch(0).arrays[0].shape != two.batch(0).arrays[0].shape


def test_a_source_survives_pickling(tmp_path: Path, in_memory: bool) -> None:
    path, _ = random_database(tmp_path / "db")
    source = data(path)
    source.batch(0)
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.batch(1).arrays[0], source.batch(1).arrays[0])


def records(path: Path, *datums: Any) -> Path:
    """A database of whole Datums."""
    with lmdb.open(str(path), map_size=1 << 24) as env, env.begin(write=True) as txn:
        for number, each in enumerate(datums):
            txn.put(b"%04d" % number, each.SerializeToString())
    return path


def sample(channels: int = 3, height: int = 4, width: int = 5, label: int | None = 0, **fields: Any) -> Any:
    """A Datum of zero bytes, or with other ``fields``."""
    fields = fields or {"data": bytes(channels * height * width)}
    found = Datum(channels=channels, height=height, width=width, **fields)
    if label is not None:
        found.label = label
    return found


PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.mark.parametrize(
    ("datums", "what", "remedy"),
    [
        ([sample(), sample(data=bytes(7))], "number of values", "channels x height x width"),
        ([sample(), sample(data=PNG)], "contains a picture file, but is not marked as encoded", "encoded: true"),
        ([sample(), sample(data=bytes(60), encoded=True)], "marked as encoded, but contains raw pixels", "false"),
        ([sample(), sample(encoded=True)], "marked as encoded, but contains no picture", "`data`"),
        ([sample(), sample(float_data=[0.5] * 60)], "byte and float samples are mixed", "one kind"),
        ([sample(), sample(channels=1)], "different numbers of channels", "one kind"),
        ([sample(), sample(height=6)], "different sizes", "resize_height"),
    ],
)
def test_a_survey_names_every_odd_record_before_training(
    tmp_path: Path, datums: list[Any], what: str, remedy: str
) -> None:
    first, odd = datums
    source = data(records(tmp_path / "db", first, odd, first, odd))
    (problem,) = source.survey()
    assert what in problem.what
    assert "record 1 (0001)" in str(problem.where)
    assert "2 of 4 records" in str(problem.received)
    assert remedy in str(problem.remedy)
    good = data(records(tmp_path / "good", first, first))
    assert good.survey() == []
    assert good.notices == []


def test_an_odd_first_record_is_refused_at_once(tmp_path: Path) -> None:
    for number, (odd, what) in enumerate(
        [
            (sample(data=PNG), "contains a picture file, but is not marked as encoded"),
            (sample(data=bytes(60), encoded=True), "marked as encoded, but contains raw pixels"),
            (sample(channels=0, data=b""), "number of values"),
        ]
    ):
        with pytest.raises(UserError, match=what):
            data(records(tmp_path / f"db{number}", odd))


def test_sizes_may_differ_where_pictures_are_resized_or_cut(tmp_path: Path) -> None:
    path = records(tmp_path / "db", sample(), sample(height=9, width=9))
    assert data(path, "lungo { resize_height: 4 resize_width: 4 }").survey() == []
    assert data(path, "crop_size: 4").survey() == []
    path = records(tmp_path / "small", sample(), sample(height=3, width=9))
    (problem,) = data(path, "crop_size: 4").survey()
    assert problem.what == "a sample is smaller than the crop"


@pytest.mark.parametrize(
    ("shape", "turned"),
    [
        ((320, 240, 3), True), ((28, 28, 1), True), ((64, 48, 4), True), ((3, 32, 32), False), ((1, 28, 28), False),
        ((4096, 1, 1), False), ((10, 100, 1), False), ((4, 5, 3), False), ((3, 240, 320), False),
    ],
)  # fmt: skip
def test_pictures_stored_as_height_width_channels_are_named(
    tmp_path: Path, shape: tuple[int, int, int], turned: bool
) -> None:
    source = data(records(tmp_path / "db", sample(*shape)))
    assert any("transpose(2, 0, 1)" in text for text in source.notices) is turned


def test_features_are_no_turned_pictures(tmp_path: Path) -> None:
    assert data(records(tmp_path / "db", sample(64, 64, 3, float_data=[0.5] * (64 * 64 * 3)))).notices == []


def test_missing_labels_and_double_values_are_said(tmp_path: Path) -> None:
    both = sample(1, 1, 2, label=None, data=b"ab", float_data=[1.0, 2.0])
    source = data(records(tmp_path / "db", both, sample(1, 1, 2, label=1)))
    assert source.survey() == source.survey() == []
    assert [text for text in source.notices if "1 of 2 records without a label" in text] == source.notices[1:]
    assert "`data` and `float_data`" in source.notices[0]
    assert source.labels().tolist() == [0, 1]
    alone = data(records(tmp_path / "one", sample(label=None)), tops=1)
    assert (alone.survey(), alone.notices) == ([], [])
