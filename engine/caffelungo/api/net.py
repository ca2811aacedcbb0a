"""``Net``: a definition and its weights as an ordinary ``nn.Module``, which can be looked at, rewritten and saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from caffelungo.api import net_data, net_files, net_growth, net_pickle, net_rewrite, net_tables, running
from caffelungo.api.net_data import Picture
from caffelungo.api.net_module import NetModule
from caffelungo.api.phased_layer import PhasedLayer
from caffelungo.api.public_call import methods, public
from caffelungo.api.values import Name
from caffelungo.api.verb_report import DataTable, Text
from caffelungo.passes.view import View
from caffelungo.weights.weights import Weights


@methods
class Net(NetModule):
    """A net as ``open`` returns it: an ``nn.Module`` whose children are its layers, under their own names.

    ``train()`` and ``eval()`` choose Caffe's phases TRAIN and TEST; a net is opened in TEST. Parameters that the file
    freezes (``lr_mult: 0``) do not require gradients; statistics never do. ``state_dict``, ``to``, hooks, optimizers,
    ``copy.deepcopy``, ``pickle`` and ``torch.save`` work as with any module; copies and pickles leave hooks out.
    Calling it is ``forward``.

    >>> net = cl.open("squeezenet1.1")
    >>> net.conv1.weight.shape
    torch.Size([64, 3, 3, 3])
    >>> sum(p.numel() for p in net.parameters())
    1235496
    >>> net.inputs
    ('data', 'label')
    """

    # -- what it is

    @property
    def text(self) -> Text:
        """The definition as prototxt.

        >>> [line for line in cl.open("lenet").text.splitlines() if line.startswith("name")]
        ['name: "LeNet"']
        """
        return Text(self.definition.text)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the rewrite that made this net did, line by line; empty for a net that was opened."""
        return tuple(str(note) for note in (self.origin.notes if self.origin else ()))

    @property
    def table(self) -> DataTable:
        """One row per layer of this phase: type, bottoms, tops, shape of the first top, parameters, what learns."""
        return net_tables.layers(self)

    def layer(self, name: str) -> PhasedLayer:
        """The module of the layer ``name``; UserError with the nearest name when there is none.

        >>> net = cl.open("squeezenet1.1")
        >>> net.layer("fire2/squeeze1x1").bias.shape
        torch.Size([16])
        """
        planned = View(self.definition, sources=self.sources).find(name)
        if planned.layer.source:
            raise running.no_module(self, name)
        return self.child_of(planned)

    # -- computing

    def forward(
        self, *tensors: Any, blobs: str | Sequence[str] | None = None, **named: Any
    ) -> Tensor | dict[str, Tensor]:
        """Blobs computed from ``tensors``, which are given in the order of ``inputs`` or by the names of blobs.

        A tensor or array is batch x channels x height x width for pictures and holds class numbers, one per picture,
        for labels. With ``blobs`` only what those need is computed: one name gives its tensor, several a dict. Without
        it everything that follows from what is given is computed, and what no layer reads is returned: of a net for
        training the scores when only pictures are given, losses and accuracy with the labels. One blob is returned as a
        tensor, several as a dict. UserError for unknown blobs, what is missing, and shapes that do not fit.

        >>> import torch
        >>> net = cl.open("squeezenet1.1")
        >>> pictures = torch.zeros(2, 3, 64, 64)
        >>> net(pictures).shape
        torch.Size([2, 1000, 1, 1])
        >>> found = net(pictures, blobs=["fire2/concat", "pool10"])
        >>> {name: tuple(blob.shape) for name, blob in found.items()}
        {'fire2/concat': (2, 128, 15, 15), 'pool10': (2, 1000, 1, 1)}
        >>> sorted(net(data=pictures, label=torch.tensor([1, 2])))
        ['accuracy', 'accuracy_top5', 'loss']
        """
        return running.forward(self, tensors, named, blobs)

    def loss(self, *tensors: Any, **named: Any) -> Tensor:
        """The sum of the net's losses, times their ``loss_weight``, for inputs as ``forward`` takes them: a scalar.

        UserError for a net without a loss in this phase.

        >>> import torch
        >>> net = cl.open("squeezenet1.1").train()
        >>> net.loss(torch.zeros(2, 3, 64, 64), torch.tensor([1, 2])).backward()
        >>> net.conv10.weight.grad.shape
        torch.Size([1000, 512, 1, 1])
        """
        return running.loss(self, tensors, named)

    def param_groups(self, lr: float, weight_decay: float = 0.0) -> list[dict[str, Any]]:
        """Parameter groups for an optimizer of PyTorch.

        Their rates are ``lr`` times ``lr_mult``, their decays ``weight_decay`` times ``decay_mult``. Parameters that do
        not require gradients are left out.

        >>> import torch
        >>> groups = cl.open("cifar10_full", shape="data:3x32x32").param_groups(lr=0.001, weight_decay=0.004)
        >>> [(group["lr"], group["weight_decay"], len(group["params"])) for group in groups]
        [(0.001, 0.004, 4), (0.002, 0.004, 2), (0.001, 1.0, 1), (0.002, 0.0, 1)]
        >>> optimizer = torch.optim.SGD(groups, momentum=0.9)
        """
        return running.param_groups(self, lr, weight_decay)

    def preprocess(self, pictures: Picture | Sequence[Picture]) -> Tensor:
        """Pictures as the net takes them: float32, batch x channels x height x width, on the net's device.

        ``pictures`` is one or several paths, pictures of PIL, or arrays (uint8, height x width x 3 in RGB). Resize,
        crop, channel order, mean and scale are those of the weights' record, else of the data layer. UserError for
        files that are no pictures, and for nets that do not take pictures.

        >>> net = cl.open("squeezenet1.1")
        >>> net.preprocess(["photos/red/0.png", "photos/blue/1.png"]).shape
        torch.Size([2, 3, 227, 227])
        """
        return net_data.preprocess(self, pictures)

    def batches(self, *, count: int | None = None, seed: int = 0, workers: int = 0) -> Iterator[dict[str, Tensor]]:
        """Batches of the net's own data layers as dicts by blob, on the net's device: ``net.loss(**batch)``.

        ``count`` is how many batches are given, of the ``batch_size`` in the file; by default one pass over the data.
        In TEST they come in order, in TRAIN as a training with random seed ``seed`` sees them. ``workers`` processes
        load data. UserError for a net without data layers, or whose data
        cannot be read.

        >>> net = cl.open("mine/train_val.prototxt", weights="mine/start.caffemodel")
        >>> [tuple(batch["data"].shape) for batch in net.batches()]
        [(3, 3, 64, 64)]
        """
        return net_data.batches(self, count, seed, workers)

    # -- rewriting

    def rewritten(self, steps: Sequence[Any], head: str | None = None) -> Net:
        """A new net: this one after the passes ``steps`` (see ``caffelungo.passes``), weights moved along.

        Layers that the weights lack start from their fillers. This net stays as it is. ``passes.base.Refusal``, a
        UserError, when a pass refuses.

        >>> from caffelungo.passes.base import step
        >>> from caffelungo.passes.freeze import FreezeOptions, freeze
        >>> frozen = cl.open("squeezenet1.1").rewritten([step(freeze, FreezeOptions(to="pool1"))])
        >>> frozen.conv1.weight.requires_grad
        False
        """
        return net_rewrite.rewritten(self, steps, head)

    grow = net_growth.grow
    rewrite = net_growth.rewrite

    def diff(self, other: NetModule | Name | None = None) -> Text:
        """How this net's text differs from that of ``other``, a net or a file, as a unified diff.

        Without ``other``: from the net that it was rewritten from.

        >>> grown = cl.open("squeezenet1.1").grow(widen={"fire9/concat": 8})
        >>> [line for line in grown.diff().splitlines() if line.startswith("+") and "num_output: 8" in line]
        ['+    num_output: 8']
        """
        return net_rewrite.diff(self, other)

    # -- files

    def weights(self) -> Weights:
        """All blobs as float32 arrays by layer, with the record of preprocessing and labels: what ``save`` writes.

        >>> weights = cl.open("squeezenet1.1").weights()
        >>> [blob.shape for blob in weights.layers["conv1"]]
        [(64, 3, 3, 3), (64,)]
        """
        return net_files.weights(self)

    def load(self, weights: Name | Sequence[Name] | Weights) -> Net:
        """Copy ``weights`` (files, ``torchvision:NAME`` or another net's ``weights()``) into the layers of their names.

        Layers that they lack stay as they are. UserError with every mismatch, and nothing is copied then.

        >>> net = cl.open("squeezenet1.1", weights="none")
        >>> net = net.load(cl.open("squeezenet1.1").weights())
        """
        net_files.load(self, weights)
        return self

    def save(self, net: Name | None = None, weights: Name | None = None, *, overwrite: bool = False) -> list[str]:
        """Write the definition (.prototxt) and the weights (.caffemodel, .caffemodel.h5 or .safetensors).

        Data that the net names relative to its file are named by full paths where the new file is in another folder.
        Returns the paths written. UserError, and nothing is written, when a file exists and ``overwrite`` is False.

        >>> grown = cl.open("squeezenet1.1").grow(widen={"fire9/concat": 8})
        >>> grown.save("saved.prototxt", "saved.caffemodel")
        ['saved.prototxt', 'saved.caffemodel']
        """
        return net_files.save(self, net, weights, overwrite)

    def export(self, output: Name, **options: Any) -> Any:
        """Write one ONNX file and prove that it gives the same answers; ``options`` and result as of ``cl.export``.

        >>> exported = cl.open("squeezenet1.1").export("squeezenet.onnx", size=64)
        >>> exported.path
        'squeezenet.onnx'
        """
        from caffelungo.api.verbs.export import export

        return public(export)(self, output=output, **options)

    def draw(self) -> Any:
        """The net as a matplotlib figure; of a rewritten net the new and the changed layers are in colour.

        >>> cl.open("squeezenet1.1").grow(widen={"fire9/concat": 8}).draw().axes != []
        True
        """
        return net_tables.draw(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Net:
        copy = Net(self.definition, self.weights(), sources=self.sources, seed=self.seed, origin=self.origin)
        memo[id(self)] = copy
        for old, new in zip(self.parameters(), copy.parameters(), strict=True):
            new.data = old.detach().clone()
            new.requires_grad_(old.requires_grad)
        copy.weights_from, copy.fresh = self.weights_from, self.fresh
        return copy.train(self.training)

    def __reduce__(self) -> tuple[Any, ...]:
        return net_pickle.restored, (net_pickle.kept(self),)

    def __repr__(self) -> str:
        return net_tables.text(self)

    def _repr_html_(self) -> str:
        return net_tables.page(self)
