"""The tab key: what is offered, by a real bash and as the other shells ask for it, without loading what is slow."""

from __future__ import annotations

import importlib
import inspect
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from caffelungo.cli import completion
from caffelungo.cli.main import VERBS
from caffelungo.definition import catalogue
from caffelungo.layers import registry
from tests.lungo import lungo

LUNGO = Path(sys.executable).with_name("lungo")
MODULES = 330
"""A completion loads 293 modules, most of them of Python itself and of click."""


def offered(monkeypatch: pytest.MonkeyPatch, typed: str) -> list[str]:
    """What bash gets for the line ``typed``, whose end is the cursor."""
    monkeypatch.setenv("_LUNGO_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - (not typed.endswith(" "))))
    ran = lungo()
    assert ran.status == 0, ran.err
    return ran.out.split()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("lungo tr", ["train", "triton"]),
        ("lungo train", ["train"]),
        ("lungo layers Convol", ["Convolution"]),
        ("lungo nets ", ["list", "show", "copy"]),
        ("lungo nets show resnet1", ["resnet18", "resnet101", "resnet152"]),
        ("lungo train --device c", ["cpu", "cuda"]),
        ("lungo test --precision t", ["tf32"]),
        ("lungo time --phase TR", ["TRAIN"]),
        ("lungo check --js", ["--json"]),
        ("lungo train -sol", ["-solver"]),  # Caffe's spelling
        ("lungo train -sighup_e", ["-sighup_effect"]),
        ("lungo train -sighup-e", ["-sighup-effect"]),
        ("lungo train --solver x -wei", ["-weights", "-weights-format"]),
        ("lungo train -device c", ["cpu", "cuda"]),
        ("lungo train --device = c", ["cpu", "cuda"]),  # bash parts `--device=c`
        ("lungo train --device =", ["auto", "cpu", "cuda"]),
        ("lungo check solver", []),  # the shell completes files
        ("lungo probe photos", []),
    ],
)
def test_what_is_offered(typed: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert offered(monkeypatch, typed) == expected


def test_all_verbs_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered(monkeypatch, "lungo ") == list(VERBS)


def test_definitions_stand_beside_the_nets_that_ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("squash.prototxt", "square.txt", "alone.prototxt.j2"):
        Path(name).write_text("")
    assert offered(monkeypatch, "lungo grow squ") == ["squeezenet1.0", "squeezenet1.1", "squash.prototxt"]
    assert completion.nets("") == [*catalogue.names(), "alone.prototxt.j2", "squash.prototxt"]
    assert completion.nets("no/such/folder/") == []


def test_names_are_those_of_the_catalogue_the_registry_and_the_verbs() -> None:
    assert completion.net_names("") == catalogue.names()
    assert completion.layer_types("") == sorted(registry.layer_types())
    for verb in VERBS:
        function = getattr(importlib.import_module(f"caffelungo.cli.{verb}"), verb)
        assert completion.summary(verb) == (inspect.getdoc(function) or "").splitlines()[0], verb


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("bash tells its version before it gets a script")
    monkeypatch.setenv("_LUNGO_COMPLETE", f"source_{shell}")
    ran = lungo()
    assert ran.status == 0
    assert "_LUNGO_COMPLETE=complete_" + shell in ran.out


@pytest.mark.parametrize(("shell", "action"), [("zsh", None), ("fish", "get-args")])
def test_zsh_and_fish_get_words_with_their_help(
    shell: str, action: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_LUNGO_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "lungo tra")
    if action:
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", action)
    ran = lungo()
    assert "train" in ran.out
    assert "Train a net with a solver" in ran.out
    assert "triton" not in ran.out
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "lungo train --solv")
    assert "--solver" in lungo().out


@pytest.mark.parametrize("shell", ["zsh", "fish"])
@pytest.mark.parametrize(
    ("typed", "zsh", "fish"),
    [
        ("lungo train -sol", '(("-solver":', "-solver\t"),
        ("lungo train -sighup_e", '(("-sighup_effect":', "-sighup_effect\t"),
        ("lungo train --device=cu", "compset -P '*='; _arguments '*: :((\"cuda\"", "--device=cuda"),
        ("lungo train -device=cu", "compset -P '*='; _arguments '*: :((\"cuda\"", "-device=cuda"),
        ("lungo train --solver=x", "compset -P '*='; _files", ""),
        ('lungo check "one file" --js', '(("--json":', "--json\t"),
        ('lungo check "one fi', "_files", ""),
    ],
)
def test_zsh_and_fish_get_words_as_they_are_typed(
    shell: str, typed: str, zsh: str, fish: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_LUNGO_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", typed)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    ran = lungo()
    assert (zsh if shell == "zsh" else fish) in ran.out
    assert ran.out.strip() or (shell, fish) == ("fish", "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell that reads quotes as zsh does")
@pytest.mark.parametrize(
    ("typed", "flag", "text"),
    [
        ("lungo finetune --we", "--weights",
         "Pre-trained weights; 'none' to train from scratch (default: the net's own)."),
        ("lungo finetune -we", "-weights",
         "Pre-trained weights; 'none' to train from scratch (default: the net's own)."),
        ("lungo grow --na", "--name", "With --task: name of the task (default: the folder's)."),
    ],
)  # fmt: skip
def test_help_keeps_its_apostrophes_in_zsh(typed: str, flag: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_LUNGO_COMPLETE", "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", typed)
    script = f'_arguments() {{ printf %s "$1"; }}\n{lungo().out}'
    seen = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout
    told = dict(one.split(":", 1) for one in shlex.split(seen.removeprefix("*: :((").removesuffix("))")))
    assert told[flag].replace("\\", "") == text


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_a_real_fish_completes(tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").touch()
    asked = "source lungo.fish\n" + "\n".join(
        f"complete -C '{typed}'; echo" for typed in ("lungo fin", "lungo train -sol", "lungo time --device=cu",
                                                    "lungo train --solver so", "lungo train --solver=so")
    )  # fmt: skip
    found = real_shell("fish", ["--no-config", "-c", asked], tmp_path)
    assert [line.split("\t")[0] for line in found.splitlines() if line] == [
        "finetune", "-solver", "--device=cuda", "solver.prototxt", "--solver=solver.prototxt",
    ]  # fmt: skip


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("lungo fin", "lungo finetune"),
        ("lungo train -sol", "lungo train -solver"),
        ("lungo time --device=cu", "lungo time --device=cuda"),
        ("lungo train --solver=so", "lungo train --solver=solver.prototxt"),
    ],
)
def test_a_real_zsh_completes(typed: str, completed: str, tmp_path: Path) -> None:
    """In a terminal that zsh makes (zpty), as it completes nothing outside one: Ctrl-O prints the line."""
    (tmp_path / "solver.prototxt").touch()
    asked = f"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; autoload -Uz compinit; compinit -u -d $PWD/dump; source ./lungo.zsh"
zpty -w shell 'shown() {{ print -r -- "<<$BUFFER>>"; BUFFER=; }}; zle -N shown; bindkey "^O" shown; print rea""dy'
zpty -r -m shell seen '*ready*'
zpty -w -n shell $'{typed}\t\x0f'
zpty -r -m shell seen '*<<*>>*'
print -r -- $seen
"""
    found = real_shell("zsh", ["-f", "-c", asked], tmp_path)
    assert found.partition("<<")[2].partition(">>")[0].strip() == completed


def real_shell(shell: str, arguments: list[str], folder: Path) -> str:
    """What ``shell`` prints in ``folder``, which holds the completion script for it, with this `lungo` in its path."""
    env = {**os.environ, "PATH": f"{LUNGO.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder), "TERM": "dumb"}
    script = subprocess.run(
        [LUNGO], env={**env, "_LUNGO_COMPLETE": f"source_{shell}"}, capture_output=True, text=True, check=True
    ).stdout
    (folder / f"lungo.{shell}").write_text(script)
    done = subprocess.run(
        [shell, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_a_real_bash_completes(tmp_path: Path) -> None:
    asked = """
source ./lungo.bash
complete -p lungo
ask() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _lungo_completion lungo "${COMP_WORDS[COMP_CWORD]}"
    echo "${COMPREPLY[*]}"
}
ask lungo fin
ask lungo grow squeezenet1.1 --wid
ask lungo nets show vgg
ask lungo train -sol
ask lungo check "one\\ file" --js
ask lungo train --device = cu
"""
    found = real_shell("bash", ["--norc", "-c", asked], tmp_path).splitlines()
    assert found[1:] == ["finetune", "--widen", "vgg16 vgg19", "-solver", "--json", "cuda"]
    assert "-F _lungo_completion lungo" in found[0]


@pytest.mark.parametrize("typed", ["lungo tr", "lungo train --s", "lungo layers Conv", "lungo grow sq"])
def test_a_completion_loads_little(typed: str) -> None:
    """Neither torch nor the schema nor another verb, and few modules: that is what the tab key waits for."""
    env = {**os.environ, "_LUNGO_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    code = "import sys, atexit\nfrom caffelungo.cli.main import run\natexit.register(lambda: print(*sys.modules, " \
           "file=sys.stderr))\nrun([])"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert not loaded & {"torch", "numpy", "google.protobuf", "caffelungo.cli.inspect"}
    assert len(loaded) < MODULES, sorted(loaded)
