"""`.safetensors`: tensors `<layer>.<blob index>`; net name, layer types, preprocessing and labels in the metadata."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from caffelungo.definition import schema
from caffelungo.errors import Location, UserError
from caffelungo.files import write_bytes
from caffelungo.weights.caffemodel import content, damaged
from caffelungo.weights.weights import Array, Weights

EXTRAS, NAME, TYPES = "lungo", "name", "types"


def read(path: str | Path) -> Weights:
    """The weights in a `.safetensors` file that names its tensors `<layer>.<blob index>`; UserError."""
    data = content(path)
    found: dict[str, dict[int, Array]] = {}
    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = header.get("__metadata__") or {}
        for key in (key for key in header if key in tensors):  # `load` gives them in another order each time
            layer, _, index = key.rpartition(".")
            if not layer or not (index.isascii() and index.isdigit() and len(index) < 10):
                raise UserError(
                    "the tensors are not named `<layer>.<blob index>`",
                    where=Location(str(path)),
                    received=key,
                    remedy="rename them after the definition's layers; torchvision's own weights load as "
                    "torchvision:NAME",
                )
            found.setdefault(layer, {})[int(index)] = np.array(tensors[key], np.float32)
        types = dict(json.loads(metadata.get(TYPES, "{}")))
        extras = None
        if EXTRAS in metadata:
            extras = schema.from_bytes("lungo.NetExtras", base64.b64decode(metadata[EXTRAS], validate=True))
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, DecodeError, RecursionError) as error:
        raise damaged(path, len(data), error) from None
    weights = Weights(name=metadata.get(NAME, ""), extras=extras, path=str(path))
    for layer in [*(layer for layer in types if layer in found), *(layer for layer in found if layer not in types)]:
        blobs = found[layer]
        if sorted(blobs) != list(range(len(blobs))):
            raise UserError(
                f"the tensors of layer `{layer}` are not numbered 0, 1, ...",
                where=Location(str(path)),
                received=", ".join(map(str, sorted(blobs)[:10])),
                remedy="write all blobs of the layer",
            )
        weights.layers[layer] = [blobs[index] for index in range(len(blobs))]
    weights.types = {layer: str(kind) for layer, kind in types.items() if layer in weights.layers}
    if not weights.layers:
        raise UserError(
            "the file contains no weights",
            where=Location(str(path)),
            received="no tensors",
            remedy="name the file that holds the trained net",
        )
    return weights


def write(path: str | Path, weights: Weights) -> None:
    """Write ``weights`` as `.safetensors`."""
    metadata = {TYPES: json.dumps(weights.types)}
    if weights.name:
        metadata[NAME] = weights.name
    if weights.extras is not None:
        metadata[EXTRAS] = base64.b64encode(weights.extras.SerializeToString()).decode()
    arrays = {
        f"{layer}.{index}": np.ascontiguousarray(blob, np.float32).reshape(blob.shape)
        for layer, blobs in weights.layers.items()
        for index, blob in enumerate(blobs)
    }
    write_bytes(path, save(arrays, metadata))
