"""A template to text: in this process, or, where its time and memory cannot be counted here, in a separate one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caffelungo.definition import template
from caffelungo.definition.sandbox import Unusual
from caffelungo.definition.template import Rendered


def render(source: str, file: str, variables: Mapping[str, Any]) -> Rendered:
    """The template ``source`` of ``file`` rendered with ``variables``.

    Raises UserError for a syntax error, a variable that is missing or that the template does not use, anything that
    goes wrong while rendering, and a template that asks for too much time or text, each with the template's line.
    """
    try:
        return template.render_here(source, file, variables)
    except Unusual:
        from caffelungo.definition import template_process  # few templates need it

        return template_process.render_in_process(source, file, variables)
