"""Templates: what they render to, and where their mistakes are."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.definition import reader, template
from caffelungo.errors import UserError
from tests.support import ASSETS, REPOSITORY

NEEDY = ASSETS / "invalid" / "template.prototxt.j2"


def _template(folder: Path, text: str) -> Path:
    path = folder / "net.prototxt.j2"
    path.write_text(text)
    return path


def _problem(path: Path, **variables: object) -> tuple[str, str, str]:
    with pytest.raises(UserError) as caught:
        reader.read_net(path, variables)
    problem = caught.value.problems[0]
    return str(problem.where).removeprefix(str(path)), problem.what, f"{problem.received} / {problem.remedy}"


def test_variables_are_read_from_the_command_line() -> None:
    given = ["depth=50", "lr=1e-3", "deploy=true", "Name=x=y", "version=1.1", "empty=", "no=False"]
    assert template.parse_variables(given) == {
        "depth": 50, "lr": 0.001, "deploy": True, "Name": "x=y", "version": 1.1, "empty": "", "no": False,
    }  # fmt: skip
    with pytest.raises(UserError) as caught:
        template.parse_variables(["depth", "1x=2", "ok=1"])
    assert [problem.received for problem in caught.value.problems] == ["depth", "1x=2"]


def test_a_missing_variable_is_told_with_all_that_are_missing() -> None:
    assert _problem(NEEDY) == (
        ":6",
        "the template needs the variables `classes`, `width`",
        "no variables / add --set classes=VALUE --set width=VALUE",
    )
    assert _problem(NEEDY, width=3)[1:] == (
        "the template needs the variable `classes`",
        "width=3 / add --set classes=VALUE",
    )
    settings = template.parse_variables(["classes=7", "width=3"])
    assert reader.read_net(NEEDY, settings).message.layer[0].inner_product_param.num_output == 7


def test_a_variable_that_the_template_does_not_use_is_refused() -> None:
    _, what, rest = _problem(NEEDY, width=1, clases=10)
    assert what == "the template has no variable `clases`"
    assert rest == "clases=10 / did you mean `classes`? (its variables are classes, width)"


def test_what_a_template_wants(tmp_path: Path) -> None:
    (tmp_path / "part.j2").write_text('layer { name: "{{ part }}" }\n')
    path = _template(tmp_path, "{% set a = a | default(1) %}{{ a }}{{ b }}{% if c is defined %}{{ c }}{% endif %}"
                               '{% include "part.j2" %}{% for i in range(2) %}{{ i }}{% endfor %}')  # fmt: skip
    assert template.wanted_variables(path.read_text(), str(path)) == {"a": False, "b": True, "c": False, "part": True}


@pytest.mark.parametrize(
    ("text", "line", "received"),
    [
        ('name: "x"\n{% if %}\n', ":2", "Expected an expression"),
        ('name: "x"\n\n{{ 1 / 0 }}\n', ":3", "ZeroDivisionError"),
        ("{% set x = {1: 2}[3] %}\n\n{{ x }}\n", ":3", "has no element 3"),
        ("\n{{ ''.__class__.__mro__ }}\n", ":2", "unsafe"),
        ("\n{{ [].append(1) }}\n", ":2", "unsafe"),
        ("{% for i in range(1000000000) %}x{% endfor %}", ":1", "Range too big"),
        ('{% include "../secret" %}', ":1", "TemplateNotFound"),
        ("{% macro m(a) %}\n{{ a.b.c }}\n{% endmacro %}\n{{ m(1) }}\n", ":2", "has no attribute"),
    ],
)
def test_a_mistake_in_a_template_has_its_line(text: str, line: str, received: str, tmp_path: Path) -> None:
    where, _, rest = _problem(_template(tmp_path, text))
    assert where == line
    assert received in rest


def test_a_mistake_in_the_rendered_text_has_the_templates_line(tmp_path: Path) -> None:
    text = (
        "{% set kernels = [3, 'x'] %}\n{% macro conv(name, size) %}\nlayer {\n  name: \"{{ name }}\"\n"
        '  convolution_param { kernel_size: {{ size }} }\n{% if size == 3 %}\n  typ: "Convolution"\n{% endif %}\n}\n'
        "{% endmacro %}\n{% for size in kernels %}\n{{ conv(loop.index, size) }}\n{% endfor %}\n"
    )
    path = _template(tmp_path, text)
    with pytest.raises(UserError) as caught:
        reader.read_net(path)
    found = [problem.where for problem in caught.value.problems if problem.where]
    places = [(str(where).removeprefix(str(path)), where.text) for where in found]
    assert places == [(":7:3", '  typ: "Convolution"'), (":5", "  convolution_param { kernel_size: {{ size }} }")]


def test_a_place_in_the_message_is_a_line_of_the_template_or_of_what_it_includes(tmp_path: Path) -> None:
    part = tmp_path / "part.j2"
    part.write_text('{# a part #}\nlayer { name: "p" }\n')
    path = _template(
        tmp_path, '{% if true %}\nname: "n"\n{% endif %}\n{% include "part.j2" %}\nlayer {\n  name: "q"\n}\n'
    )
    definition = reader.read_net(path)
    assert [str(definition.where(*place)) for place in (("name",), ("layer", 0, "name"), ("layer", 1, "name"))] == [
        f"{path}:2:7", f"{part}:2:15", f"{path}:6:9",
    ]  # fmt: skip


def test_a_plain_file_is_a_template_when_variables_are_given(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text('name: "{{ title }}"\nlayer { name: "x" }\n')
    definition = reader.read_net(path, {"title": "y"})
    assert definition.message.name == "y"
    assert definition.origin == "template"
    assert definition.variables == {"title": "y"}
    assert reader.read_net(path).message.name == "{{ title }}"


@pytest.mark.parametrize(
    "path", sorted(REPOSITORY.glob("nets/*/*.j2")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_every_template_of_ours_reads_without_variables(path: Path) -> None:
    definition = reader.read_solver(path) if "solver" in path.name else reader.read_net(path)
    assert definition.origin == "template"
    assert "{" not in definition.message.net if "solver" in path.name else definition.message.layer


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n", "\n\r", "\r\r\n"])
def test_a_mistake_is_placed_whatever_ends_the_lines(end: str, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt.j2"
    path.write_bytes(
        end.join(['{% set a = 3 %}name: "n"', "{% for i in range(2) %}", "nme: 1", "{% endfor %}"]).encode()
    )
    with pytest.raises(UserError, match="nme") as caught:
        reader.read_net(path)
    where = caught.value.problems[0].where
    assert where is not None
    assert where.text == "nme: 1"
    assert where.line == 1 + 2 * len({"\n\r": "ab", "\r\r\n": "ab"}.get(end, "a"))
