"""A float32 ONNX model in 8 bits (QDQ), calibrated on pictures, by ONNX Runtime's own quantizer.

Activations are uint8, weights int8, one scale a channel. Weights use seven bits, since processors without VNNI saturate
sums of eight. Only operators of ``TYPES`` are quantized; what turns pictures into numbers stays float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from caffelungo import drafts
from caffelungo.deploy.fp16 import before_the_net, quiet
from caffelungo.deploy.name_clashes import END, without_clashes

TYPES = ("Conv", "Gemm", "MatMul", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Add", "Relu", "Clip")
"""Operators that become 8 bits."""


def quantized(model: Any, feeds: Iterable[Mapping[str, NDArray[Any]]]) -> Any:
    """``model`` (a ModelProto, left as it is) in 8 bits; ranges of activations are those that ``feeds`` give."""
    return without_clashes(model, lambda copy: _quantized(copy, feeds))


def _quantized(model: Any, feeds: Iterable[Mapping[str, NDArray[Any]]]) -> Any:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rest = iter(feeds)

        def get_next(self) -> Any:
            given = next(self.rest, None)
            return None if given is None else {name + END: array for name, array in given.items()}

    properties = list(model.metadata_props)
    excluded = before_the_net(model)
    with quiet(), drafts.scratch() as folder:
        path = folder / "quantized.onnx"
        quantize_static(
            model, str(path), Reader(), quant_format=QuantFormat.QDQ, op_types_to_quantize=list(TYPES),
            per_channel=True, reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            nodes_to_exclude=excluded,
        )  # fmt: skip
        made = onnx.load(path, load_external_data=False)
    del made.metadata_props[:]
    made.metadata_props.extend(properties)
    return made
