"""Prints the estimated and the measured peak of a few iterations on made-up data. Started by test_memory.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from caffelungo.definition.reader import parse_solver, read_net
from caffelungo.definition.schema import TEST
from caffelungo.solve import before_training, memory
from caffelungo.solve.engine import Engine
from caffelungo.solve.solver import make_solver


def with_made_up_data(path: str, batch: int, size: int, classes: int, folder: Path) -> Path:
    """The train net of ``path`` with a DummyData layer instead of its data layers."""
    net = read_net(path, {} if path.endswith(".j2") else None).message
    kept = [
        layer for layer in net.layer if layer.top[:1] != ["data"] and not any(r.phase == TEST for r in layer.include)
    ]
    made = type(net)(name=net.name)
    data = made.layer.add(name="data", type="DummyData", top=["data", "label"])
    channels = 1 if size < 32 else 3
    data.dummy_data_param.shape.add(dim=[batch, channels, size, size])
    data.dummy_data_param.shape.add(dim=[batch])
    data.dummy_data_param.data_filler.add(type="gaussian")
    data.dummy_data_param.data_filler.add(type="constant")
    for layer in kept:
        made.layer.add().CopyFrom(layer)
    target = folder / "net.prototxt"
    from caffelungo.definition.printer import print_net

    target.write_text(print_net(made))
    return target


def main() -> None:
    path, batch, size, classes, memory_format, folder = sys.argv[1:]
    torch.set_num_threads(2)
    net = with_made_up_data(path, int(batch), int(size), int(classes), Path(folder))
    layout = torch.channels_last if memory_format == "channels_last" else torch.contiguous_format
    definition = parse_solver(
        f'net: "{net}" base_lr: 0.0001 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 max_iter: 3 random_seed: 1'
    )
    solver = make_solver(definition, Engine(torch.device("cpu"), memory_format=layout))
    expected = before_training.expected_memory(solver.training)
    solver.step(3)
    print(json.dumps({"expected": expected.total, "peak": memory.peak(), "parts": expected.describe()}))


if __name__ == "__main__":
    main()
