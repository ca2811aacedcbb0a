"""A disk that fills while a file is written: an ordinary OSError, the older file untouched, nothing left behind."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from caffelungo.weights import Weights, formats, solverstate
from caffelungo.weights.solverstate import SolverState

if sys.platform == "win32":
    pytest.skip("needs a limit on file sizes", allow_module_level=True)

LIMITED = """
import resource, signal, sys
import numpy as np
from caffelungo.weights import Weights, formats, solverstate
from caffelungo.weights.solverstate import SolverState
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
blobs = [np.ones((100, 100), np.float32)] * 20
try:
    if "solverstate" in sys.argv[1]:
        solverstate.write(sys.argv[1], SolverState(9, "x", 0, blobs))
    else:
        formats.write(sys.argv[1], Weights({f"l{i}": [blob] for i, blob in enumerate(blobs)}))
except OSError as error:
    print(error.errno)
"""


@pytest.mark.parametrize(
    "name", ["x.caffemodel", "x.caffemodel.h5", "x.safetensors", "x.solverstate", "x.solverstate.h5"]
)
def test_nothing_is_lost(tmp_path, name):
    path = tmp_path / name
    if "solverstate" in name:
        solverstate.write(path, SolverState(3, "x"))
    else:
        formats.write(path, Weights({"a": [np.ones(1, np.float32)]}))
    before = path.read_bytes()
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "27"
    assert done.stderr == ""
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
