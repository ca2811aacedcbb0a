"""What is installed is whole: a wheel, the wheel from an sdist, and an editable one, each used from an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from caffelungo import __version__
from caffelungo.definition import catalogue
from tests.support import REPOSITORY

pytest.importorskip("hatchling", reason="builds packages")

MB = 1 << 20
ASSETS = "caffelungo/_assets"
LICENSES = {
    f"{ASSETS}/nets/squeezenet/LICENSE.weights": "Permission is hereby granted, free of charge",
    f"{ASSETS}/nets/squeezenet/PROVENANCE.md": "",
    f"{ASSETS}/examples/animals/LICENSE": "Permission is hereby granted, free of charge",
    f"{ASSETS}/examples/animals/PROVENANCE.md": "",
    f"caffelungo-{__version__}.dist-info/licenses/LICENSE": "BSD 2-Clause",
}


@dataclass(frozen=True)
class Package:
    """A wheel and the folder it was unpacked to."""

    file: Path
    folder: Path

    def files(self) -> dict[str, bytes]:
        """Everything in it but the list of what is in it."""
        with zipfile.ZipFile(self.file) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist() if not name.endswith("/RECORD")}

    def run(self, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Python with ``words``, where this package is the only caffelungo that is found first."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, cwd=cwd, env=environment, check=False
        )

    def lungo(self, *words: str, cwd: Path) -> str:
        done = self.run("-m", "caffelungo", *words, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout


def build(target: str, source: Path, out: Path) -> Path:
    """The package of kind ``target`` (sdist, wheel, wheel:editable) of the project in ``source``."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = out.iterdir()
    return made


def unpacked(wheel: Path, folder: Path) -> Package:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return Package(wheel, folder)


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", REPOSITORY, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return unpacked(build("wheel", REPOSITORY, tmp_path_factory.mktemp("wheel")), tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def wheel_of_sdist(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Package:
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    made = build("wheel", folder / f"caffelungo-{__version__}", tmp_path_factory.mktemp("wheel_of_sdist"))
    return unpacked(made, tmp_path_factory.mktemp("installed_of_sdist"))


@pytest.fixture(params=["wheel", "wheel_of_sdist"])
def package(request: pytest.FixtureRequest) -> Package:
    return request.getfixturevalue(request.param)


def test_both_wheels_hold_the_same(wheel: Package, wheel_of_sdist: Package) -> None:
    one, other = wheel.files(), wheel_of_sdist.files()
    assert sorted(one) == sorted(other)
    assert [name for name in one if one[name] != other[name]] == []


def test_sizes(wheel: Package, sdist: Path) -> None:
    assert 5 * MB < wheel.file.stat().st_size < 15 * MB
    assert 5 * MB < sdist.stat().st_size < 20 * MB


def test_the_wheel_holds_what_it_needs_and_no_more(wheel: Package) -> None:
    names = set(wheel.files())
    for folder in ("proto", "nets", "solvers", "examples"):
        assert any(name.startswith(f"{ASSETS}/{folder}/") for name in names)
    assert f"{ASSETS}/proto/caffelungo.desc" in names
    assert f"{ASSETS}/nets/squeezenet/squeezenet_v1.1.caffemodel" in names
    assert f"{ASSETS}/examples/notebooks/fine_tune_photos.ipynb" in names
    assert "caffelungo/py.typed" in names, "type checkers read the annotations of packages that say so alone"
    for path in (REPOSITORY / "engine" / "caffelungo").rglob("*.py"):
        assert str(path.relative_to(REPOSITORY / "engine")) in names
    strange = [name for name in names if "__pycache__" in name or name.startswith(("tests", "docs", "benchmarks"))]
    assert not strange


@pytest.mark.parametrize("name", LICENSES)
def test_licences_and_provenance_are_inside(wheel: Package, name: str) -> None:
    text = wheel.files()[name].decode()
    assert LICENSES[name].lower() in " ".join(text.split()).lower()
    assert len(text) > 200


def test_what_the_package_says_of_itself(wheel: Package) -> None:
    files = wheel.files()
    info = f"caffelungo-{__version__}.dist-info"
    assert "lungo = caffelungo.cli.main:run" in files[f"{info}/entry_points.txt"].decode()
    metadata = files[f"{info}/METADATA"].decode()
    assert "License-Expression: BSD-2-Clause\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata
    assert "Provides-Extra: tensorboard\n" in metadata


def test_the_source_holds_tests_and_documents(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {
        "pyproject.toml", "hatch_build.py", "Makefile", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md",
        "SECURITY.md", "tests/conftest.py", "docs/architecture.md", "engine/caffelungo/__init__.py",
    }  # fmt: skip
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", ".git/"))]


def test_it_is_used_from_an_empty_folder(package: Package, tmp_path: Path) -> None:
    program = "import caffelungo, json; from caffelungo import resources; print(json.dumps([caffelungo.__file__, "
    program += "*(str(resources.folder(name)) for name in ('proto', 'nets', 'solvers', 'examples'))]))"
    done = package.run("-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    file, *folders = json.loads(done.stdout)
    assert Path(file) == package.folder / "caffelungo" / "__init__.py"
    assert all(Path(folder).is_relative_to(package.folder / ASSETS) for folder in folders)

    assert f"caffelungo {__version__}\n" == package.lungo("--version", cwd=tmp_path)
    assert "Convolution" in package.lungo("layers", cwd=tmp_path)
    listed = package.lungo("nets", cwd=tmp_path)
    assert all(name in listed for name in catalogue.names())
    assert str(package.folder) in listed

    photos = package.folder / ASSETS / "examples" / "animals" / "train"
    words = ("--data", str(photos), "--size", "64", "--layers", "all", "-o", "mine")
    assert package.lungo("finetune", "squeezenet1.1", *words, cwd=tmp_path).startswith("10 classes, ")
    assert (tmp_path / "mine" / "start.caffemodel").stat().st_size > 2**20
    assert "no problem found" in package.lungo("check", "mine/solver.prototxt", "mine/deploy.prototxt", cwd=tmp_path)
    package.lungo("grow", "mine/train_val.prototxt", "--widen", "fire9/concat:8", "-o", "g.prototxt", cwd=tmp_path)
    package.lungo("nets", "copy", "resnet18", "-o", "own", cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.prototxt", "mine", "own"]


def test_an_editable_install_reads_the_repository(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    files = Package(build("wheel:editable", REPOSITORY, tmp_path / "out"), tmp_path).files()
    (path,) = [files[name].decode().strip() for name in files if name.endswith(".pth")]
    assert Path(path) == REPOSITORY / "engine"
    assert not [name for name in files if ASSETS in name]
    package = Package(tmp_path, REPOSITORY / "engine")
    program = "from caffelungo import resources; print(resources.folder('nets'))"
    assert package.run("-c", program, cwd=tmp_path).stdout.strip() == str(REPOSITORY / "nets")


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel(package: Package, tmp_path: Path) -> None:
    out = package.lungo("demo", cwd=tmp_path)
    assert "Above (d)'s interval: " in " ".join(out.split())
    arms = {arm["arm"]: arm for arm in json.loads((tmp_path / "demo" / "results.json").read_text())}
    assert min(arms["b"]["low"], arms["c"]["low"]) > arms["d"]["high"]
