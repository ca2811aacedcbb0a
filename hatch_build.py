"""Puts the schemas, nets, solvers and examples into the wheel; an editable install reads them from the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Assets(BuildHookInterface):
    """Adds the asset folders to a wheel that is not editable."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            for folder in ("proto", "nets", "solvers", "examples"):
                build_data["force_include"][str(Path(self.root) / folder)] = f"caffelungo/_assets/{folder}"
