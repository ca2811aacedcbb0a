"""kill -9 while a database is written, or replaced: the next start removes the rests, and an old database is whole."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from caffelungo import drafts
from caffelungo.data.convert_imageset import ConvertImagesetOptions, convert_imageset
from tests.data.make import pictures

SLOW = (
    "import sys, time; from pathlib import Path\n"
    "from caffelungo.data import convert_imageset as tool, lmdb_writer\n"
    "put = lmdb_writer.LmdbWriter.put\n"
    "def slow(*words): put(*words); print('put', flush=True); time.sleep(5)\n"
    "lmdb_writer.LmdbWriter.put = slow\n"
    "where = Path(sys.argv[1])\n"
    "options = tool.ConvertImagesetOptions(overwrite=True)\n"
    "tool.convert_imageset(f'{where}/', where / 'list.txt', where / 'db', options)\n"
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".png" and path.name != "list.txt")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_a_killed_conversion_leaves_nothing_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path, 2)
    convert_imageset(f"{tmp_path}/", tmp_path / "list.txt", tmp_path / "db")
    data = (tmp_path / "db" / "data.mdb").read_bytes()
    pictures(tmp_path, 3)
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "put\n"
        process.send_signal(signal.SIGKILL)
    rests = names(tmp_path)
    assert len(rests) == 3, rests  # the draft, the lock, the database
    assert (tmp_path / "db" / "data.mdb").read_bytes() == data
    monkeypatch.setattr(drafts, "_swept", set())
    done = convert_imageset(
        f"{tmp_path}/", tmp_path / "list.txt", tmp_path / "db", ConvertImagesetOptions(overwrite=True)
    )
    assert (done.written, names(tmp_path)) == (3, ["db"])
