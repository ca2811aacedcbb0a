"""`lungo infer` over a folder of JPEGs against a bare ONNX Runtime loop over ready arrays, both on one thread.

The pictures are 500 x 375, decoded and resized on the other core while the net runs. Pairs are interleaved.

    python -m benchmarks.inference [--pairs 9] [--pictures 480] [--batch-size 16] [--decoders 1]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image

from caffelungo import resources
from caffelungo.data.resize_pixels import resize
from caffelungo.definition import catalogue
from caffelungo.deploy.export import export
from caffelungo.deploy.options import ExportOptions
from caffelungo.inference import picture_input
from caffelungo.inference.infer import InferOptions, infer
from caffelungo.inference.runtime import open_session


def folder_of_photos(folder: Path, many: int) -> None:
    """``many`` JPEGs of 500 x 375 from the pictures that ship, enlarged, with grain as photos have."""
    rng = np.random.default_rng(0)
    sources = picture_input.picture_files([resources.folder("examples")])
    for number in range(many):
        with Image.open(sources[number % len(sources)]) as image:
            pixels = resize(np.asarray(image.convert("RGB")), 375, 500)
        grain = rng.normal(0, 6, pixels.shape)
        Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)).save(folder / f"{number:04}.jpg", quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference", description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--pictures", type=int, default=480)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--decoders", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="caffelungo-benchmark-") as name:
        folder = Path(name)
        net = catalogue.find("squeezenet1.1")
        print(f"{date.today()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before", flush=True)
        model = folder / "model.onnx"
        export(net.train_val, str(net.weights), model, ExportOptions())
        (folder / "photos").mkdir()
        folder_of_photos(folder / "photos", given.pictures)
        measure(model, folder, given)


def measure(model: Path, folder: Path, given: argparse.Namespace) -> None:
    session = open_session(model, "cpu", threads=1)
    rng = np.random.default_rng(0)
    shape = (given.batch_size, *session.shapes["image"][1:])
    ready = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(given.pictures // given.batch_size)]

    def bare() -> float:
        started = time.perf_counter()
        for batch in ready:
            session.raw.run(None, {"image": batch})
        return len(ready) * given.batch_size / (time.perf_counter() - started)

    options = InferOptions(
        model, [folder / "photos"], folder / "out.csv", device="cpu", batch=given.batch_size, threads=1,
        decoders=given.decoders,
    )  # fmt: skip

    def ours() -> float:
        done = infer(options)
        return done.count / done.seconds

    bare(), ours()
    pairs = []
    for number in range(given.pairs):
        first, second = (bare, ours) if number % 2 else (ours, bare)
        rates = {side: side() for side in (first, second)}
        pairs.append((rates[bare], rates[ours]))
        print(f"bare {rates[bare]:.1f}, infer {rates[ours]:.1f} a second: {rates[ours] / rates[bare]:.3f}", flush=True)
    ratios = sorted(ours / bare for bare, ours in pairs)
    print(f"ratio: median {statistics.median(ratios):.3f}, from {ratios[0]:.3f} to {ratios[-1]:.3f}; "
          f"load {os.getloadavg()[0]:.1f} after")  # fmt: skip


if __name__ == "__main__":
    main()
