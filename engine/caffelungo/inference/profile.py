"""Where ONNX Runtime really ran each operator: read from its own profile, not from what the session was asked for."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from caffelungo import drafts
from caffelungo.errors import RunError


def nodes(profile: str | Path) -> list[tuple[str, str]]:
    """(operator, provider) of each node that ran, in order, of a profile that ``end_profiling`` named.

    RunError where the runtime could not write it whole.
    """
    try:
        events = json.loads(Path(profile).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"ONNX Runtime's profile cannot be read: {str(error)[:200]}\n"
            f"  to do: free space in {tempfile.gettempdir()}, or set TMPDIR to another folder"
        ) from error
    details = (event.get("args", {}) for event in events if str(event.get("name", "")).endswith("_kernel_time"))
    return [(one["op_name"], one["provider"]) for one in details if one.get("op_name") and one.get("provider")]


def providers(open_: Callable[[str], Any], feeds: Mapping[str, Any]) -> dict[str, int]:
    """Provider -> how many nodes of the optimized graph ran there for ``feeds``, the busiest first.

    ``open_`` makes a ``runtime.Session`` that writes its profile under the prefix it is given.
    """
    with drafts.scratch() as folder:
        session = open_(str(folder / "profile"))
        session.run(feeds)
        counts = Counter(provider for _, provider in nodes(session.raw.end_profiling()))
    return dict(counts.most_common())


def described(counts: Mapping[str, int]) -> str:
    """``38 nodes, all on CPUExecutionProvider``, for people."""
    if not counts:
        return "the profile names no node"
    first, *rest = counts
    if not rest:
        return f"{counts[first]} nodes, all on {first}"
    return f"{sum(counts.values())} nodes, " + ", ".join(f"{many} on {provider}" for provider, many in counts.items())
