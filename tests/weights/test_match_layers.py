"""What is copied by name, and for everything that does not fit its place and a remedy that works."""

from __future__ import annotations

import re

import numpy as np
import pytest
from google.protobuf import text_format

from caffelungo.definition.schema import TRAIN, LayerParameter
from caffelungo.errors import UserError
from caffelungo.weights import Weights, copy_table, match_layers
from caffelungo.weights.match_layers import match
from caffelungo.weights.merge import merge
from caffelungo.weights.shape_fit import fits
from tests.support import needs_shared, shared
from tests.weights.samples import extras, plan

NET = """name: "n"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 dim: 6 dim: 6 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 3 group: 2 } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "fc7" type: "InnerProduct" bottom: "conv1" top: "fc7" inner_product_param { num_output: 5 } }
layer {
  name: "fc8"
  type: "InnerProduct" bottom: "fc7" top: "fc8"
  inner_product_param { num_output: 3 }
}"""


def ones(*shapes):
    return [np.ones(shape, np.float32) for shape in shapes]


def weights(**changes):
    layers = {
        "conv1": ones((4, 2, 3, 3), (4,)),
        "bn1": ones((4,), (4,), (1,)),
        "fc7": ones((5, 64), (5,)),
        "fc8": ones((3, 5), (3,)),
    }
    layers.update(changes)
    return Weights({name: blobs for name, blobs in layers.items() if blobs is not None}, path="w.caffemodel")


def table(text=NET, reinit=(), phase=TRAIN, **changes):
    planned, where = plan(text, phase)
    return match(planned, weights(**changes), reinit, where, match_layers.Remedy.REINIT)


def statuses(result):
    return {row.layer: row.status for row in result.rows}


def test_all_of_a_fitting_file_is_copied():
    result = table()
    assert set(statuses(result).values()) == {copy_table.COPIED}
    assert result.problems == []
    assert {key: array.shape for key, array in result.arrays.items()} == {
        ("conv1", 0): (4, 2, 3, 3), ("conv1", 1): (4,), ("bn1", 0): (4,), ("bn1", 1): (4,), ("bn1", 2): (1,),
        ("fc7", 0): (5, 64), ("fc7", 1): (5,), ("fc8", 0): (3, 5), ("fc8", 1): (3,),
    }  # fmt: skip
    assert result.render().splitlines()[0] == "Weights from w.caffemodel: 4 copied"


def test_new_and_unused_layers_are_told():
    result = table(fc8=None, fc9=ones((3, 5), (3,)), other=ones((7,)))
    assert statuses(result)["fc8"] == copy_table.NEW
    assert result.layers(copy_table.UNUSED) == ["fc9", "other"]
    assert result.problems == []
    assert "`fc9` in the file has these shapes" in result.render()
    assert ("fc8", 0) not in result.arrays


def test_a_mismatch_has_place_received_and_remedy():
    result = table(fc8=ones((1000, 5), (1000,)))
    assert statuses(result)["fc8"] == copy_table.MISMATCH
    (problem,) = result.problems
    assert str(problem.where) == "net.prototxt:8:9"
    assert problem.what == "the weights of layer `fc8` differ in shape in the file"
    assert problem.received == (
        "blob 0 (weight) is 1000x5 in the file, 3x5 here; blob 1 (bias) is 1000 in the file, 3 here"
    )
    assert problem.remedy == (
        "to learn it from scratch, rename the layer at net.prototxt:8:9, for example to `fc8_mine`, "
        "or pass --reinit fc8"
    )
    assert not any(key[0] == "fc8" for key in result.arrays)


def test_following_either_remedy_removes_the_mismatch():
    wrong = {"fc8": ones((1000, 5), (1000,))}
    (problem,) = table(**wrong).problems
    new = re.search(r"example to `(\w+)`", problem.remedy).group(1)
    renamed = table(NET.replace('name: "fc8"', f'name: "{new}"'), **wrong)
    assert renamed.problems == []
    assert statuses(renamed)[new] == copy_table.NEW
    flag, name = re.search(r"(--reinit) (\w+)", problem.remedy).groups()
    again = table(reinit=[name], **wrong)
    assert flag == "--reinit"
    assert again.problems == []
    assert statuses(again)["fc8"] == copy_table.REINIT


def test_all_mismatches_are_told_at_once():
    result = table(fc8=ones((1000, 5), (1000,)), fc7=ones((5, 100), (5,)), conv1=ones((4, 4, 3, 3), (4,)))
    assert [problem.where.line for problem in result.problems] == [3, 6, 8]
    reasons = " ".join(str(problem.remedy) for problem in result.problems)
    assert "it was trained with group: 1" in reasons
    assert "blob `conv1` gives it 64 values here and gave 100 in training" in reasons


@pytest.mark.parametrize(
    ("change", "what", "remedy"),
    [
        ({"fc8": ones((3, 5))}, "the file has no blob 1 (bias) of layer `fc8`", "bias_term: false"),
        ({"bn1": ones((4,), (4,))}, "the file has no blob 2 (factor) of layer `bn1`", "as it was trained"),
        (
            {"bn1": ones((4,), (4,), (1,), (4,), (4,))},
            "more blobs for layer `bn1`",
            "BatchNorm (mean, variance, factor)",
        ),
        ({"fc8": ones((3, 5), (3,), (3,))}, "more blobs for layer `fc8`", "--reinit fc8"),
    ],
)
def test_another_number_of_blobs_is_told(change, what, remedy):
    (problem,) = table(**change).problems
    assert what in problem.what
    assert remedy in problem.remedy


def test_the_remedy_for_a_missing_bias_works():
    text = NET.replace("num_output: 3", "num_output: 3 bias_term: false")
    assert table(text, fc8=ones((3, 5))).problems == []


def test_old_four_dimensional_blobs_are_reshaped_and_told():
    result = table(fc8=ones((1, 1, 3, 5), (1, 1, 1, 3)))
    assert statuses(result)["fc8"] == copy_table.RESHAPED
    assert result.arrays["fc8", 0].shape == (3, 5)
    assert result.arrays["fc8", 1].shape == (3,)
    assert "1x1x3x5 as 3x5; 1x1x1x3 as 3" in result.render()


def test_a_fully_connected_layer_becomes_a_convolution():
    text = NET.replace(
        'type: "InnerProduct" bottom: "conv1" top: "fc7" inner_product_param { num_output: 5 }',
        'type: "Convolution" bottom: "conv1" top: "fc7" convolution_param { num_output: 5 kernel_size: 4 }',
    )
    values = np.arange(320, dtype=np.float32).reshape(5, 64)
    result = table(text, fc7=[values, *ones((5,))])
    assert statuses(result)["fc7"] == copy_table.RESHAPED
    assert np.array_equal(result.arrays["fc7", 0], values.reshape(5, 4, 4, 4))
    assert statuses(table(text, fc7=ones((64, 5), (5,))))["fc7"] == copy_table.MISMATCH


@pytest.mark.parametrize(
    ("file", "net", "answer"),
    [
        ((3, 5), (3, 5), True),
        ((5, 3), (3, 5), False),
        ((1, 1, 3, 5), (3, 5), True),
        ((1, 1, 1, 3), (3,), True),
        ((3, 5), (3, 5, 1, 1), True),
        ((3, 1), (3,), True),
        ((15,), (3, 5), False),
        ((1,), (), True),
        ((), (1,), True),
        ((2, 3), (None, 3), True),
        ((2, 3), (None, 4), False),
    ],
)
def test_fits(file, net, answer):
    assert fits(file, net) is answer


SHARED_PARAMS = """
layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 1 dim: 5 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 5 }
        param { name: "w" } param { name: "ba" } }
layer { name: "b" type: "InnerProduct" bottom: "y" top: "z" inner_product_param { num_output: 5 }
        param { name: "w" } param { name: "bb" } }"""


def test_shared_params_are_read_from_either_layer():
    planned, where = plan(SHARED_PARAMS)
    both = match(planned, Weights({"a": ones((5, 5), (5,)), "b": ones((5, 5), (5,))}), (), where)
    assert set(both.arrays) == {("a", 0), ("a", 1), ("b", 1)}
    one = match(planned, Weights({"b": ones((5, 5), (5,))}), (), where)
    assert set(one.arrays) == {("a", 0), ("b", 1)}
    assert one.problems == []


def test_a_sharer_that_the_file_leaves_out_is_no_mismatch():
    """HDF5 keeps a shared blob with its owner only."""
    planned, where = plan(SHARED_PARAMS)
    absent = np.empty(0, np.float32)
    result = match(planned, Weights({"a": ones((5, 5), (5,)), "b": [absent, *ones((5,))]}), (), where)
    assert result.problems == []
    assert result.arrays["a", 0].shape == (5, 5)
    broken = match(planned, Weights({"a": [absent, *ones((5,))]}), (), where)
    assert "has no blob 0 (weight)" in broken.problems[0].what


def test_a_layer_that_owns_nothing_is_shared():
    text = SHARED_PARAMS.replace('"bb"', '"ba"')
    planned, where = plan(text)
    result = match(planned, Weights({"a": ones((5, 5), (5,)), "c": ones((1,))}), (), where)
    assert statuses(result)["b"] == copy_table.SHARED
    assert "with `a`" in result.render()


def test_a_wrong_name_to_reinit_is_told():
    (problem,) = table(reinit=["fc9"]).problems
    assert problem.received == "fc9"
    assert problem.remedy == "did you mean `fc8`?"


def test_a_file_of_another_net_is_told():
    planned, where = plan(NET)
    result = match(planned, Weights({"res1": ones((3,)), "res2": ones((3,))}, path="r.caffemodel"), (), where)
    (problem,) = result.problems
    assert "nothing would be copied" in problem.what
    assert "`res1`, `res2`" in str(problem.received)
    assert "`conv1`, `bn1`, `fc7` and 1 more" in str(problem.received)


def test_later_files_win_and_keep_what_they_lack():
    first = Weights({"a": ones((1,)), "b": ones((2,))}, {"a": "X"}, extras(), "first", "1")
    merged = merge([first, Weights({"b": ones((3,)), "c": ones((4,))}, path="2")])
    assert {name: blobs[0].shape for name, blobs in merged.layers.items()} == {"a": (1,), "b": (3,), "c": (4,)}
    assert merged.extras == first.extras
    assert merged.path == "1, 2"
    assert list(first.layers) == ["a", "b"]


def test_weights_that_know_their_graph_refuse_another_one():
    given = weights()
    there = (
        'name: "conv1" type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 group: 2 stride: 2 pad: 1 }'
    )
    given.trained = {"conv1": text_format.Parse(there, LayerParameter())}
    planned, where = plan(NET)
    (problem,) = match(planned, given, (), where).problems
    assert "differs from the layer that these weights were trained in" in problem.what
    assert problem.received == "stride is 1, was 2; pad is 0, was 1"
    assert problem.where.line == 3
    given.trained["conv1"].convolution_param.ClearField("stride")
    given.trained["conv1"].convolution_param.ClearField("pad")
    given.trained["conv1"].convolution_param.kernel_size[:] = [3, 3]
    assert match(planned, given, (), where).problems == []


def test_a_long_table_is_shortened():
    layers = "".join(f'layer {{ name: "s{i}" type: "Scale" bottom: "d" top: "d" }}' for i in range(60))
    text = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 2 } } }' + layers
    planned, where = plan(text)
    given = Weights({f"s{i}": ones((2,)) for i in range(60) if i != 30})
    lines = match(planned, given, (), where).render().splitlines()
    assert len(lines) == 5
    assert "s0 ... s29" in lines[2]
    assert "new" in lines[3]
    assert "29 layers" in lines[4]


@needs_shared
@pytest.mark.parametrize(
    ("definition", "file"),
    [
        ("lenet/examples__mnist__lenet.prototxt", "lenet/examples__mnist__lenet_iter_10000.caffemodel"),
        (
            "cifar10_quick/examples__cifar10__cifar10_quick.prototxt",
            "cifar10_quick/examples__cifar10__cifar10_quick_iter_5000.caffemodel",
        ),
        (
            "mtcnn_det1/code__codes__MTCNNv2__model__det1.prototxt",
            "mtcnn_det1/code__codes__MTCNNv2__model__det1.caffemodel",
        ),
        ("open_nsfw/deploy.prototxt", "open_nsfw/resnet_50_1by2_nsfw.caffemodel"),
        ("squeezenet_v1.1/deploy.prototxt", "squeezenet_v1.1/squeezenet_v1.1.caffemodel"),
    ],
)
def test_every_public_model_is_copied_whole(definition, file):
    from caffelungo.definition.filter import net_state
    from caffelungo.definition.reader import read_net
    from caffelungo.plan.build_plan import build_plan
    from caffelungo.weights import formats

    net = read_net(shared("models", definition))
    planned = build_plan(net.message, net_state(net.message, 1), where=net.where)
    result = match(planned, formats.read(shared("models", file)), (), net.where)
    assert result.problems == []
    assert set(result.arrays) == set(planned.params)
    assert set(statuses(result).values()) <= {copy_table.COPIED, copy_table.RESHAPED, copy_table.UNUSED}


def test_problems_make_one_user_error():
    result = table(fc8=ones((1000, 5), (1000,)), fc7=ones((5, 100), (5,)))
    error = UserError(result.problems)
    assert error.exit_status == 2
    assert str(error).count("--reinit") == 2


OTHER = {
    "every layer of another shape": {
        "conv1": ones((8, 3, 5, 5), (8,)), "bn1": ones((8,), (8,), (1,)), "fc7": ones((9, 10), (9,)),
        "fc8": ones((1000, 9), (1000,)),
    },
    "one name in common": {"conv1": ones((8, 3, 5, 5), (8,)), "conv2": ones((8, 8, 3, 3), (8,))},
}  # fmt: skip


@pytest.mark.parametrize("remedy", match_layers.Remedy)
@pytest.mark.parametrize("case", OTHER)
def test_the_weights_of_another_net_are_called_so_before_anything_else_is_advised(case, remedy):
    planned, where = plan(NET)
    result = match(planned, Weights(dict(OTHER[case]), path="other.caffemodel"), (), where, remedy)
    (problem,) = result.problems
    assert "the weights of another net: they fit none of the 4 layers" in problem.what
    assert "`conv1` is 8x3x5x5 8 in the file, 4x2x3x3 4 here" in problem.received
    assert "reinit" not in str(problem)


def test_of_two_layers_both_must_be_unlike() -> None:
    planned, where = plan(
        'layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 } } }\n'
        'layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 3 } }\n'
        'layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 2 } }\n'
    )
    both = {"a": ones((5, 4), (5,)), "b": ones((2, 5), (2,))}
    (problem,) = match(planned, Weights(both), (), where).problems
    assert "the weights of another net: they fit none of the 2 layers" in problem.what
    (problem,) = match(planned, Weights({**both, "a": ones((3, 4), (3,))}), (), where).problems
    assert problem.what == "the weights of layer `b` differ in shape in the file"


@pytest.mark.parametrize(
    ("remedy", "advised"),
    [
        (match_layers.Remedy.REINIT, ("rename", "--reinit fc8")),
        (match_layers.Remedy.RENAME, ("rename",)),
        (match_layers.Remedy.REPLACE, ()),
    ],
)
@pytest.mark.parametrize(
    "change", [{"fc8": ones((1000, 5), (1000,))}, {"fc8": ones((3, 5))}, {"bn1": ones(*[(4,)] * 5)}]
)
def test_only_what_the_caller_can_do_is_advised(remedy, advised, change):
    planned, where = plan(NET)
    (problem,) = match(planned, weights(**change), (), where, remedy).problems
    layer = next(iter(change))
    for word in ("rename", f"--reinit {layer}"):
        assert (word in problem.remedy) == (word.replace(layer, "fc8") in advised)


def test_a_mismatch_shows_the_whole_table():
    result = table(fc8=ones((1000, 5), (1000,)), fc7=None, old=ones((7,)))
    error = str(UserError(result.problems))
    assert result.render() in error
    assert error.index("unused in file") < error.index("to do:")
    for row in result.rows:
        assert row.layer in error
    assert str(UserError([*result.problems, *result.problems])).count("unused in file") == error.count("unused in file")


@pytest.mark.parametrize(
    ("file", "net", "good"),
    [
        ((500, 800), (500, 50, 4, 4), True),
        ((1, 1, 500, 800), (500, 50, 4, 4), True),
        ((500, 50, 4, 4), (500, 800), True),
        ((500, 50, 4, 4), (1, 1, 500, 800), True),
        ((1, 1, 500, 801), (500, 50, 4, 4), False),
        ((1, 1, 800, 500), (500, 50, 4, 4), False),
        ((1, 8, 3, 3), (8, 1, 3, 3), False),
        ((4, 2, 3, 3), (2, 4, 3, 3), False),
    ],
)
def test_which_layouts_hold_the_same_matrix(file, net, good):
    assert fits(file, net) is good


def test_kernels_of_one_type_are_not_rearranged():
    text = NET.replace("num_output: 4 kernel_size: 3 group: 2", "num_output: 3 kernel_size: 1")
    text = text.replace("dim: 1 dim: 4", "dim: 1 dim: 3")
    planned, where = plan(text)
    given = weights(conv1=ones((1, 1, 3, 3), (3,)), bn1=ones((3,), (3,), (1,)), fc7=ones((5, 108), (5,)))
    assert statuses(match(planned, given, (), where))["conv1"] == copy_table.RESHAPED
    given.types["conv1"] = "Convolution"
    assert statuses(match(planned, given, (), where))["conv1"] == copy_table.MISMATCH
