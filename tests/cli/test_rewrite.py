"""`lungo rewrite`, and what `lungo grow` shows: flags, files and messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.definition.reader import read_net
from caffelungo.passes.view import View
from tests.lungo import lungo
from tests.passes.nets import ALEX, ANSWER, layer, lines


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("alex.prototxt").write_text(ALEX)
    Path("answer.prototxt").write_text(ANSWER)


def rates(path: str) -> dict[str, float]:
    return {one.name: one.params[0].lr_mult for one in View(read_net(path)).plan.layers if one.params}


def test_what_learns_and_how_fast() -> None:
    words = ["--classes", "5", "--freeze-to", "fc7", "--unfreeze", "fc7", "--rate", "fc7=0.25", "-o", "out.prototxt"]
    ran = lungo("rewrite", "alex.prototxt", *words, "--explain")
    assert ran.status == 0, ran.err
    assert rates("out.prototxt") == {"conv1": 0, "fc6": 0, "fc7": 0.25, "fc8_new": 10}
    assert "`fc7`: lr_mult 0.25" in ran.out
    assert "wrote out.prototxt" in ran.out


def test_a_classifier_on_pooled_features() -> None:
    words = ["--classes", "5", "--suffix", "pets", "--join", "conv1, fc6", "-o", "out.prototxt", "--cost"]
    ran = lungo("rewrite", "alex.prototxt", *words, "--explain")
    assert ran.status == 0, ran.err
    assert "classifier `fc8` -> `fc8_pets`, 28 features, 1000 -> 5 outputs, lr_mult 10/20" in ran.out
    assert rates("out.prototxt")["fc8_pets"] == 10
    assert not [one for one in lines(read_net("out.prototxt")) if one.startswith("fc7")]
    ran = lungo("rewrite", "alex.prototxt", "--join", "all", "-o", "all.prototxt")
    assert ran.status == 0, ran.err
    assert len(layer(read_net("all.prototxt"), "fc8_new_in").bottom) == 4
    ran = lungo("grow", "out.prototxt", "--widen", "fc6:3", "--keep-head", "-o", "grown.prototxt")
    assert (ran.status, "--weights" in ran.err) == (2, True)
    ran = lungo("grow", "out.prototxt", "--widen", "fc6:3", "-o", "grown.prototxt")
    assert ran.status == 0, ran.err
    assert layer(read_net("grown.prototxt"), "fc8_pets_in").bottom[-1] == "norm6_new"


def test_joins_that_are_refused() -> None:
    for words, reason in (
        (["--join", "conv2,label"], "did you mean"),
        (["--join", "fc7", "--keep-head"], "--join with --keep-head"),
    ):
        ran = lungo("rewrite", "alex.prototxt", *words, "-o", "out.prototxt")
        assert ran.status == 2
        assert reason in ran.err
        assert not Path("out.prototxt").exists()


def test_cast_to_a_size() -> None:
    ran = lungo("rewrite", "answer.prototxt", "--cast", "all", "--size", "24x22", "-o", "out.prototxt")
    assert ran.status == 2
    assert "--weights" in ran.err
    ran = lungo("rewrite", "answer.prototxt", "--deploy", "--size", "24", "-o", "out.prototxt")
    assert ran.status == 2
    assert "`fc6` (InnerProduct) fit only pictures of 20x20" in ran.err
    assert "lungo rewrite --cast all --size 24" in ran.err
    assert not Path("out.prototxt").exists()


def test_size_alone_of_a_fully_convolutional_net() -> None:
    ran = lungo("rewrite", "squeezenet1.1", "--deploy", "--size", "112", "-o", "small.prototxt", "--explain")
    assert ran.status == 0, ran.err
    assert "`data` takes 112x112" in ran.out
    assert lungo("rewrite", "squeezenet1.1", "--deploy", "--set", "size=112", "-o", "same.prototxt").status == 0
    small, same = (View(read_net(f"{name}.prototxt")).plan for name in ("small", "same"))
    assert small.blobs == same.blobs
    ran = lungo("rewrite", "squeezenet1.1", "--size", "112", "-o", "train.prototxt")
    assert ran.status == 0, ran.err
    data = layer(read_net("train.prototxt"), "data")
    assert (data.transform_param.crop_size, data.image_data_param.new_height) == (112, 128)
    ran = lungo("rewrite", "squeezenet1.1", "--deploy", "--size", "12", "-o", "tiny.prototxt")
    # 17 -> conv1 8 -> pool1 4 -> pool3 2 -> pool5 ceil((2 - 3) / 2) + 1 = 1, as Caffe counts.
    assert "the smallest size that works is 17: --size 17" in ran.err


@pytest.mark.parametrize("size", ["0", "-5", "112.5", "big", "2x3x4", "x", "1000000", "9" * 5000, "\u0662\u0664"])
def test_sizes_that_are_none(size: str) -> None:
    ran = lungo("rewrite", "squeezenet1.1", "--deploy", "--size", size, "-o", "out.prototxt")
    assert ran.status == 2
    assert "--size" in ran.err
    assert "Traceback" not in ran.err
    assert not Path("out.prototxt").exists()


def test_features_and_a_picture() -> None:
    words = ["--read", "fc6", "--normalize", "fc7", "--tune", "new", "--draw", "net.png", "--cost", "-o", "out/"]
    ran = lungo("rewrite", "alex.prototxt", *words)
    assert ran.status == 0, ran.err
    assert Path("net.png").read_bytes().startswith(b"\x89PNG")
    assert "fc8_norm_read" in ran.out
    assert "total" in ran.out
    found = lines(read_net("out/alex.prototxt"))
    assert "fc8_norm_in Concat norm7,norm6_read -> fc8_norm_in" in found


def test_adapters_and_side() -> None:
    assert lungo("rewrite", "alex.prototxt", "--adapters", "fc7", "--rank", "2", "-o", "a.prototxt").status == 0
    assert layer(read_net("a.prototxt"), "fc7_adapt_down").inner_product_param.num_output == 2
    ran = lungo("rewrite", "alex.prototxt", "--side", "fc7", "-o", "b.prototxt")
    assert "--weights" in ran.err


def test_grow_takes_a_recipe_and_tune() -> None:
    Path("r.prototxt.j2").write_text("step { widen { units: {{ units }} } }\n")
    words = ["--recipe", "r.prototxt.j2", "--set", "units=4", "--tune", "top", "-o", "out.prototxt"]
    ran = lungo("grow", "alex.prototxt", *words)
    assert ran.status == 0, ran.err
    assert rates("out.prototxt")["fc6"] == 0
    assert rates("out.prototxt")["fc7"] == 1
    assert lungo("grow", "alex.prototxt", "--recursive", "fc7:4", "-o", "wwa.prototxt").status == 0
    assert layer(read_net("wwa.prototxt"), "fc6_new").inner_product_param.num_output == 2
    assert lungo("grow", "alex.prototxt", "--joint", "fc7:4", "-o", "dwa.prototxt").status == 0
    assert "fc8_joint" in Path("dwa.prototxt").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("alex.prototxt", "nothing to do"),
        ("alex.prototxt --rate fc7", "write it as --rate 'conv*=0.1'"),
        ("alex.prototxt --rate fc7=fast", "write it as --rate 'conv*=0.1'"),
        ("alex.prototxt --size 3x3x3", "--size 384x512"),
        ("alex.prototxt --tune nwe", "did you mean new"),
        ("alex.prototxt --freeze nope*", "no layer's name fits"),
        ("alex.prototxt --adapters fc7 --kind odd", "parallel, residual"),
    ],
)
def test_refusals(words: str, told: str) -> None:
    ran = lungo("rewrite", *words.split(), "-o", "out.prototxt")
    assert ran.status == 2
    assert told in ran.err
    assert not Path("out.prototxt").exists()


def test_a_card_by_its_name() -> None:
    words = ["--recipe", "wider", "--set", "units=4", "--set", "tune=NEW", "-o", "wider.prototxt"]
    ran = lungo("grow", "alex.prototxt", *words)
    assert ran.status == 0, ran.err
    assert layer(read_net("wider.prototxt"), "fc7_new").inner_product_param.num_output == 4
    ran = lungo("grow", "alex.prototxt", "--recipe", "widr", "-o", "other.prototxt")
    assert "did you mean `wider`?" in ran.err
    ran = lungo("grow", "alex.prototxt", "--recipe", "no.prototxt", "-o", "other.prototxt")
    assert "recipe not found" in ran.err
