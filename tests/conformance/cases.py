"""Single-layer nets with the blobs and diffs that the original Caffe gave for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from caffelungo.definition.schema import TEST, TRAIN
from tests.layers.helper import Run, run_net


@dataclass
class Case:
    """One net and the original's numbers: keys in/, param/, out/, topdiff/, indiff/, paramdiff/, param_after/."""

    name: str
    text: str
    arrays: dict[str, np.ndarray]

    @property
    def phase(self) -> int:
        return TRAIN if str(self.arrays["phase"]) == "TRAIN" else TEST

    def group(self, prefix: str) -> dict[str, np.ndarray]:
        """Arrays whose key begins with ``prefix/``, by the rest of the key."""
        start = f"{prefix}/"
        return {key.removeprefix(start): value for key, value in self.arrays.items() if key.startswith(start)}

    def params(self, prefix: str) -> dict[tuple[str, int], np.ndarray]:
        """Arrays of the parameter blobs below ``prefix``, by (layer, index)."""
        pairs = ((key.rpartition("/"), value) for key, value in self.group(prefix).items())
        return {(layer, int(index)): value for (layer, _, index), value in pairs}


def load(prototxt: Path) -> Case:
    """The case of ``prototxt`` and of the .npz beside it."""
    with np.load(prototxt.with_suffix(".npz")) as archive:
        arrays = {key: archive[key] for key in archive.files}
    return Case(prototxt.stem, prototxt.read_text(encoding="utf-8"), arrays)


def run(case: Case) -> Run:
    """Our forward and backward pass of ``case``."""
    params = case.params("param")
    return run_net(
        case.text, case.group("in"), params,
        phase=case.phase, passes=int(case.arrays["nfwd"]), top_diffs=case.group("topdiff"),
    )  # fmt: skip


def differences(case: Case, ours: Run) -> list[str]:
    """What differs from the original by more than 1e-5 + 1e-4 of the blob's largest value."""
    found = []

    def compare(what: str, got: np.ndarray | None, want: np.ndarray) -> None:
        if got is None:
            found.append(f"{what}: missing")
            return
        if got.shape != want.shape:
            found.append(f"{what}: shape {got.shape} for {want.shape}")
            return
        worst = float(np.abs(got.astype(np.float64) - want).max(initial=0.0))
        allowed = 1e-5 + 1e-4 * float(np.abs(want).max(initial=0.0))
        if not worst <= allowed:
            found.append(f"{what}: differs by {worst:.3g}, allowed {allowed:.3g}")

    for blob, want in case.group("out").items():
        compare(f"blob {blob}", ours.data.get(blob), want)
    for blob, want in case.group("indiff").items():
        compare(f"diff of {blob}", ours.diff.get(blob), want)
    for key, want in case.params("paramdiff").items():
        compare(f"diff of {key}", ours.param_diff.get(key), want)
    for key, want in case.params("param_after").items():
        compare(f"param {key} afterwards", ours.params.get(key), want)
    compare("loss", np.float64(ours.loss), case.arrays["loss"])
    return found
