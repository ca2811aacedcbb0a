"""A torchvision-style fine-tuning as a careful user would write it: the opponent, sharing no code with the product.

python -m benchmarks.small_sets.handwritten TRAIN TEST OUT.json ANSWERS.csv [--size 112] [--seed 0] [--epochs 20]

torchvision's SqueezeNet 1.1 with the same pre-trained weights and preprocessing, a fresh classifier, SGD with momentum,
cosine rate with a warm-up, random resized crops and mirroring. The rate is the best of five on a fifth of the training
photos, with a quarter of the epochs; then everything is trained on all of them.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torchvision.models import SqueezeNet, squeezenet1_1
from torchvision.transforms import v2

RATES = (0.0003, 0.001, 0.003, 0.01, 0.03)
MEAN = torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1)
BATCH = 32


def pretrained(classes: int, seed: int) -> SqueezeNet:
    """torchvision's net with the weights that the product ships: the same layers in the same order."""
    from caffelungo.weights import formats

    torch.manual_seed(seed)
    net = squeezenet1_1(num_classes=classes)
    path = Path(__file__).parents[2] / "nets" / "squeezenet" / "squeezenet_v1.1.caffemodel"
    blobs = [blob for arrays in formats.read(path).layers.values() for blob in arrays][:-2]
    with torch.no_grad():
        for parameter, blob in zip(net.features.parameters(), blobs, strict=True):
            parameter.copy_(torch.from_numpy(blob))
    return net.to(memory_format=torch.channels_last)


class Photos:
    """Photos of a folder of classes, decoded once and scaled to ``side`` pixels, H x W x BGR."""

    def __init__(self, folder: str, side: int) -> None:
        names = sorted(path.name for path in Path(folder).iterdir() if path.is_dir())
        files = [(path, label) for label, name in enumerate(names) for path in sorted((Path(folder) / name).iterdir())]
        self.classes, self.names = len(names), [f"{path.parent.name}/{path.name}" for path, _ in files]
        self.labels = torch.tensor([label for _, label in files])
        shots = [Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BILINEAR) for path, _ in files]
        pixels = np.stack([np.asarray(shot)[..., ::-1] for shot in shots])
        self.pixels = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2)


def prepared(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels.float() - MEAN).contiguous(memory_format=torch.channels_last)


def fit(photos: Photos, chosen: list[int], rate: float, epochs: int, size: int, seed: int, bf16: bool) -> SqueezeNet:
    """Train on the photos ``chosen``."""
    net = pretrained(photos.classes, seed)
    augment = v2.Compose([v2.RandomResizedCrop(size, (0.35, 1.0), antialias=True), v2.RandomHorizontalFlip()])
    head = list(net.classifier.parameters())
    groups = [{"params": list(net.features.parameters()), "lr": rate}, {"params": head, "lr": rate}]
    optimiser = torch.optim.SGD(groups, lr=rate, momentum=0.9, weight_decay=5e-4)
    steps = epochs * math.ceil(len(chosen) / BATCH)
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: min(1.0, (k + 1) / warm) * 0.5 * (1 + math.cos(math.pi * k / steps))
    )
    draw = random.Random(seed)
    net.train()
    for _ in range(epochs):
        order = draw.sample(chosen, len(chosen))
        for start in range(0, len(order), BATCH):
            index = order[start : start + BATCH]
            batch = prepared(torch.stack([augment(photos.pixels[i]) for i in index]))
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                answers = net(batch)
            loss = F.cross_entropy(answers.float(), photos.labels[index])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimiser.step()
            schedule.step()
    return net


@torch.no_grad()
def answers(net: SqueezeNet, photos: Photos, chosen: list[int], size: int) -> torch.Tensor:
    """Scores of the centre of each photo."""
    net.eval()
    edge = (photos.pixels.shape[2] - size) // 2
    middle = photos.pixels[chosen][..., edge : edge + size, edge : edge + size]
    return torch.cat([net(prepared(part)) for part in middle.split(64)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("out", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--precision", default="fp32")
    given = parser.parse_args()
    side, bf16 = round(given.size * 8 / 7), given.precision == "bf16"
    photos, judged = Photos(given.train, side), Photos(given.test, side)
    every = list(range(len(photos.labels)))
    draw = random.Random(given.seed)
    held: set[int] = set()
    for label in range(photos.classes):
        own = [i for i in every if int(photos.labels[i]) == label]
        held.update(draw.sample(own, max(1, round(0.2 * len(own)))))
    kept, held_out = [i for i in every if i not in held], sorted(held)
    losses = {}
    for rate in RATES:
        net = fit(photos, kept, rate, max(2, given.epochs // 4), given.size, given.seed, bf16)
        loss = float(F.cross_entropy(answers(net, photos, held_out, given.size), photos.labels[held_out]))
        losses[rate] = loss if math.isfinite(loss) else math.inf
    rate = min(losses, key=lambda one: losses[one])
    net = fit(photos, every, rate, given.epochs, given.size, given.seed, bf16)
    told = answers(net, judged, list(range(len(judged.labels))), given.size).argmax(1)
    right = told == judged.labels
    given.answers.parent.mkdir(parents=True, exist_ok=True)
    rows = zip(judged.names, judged.labels.tolist(), told.tolist(), strict=True)
    given.answers.write_text("picture,class,answer\n" + "".join(f"{name},{c},{a}\n" for name, c, a in rows))
    often = torch.bincount(judged.labels)
    recalls = torch.bincount(judged.labels[right], minlength=len(often))[often > 0] / often[often > 0]
    found = {
        "accuracy": float(right.float().mean()), "balanced": float(recalls.mean()), "samples": len(right),
        "right": int(right.sum()), "rate": rate, "losses": {str(k): v for k, v in losses.items()},
    }  # fmt: skip
    given.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
