"""The nets that come with Caffelungo, by name: where their files are, and plain copies of them. No torch.

find("resnet50").train_val        ->  nets/resnet/resnet.prototxt.j2, with the variables {"depth": 50}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffelungo import files, resources
from caffelungo.definition import reader
from caffelungo.definition.catalogue_names import NETS
from caffelungo.definition.template import wanted_variables
from caffelungo.errors import UserError, did_you_mean

TEMPLATE = ".prototxt.j2"


@dataclass(frozen=True)
class CatalogueNet:
    """One net of the catalogue. Of a family that is one template, ``train_val`` and ``deploy`` are the same file."""

    name: str
    family: str
    train_val: Path
    deploy: Path
    solver: Path
    variables: Mapping[str, Any] = field(default_factory=dict)
    """What to render ``train_val`` with; empty for plain files."""

    @property
    def is_template(self) -> bool:
        return self.train_val.name.endswith(TEMPLATE)

    @property
    def deploy_variables(self) -> dict[str, Any]:
        """What to render ``deploy`` with."""
        return {**self.variables, "deploy": True} if self.is_template else {}

    @property
    def solver_variables(self) -> dict[str, Any]:
        """Those of ``variables`` that the solver's file knows too."""
        if not self.solver.name.endswith(".j2"):
            return {}
        known = wanted_variables(self.solver.read_text("utf-8"), str(self.solver))
        return {name: value for name, value in self.variables.items() if name in known}

    @property
    def card(self) -> str:
        """The text of the README beside the files: source, published accuracy, commands, what to change."""
        return (self.train_val.parent / "README.md").read_text("utf-8")

    @property
    def weights(self) -> Path | None:
        """Weights that come with this net, or None."""
        version = self.variables.get("version")
        candidate = self.train_val.parent / f"{self.family}_v{version}.caffemodel"
        return candidate if candidate.is_file() else None

    @property
    def summary(self) -> str:
        """The first sentence of the definition's opening comment."""
        lines = []
        for line in self.train_val.read_text("utf-8").splitlines():
            text = line.removeprefix("#").strip()
            if not line.startswith("#") or not text:
                break
            lines.append(text)
        return " ".join(lines)


def names() -> list[str]:
    """Every net by name."""
    return list(NETS)


def families() -> dict[str, list[CatalogueNet]]:
    """Family -> its nets."""
    result: dict[str, list[CatalogueNet]] = {}
    for name in NETS:
        net = find(name)
        result.setdefault(net.family, []).append(net)
    return result


def overview() -> str:
    """All nets for people: names, one sentence each family, and what to do with them."""
    by_summary: dict[str, list[CatalogueNet]] = {}
    for name in NETS:
        by_summary.setdefault(find(name).summary, []).append(find(name))
    lines = []
    for summary, nets in by_summary.items():
        lines.append(" ".join(net.name for net in nets))
        lines.append(f"    {summary}")
        lines += [f"    Weights for {net.name} are here: {net.weights}" for net in nets if net.weights]
    lines += ["", "lungo nets show NAME: its card.  lungo nets copy NAME -o FOLDER: copies it to edit."]
    return "\n".join(lines)


def find(name: str) -> CatalogueNet:
    """The net called ``name``; UserError with the nearest name when there is none."""
    if name not in NETS:
        near = did_you_mean(name, NETS)
        raise UserError(
            "no net of this name ships with Caffelungo",
            received=name,
            remedy=(f"did you mean `{near}`? " if near else "") + f"There are {', '.join(NETS)}",
        )
    family, prefix, variables = NETS[name]
    folder = resources.folder("nets") / family
    template = folder / f"{family}{TEMPLATE}"
    if template.is_file():
        return CatalogueNet(name, family, template, template, folder / f"solver{TEMPLATE}", variables)
    train_val, deploy, solver = (folder / f"{prefix}{part}.prototxt" for part in ("train_val", "deploy", "solver"))
    return CatalogueNet(name, family, train_val, deploy, solver, variables)


def resolve(net: str | Path, variables: Mapping[str, Any] | None = None) -> tuple[Path, dict[str, Any]]:
    """A NET argument as a file to read and its variables: a path if there is such a file, else a catalogue's name.

    ``variables`` go over those of the catalogue. Raises UserError when it is neither.
    """
    path = Path(net)
    if path.is_file():
        return path, dict(variables or {})
    if str(net) in NETS:
        found = find(str(net))
        return found.train_val, {**found.variables, **(variables or {})}
    near = did_you_mean(str(net), NETS)
    raise UserError(
        "there is no such file, and no net of this name ships with Caffelungo",
        received=str(path.absolute()),
        remedy=(f"did you mean `{near}`? " if near else "correct the path; ") + "`lungo nets` lists the names",
    )


def weights_with(net: str | Path, variables: Mapping[str, Any] | None = None) -> str | None:
    """The weights that come with a NET argument; None for a file, and where ``variables`` make it another net."""
    if Path(net).is_file():
        return None
    found, given = find(str(net)), variables or {}
    version = found.variables.get("version")
    if given.get("variant") or str(given.get("version", version)) != str(version):
        return None
    return None if found.weights is None else str(found.weights)


def copy(name: str, destination: str | Path, variables: Mapping[str, Any] | None = None) -> list[Path]:
    """Write the files of net ``name`` into the folder ``destination`` as plain prototxt, and its weights if it has any.

    A template is rendered with ``variables`` over the catalogue's, under a line that names both. Returns the files
    written. UserError, and nothing written, when one of them exists already.
    """
    net = find(name)
    given = dict(variables or {})
    texts: dict[str, str] = {}
    if net.is_template:
        texts["train_val.prototxt"] = reader.read_net(net.train_val, {**net.variables, **given}).text
        texts["deploy.prototxt"] = reader.read_net(net.deploy, {**net.deploy_variables, **given}).text
        solver = {**net.solver_variables, "net": "train_val.prototxt"}
        texts["solver.prototxt"] = reader.read_solver(net.solver, solver).text
    elif given:
        reader.read_net(net.train_val, given)  # raises: a plain file has no variables
    else:
        texts = {path.name: path.read_text("utf-8") for path in (net.train_val, net.deploy, net.solver)}
    contents = {file: text.encode() for file, text in texts.items()}
    if net.weights is not None:
        contents[net.weights.name] = net.weights.read_bytes()
    folder = Path(destination)
    existing = [str(folder / file) for file in contents if (folder / file).exists()]
    if existing:
        raise UserError(
            "these files exist already; nothing was copied",
            received=", ".join(existing),
            remedy="choose another folder, or move them",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        files.write_bytes(folder / file, content)
    return [folder / file for file in contents]
