"""`lungo features` killed at any moment: what is there counts, and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.errors import UserError
from caffelungo.features import formats
from caffelungo.features import run_features as module
from caffelungo.features.run_part import PartRunner
from tests.features.made import COUNT, centre, close, forward, pictures, run

KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
import tests.features.made as made
from caffelungo.features import run_features as module
from caffelungo.features.rows import Rows
module.CHUNK = 3
at = {at!r}
commit, write = Rows.commit, module.formats.write
count = 0

def killed(self):
    global count
    count += 1
    if at == "append" and count == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    commit(self)

def dying(path, table):
    if at == "write":
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, table)

Rows.commit = killed
module.formats.write = dying
made.run(Path({folder!r}))
"""


@pytest.mark.parametrize(("at", "there"), [("append", 3), ("write", 10)])
def test_a_killed_run_goes_on(at: str, there: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = KILLED.format(root=str(Path(__file__).resolve().parents[2]), at=at, folder=str(folder))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert not (folder / "out.npz").exists()
    assert (folder / "out.npz.part").is_dir()
    starts: list[int] = []
    rows = PartRunner.rows

    def spy(self: PartRunner, start: int, *args: object) -> object:
        starts.append(start)
        return rows(self, start, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(PartRunner, "rows", spy)
    assert run(folder).before == there
    assert starts == [there]
    with np.load(folder / "out.npz") as found:
        close(found["fc"], forward(centre(pictures(folder)))["fc"])
    assert not (folder / "out.npz.part").exists()


@pytest.mark.parametrize("change", ["pool", "picture", "weights"])
def test_a_broken_run_of_something_else_is_not_gone_on_with(
    change: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 3)
    with monkeypatch.context() as patch:
        patch.setattr(formats, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(folder)
    if change == "picture":
        image = np.asarray(Image.open(folder / "pictures" / "0_0.png"))
        Image.fromarray(255 - image).save(folder / "pictures" / "0_0.png")
    if change == "weights":
        (folder / "net.caffemodel").unlink()
    done = run(folder, pool="max" if change == "pool" else "mean", weights="none" if change == "weights" else
               str(folder / "net.caffemodel"))  # fmt: skip
    assert done.before == 0


def test_two_processes_do_not_write_one_file(folder: Path) -> None:
    code = (
        "import sys; from caffelungo import locks; from pathlib import Path\n"
        f"with locks.alone(Path({str(folder / 'out.npz.part')!r})): print('held', flush=True); input()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another process") as caught:
            run(folder)
        assert f"process {holder.pid} on" in str(caught.value)
        holder.communicate("\n")
    assert run(folder).count == COUNT
