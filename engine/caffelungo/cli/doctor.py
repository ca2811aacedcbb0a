"""`lungo doctor`."""

from __future__ import annotations

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def doctor() -> VerbResult:
    """Test this machine: PyTorch and ONNX Runtime each compute a convolution on each device.

    Example: [bold]lungo doctor[/]
    """
    from caffelungo.inference.doctor import BAD, judge, render
    from caffelungo.inference.machine_facts import examine

    with o.working("testing this machine") as status:
        facts = examine(status.update)
    findings = judge(facts)
    typer.echo(render(findings))
    return VerbResult({"facts": facts, "findings": findings}, int(any(one.state == BAD for one in findings)))
