"""Half precision by ONNX Runtime's converter, where the net is not a plain chain."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from caffelungo.deploy import fp16


def test_a_value_that_two_layers_read_in_full_precision_is_cast_once() -> None:
    """ONNX Runtime's converter writes the same cast for each reader, which makes the model invalid."""
    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.standard_normal((4, 3, 1, 1)).astype(np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("Softmax", ["c"], ["a"], name="soft", axis=1),
        helper.make_node("Exp", ["c"], ["b"], name="exp"),
        helper.make_node("Add", ["a", "b"], ["y"], name="sum"),
    ]
    ends = [helper.make_tensor_value_info(name, 1, [1, size, 2, 2]) for name, size in (("x", 3), ("y", 4))]
    graph = helper.make_graph(nodes, "twice", ends[:1], ends[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    made = fp16.halved(model)
    onnx.checker.check_model(made)
    x = rng.standard_normal((1, 3, 2, 2)).astype(np.float32)
    sessions = [
        onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"])
        for each in (model, made)
    ]
    one, other = (session.run(None, {"x": x})[0] for session in sessions)
    np.testing.assert_allclose(one, other, rtol=5e-3)
    assert [node.op_type for node in made.graph.node].count("Exp") == 1
