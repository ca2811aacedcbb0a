"""OpenCV's importer of Caffe nets takes the files written here, extras inside, and computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.definition.reader import read_net
from caffelungo.resources import folder
from caffelungo.weights import formats
from tests.support import needs_shared, shared
from tests.weights.samples import extras

cv2 = pytest.importorskip("cv2")

MODELS = {
    "lenet": ("examples__mnist__lenet.prototxt", "examples__mnist__lenet_iter_10000.caffemodel", (1, 1, 28, 28)),
    "cifar10_quick": (
        "examples__cifar10__cifar10_quick.prototxt",
        "examples__cifar10__cifar10_quick_iter_5000.caffemodel",
        (1, 3, 32, 32),
    ),
    "mtcnn_det1": (
        "code__codes__MTCNNv2__model__det1.prototxt",
        "code__codes__MTCNNv2__model__det1.caffemodel",
        (1, 3, 12, 12),
    ),
    "open_nsfw": ("deploy.prototxt", "resnet_50_1by2_nsfw.caffemodel", (1, 3, 224, 224)),
    "squeezenet_v1.1": ("deploy.prototxt", "squeezenet_v1.1.caffemodel", (1, 3, 227, 227)),
}


def output(definition, weights, shape):
    net = cv2.dnn.readNetFromCaffe(str(definition), str(weights))
    net.setInput(np.random.default_rng(0).normal(0, 50, shape).astype(np.float32))
    return net.forward()


@needs_shared
@pytest.mark.parametrize("name", MODELS)
def test_a_file_written_again_gives_the_same_outputs(tmp_path, name):
    definition, file, shape = MODELS[name]
    definition, file = shared("models", name, definition), shared("models", name, file)
    weights = formats.read(file)
    weights.extras = extras(1000)
    formats.write(tmp_path / "x.caffemodel", weights, read_net(definition).message)
    expected = output(definition, file, shape)
    assert np.array_equal(output(definition, tmp_path / "x.caffemodel", shape), expected)
    assert np.ptp(expected) > 0
    assert formats.read(tmp_path / "x.caffemodel").extras == weights.extras


@needs_shared
def test_the_shipped_squeezenet_is_the_published_one():
    ours = formats.read(folder("nets") / "squeezenet" / "squeezenet_v1.1.caffemodel")
    theirs = formats.read(shared("models/squeezenet_v1.1/squeezenet_v1.1.caffemodel"))
    assert list(ours.layers) == list(theirs.layers)
    for name, blobs in ours.layers.items():
        assert all(np.array_equal(a, b) and a.shape == b.shape for a, b in zip(blobs, theirs.layers[name], strict=True))
    definition = shared("models/squeezenet_v1.1/deploy.prototxt")
    files = (folder("nets") / "squeezenet", shared("models/squeezenet_v1.1"))
    a, b = (output(definition, file / "squeezenet_v1.1.caffemodel", (1, 3, 227, 227)) for file in files)
    assert np.array_equal(a, b)


def test_the_shipped_squeezenet_knows_its_preprocessing_and_classes():
    found = formats.read(folder("nets") / "squeezenet" / "squeezenet_v1.1.caffemodel")
    record = found.extras.preprocessing
    assert (record.resize_height, record.resize_width, record.crop_height, record.crop_width) == (256, 256, 227, 227)
    assert list(record.mean_value) == [104, 117, 123]
    assert record.channel_order == record.BGR
    assert len(found.extras.label) == 1000
    assert (found.extras.label[0], found.extras.label[999]) == ("tench", "toilet tissue")
