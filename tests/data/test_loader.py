"""The loader gives every batch in order, the same bits with any number of workers, and hands mistakes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from caffelungo import processes
from caffelungo.data.loader import Loader, default_workers
from caffelungo.data.sources import database, images, open_source
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import RunError, UserError
from tests.data.make import hdf5, layer, pictures, random_database
from tests.support import REPOSITORY

AUGMENTED = 'crop_size: 9 mirror: true mean_value: 90 lungo { augmentation { type: "RandomResizedCrop" } }'


def sources_of(tmp_path: Path, **kwargs: Any) -> list[Any]:
    folder = tmp_path / "images"
    folder.mkdir(exist_ok=True)
    path = folder / "list.txt"
    if not path.exists():
        pictures(folder, 7)
        hdf5(tmp_path, [5])
        random_database(tmp_path / "db")
    tops = 'top: "{0}" top: "label{0}"'
    texts = [
        f'name: "a" type: "ImageData" {tops.format("a")} transform_param {{ {AUGMENTED} }} '
        f'image_data_param {{ source: "{path}" batch_size: 4 new_height: 12 new_width: 12 }}',
        f'name: "b" type: "HDF5Data" top: "data" hdf5_data_param {{ source: "{tmp_path}/list.txt" batch_size: 4 }}',
        f'name: "c" type: "Data" {tops.format("c")} transform_param {{ mirror: true }} '
        f'data_param {{ source: "{tmp_path}/db" batch_size: 4 }}',
        'name: "e" type: "DummyData" top: "z" dummy_data_param { shape { dim: 2 } data_filler { value: 3 } }',
    ]
    return [open_source(layer(text), TRAIN, seed=3, **kwargs) for text in texts]


def run(loader: Loader) -> list[list[torch.Tensor]]:
    return [[tensor.clone() for tensor in batch] for batch in loader]


def same(left: list[list[torch.Tensor]], right: list[list[torch.Tensor]]) -> bool:
    pairs = [(a, b) for x, y in zip(left, right, strict=True) for a, b in zip(x, y, strict=True)]
    return all(a.equal(b) for a, b in pairs)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("large", [False, True])
def test_workers_do_not_change_a_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, large: bool
) -> None:
    if large:
        monkeypatch.setattr(images, "IN_MEMORY", 0)
        monkeypatch.setattr(database, "IN_MEMORY", 0)
    expected = run(Loader(sources_of(tmp_path), 0, 8, workers=0))
    assert [tuple(tensor.shape) for tensor in expected[0]] == [(4, 3, 9, 9), (4,), (4, 2, 3), (4, 3, 8, 9), (4,), (2,)]
    assert all(tensor.dtype == torch.float32 for tensor in expected[0])
    assert same(run(Loader(sources_of(tmp_path), 0, 8, workers=workers)), expected)
    assert same(run(Loader(sources_of(tmp_path), 5, 8, workers=workers)), expected[5:])


def test_once_ends_by_itself_and_may_be_repeated(tmp_path: Path) -> None:
    loader = Loader(sources_of(tmp_path, once=True)[:1], workers=0)
    first = run(loader)
    assert [len(batch[0]) for batch in first] == [4, 3]
    assert same(run(loader), first)


def test_without_an_end_it_may_be_left_at_any_time(tmp_path: Path) -> None:
    before = threading.active_count()
    for workers in (0, 2):
        batches = iter(Loader(sources_of(tmp_path), workers=workers))
        for _ in range(20):
            next(batches)
        batches.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)  # a closed queue's thread ends by itself, soon
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [0, 2])
def test_the_runs_random_numbers_stay_as_they_are(tmp_path: Path, workers: int) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    run(Loader(sources_of(tmp_path), 0, 3, workers=workers))
    assert torch.rand(3).equal(expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_mistake_found_on_the_way_keeps_its_place(tmp_path: Path, workers: int) -> None:
    sources = sources_of(tmp_path)
    for number in range(1, 7):
        (tmp_path / "images" / f"im{number}.png").write_bytes(b"spoilt")
    with pytest.raises(UserError, match="picture cannot be read") as error:
        run(Loader(sources, 0, 8, workers=workers))
    place = error.value.problems[0].where
    assert place is not None
    assert place.file == str(tmp_path / "images" / "list.txt")
    assert place.line


def test_a_worker_that_dies_is_a_failure_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = sources_of(tmp_path)
    monkeypatch.setattr(type(sources[0]), "batch", lambda self, k: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(RunError, match="a data worker ended"):
        run(Loader(sources, 0, 8, workers=1))


SCRIPT = """
import sys
from caffelungo.data.loader import Loader
from tests.data.test_loader import sources_of
from pathlib import Path
batches = iter(Loader(sources_of(Path(sys.argv[1])), workers=2))
next(batches)
raise ValueError("the run fails")
"""


def test_a_run_that_fails_does_not_wait_for_its_workers(tmp_path: Path) -> None:
    sources_of(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("ValueError: the run fails")


def test_workers_are_for_heavy_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_workers(sources_of(tmp_path)) == 0
    monkeypatch.setattr(images, "IN_MEMORY", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(4)))
    assert default_workers(sources_of(tmp_path)) == 3


def test_channels_last_changes_the_layout_only(tmp_path: Path) -> None:
    sources = sources_of(tmp_path)
    expected = run(Loader(sources, 0, 2, workers=0))
    for source in sources:
        source.channels_last = True
    found = list(Loader(sources, 0, 2, workers=0))
    assert found[0][0].is_contiguous(memory_format=torch.channels_last)
    assert same(found, expected)


@pytest.mark.gpu
def test_the_gpu_gets_the_same_numbers(tmp_path: Path) -> None:
    expected = run(Loader(sources_of(tmp_path), 0, 8, workers=0))
    for workers in (0, 2):
        found = run(Loader(sources_of(tmp_path), 0, 8, workers=workers, device="cuda"))
        assert all(tensor.is_cuda for batch in found for tensor in batch)
        assert same([[tensor.cpu() for tensor in batch] for batch in found], expected)


KILLED = """
import multiprocessing, signal, sys
from caffelungo import processes
from caffelungo.data import loader
from caffelungo.data.sources import images, open_source
from caffelungo.definition.schema import TRAIN
from tests.data.make import layer
loader._main_thread = lambda: sys.argv[2] == "True"
images.IN_MEMORY, processes.POLL = 0, 0.05
text = (
    'name: "a" type: "ImageData" top: "a" top: "label" '
    f'image_data_param {{ source: "{sys.argv[1]}/list.txt" batch_size: 64 new_height: 160 new_width: 160 }}'
)
batches = iter(loader.Loader([open_source(layer(text), TRAIN, seed=3)], workers=2))
next(batches)
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("by_system", [True, False])
def test_workers_end_with_a_run_that_is_killed(tmp_path: Path, by_system: bool) -> None:
    """Even while they wait for room for batches that nobody takes any more."""
    folder = tmp_path / "images"
    folder.mkdir()
    pictures(folder, 7)
    command = [sys.executable, "-c", KILLED, str(folder), str(by_system)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as run_:
        assert run_.stdout is not None
        workers = [int(pid) for pid in run_.stdout.readline().split()]
        try:
            _end_with(run_, workers)
        finally:
            run_.kill()


def _end_with(run_: subprocess.Popen[str], workers: list[int]) -> None:
    assert len(workers) == 2
    since = {pid: processes.started(pid) for pid in workers}
    assert all(since.values())
    time.sleep(0.3)  # until they have filled what is ahead
    run_.kill()
    run_.wait()
    deadline = time.monotonic() + 20  # what is fast takes 0.1 s; the machine may be busy
    while any(processes.started(pid) == since[pid] for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in workers if processes.started(pid) == since[pid]]
