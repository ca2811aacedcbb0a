"""`--json`: every verb that reports has it, writes what is documented, and nothing else on standard output.

After a change of the fields, write docs/json.md anew: python -m tests.cli.test_json
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caffelungo import __version__
from caffelungo.cli.json_fields import COMMON, FIELDS, markdown
from caffelungo.cli.main import VERBS
from caffelungo.inference import doctor, machine_facts
from tests.lungo import Ran, lungo

PAGE = Path(__file__).parents[2] / "docs" / "json.md"
BEGIN = "<!-- fields -->\n"
SILENT = {"demo", "serve"}
"""Verbs that report nothing: one runs others, one answers requests."""

NET = """name: "tiny"
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 12 mean_value: 100 } image_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 12 mean_value: 100 } image_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 2 display: 1 random_seed: 1
snapshot_prefix: "tiny" test_iter: 3 test_interval: 2
"""
OLD = """name: "old" input: "data" input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 12
layers { name: "r" type: RELU bottom: "data" top: "r" }
"""
W, ONNX = "tiny_iter_2.caffemodel", "tiny.onnx"

COMMANDS: list[tuple[str, int]] = [
    ("nets", 0), ("nets show lenet", 0), ("nets copy lenet -o own", 0), ("layers", 0), ("layers ReLU", 0),
    ("check solver.prototxt list.txt", 0), ("check wrong.prototxt", 2), ("doctor", 0),
    ("upgrade_net_proto_text old.prototxt new.prototxt", 0),
    ("upgrade_solver_proto_text solver.prototxt new_solver.prototxt", 0),
    ("train --solver solver.prototxt --device cpu --workers 0 --no-tensorboard", 0),
    (f"test --model net.prototxt --weights {W} --device cpu --workers 0 -o tested", 0),
    (f"test --model net.prototxt --weights {W} --device cpu --workers 0 --iterations 2", 0),
    ("time --model net.prototxt --iterations 1 --device cpu", 0),
    (f"diff {W} {W}", 0), (f"diff {W} {W} {W}", 0),
    (f"grow net.prototxt --widen conv:2 --weights {W} -o grown.prototxt", 0),
    (f"rewrite net.prototxt --freeze-to conv --weights {W} -o frozen.prototxt", 0),
    (f"grow net.prototxt --weights {W} --task photos -o tasks --passes 1", 0),
    (f"verify net.prototxt grown.prototxt --weights {W} --random 2", 0),
    (f"init grown.prototxt --weights {W} -o started.caffemodel --method lsuv --batches 1 --device cpu", 0),
    (f"probe net.prototxt --data photos --weights {W} --layers pool --folds 2 --device cpu", 0),
    (f"advise net.prototxt --data photos --weights {W} -o advised --minutes 0.2 --device cpu", 0),
    (f"finetune net.prototxt --data photos --weights {W} -o mine --passes 1 --caffe-classic", 0),
    (f"finetune net.prototxt --data photos --weights {W} -o mine_too --passes 1 --layers pool", 0),
    (f"features net.prototxt --data photos --weights {W} --blobs pool -o f.npz --device cpu", 0),
    (f"extract_features {W} net.prototxt pool pool_lmdb 1 lmdb", 0),
    ("convert_imageset -resize_height=12 -resize_width=12 ./ list.txt db", 0),
    ("compute_image_mean db m.binaryproto", 0),
    (f"inspect --model net.prototxt --weights {W} -o looked --device cpu --workers 0", 0),
    (f"inspect --labels --model net.prototxt --weights {W} --data photos -o doubted --device cpu", 0),
    (f"export --model net.prototxt --weights {W} -o {ONNX} --labels labels.txt", 0),
    (f"export --model net.prototxt --weights {W} -o back.prototxt --format caffe", 0),
    (f"convert net.prototxt {W} -o converted.onnx --mean 100 --labels labels.txt --test list.txt", 0),
    (f"classify {ONNX} photos/a", 0), (f"infer {ONNX} list.txt", 0),
    (f"bench {ONNX} --batch 1 --rounds 1 --seconds 0.02 --no-compiled --device cpu", 0),
    (f"triton {ONNX} repository", 0),
    (f"compare --data photos --model net.prototxt --weights {W} -o study --arms finetune --tune new --dry-run "
     "--iterations 2 --batch-size 4 --device cpu", 0),
]  # fmt: skip
"""One or several command lines of each verb, and their exit statuses; later ones use the files of earlier ones."""


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place, before = tmp_path_factory.mktemp("json"), Path.cwd()
    os.chdir(place)
    draw = np.random.default_rng(0)
    lines = []
    for label, name in enumerate("ab"):
        Path("photos", name).mkdir(parents=True)
        for number in range(6):
            pixels = draw.integers(0, 128, (16, 16, 3)) + 100 * label
            Image.fromarray(pixels.astype(np.uint8)).save(f"photos/{name}/{number}.png")
            lines.append(f"photos/{name}/{number}.png {label}")
    Path("list.txt").write_text("\n".join(lines) + "\n")
    Path("labels.txt").write_text("a\nb\n")
    Path("net.prototxt").write_text(NET)
    Path("wrong.prototxt").write_text(NET.replace('"ReLU"', '"ReLu"').replace("num_output: 2", "num_output: 0"))
    Path("solver.prototxt").write_text(SOLVER)
    Path("old.prototxt").write_text(OLD)
    yield place
    os.chdir(before)


def constant(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


def document(ran: Ran) -> dict[str, Any]:
    found = json.loads(ran.out, parse_constant=constant)
    assert isinstance(found, dict)
    return found


def assert_documented(verb: str, found: dict[str, Any]) -> None:
    """All fields are documented, and none without a condition is missing where the verb did its work."""
    assert list(found)[:3] == ["caffelungo", "verb", "status"]
    assert list(found)[-1] == "problems"
    assert (found["caffelungo"], found["verb"]) == (__version__, verb)
    own = set(found) - set(COMMON)
    assert own <= set(FIELDS[verb]), own - set(FIELDS[verb])
    if verb in ("export", "grow", "compare", "inspect"):
        return  # two documents in one table; the next test looks for what is in neither
    always = {name for name, text in FIELDS[verb].items() if not text.endswith((").",))}
    assert always <= own, always - own


BY_DATA = re.compile(r"\bby (class|blob|operator|layer|group|net|batch size)\b|name and path", re.IGNORECASE)
"""Objects whose names are those of classes, layers and the like."""
ELSEWHERE = re.compile("as `lungo|same four")
"""What another field documents."""


def undocumented(verb: str, found: dict[str, Any]) -> list[str]:
    """Names inside of fields that the field's text does not say."""
    result = []
    for name in set(found) & set(FIELDS[verb]):
        text = FIELDS[verb][name]
        said = set(re.findall(r"`([a-z_0-9]+)`", text))
        if ELSEWHERE.search(text) or (isinstance(found[name], dict) and BY_DATA.search(text)):
            continue
        for inner in found[name] if isinstance(found[name], list) else [found[name]]:
            if isinstance(inner, dict):
                result += [f"{name}.{one}" for one in inner if one not in said]
    return result


SEEN: dict[str, set[str]] = {}


@pytest.mark.parametrize(("line", "status"), COMMANDS, ids=[line[:40] for line, _ in COMMANDS])
def test_a_verb_writes_what_is_documented(line: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if line == "doctor":
        monkeypatch.setattr(
            machine_facts, "examine", lambda progress=None: machine_facts.Facts(packages={"torch": "2"})
        )
        monkeypatch.setattr(doctor, "judge", lambda facts: [doctor.Finding("machine", doctor.GOOD, "fine")])
    ran = lungo(*line.split(), "--json", "-")
    assert ran.status == status, ran.err
    found = document(ran)
    verb = line.split()[0]
    assert found["status"] == status
    assert bool(found["problems"]) == (status == 2)
    assert_documented(verb, found)
    assert undocumented(verb, found) == []
    SEEN.setdefault(verb, set()).update(found)


def test_an_undocumented_name_inside_of_a_field_is_found() -> None:
    layers = [{"name": "conv", "forward_ms": 1.0, "planted": 2}]
    assert undocumented("time", {"layers": layers, "total_ms": 3.0}) == ["layers.planted"]
    assert undocumented("features", {"blobs": {"pool": [4]}}) == []


def test_no_documented_field_is_never_written() -> None:
    if set(SEEN) != set(FIELDS):
        pytest.skip("only some of the command lines ran")
    unwritten = {(verb, name) for verb, fields in FIELDS.items() for name in fields if name not in SEEN[verb]}
    # Those of a finished study; tests/study writes one, and reads the same fields from summary.json.
    study = {
        "files",
        "setting",
        "command",
        "cpu_seconds",
        "trainings",
        "failed",
        "advice",
        "results",
        "claims",
        "recalls",
    }
    assert unwritten == {("compare", name) for name in study}


def test_every_verb_that_reports_has_it_and_is_tried() -> None:
    assert set(VERBS) - set(FIELDS) == SILENT
    assert {line.split()[0] for line, _ in COMMANDS} == set(FIELDS)


def test_a_verb_that_fails_writes_its_problems() -> None:
    ran = lungo("rewrite", "nowhere.prototxt", "--freeze-to", "conv", "-o", "out.prototxt", "--json", "-")
    found = document(ran)
    assert list(found) == list(COMMON)
    assert (ran.status, found["status"]) == (2, 2)
    (problem,) = found["problems"]
    assert "no such file" in problem["what"]
    assert problem["received"].endswith("nowhere.prototxt")
    assert "no such file" in ran.err


def test_a_file_is_written_beside_what_is_printed() -> None:
    plain = lungo("layers", "ReLU")
    ran = lungo("layers", "ReLU", "--json", "relu.json")
    assert ran == plain
    assert json.loads(Path("relu.json").read_text())["types"] == ["ReLU"]
    assert lungo("layers", "ReLU", "--json=relu.json").status == 0  # the last report may go


@pytest.mark.parametrize("words", [("--json",), ("--json", "--quiet"), ("-json", "-"), ("--json=-",)])
def test_without_a_file_it_is_standard_output(words: tuple[str, ...]) -> None:
    Path("same.prototxt").write_text(NET)
    ran = lungo("verify", "net.prototxt", "same.prototxt", "--random", "1", *words)
    assert document(ran)["kept"] is True


def test_no_word_is_taken_for_a_report_by_mistake() -> None:
    Path("keep.caffemodel").write_bytes(b"weights")
    ran = lungo("diff", "--json", "keep.caffemodel", "keep.caffemodel")
    assert ran.status == 2
    assert "--json -" in ran.err
    assert Path("keep.caffemodel").read_bytes() == b"weights"
    ran = lungo("grow", "net.prototxt", "--widen", "conv:2", "-o", "g.prototxt", "--json", "no/where.json")
    assert ran.status == 2
    assert not Path("g.prototxt").exists()


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8").partition(BEGIN)[2] == markdown(), "python -m tests.cli.test_json"


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text("utf-8").partition(BEGIN)[0] + BEGIN + markdown(), "utf-8")
