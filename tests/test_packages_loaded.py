"""What other packages add: what of theirs cannot be loaded is named with its package, and stops only who needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NET = """layer { name: "data" type: "ImageData" top: "data" top: "label"
        image_data_param { source: "list.txt" batch_size: 1 }
        transform_param { crop_size: 4 lungo { augmentation { type: "%s" } } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" }
"""
BROKEN = 'raise ImportError("its own mistake")'
SECOND = {
    "layers": 'from caffelungo.layers.base import Neuron\nfrom caffelungo.layers.registry import register\n'
    '@register\nclass ReLU(Neuron):\n    type = "ReLU"\n    def compute(self, bottoms, blobs, state): return bottoms\n',
    "passes": "from dataclasses import dataclass\nfrom caffelungo.passes.base import Rewrite\n"
    "from caffelungo.passes.registry import REWRITE, register\nfrom caffelungo.passes.view import View\n"
    "@dataclass(frozen=True)\nclass Options: pass\n"
    '@register("fold", verb=REWRITE, help="Mine.", flag="--mine")\n'
    "def fold(view: View, options: Options) -> Rewrite: return Rewrite()\n",
    "rate_policies": "from caffelungo.solve.rate_policy import register\n"
    '@register("step")\ndef step(param, state): return 1.0\n',
    "transforms": "from caffelungo.data.transforms import register\n"
    '@register("RandomResizedCrop")\ndef random_resized_crop(image, options, size, rng): return image\n',
}  # fmt: skip
NEEDS = {
    "layers": ["layers", "ReLU"], "passes": ["rewrite", "--help"], "rate_policies": ["check", "other.prototxt"],
    "transforms": ["check", "unknown.prototxt"],
}  # fmt: skip
NAMES = {
    "layers": "layer types", "passes": "passes", "rate_policies": "learning rate policies",
    "transforms": "augmentations",
}  # fmt: skip


def lungo(folder: Path, group: str, source: str, words: list[str]) -> tuple[int, str]:
    """Status and words of a command with a package whose module has ``source`` in the entry point group."""
    about = folder / "mine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[caffelungo.{group}]\nmine = mine_module\n")
    (folder / "mine_module.py").write_text(source)
    (folder / "known.prototxt").write_text(NET % "RandomResizedCrop")
    (folder / "unknown.prototxt").write_text(NET % "Mine")
    (folder / "list.txt").write_text("")
    (folder / "other.prototxt").write_text('net: "known.prototxt" base_lr: 0.1 lr_policy: "mine" max_iter: 1\n')
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); sys.argv = ['lungo', *{words!r}]\n"
    code += "from caffelungo.cli.main import run; run()"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("group", NEEDS)
@pytest.mark.parametrize("broken", [True, False])
def test_a_package_that_cannot_be_loaded_is_named(tmp_path: Path, group: str, broken: bool) -> None:
    """One that fails, and one that would take the place of what is there."""
    status, said = lungo(tmp_path, group, BROKEN if broken else SECOND[group], NEEDS[group])
    assert status == 2
    assert f"the {NAMES[group]} of the package `mine` cannot be loaded" in said
    assert ("its own mistake" if broken else "registered twice") in said
    assert "Traceback" not in said


@pytest.mark.parametrize("group", ["rate_policies", "transforms"])
def test_who_needs_nothing_of_a_package_is_not_stopped(tmp_path: Path, group: str) -> None:
    status, said = lungo(tmp_path, group, BROKEN, ["check", "known.prototxt", "--no-data"])
    assert (status, "mine" in said) == (0, False), said
