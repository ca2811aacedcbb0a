"""What a file asks for is compared with all memory of the machine; a layer of which that is not enough is named."""

from __future__ import annotations

import pytest

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST
from caffelungo.plan import memory_limits
from caffelungo.plan.build_plan import build_plan

MB = 1 << 20
INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 32 dim: 32 } } }\n'


def problems(layers: str, monkeypatch: pytest.MonkeyPatch, here: int = MB, gpu: int = 0) -> list[str]:
    """What ``memory_limits`` says of a net on a machine with ``here`` bytes and a GPU with ``gpu``."""
    monkeypatch.setattr(memory_limits, "installed", lambda: here)
    monkeypatch.setattr(memory_limits, "largest_gpu", lambda: gpu)
    definition = parse_net(INPUT + layers)
    plan = build_plan(definition.message, net_state(definition.message, TEST), where=definition.where)
    return [str(one) for one in memory_limits.problems(plan, definition.where)]


LARGE = {
    "tops": ('layer { name: "t" type: "Tile" bottom: "x" top: "t" tile_param { tiles: 50 } }', "tiles"),
    "parameters": (
        'layer { name: "t" type: "InnerProduct" bottom: "x" top: "t" inner_product_param { num_output: 90 } }',
        "num_output",
    ),
    "parameters together": (
        "".join(
            f'layer {{ name: "t{i}" type: "InnerProduct" bottom: "x" top: "t{i}" '
            f'inner_product_param {{ num_output: 30 }} }}\n'
            for i in range(3)
        ),
        "num_output",
    ),
    "padding": (
        'layer { name: "t" type: "Convolution" bottom: "x" top: "t" '
        "convolution_param { num_output: 2 kernel_size: 1 pad: 200 } }",
        "num_output",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("layers", "field"), LARGE.values(), ids=LARGE)
def test_too_large(layers: str, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (told,) = problems(layers, monkeypatch)
    assert "do not fit into the memory of this machine" in told
    line, caret = told.splitlines()[1:3]
    assert line[caret.index("^") :].startswith(tuple("0123456789")), told  # at the number that asks for it
    assert f"{field}: " in line[: caret.index("^")]
    assert problems(layers, monkeypatch, here=16 * MB) == []


def test_a_gpu_may_hold_blobs_but_not_where_parameters_start(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(LARGE["tops"][0], monkeypatch, gpu=16 * MB) == []
    assert problems(LARGE["parameters"][0], monkeypatch, gpu=16 * MB)


def test_blobs_in_the_same_memory_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """24 kB, which ReLU overwrites: a machine with 25 kB has room for it."""
    relu = 'layer { name: "r" type: "ReLU" bottom: "x" top: "x" }'
    assert problems(relu, monkeypatch, here=25_000) == []
    assert problems(relu, monkeypatch, here=24_000)


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(LARGE["tops"][0], monkeypatch, here=None) == []  # type: ignore[arg-type]


def test_a_container_has_less_than_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory_limits, "LIMITS", (limit, tmp_path / "none"))
    whole = memory_limits.installed()
    limit.write_text("max\n")
    assert memory_limits.installed() == whole
    limit.write_text("5000\n")
    assert memory_limits.installed() == 5000
