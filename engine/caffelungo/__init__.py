"""Caffelungo: Caffe's way of fine-tuning vision networks, on PyTorch, with ONNX as the way out.

    import caffelungo as cl

    net = cl.open("squeezenet1.1")
    grown = net.grow(widen={"fire9/concat": 64})

The names in ``__all__`` are the public interface; docs/python.md introduces them. They are loaded on first use, so that
importing the package is quick and does not import PyTorch. Where a function and a sub-package have one name
(``check``, ``features``, ``layers``, ``verify``), ``caffelungo.NAME`` is the function, and the sub-package's modules
are imported from ``caffelungo.NAME.MODULE``.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from caffelungo import wiring as _wiring  # noqa: F401
from caffelungo.version import __version__ as __version__

if TYPE_CHECKING:
    from caffelungo.api.net import Net as Net
    from caffelungo.api.open import open as open
    from caffelungo.api.verb_report import DataTable as DataTable
    from caffelungo.api.verb_report import Text as Text
    from caffelungo.api.verb_report import VerbReport as VerbReport
    from caffelungo.api.verbs.advise import advise as advise
    from caffelungo.api.verbs.bench import bench as bench
    from caffelungo.api.verbs.check import check as check
    from caffelungo.api.verbs.classify import classify as classify
    from caffelungo.api.verbs.compare import compare as compare
    from caffelungo.api.verbs.compute_image_mean import compute_image_mean as compute_image_mean
    from caffelungo.api.verbs.convert import convert as convert
    from caffelungo.api.verbs.convert_imageset import convert_imageset as convert_imageset
    from caffelungo.api.verbs.demo import demo as demo
    from caffelungo.api.verbs.diff import diff as diff
    from caffelungo.api.verbs.doctor import doctor as doctor
    from caffelungo.api.verbs.export import export as export
    from caffelungo.api.verbs.extract_features import extract_features as extract_features
    from caffelungo.api.verbs.features import features as features
    from caffelungo.api.verbs.finetune import finetune as finetune
    from caffelungo.api.verbs.grow import grow as grow
    from caffelungo.api.verbs.infer import infer as infer
    from caffelungo.api.verbs.init import init as init
    from caffelungo.api.verbs.inspect import inspect as inspect
    from caffelungo.api.verbs.layers import layers as layers
    from caffelungo.api.verbs.nets import nets as nets
    from caffelungo.api.verbs.probe import probe as probe
    from caffelungo.api.verbs.rewrite import rewrite as rewrite
    from caffelungo.api.verbs.serve import serve as serve
    from caffelungo.api.verbs.test import test as test
    from caffelungo.api.verbs.time import time as time
    from caffelungo.api.verbs.train import train as train
    from caffelungo.api.verbs.triton import triton as triton
    from caffelungo.api.verbs.upgrade_net_proto_text import upgrade_net_proto_text as upgrade_net_proto_text
    from caffelungo.api.verbs.upgrade_solver_proto_text import upgrade_solver_proto_text as upgrade_solver_proto_text
    from caffelungo.api.verbs.verify import verify as verify
    from caffelungo.errors import LungoError as LungoError
    from caffelungo.errors import Problem as Problem
    from caffelungo.errors import RunError as RunError
    from caffelungo.errors import UserError as UserError
    from caffelungo.solve.observer import Observer as Observer

_HOMES = {
    "DataTable": "api.verb_report", "LungoError": "errors", "Net": "api.net", "Observer": "solve.observer",
    "Problem": "errors", "RunError": "errors", "Text": "api.verb_report", "UserError": "errors",
    "VerbReport": "api.verb_report", "open": "api.open",
}  # fmt: skip
"""Where a public name that is no verb is defined; a verb is in the file of its name."""
_VERBS = (
    "advise", "bench", "check", "classify", "compare", "compute_image_mean", "convert", "convert_imageset", "demo",
    "diff", "doctor", "export", "extract_features", "features", "finetune", "grow", "infer", "init", "inspect",
    "layers", "nets", "probe", "rewrite", "serve", "test", "time", "train", "triton", "upgrade_net_proto_text",
    "upgrade_solver_proto_text", "verify",
)  # fmt: skip

__all__ = [*_HOMES, "__version__", *_VERBS]


def __getattr__(name: str) -> Any:
    """A public name, imported from its home on first use."""
    if name not in _HOMES and name not in _VERBS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES.get(name, f'api.verbs.{name}')}")
    found = getattr(home, name)
    if name in _VERBS or name == "open":
        from caffelungo.api.public_call import public

        found = public(found)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(types.ModuleType):
    """This module: importing a sub-package that is called as a verb does not put it into the function's place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _VERBS or not isinstance(value, types.ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
