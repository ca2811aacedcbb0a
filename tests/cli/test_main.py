"""The door: exit statuses, what is told and where, and that a traceback appears only when it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from caffelungo import __version__, threads
from caffelungo.cli import main
from caffelungo.errors import RunError
from tests.lungo import lungo


def test_version() -> None:
    assert lungo("--version").out == f"caffelungo {__version__}\n"


def test_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "caffelungo", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"caffelungo {__version__}\n"
    done = subprocess.run(
        [sys.executable, "-m", "caffelungo", "layers", "Convolutoin"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert 'did you mean "Convolution"?' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("flag", ["-h", "--help", "-help"])
def test_help(flag: str) -> None:
    ran = lungo(flag)
    assert ran.status == 0
    for verb in main.VERBS:
        assert verb in ran.out
    assert lungo("grow", flag).status == 0


def test_without_a_verb_help_is_shown() -> None:
    ran = lungo()
    assert ran.status == 2
    assert "finetune" in ran.out + ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trian"], "Did you mean 'train'"),
        (["zorro"], "No such command 'zorro'"),
        (["train"], "Missing option '--solver'"),
        (["train", "--solver"], "'--solver' requires an argument"),
        (["train", "-solver"], "'--solver' requires an argument"),
        (["train", "--sover", "x"], "--solver"),
        (["train", "-sover=x"], "--solver"),
        (["train", "--solver", "x", "--threads", "many"], "valid integer"),
        (["check"], "Missing argument"),
        (["layers", "Convolution", "Pooling"], "unexpected extra argument"),
    ],
)
def test_what_the_parser_finds(words: list[str], told: str) -> None:
    ran = lungo(*words)
    assert ran.status == 2
    assert told in ran.err
    assert "Traceback" not in ran.err
    assert "lungo" in ran.err or "requires an argument" in ran.err
    assert not ran.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["layers", "Convolutoin"], ["unknown layer type", "Convolutoin", 'did you mean "Convolution"?']),
        (["nets", "shw"], ["unknown action", "shw", "list, show, copy"]),
        (["nets", "show"], ["no net named", "lungo nets show caffenet"]),
        (["nets", "show", "lenett"], ["lenett", "did you mean `lenet`?"]),
        (["train", "-solver", "nowhere.prototxt"], ["solver not found", "nowhere.prototxt", "correct the path"]),
        (["train", "-solver", "x", "-sigint_effect", "halt"], ["--sigint_effect halt", "stop, snapshot, none"]),
        (["nets", "copy", "lenet", "--set", "classes"], ["classes", "--set NAME=VALUE"]),
    ],
)
def test_what_is_told_of_a_mistake(words: list[str], told: list[str]) -> None:
    ran = lungo(*words)
    assert ran.status == 2
    for part in told:
        assert part in ran.err
    assert not ran.out


def test_debug_shows_the_traceback() -> None:
    command = [sys.executable, "-m", "caffelungo", "layers", "Convolutoin"]
    for words in (["--debug"], []):
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert ("Traceback" in done.stderr) == bool(words)
        assert 'did you mean "Convolution"?' in done.stderr


def test_a_failure_while_running_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: object) -> int:
        raise RunError("the disk is full")

    monkeypatch.setattr(main, "call", fail)
    ran = lungo("train")
    assert (ran.status, ran.err) == (1, "the disk is full\n")


def test_memory_that_is_not_there_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(arguments: object) -> int:
        return len(np.empty(2**55, np.uint8))

    monkeypatch.setattr(main, "call", ask)
    ran = lungo("train")
    assert ran.status == 1
    assert "32.0 PiB" in ran.err
    assert "smaller sizes" in ran.err


def test_ctrl_c_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "call", interrupt)
    assert lungo("train").status == 130


def test_an_error_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "call", lambda arguments: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        main.run(["train"])


@pytest.mark.parametrize(
    ("words", "place", "told"),
    [
        (["nets", "copy", "lenet", "-o", "file/below"], "file/below", "Not a directory"),
        (["grow", "lenet", "--widen", "ip1:4", "-o", "file/below.prototxt"], "file", "File exists"),
        (["upgrade_net_proto_text", "net.prototxt", "nowhere/out.prototxt"], "nowhere/out.prototxt", "No such file"),
        (["upgrade_net_proto_text", "net.prototxt", "folder"], "folder", "Is a directory"),
        (["upgrade_net_proto_text", "net.prototxt", "n" * 300], "n" * 300, "too long"),
    ],
)
def test_what_the_system_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], place: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "net.prototxt").write_text('layer { name: "r" type: "ReLU" bottom: "a" top: "b" }\n')
    before = sorted(tmp_path.rglob("*"))
    ran = lungo(*words)
    assert ran.status == 2
    assert told in ran.err
    assert f"received: {tmp_path / place}" in ran.err
    assert "to do: " in ran.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(arguments: object) -> int:
        raise OSError(28, "No space left on device", "out.prototxt")

    monkeypatch.setattr(main, "call", full)
    ran = lungo("train")
    told = "out.prototxt: No space left on device\n  to do: free space on that disk, or choose a path on another one\n"
    assert (ran.status, ran.err) == (1, told)


def test_idle_threads_are_told_to_sleep_soon_unless_the_user_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    for chosen in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(chosen, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    threads.settle()
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.delenv("OMP_WAIT_POLICY")
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    threads.settle()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    threads.settle()
    assert os.environ["GOMP_SPINCOUNT"] == threads.SPINS


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("lungo fin", "finetune"), ("lungo train --solv", "--solver"), ("lungo probe --lay", "--layers")],
)
def test_the_tab_key_completes_verbs_and_options(typed: str, offered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_LUNGO_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
    ran = lungo()
    assert (ran.status, ran.out.split()) == (0, [offered])


@pytest.mark.parametrize(
    ("option", "offered"), [("--recipe", None), ("--freez", "--freeze"), ("--rate-dcay", "--rate-decay")]
)
def test_options_that_are_alike_are_offered(option: str, offered: str | None) -> None:
    done = lungo("rewrite", "n", option, "r")
    assert f"No such option: {option}" in done.err
    assert (offered in done.err) if offered else ("Possible options" not in done.err and "Did you mean" not in done.err)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rewrite", "n", "--recipe", "r"], "--recipe is an option of `lungo grow`."),
        (["grow", "n", "--adapters", "conv1"], "--adapters is an option of `lungo rewrite`."),
        (["classify", "m.onnx", "--solver", "s"], "--solver is an option of `lungo train`, `lungo grow`"),
        (["doctor", "--no-such-option"], None),
    ],
)
def test_an_option_of_another_verb_is_said_to_be(words: list[str], said: str | None) -> None:
    done = lungo(*words)
    assert done.status == 2
    assert "No such option" in done.err
    assert (said in done.err) if said else ("is an option of" not in done.err)
