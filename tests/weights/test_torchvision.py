"""torchvision's weights in our nets: random ones of every supported net give torchvision's own logits."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest
import torch
import torchvision.models

from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST, TRAIN, NetParameter
from caffelungo.errors import RunError, UserError
from caffelungo.net.graph import GraphNet
from caffelungo.net.store import Store
from caffelungo.plan.build_plan import build_plan
from caffelungo.weights import copy_table, match_layers
from caffelungo.weights import torchvision as tv

FAST = {"squeezenet1_1", "resnet18"}
NAMES = [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in tv.NETS]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def untrained(name):
    """The model with random weights and statistics, and the mean and std its published weights are for."""
    torch.manual_seed(0)
    options = {"init_weights": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, weights=None, **options).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            # Small scales keep the sums of 50 residual blocks within float32's comfort.
            module.weight.data.uniform_(0.3, 0.6)
            module.bias.data.normal_(0, 0.1)
    net = tv.NETS[name]
    return model, (net.mean or IMAGENET[0], net.std or IMAGENET[1])


def state(model):
    return {key: value.numpy() for key, value in model.state_dict().items()}


def headless(message):
    """The net up to its logits."""
    result = NetParameter()
    result.CopyFrom(message)
    assert result.layer[-1].type == "Softmax"
    del result.layer[-1]
    return result


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_torchvisions_own(name):
    model, (mean, std) = untrained(name)
    weights = tv.convert(name, state(model), mean, std)
    message = headless(tv.definition(name))
    plan = build_plan(message, net_state(message, TEST))
    table = match_layers.match(plan, weights)
    assert table.problems == []
    assert set(table.arrays) == set(plan.params)
    store = Store(plan, 0)
    store.load(table.arrays)
    bgr = torch.randint(0, 256, (2, 3, 224, 224)).float()
    bgr[1] = torch.nn.functional.interpolate(bgr[1:, :, ::32, ::32], size=224, mode="bilinear")[0]
    ours = bgr - torch.tensor(list(weights.extras.preprocessing.mean_value)).view(1, 3, 1, 1)
    rgb = bgr.flip(1) / 255
    normal = (rgb - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    net = GraphNet(plan, store)
    with torch.no_grad():
        expected = model(normal)
        for index in range(2):
            _, outputs = net.forward(ours[index : index + 1].contiguous())
            (logits,) = outputs.values()
            difference = (logits.flatten() - expected[index]).abs().max()
            assert difference <= 1e-4 * expected[index].abs().max()
            assert expected[index].std() > 0


@pytest.mark.parametrize("name", ["googlenet"])
def test_the_auxiliary_classifiers_are_filled_too(name):
    model, _ = untrained(name)
    weights = tv.convert(name, state(model))
    message = tv.definition(name, deploy=False)
    plan = build_plan(message, net_state(message, TRAIN), problems=[])
    rows = match_layers.match(plan, weights).rows
    assert {row.status for row in rows if row.layer.startswith("loss")} == {copy_table.COPIED}


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0"])
def test_a_net_of_the_same_shapes_but_another_graph_is_refused(name):
    model, _ = untrained(name)
    weights = tv.convert(name, state(model))
    message = tv.definition(name, variant="caffe")
    plan = build_plan(message, net_state(message, TEST))
    problems = match_layers.match(plan, weights).problems
    assert any("differs from the layer that these weights were trained in" in problem.what for problem in problems)
    assert all("torchvision" in str(problem.remedy) for problem in problems)


def test_the_first_kernel_takes_plain_pictures():
    kernel = np.random.default_rng(0).standard_normal((2, 3, 1, 1)).astype(np.float32)
    std, mean = np.array([0.2, 0.3, 0.4]), np.array([0.5, 0.4, 0.3])
    folded = tv.fold(kernel, tuple(std))
    rgb = np.array([10.0, 100.0, 200.0])
    expected = kernel[:, :, 0, 0] @ ((rgb / 255 - mean) / std)
    assert folded[:, :, 0, 0] @ (rgb - 255 * mean)[::-1] == pytest.approx(expected, rel=1e-5)


def test_another_version_of_the_net_is_told():
    model, _ = untrained("squeezenet1_1")
    tensors = state(model)
    with pytest.raises(RunError, match=r"unknown use: new\.weight"):
        tv.convert("squeezenet1_1", {**tensors, "new.weight": np.ones(1)})
    del tensors["features.3.squeeze.weight"]
    with pytest.raises(RunError, match=r"no tensor features\.3\.squeeze\.weight"):
        tv.convert("squeezenet1_1", tensors)


@pytest.mark.parametrize(
    ("name", "message", "remedy"),
    [
        ("vgg16_bn", "no batch normalization", "use one of alexnet"),
        ("mobilenet_v2", "MobileNet v1", "use one of"),
        ("vit_b_16", "attention", "use one of"),
        ("resnet19", "no weights of this name", "did you mean torchvision:resnet1"),
        ("zzz", "no weights of this name", "use one of alexnet"),
    ],
)
def test_other_names_are_refused_with_the_reason(name, message, remedy):
    with pytest.raises(UserError) as error:
        tv.load(f"torchvision:{name}")
    assert message in str(error.value)
    assert remedy in str(error.value)


def test_every_name_of_torchvision_is_supported_or_refused():
    for name in torchvision.models.list_models(module=torchvision.models):
        if name not in tv.NETS:
            with pytest.raises(UserError):
                tv.supported(name)


@pytest.mark.parametrize("version", ["IMAGENET1K_V7", "IMAGENET1K_FEATURES"])
def test_other_versions_are_refused(version):
    with pytest.raises(UserError, match="no such weights of vgg16") as error:
        tv.load(f"vgg16:{version}")
    assert "torchvision:vgg16:IMAGENET1K_V1" in str(error.value)


class Entry:
    """What torchvision's weights enum gives, for a file of the test's own."""

    name = "TEST_V1"
    meta = {"categories": ["cat", "dog"]}  # noqa: RUF012

    def __init__(self, url):
        self.url = url

    @staticmethod
    def transforms():
        return torchvision.models.SqueezeNet1_1_Weights.DEFAULT.transforms()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A torch cache holding an untrained SqueezeNet as torchvision publishes one: its hash in its name."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    model, _ = untrained("squeezenet1_1")
    torch.save(model.state_dict(), folder / "new.pth")
    digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()
    target = (folder / "new.pth").rename(folder / f"squeezenet-{digest[:8]}.pth")
    monkeypatch.setattr(tv, "_entry", lambda model, version: Entry(f"https://example.org/models/{target.name}"))
    return target


def test_weights_in_the_cache_are_used_with_their_record_and_classes(cache):
    weights = tv.load("torchvision:squeezenet1_1")
    record = weights.extras.preprocessing
    assert (record.resize_shorter, record.crop_height, record.crop_width) == (256, 224, 224)
    assert list(record.mean_value) == pytest.approx([103.53, 116.28, 123.675])
    assert list(weights.extras.label) == ["cat", "dog"]
    assert weights.path == "torchvision:squeezenet1_1:TEST_V1"
    assert len(weights.layers) == 26


def test_a_damaged_file_in_the_cache_is_not_opened(cache):
    cache.write_bytes(cache.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match="weights in the cache are damaged") as error:
        tv.load("squeezenet1_1")
    assert "delete the file" in str(error.value)


def test_offline_it_says_which_file_goes_where(cache, monkeypatch):
    def fail(url, target, wanted):
        raise OSError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    url = f"https://example.org/models/{cache.name}"
    cache.unlink()
    with pytest.raises(UserError, match="could not be downloaded") as error:
        tv.load("squeezenet1_1")
    assert f"fetch {url} on a machine with network access and put it at {cache}" in str(error.value)
    assert "Name or service not known" in str(error.value)


def test_a_download_is_checked_against_the_hash_in_its_name(cache, monkeypatch):
    content = cache.read_bytes()
    cache.unlink()
    asked = []

    def fetch(url, target, wanted):
        asked.append(wanted)
        cache.write_bytes(content)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    tv.load("squeezenet1_1")
    assert asked == [re.search(r"-(\w+)\.pth", cache.name).group(1)]
