"""The opponent: CaffeNet, SqueezeNet v1.1 and LeNet with the training loop a PyTorch expert would write by hand.

Plain modules, torch's fused SGD with one parameter group for each learning rate and decay, the faster memory format,
uint8 batches straight from LMDB through a DataLoader, mean and scale on the device, autocast for bf16, and no look at
the loss but every 20 iterations. It shares no code with Caffelungo but the LRN kernel, where that is faster than
PyTorch's own.
"""

from __future__ import annotations

from collections.abc import Iterator

import lmdb
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.data import CASES, Case, datum_pixels


class Fire(nn.Module):
    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.squeeze(x))
        return torch.cat([F.relu_(self.expand1(x)), F.relu_(self.expand3(x))], 1)


class SqueezeNet(nn.Sequential):
    def __init__(self) -> None:
        pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)  # noqa: E731
        super().__init__(
            nn.Conv2d(3, 64, 3, 2), nn.ReLU(True), pool(),
            Fire(64, 16, 64), Fire(128, 16, 64), pool(),
            Fire(128, 32, 128), Fire(256, 32, 128), pool(),
            Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256),
            nn.Dropout(0.5), nn.Conv2d(512, 1000, 1), nn.ReLU(True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip


class LRN(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)


class CaffeNet(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 96, 11, 4), nn.ReLU(True), nn.MaxPool2d(3, 2, ceil_mode=True), LRN(),
            nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(True), nn.MaxPool2d(3, 2, ceil_mode=True), LRN(),
            nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(True),
            nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(True),
            nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(True), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(256 * 6 * 6, 4096), nn.ReLU(True), nn.Dropout(0.5),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(0.5),
            nn.Linear(4096, 1000),
        )  # fmt: skip


class LeNet(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 20, 5), nn.MaxPool2d(2, 2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2, 2), nn.Flatten(),
            nn.Linear(800, 500), nn.ReLU(True), nn.Linear(500, 10),
        )  # fmt: skip


NETS = {"caffenet": CaffeNet, "squeezenet": SqueezeNet, "lenet": LeNet}


class Records(torch.utils.data.IterableDataset[tuple[Tensor, Tensor]]):
    """Endless uint8 batches from an LMDB of raw datums, cropped and mirrored as the training net does."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        case, rng = self.case, np.random.default_rng(1)
        channels, side, crop = case.channels, case.stored, case.crop
        with lmdb.open(str(case.database), readonly=True, lock=False) as database, database.begin(buffers=True) as view:
            images = np.empty((case.batch, channels, crop, crop), np.uint8)
            labels = np.empty(case.batch, np.int64)
            filled = 0
            while True:
                for _, value in view.cursor():
                    pixels, label = datum_pixels(value, channels, side)
                    top, left = rng.integers(0, side - crop + 1, 2) if side > crop else (0, 0)
                    image = pixels[:, top : top + crop, left : left + crop]
                    images[filled] = image[:, :, ::-1] if case.mirror and rng.random() < 0.5 else image
                    labels[filled] = label
                    filled += 1
                    if filled == case.batch:
                        yield torch.from_numpy(images), torch.from_numpy(labels)
                        images, labels, filled = np.empty_like(images), np.empty_like(labels), 0


class Trainer:
    """The hand-written loop. ``run(n)`` trains n iterations and leaves the device idle."""

    def __init__(self, name: str, precision: str, device: str, workers: int, compiled: bool = False) -> None:
        case = CASES[name]
        torch.manual_seed(0)
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.benchmark = True
        self.device = torch.device(device)
        self.format = torch.channels_last if case.channels_last else torch.contiguous_format
        self.model = NETS[name]().to(self.device, memory_format=self.format)
        self.call = torch.compile(self.model) if compiled else self.model
        weights = [p for p in self.model.parameters() if p.ndim > 1]
        biases = [p for p in self.model.parameters() if p.ndim == 1]
        rate = case.rate
        self.optimizer = torch.optim.SGD(
            [
                {"params": weights, "lr": rate, "weight_decay": 5e-4},
                {"params": biases, "lr": 2 * rate, "weight_decay": 0.0},
            ],
            lr=rate, momentum=0.9, fused=True,
        )  # fmt: skip
        self.bf16 = precision == "bf16"
        self.mean = torch.tensor(case.mean, device=self.device).view(1, -1, 1, 1)
        self.scale = case.scale
        loader = torch.utils.data.DataLoader(
            Records(case), batch_size=None, num_workers=workers, pin_memory=self.device.type == "cuda"
        )
        self.batches = iter(loader)
        self.seen = 0

    def run(self, iterations: int) -> None:
        for _ in range(iterations):
            images, labels = next(self.batches)
            images = images.to(self.device, non_blocking=True)
            labels = labels.to(self.device, non_blocking=True)
            inputs = ((images.float() - self.mean) * self.scale).contiguous(memory_format=self.format)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                outputs = self.call(inputs)
            loss = F.cross_entropy(outputs.float(), labels)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.seen += 1
            if self.seen % 20 == 0:
                loss.item()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
