"""Every layer as ONNX: one export of all the cases, run by ONNX Runtime, against the original's blobs."""

from __future__ import annotations

import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST
from caffelungo.layers.base import State
from caffelungo.plan.build_plan import build_plan
from tests.conformance import cases
from tests.conformance.test_layers import OWN
from tests.layers.helper import net

CASES = [case for case in map(cases.load, OWN) if case.phase == TEST and case.group("in")]


class Everything(nn.Module):
    """All the cases' nets side by side: their inputs one after the other, then their outputs."""

    def __init__(self) -> None:
        super().__init__()
        messages = [net(case.text) for case in CASES]
        self.plans = [build_plan(message, net_state(message, TEST)) for message in messages]
        self.inputs = [[top for planned in plan.sources for top in planned.tops] for plan in self.plans]
        self.outputs = [
            (case.name, blob) for case, plan in zip(CASES, self.plans, strict=True) for blob in plan.outputs
        ]
        self.stores = [
            {key: torch.tensor(case.params("param")[key]) for key in plan.params}
            for case, plan in zip(CASES, self.plans, strict=True)
        ]

    def example(self) -> list[Tensor]:
        pairs = zip(CASES, self.inputs, strict=True)
        return [torch.tensor(case.group("in")[blob], dtype=torch.float32) for case, blobs in pairs for blob in blobs]

    def forward(self, *tensors: Tensor) -> list[Tensor]:
        given, results = iter(tensors), []
        for plan, blobs in zip(self.plans, self.stores, strict=True):
            values: dict[int, Tensor] = {}
            for planned in plan.layers:
                if planned.layer.source:
                    tops = [next(given) for _ in planned.tops]
                else:
                    bottoms = [values[number] for number in planned.bottom_values]
                    tops = list(planned.layer.compute(bottoms, [blobs[use.key] for use in planned.params], State()))
                values.update(zip(planned.top_values, tops, strict=True))
            results += [values[plan.value_of(blob)] for blob in plan.outputs]
        return results


@pytest.fixture(scope="module")
def everything() -> tuple[Everything, onnxruntime.InferenceSession]:
    module = Everything().eval()
    example = tuple(module.example())
    first = tuple({0: torch.export.Dim.AUTO} if x.dim() else None for x in example)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, example, dynamo=True, dynamic_shapes=(first,), external_data=False, verbose=False, opset_version=20
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    model = program.model_proto.SerializeToString()
    return module, onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def test_as_the_original(everything: tuple[Everything, onnxruntime.InferenceSession]) -> None:
    module, session = everything
    names = [value.name for value in session.get_inputs()]
    got = session.run(None, {name: x.numpy() for name, x in zip(names, module.example(), strict=True)})
    wanted = {(case.name, blob): value for case in CASES for blob, value in case.group("out").items()}
    for key, ours in zip(module.outputs, got, strict=True):
        if key not in wanted:
            continue
        theirs = wanted[key]
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 + 1e-4 * np.abs(theirs).max(), err_msg=str(key))


def test_any_batch(everything: tuple[Everything, onnxruntime.InferenceSession]) -> None:
    module, session = everything
    shapes = iter(value.shape for value in session.get_inputs())
    feeds = []
    for case, blobs in zip(CASES, module.inputs, strict=True):
        batch = case.group("in")[blobs[0]].shape[0]
        for blob in blobs:
            x, shape = torch.tensor(case.group("in")[blob], dtype=torch.float32), next(shapes)
            dynamic = bool(shape) and isinstance(shape[0], str) and x.shape[0] == batch
            feeds.append(torch.cat([x, x.flip(0)]) if dynamic else x)
    assert sum(a.shape != b.shape for a, b in zip(feeds, module.example(), strict=True)) > 0.7 * len(feeds)
    names = [value.name for value in session.get_inputs()]
    got = session.run(None, {name: x.numpy() for name, x in zip(names, feeds, strict=True)})
    for key, ours, theirs in zip(module.outputs, got, module(*feeds), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5, err_msg=str(key))
