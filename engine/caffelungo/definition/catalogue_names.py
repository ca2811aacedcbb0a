"""The names of the nets that come with Caffelungo, by themselves: a shell that completes one loads nothing else."""

from __future__ import annotations

from typing import Any

NETS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "lenet": ("lenet", "", {}),
    "cifar10_quick": ("cifar10", "quick_", {}),
    "cifar10_full": ("cifar10", "full_", {}),
    "caffenet": ("caffenet", "", {}),
    "alexnet": ("alexnet", "", {}),
    "vgg16": ("vgg", "", {"depth": 16}),
    "vgg19": ("vgg", "", {"depth": 19}),
    "googlenet": ("googlenet", "", {}),
    "resnet18": ("resnet", "", {"depth": 18}),
    "resnet34": ("resnet", "", {"depth": 34}),
    "resnet50": ("resnet", "", {"depth": 50}),
    "resnet101": ("resnet", "", {"depth": 101}),
    "resnet152": ("resnet", "", {"depth": 152}),
    "squeezenet1.0": ("squeezenet", "", {"version": "1.0"}),
    "squeezenet1.1": ("squeezenet", "", {"version": "1.1"}),
    "mobilenet": ("mobilenet", "", {}),
}
"""Name -> family (a folder of ``nets/``), prefix of its plain files, variables of its template."""
