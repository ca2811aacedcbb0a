"""Everything at once: what cannot be read hides nothing else, and what follows from it is not told."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.check import check, check_files
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import Problem, UserError
from caffelungo.plan.read_net import read_net
from caffelungo.solve import nets
from caffelungo.solve.read_solver import read_solver
from tests.support import needs_shared, shared

DATA = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'
CONV = 'layer {{ name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param {{ {} kernel_size: 3 }} }}\n'
LATER = (
    'layer { name: "z" type: "Zork" bottom: "c" top: "z" }\n'
    'layer { name: "ip" type: "InnerProduct" bottom: "z" top: "ip" inner_product_param { num_output: 0 } }\n'
    'layer { name: "e" type: "Eltwise" bottom: "c" bottom: "data" top: "e" }\n'
)
LATER_FAULTS = ["unknown layer type in layer `z`", "layer `ip` (InnerProduct): num_output must be at least 1"]
BLOB = 'layer { name: "r" type: "ReLU" bottom: "nothing" top: "r" }\n'
UNKNOWN_BLOB = "unknown bottom blob `nothing` of layer `r` in phase TRAIN"


def told(path: Path) -> list[str]:
    """What both `check` and a verb that reads a net say of ``path``."""
    found = check_files([path])
    with pytest.raises(UserError) as caught:
        read_net(path)
    assert sorted(map(str, caught.value.problems)) == sorted(map(str, found))
    return [one.what for one in found]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (CONV.format("num_output: 3 hole: 2"), "ConvolutionParameter has no field `hole`; it comes from DeepLab"),
        (CONV.format("num_outptu: 3"), "ConvolutionParameter has no field `num_outptu`"),
        (CONV.format("num_output: x"), "`num_output` needs an integer"),
        (CONV.format("num_output: 3 num_output: 4"), "`num_output` may occur only once"),
        (CONV.format("num_output: 3 pad: [1, x]"), "`pad` needs an integer"),
        (CONV.format("num_output: 3 = 4"), "a character that is not allowed here"),
        (CONV.format("num_output: 3").replace('top: "c"', 'tpo: "c"'), "LayerParameter has no field `tpo`"),
        (CONV.format("num_output: 3").replace('top: "c"', "top: c"), "`top` needs a string in quotes"),
        (CONV.format("num_output: 3").replace(" }\n", "\n"), "this brace is never closed"),
        (CONV.format("num_output: 3").replace("} }\n", "> }\n"), "the block is closed by the wrong brace"),
    ],
)
def test_a_mistake_hides_no_other_and_brings_none(given: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(DATA + given + LATER + BLOB)
    found = told(path)
    mine = [one for one in found if one.startswith(what)]
    assert len(mine) == 1
    rest = [one for one in found if one not in mine]
    assert rest == [*LATER_FAULTS, UNKNOWN_BLOB]


def test_what_stands_behind_a_brace_too_many_is_judged(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(DATA + CONV.format("num_output: 3") + "}\n" + LATER)
    assert told(path) == [
        "this brace closes nothing", *LATER_FAULTS, "layer `e` (Eltwise): all bottoms must have the same shape",
    ]  # fmt: skip


@needs_shared
def test_four_mistakes_are_four() -> None:
    found = told(shared("cases", "public", "check_stops_early", "net.prototxt"))
    assert [word for word in ("bn_param", "layer type", "`bm`", "num_output") if any(word in one for one in found)] == [
        "bn_param", "layer type", "`bm`", "num_output",
    ]  # fmt: skip


def test_more_fields_of_forks_than_mistakes_are_shown_end_no_reading(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    holes = "".join(CONV.format("num_output: 3 hole: 2").replace('"c"', f'"c{k}"') for k in range(30))
    path.write_text(DATA + holes + LATER.replace('"c"', '"c1"'))
    found = told(path)
    assert found == ["ConvolutionParameter has no field `hole`; it comes from DeepLab (30 times)", *LATER_FAULTS]


def test_old_formats_and_templates_are_judged_in_their_places(tmp_path: Path) -> None:
    old = tmp_path / "old.prototxt"
    old.write_text(
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
        'layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" convolution_param { hole: 2 num_output: 3 } }\n'
        'layers { name: "ip" type: INNER_PRODUCT bottom: "c" top: "ip" inner_product_param { num_output: 0 } }\n'
    )
    assert {(one.where.line if one.where else 0, one.what.split()[-1]) for one in check_files([old])} >= {(3, "1")}
    template = tmp_path / "net.prototxt.j2"
    template.write_text(DATA + "{% for k in range(2) %}\n" + CONV.format("hole: 2") + LATER + "{% endfor %}\n")
    found = check_files([template])
    assert {one.where.line for one in found if one.where} >= {3, 4, 5}


def solver(path: Path, text: str) -> list[Problem]:
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_solver(path)
    return caught.value.problems


def test_a_field_of_a_fork_hides_no_policy_and_what_lacks_is_not_told_of_a_typo(tmp_path: Path) -> None:
    path = tmp_path / "solver.prototxt"
    found = solver(path, 'net: "n"\nbase_lr: 0.1\nlr_policy: "setp"\nplateau_winsize: 9\nmomentum_policy: "fixed"\n')
    assert [one.where.line for one in found if one.where] == [4, 5, 3]
    found = solver(path, 'net: "n"\nbase_lr: 0.1\nlr_polcy: "step"\ntype: "SDG"\n')
    assert [one.where.line for one in found if one.where] == [3, 4]


@pytest.mark.parametrize("kind", ["ImageData", "Data"])
def test_data_that_is_missing_hides_no_augmentation(kind: str, tmp_path: Path) -> None:
    options = {"ImageData": "image_data_param", "Data": "data_param"}[kind]
    net = tmp_path / "net.prototxt"
    augmentations = 'augmentation { type: "Rotate" } '
    augmentations += 'augmentation { type: "RandomResizedCrop" min_scale: 0.9 max_scale: 0.5 }'
    net.write_text(
        f'layer {{ name: "data" type: "{kind}" top: "data" top: "label" include {{ phase: TRAIN }}\n'
        f'  transform_param {{ mean_file: "mean.binaryproto" lungo {{ {augmentations} }} }}\n'
        f'  {options} {{ source: "nowhere" batch_size: 2 }} }}\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }\n'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" }\n'
    )
    found = [one.what for one in check_files([net])]
    text = nets.from_definition(read_net(net))
    with pytest.raises(UserError) as caught:
        nets.open_net_with_data(text, net_state(text.message, TRAIN))
    trained = [one.what for one in caught.value.problems]
    for said in (found, trained):
        assert sum("unknown augmentation" in one for one in said) == 1
        assert sum("min_scale of an augmentation is above" in one for one in said) == 1
        assert any("not found" in one or "cannot be" in one for one in said)


def test_a_mean_that_is_missing_hides_no_data(tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text(
        'layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "nowhere" batch_size: 2 }\n'
        '  transform_param { mean_file: "mean.binaryproto" } }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }\n'
    )
    assert sorted(one.what for one in check_files([net])) == ["database not found", "mean file not found"]


def test_nets_of_a_solver_whose_shared_weights_have_other_shapes_are_told(tmp_path: Path) -> None:
    net, path = tmp_path / "net.prototxt", tmp_path / "solver.prototxt"
    layers = [
        f'layer {{ name: "data" type: "DummyData" top: "data" top: "label" include {{ phase: {phase} }}\n'
        f"  dummy_data_param {{ shape {{ dim: 2 dim: {size} }} shape {{ dim: 2 }} }} }}\n"
        for phase, size in (("TRAIN", 4), ("TEST", 5))
    ]
    net.write_text(
        "".join(layers)
        + 'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }\n'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" }\n'
    )
    path.write_text(f'net: "{net}" base_lr: 0.1 lr_policy: "fixed" max_iter: 5 test_interval: 2 test_iter: 1\n')
    (found,) = check_files([path])
    assert "differs in shape from the net whose weights it shares" in found.what
    assert found.received == "blob 0 (weight) 2x5, there 2x4"
    assert found.where is not None
    assert found.where.line == 5


def test_without_data_the_rest_is_judged(tmp_path: Path) -> None:
    net, path = tmp_path / "net.prototxt", tmp_path / "solver.prototxt"
    net.write_text(
        'layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "nowhere" batch_size: 2 }\n'
        '  transform_param { mean_file: "mean.binaryproto" lungo { augmentation { type: "Rotate" } } } }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 0 } }\n'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" }\n'
    )
    path.write_text(f'net: "{net}" base_lr: 0.1 lr_policy: "fixed" max_iter: 5 weights: "nowhere.caffemodel"\n')
    lacking = {"database not found", "mean file not found", "weights file not found"}
    all_of_it = {one.what for one in check([path]).problems}
    assert lacking < all_of_it
    assert {one.what for one in check([path], data=False).problems} == all_of_it - lacking
    dummy = net.read_text().replace("num_output: 0", "num_output: 2").replace('type: "Data"', 'type: "DummyData"')
    dummy = dummy.replace(
        'data_param { source: "nowhere" batch_size: 2 }',
        ("dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 } data_filler { value: 7 } }"),
    ).replace('  transform_param { mean_file: "mean.binaryproto" lungo { augmentation { type: "Rotate" } } }', "")
    net.write_text(dummy)
    (found,) = check([net], data=False).problems
    assert "label" in found.what


def test_problems_come_by_file_in_the_order_of_reading_and_by_line(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("nowhere.png 0\nno-label\nnowhere2.png 1\n")
    net, path = tmp_path / "net.prototxt", tmp_path / "solver.prototxt"
    net.write_text(
        'layer { name: "data" type: "ImageData" top: "data" top: "label"\n'
        '  image_data_param { source: "list.txt"\n    batch_size: 0 }\n'
        "  transform_param { mean_value: 1 mean_value: 2 } }\n"
        'layer { name: "z" type: "Zork" bottom: "data" top: "z" }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "z" top: "ip" inner_product_param { num_outptu: 2 } }\n'
    )
    path.write_text(f'net: "{net}"\nlr_policy: "fixed"\nmax_iter: 5\nbase_lr: 0.1 typ: "SGD"\nmomentum: -1\n')
    found = [(Path(one.where.file).name, one.where.line) for one in check_files([path]) if one.where]
    assert found == [
        ("solver.prototxt", 4), ("solver.prototxt", 5), ("net.prototxt", 3), ("net.prototxt", 4), ("net.prototxt", 5),
        ("net.prototxt", 6), ("list.txt", 1), ("list.txt", 2), ("list.txt", 3),
    ]  # fmt: skip
