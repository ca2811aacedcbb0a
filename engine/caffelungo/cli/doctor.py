"""`lungo doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o


def doctor(
    json_: Annotated[bool, typer.Option("--json", help="Print everything found as JSON.")] = False,
) -> int:
    """Test this machine: PyTorch and ONNX Runtime each compute a convolution on each device.

    Example: [bold]lungo doctor[/]
    """
    import json
    from dataclasses import asdict

    from caffelungo.inference.doctor import BAD, examine, judge, render

    with o.working("testing this machine") as status:
        facts = examine(status.update)
    findings = judge(facts)
    if json_:
        typer.echo(json.dumps({"facts": asdict(facts), "findings": [asdict(one) for one in findings]}, indent=2))
    else:
        typer.echo(render(findings))
    return int(any(one.state == BAD for one in findings))
