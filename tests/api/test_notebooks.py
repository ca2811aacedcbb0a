"""The notebooks run, and hold nothing of the machine that they were drawn on."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from tests.api.notebooks import NOTEBOOKS, WIDEST, read, run, source, text_of


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["caffe_to_onnx", "fine_tune_photos", "surgery_and_growth"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell says what the file holds, but for measured numbers, and shows something of the same kinds."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    notebook = read(path)
    found = run(notebook)
    drawn = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(found) == len(drawn) > 5
    for now, then in zip(found, drawn, strict=True):
        assert [one["output_type"] for one in now] == [one["output_type"] for one in then]
        for one, other in zip(now, then, strict=True):
            assert one.get("data", {}).keys() == other.get("data", {}).keys()
        assert text_of(now) == text_of(then), "draw the outputs anew: python -m tests.api.notebooks"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_a_notebook_of_the_format(path: Path) -> None:
    notebook = read(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    identities = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identities)) == len(identities)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one) for one in identities)
    assert notebook["cells"][0]["cell_type"] == "markdown"
    for cell in notebook["cells"]:
        wanted = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            wanted |= {"execution_count", "outputs"}
            for output in cell["outputs"]:
                assert output["output_type"] in ("stream", "display_data")
        assert cell.keys() == wanted
        assert source(cell).strip()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_outputs_name_no_place_of_a_machine(path: Path) -> None:
    for cell in read(path)["cells"]:
        for output in cell.get("outputs", ()):
            texts = {kind: data for kind, data in output.get("data", {}).items() if kind != "image/png"}
            said = json.dumps([texts, output.get("text")])
            assert not re.search(r"(?<![\w.])/(?:home|root|tmp|work|usr|var|Users)/", said), said[:500]
            if picture := output.get("data", {}).get("image/png"):
                assert len(base64.b64decode(picture)) < WIDEST
