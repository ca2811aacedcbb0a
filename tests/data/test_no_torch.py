"""Scanning, listing, converting and opening sources never import torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.data.make import classes, pictures

SCRIPT = """
import pkgutil, importlib, sys
import caffelungo.data, caffelungo.data.sources
for package in (caffelungo.data, caffelungo.data.sources):
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
from caffelungo.data import split_pictures
from caffelungo.data import folder, image_list, labels
from caffelungo.data.compute_image_mean import compute_image_mean
from caffelungo.data.convert_imageset import convert_imageset
from caffelungo.data.sources import open_source
from caffelungo.definition.schema import LayerParameter
here = sys.argv[1]
found = folder.scan(here + "/photos")
split_pictures.write(found, split_pictures.split(found), here)
pictures = image_list.read_list(here + "/list.txt")
assert not image_list.check(pictures, decoded=True)
convert_imageset(here + "/", here + "/list.txt", here + "/db")
compute_image_mean(here + "/db", here + "/mean.binaryproto")
param = LayerParameter(type="Data", top=["data", "label"])
param.data_param.source, param.data_param.batch_size = here + "/db", 2
source = open_source(param)
source.batch(0)
labels.scan(source.labels())
assert "torch" not in sys.modules
assert "cv2" not in sys.modules
"""


def test_nothing_but_the_loader_needs_torch(tmp_path: Path) -> None:
    pictures(tmp_path, 3)
    classes(tmp_path / "photos", {"a": 2, "b": 2})
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], check=True)
