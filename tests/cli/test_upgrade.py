"""`lungo upgrade_net_proto_text` and `lungo upgrade_solver_proto_text`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lungo import lungo
from tests.support import ASSETS

OLD = (ASSETS / "valid" / "v1.prototxt").read_text()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.prototxt").write_text(OLD)
    return tmp_path


def test_a_net() -> None:
    ran = lungo("upgrade_net_proto_text", "old.prototxt", "new.prototxt")
    assert ran.status == 0
    assert "3 V1 layers" in ran.out
    assert ran.out.endswith("wrote new.prototxt\n")
    text = Path("new.prototxt").read_text()
    assert 'type: "Convolution"  # sees the picture' in text
    for comment in ("# A net of 2014.", "# one picture", "# channels", "# first stage", "# weights", "# bias"):
        assert comment in text
    assert Path("old.prototxt").read_text() == OLD
    assert lungo("check", "new.prototxt").status == 0


def test_again_nothing_changes() -> None:
    lungo("upgrade_net_proto_text", "old.prototxt", "new.prototxt")
    ran = lungo("upgrade_net_proto_text", "new.prototxt", "newer.prototxt")
    assert ran.out == "wrote newer.prototxt; nothing was out of date\n"
    assert Path("newer.prototxt").read_bytes() == Path("new.prototxt").read_bytes()


def test_diff() -> None:
    out = lungo("upgrade_net_proto_text", "old.prototxt", "new.prototxt", "--diff").out
    assert "--- old.prototxt\n" in out
    assert '-layers { name: "relu1" type: RELU' in out
    assert '+layer { name: "relu1" type: "ReLU"' in out


def test_in_place() -> None:
    assert lungo("upgrade_net_proto_text", "old.prototxt", "old.prototxt").status == 0
    assert 'type: "Convolution"' in Path("old.prototxt").read_text()


def test_a_solver() -> None:
    Path("old_solver.prototxt").write_text('net: "n"  # mine\nsolver_type: NESTEROV  # adapts\n')
    ran = lungo("upgrade_solver_proto_text", "old_solver.prototxt", "new_solver.prototxt", "--diff")
    assert ran.status == 0
    assert '-solver_type: NESTEROV  # adapts\n+type: "Nesterov"  # adapts\n' in ran.out
    assert Path("new_solver.prototxt").read_text() == 'net: "n"  # mine\ntype: "Nesterov"  # adapts\n'


def test_a_broken_file_leaves_no_output() -> None:
    Path("old.prototxt").write_text(OLD.replace("CONVOLUTION", "CONVOLUTOIN"))
    ran = lungo("upgrade_net_proto_text", "old.prototxt", "new.prototxt")
    assert ran.status == 2
    assert "old.prototxt:11:9" in ran.err
    assert "CONVOLUTOIN" in ran.err
    assert "CONVOLUTION" in ran.err
    assert not Path("new.prototxt").exists()
