"""Class activation maps of an exported graph (Zhou et al. 2016, section 2) for nets that average their last features.

Where the class scores are a linear function of features averaged over all places, the score of a class is the average
of a map: the features at each place, weighted as the class weights them. The graph is searched for this ending, and
the finding is tried on random pictures: unless the averaged map gives the file's own probabilities it is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.inference import picture_input
from caffelungo.inference.classify import Classifier
from caffelungo.inference.runtime import Session, open_session

Floats = NDArray[np.float32]
_SAME_VALUES = {"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Cast", "Dropout", "QuantizeLinear",
                "DequantizeLinear"}  # fmt: skip
_AVERAGES = {"GlobalAveragePool", "AveragePool", "ReduceMean"}
TOLERANCE = 2e-3
"""Largest difference of a probability that the averaged map may have (files in half precision need about 1e-3)."""


@dataclass(frozen=True)
class Ending:
    """``features`` is the tensor that is averaged; ``weights`` classes x channels (None: a channel is a class)."""

    features: str
    weights: Floats | None
    bias: Floats | None


def find(model: Any, output: str) -> Ending | None:
    """The ending of ``model`` (ModelProto) before its probabilities ``output``; None when it is another one."""
    from onnx import numpy_helper

    makers = {name: node for node in model.graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}

    def back(name: str) -> Any | None:
        while (node := makers.get(name)) is not None and node.op_type in _SAME_VALUES:
            name = node.input[0]
        return node

    def constant(name: str) -> Floats | None:
        held = constants.get(name)
        return None if held is None else numpy_helper.to_array(held).astype(np.float32)

    node = back(output)
    node = back(node.input[0]) if node is not None and node.op_type == "Softmax" else None
    bias: Floats | None = None
    if node is not None and node.op_type == "Add":
        bias = constant(node.input[1])
        node = back(node.input[0]) if bias is not None else None
    if node is None:
        return None
    weights: Floats | None = None
    if node.op_type in ("Gemm", "MatMul", "Conv"):
        weights = constant(node.input[1])
        if weights is None or (node.op_type == "Conv" and weights.shape[2:] != (1, 1)):
            return None
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        weights = weights.reshape(len(weights), -1) if node.op_type == "Conv" or transposed else weights.T
        bias = constant(node.input[2]) if len(node.input) > 2 else bias
        node = back(node.input[0])
    return None if node is None else _ending(node, weights, bias)


def _ending(node: Any, weights: Floats | None, bias: Floats | None) -> Ending | None:
    if bias is not None and not bias.any():
        bias = None
    return Ending(node.input[0], weights, bias) if node.op_type in _AVERAGES else None


class Cam:
    """Maps of one file. ``session`` gives the features beside the probabilities."""

    def __init__(self, classifier: Classifier, ending: Ending, session: Session) -> None:
        self._classifier, self._session, self.ending = classifier, session, ending

    def map(self, image: NDArray[np.uint8], index: int) -> Floats:
        """How much each place of the features speaks for class ``index``: height x width; its mean is the score."""
        features = self._run([image])[0][0]
        return features[index] if self.ending.weights is None else np.tensordot(self.ending.weights[index], features, 1)

    def holds(self, images: Sequence[NDArray[np.uint8]]) -> bool:
        """Whether the averaged maps give the file's own probabilities for ``images``."""
        features, rows = self._run(images)
        if features.ndim != 4 or features.shape[2] * features.shape[3] < 2:
            return False
        scores = features.mean((2, 3))
        if self.ending.weights is not None:
            if self.ending.weights.shape != (rows.shape[1], scores.shape[1]):
                return False
            scores = scores @ self.ending.weights.T
        if self.ending.bias is not None:
            scores = scores + self.ending.bias.reshape(-1)
        if scores.shape != rows.shape:
            return False
        raised = np.exp(scores - scores.max(1, keepdims=True))
        return bool(abs(raised / raised.sum(1, keepdims=True) - rows).max() <= TOLERANCE)

    def _run(self, images: Sequence[NDArray[np.uint8]]) -> tuple[Floats, Floats]:
        known, stack = self._classifier, np.stack(images)
        given = picture_input.fed(known.input, known.record, stack)
        wanted = [self.ending.features, str(known.metadata.classifier)]
        made = self._session.run({known.input.name: given}, wanted)
        features, rows = (np.asarray(made[name], np.float32) for name in wanted)
        return features, rows.reshape(len(rows), -1)


def open_cam(classifier: Classifier, images: Sequence[NDArray[np.uint8]], threads: int = 0) -> Cam | None:
    """The maps of ``classifier``, tried on ``images`` one by one; None where its ending is another."""
    import onnx

    model = onnx.load_model_from_string(classifier.path.read_bytes())
    ending = find(model, str(classifier.metadata.classifier))
    if ending is None:
        return None
    if ending.features not in {given.name for given in model.graph.output}:
        model.graph.output.append(onnx.ValueInfoProto(name=ending.features))
    cam = Cam(classifier, ending, open_session(model.SerializeToString(), classifier.device, threads=threads))
    return cam if all(cam.holds([image]) for image in images) else None
