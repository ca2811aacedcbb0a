"""One exported classifier and everything around it: admission, decoders, batches, maps, metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo import threads
from caffelungo.data import preprocess
from caffelungo.errors import Location, Problem, UserError
from caffelungo.inference import picture_input
from caffelungo.inference.classify import Classifier, NumberReader
from caffelungo.inference.predictions import Guess, Prediction
from caffelungo.serving import maps, screening
from caffelungo.serving.admission import Admission
from caffelungo.serving.batcher import Batcher
from caffelungo.serving.class_activation import Cam, open_cam
from caffelungo.serving.failures import Refused, refused, unusable
from caffelungo.serving.options import ServeOptions
from caffelungo.serving.prometheus_metrics import Metrics

Pixels = NDArray[np.uint8]
Rows = NDArray[np.float32]
DECODERS = 2
MOST_FILES = 64
"""Pictures in one request."""


class Service:
    """``classifier`` behind queues. Raises UserError for a file whose batch size is fixed."""

    def __init__(self, classifier: Classifier, options: ServeOptions) -> None:
        self.classifier, self.options = classifier, options
        batch = classifier.session.shapes[classifier.input.name][0]
        if isinstance(batch, int) and batch != 1:
            raise UserError(
                "this file has a fixed batch size, so pictures of different clients would be mixed",
                where=Location(str(classifier.path)),
                received=f"batch size {batch}",
                remedy="export the net with an open batch size, or with batch size 1",
            )
        self.max_batch = 1 if batch == 1 else options.max_batch
        self.most_files = min(MOST_FILES, options.queue)
        self.metrics = Metrics()
        self.admission = Admission(options.queue, options.max_bytes)
        self.metrics.places.set_function(lambda: self.admission.taken)
        self.batcher = Batcher(self._run, self.max_batch, options.deadline_ms / 1000, self._ran)
        self.metrics.waiting.set_function(lambda: self.batcher.waiting)
        self._decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode", initializer=threads.step_back)
        self.cam: Cam | None = None
        self.fields = classifier.fields if isinstance(classifier, NumberReader) else ()
        """The numbers that are predicted in the place of classes."""
        self.state = "warming up"

    async def start(self) -> None:
        """Open the maps, run the net once, and be ready."""
        self.batcher.start()
        await self.batcher.alone(self._warm)
        self.state = "ready"
        self.metrics.ready.set(1)

    async def stop(self) -> None:
        """Let the threads go."""
        self.state = "stopping"
        self.metrics.ready.set(0)
        await self.batcher.stop()
        self._decoders.shutdown(wait=True, cancel_futures=True)

    def _warm(self) -> None:
        rng = np.random.default_rng(0)
        height, width = (size if isinstance(size, int) else 224 for size in self.classifier.size)
        channels = preprocess.channels(self.classifier.record)
        images = [rng.integers(0, 256, (height, width, channels), dtype=np.uint8) for _ in range(self.max_batch)]
        self.classifier.probabilities(images[:1])
        self.classifier.probabilities(images)
        if not self.fields:
            self.cam = open_cam(self.classifier, images[:2], self.options.threads)

    async def pictures(self, files: Sequence[tuple[str, bytes]]) -> list[Pixels]:
        """The net's input for each of ``files``; Refused with everything that is wrong with them."""
        loop = asyncio.get_running_loop()
        waiting = (loop.run_in_executor(self._decoders, self._decode, name, data) for name, data in files)
        found = await asyncio.gather(*waiting, return_exceptions=True)
        wrong = []
        for each in found:
            if isinstance(each, BaseException):
                if not isinstance(each, Refused):
                    raise each
                wrong.append(each)
        if wrong:
            problems = [problem for each in wrong for problem in each.problems]
            raise Refused(wrong[0].status, problems, reason=wrong[0].reason)
        return [each for each in found if not isinstance(each, BaseException)]

    async def rows(self, images: Sequence[Pixels]) -> list[Rows]:
        """The probabilities of each picture, by whatever batches they went in."""
        return list(await asyncio.gather(*map(self.batcher.submit, images)))

    async def looked_at(self, image: Pixels) -> Pixels:
        """``image`` as large as the net sees it, the margins of the crop with it, where the file resizes."""
        known = self.classifier
        if not known.input.resize:
            return image
        wanted = picture_input.without_crop(known.record)
        return await asyncio.get_running_loop().run_in_executor(
            self._decoders, lambda: picture_input.rgb(preprocess.pixels(wanted, picture_input.rgb(image)))
        )

    def view(self, image: Pixels) -> str:
        """What a map of ``image`` (see ``looked_at``) lies over: all of it, or what the net's features cover."""
        if self.classifier.input.resize and self.cam is not None:
            image = picture_input.rgb(preprocess.pixels(self.classifier.record, picture_input.rgb(image)))
        return maps.view(image)

    async def map(self, image: Pixels, index: int) -> maps.Map:
        """What of ``image`` speaks for class ``index``."""
        if self.cam is not None:
            return await self.batcher.alone(maps.activation, self.cam, image, index)
        return await maps.occlusion(self.rows, image, index, self.max_batch)

    def prediction(self, name: str, row: Rows, top: int) -> Prediction:
        """The ``top`` classes of a row, as `lungo classify` orders and names them, or its numbers."""
        if self.fields or self.classifier.metadata.thresholds is not None:
            return self.classifier.prediction(name, row)
        order = np.argsort(-row, kind="stable")[:top]
        label = self.classifier.label
        return Prediction(name, tuple(Guess(int(index), label(int(index)), float(row[index])) for index in order))

    def about(self) -> dict[str, Any]:
        """What is served, and its limits."""
        known, options = self.classifier, self.options
        return {
            "model": known.path.name, "device": known.device,
            "classes": known.labels if known.labels is not None and not self.fields else None,
            "thresholds": list(known.metadata.thresholds or ()) or None,
            "numbers": [{"name": one.name, "unit": one.unit} for one in self.fields] or None,
            "input": preprocess.describe(known.record),
            "size": [size if isinstance(size, int) else None for size in known.size],
            "map": None if self.fields else "class activation" if self.cam is not None else "occlusion",
            "limits": {
                "bytes": options.max_bytes, "pixels": options.max_pixels, "pictures": self.most_files,
                "places": options.queue, "batch": self.max_batch, "deadline_ms": options.deadline_ms,
            },
            "made_of": {key: value for key, value in known.metadata.more.items() if key != "parity"},
        }  # fmt: skip

    def refused(self, reason: str) -> None:
        """Count a request or connection that is not served."""
        self.metrics.refused.labels(reason).inc()

    def _decode(self, name: str, data: bytes) -> Pixels:
        started = time.monotonic()
        try:
            image = screening.picture(
                self.classifier.record, data, name, self.options.max_pixels, self.classifier.outside
            )
        except UserError as error:
            raise unusable(error) from error
        wanted = self.classifier.size
        if any(isinstance(size, int) and size != got for size, got in zip(wanted, image.shape, strict=False)):
            problem = Problem(
                "the picture does not have the net's input size, and the file's record does not resize", Location(name),
                f"{image.shape[0]}x{image.shape[1]} for {wanted[0]}x{wanted[1]}", "resize it",
            )  # fmt: skip
            raise Refused(422, problem, reason="bad_picture")
        self.metrics.decode.observe(time.monotonic() - started)
        return image

    def _run(self, images: Sequence[Pixels]) -> Rows:
        return self.classifier.probabilities(images)

    def _ran(self, pictures: int, seconds: float) -> None:
        self.metrics.pictures.inc(pictures)
        self.metrics.batch.observe(pictures)
        self.metrics.net.observe(seconds)
        rate, past = pictures / max(seconds, 1e-6), self.admission.rate
        self.admission.rate = rate if past == 0 else 0.8 * past + 0.2 * rate


def number(text: Any, name: str, least: int, most: int) -> int:
    """An option of a request as an integer in a range; Refused for anything else."""
    try:
        value = int(text) if not isinstance(text, (bool, float)) else None
    except (TypeError, ValueError):
        value = None
    if value is None or not least <= value <= most:
        raise refused(400, f"`{name}` is not a number from {least} to {most}", f"{text!r}", "correct it, or remove it")
    return value
