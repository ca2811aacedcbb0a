"""What a template may ask for: all that a net can need, and no more."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from caffelungo.definition import rendering, sandbox, template, template_process
from caffelungo.errors import UserError
from tests.support import REPOSITORY

NETS = sorted((REPOSITORY / "nets").rglob("*.prototxt.j2")) + sorted((REPOSITORY / "solvers").rglob("*.prototxt.j2"))
DOUBLE = "{% set n = namespace(x=START) %}{% for i in range(40) %}{% set n.x = AGAIN %}{% endfor %}"


def doubled(start: str, again: str) -> str:
    return DOUBLE.replace("START", start).replace("AGAIN", again)


GREEDY = {
    "a loop in a loop": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "macros that call twice":
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "text times a number": "{{ 'a' * 4000000000 }}",
    "a list times a number": "{% set x = [1] * 4000000000 %}",
    "a text that doubles": doubled("'a'", "n.x ~ n.x"),
    "a text that is added": doubled("'a'", "n.x + n.x"),
    "a list that doubles": doubled("[1]", "[n.x, n.x]"),
    "a dict that doubles": doubled("1", "dict(a=n.x, b=n.x)"),
    "a block that doubles": (
        "{% set n = namespace(x='a') %}{% for i in range(40) %}"
        "{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}{% endfor %}"
    ),
    "a power": "{{ 9 ** 99999999 }}",
    "a number that squares": doubled("9", "n.x * n.x"),
    "many lines": "{% for a in range(99999) %}layer { name: 'x{{ a }}' }\n{% endfor %}",
}  # fmt: skip
APART = {
    "a filter's width": "{{ 'x'|center(3000000000) }}",
    "a method's width": "{{ 'x'.ljust(3000000000) }}",
    "a method by another name": "{% set f = 'x'.center %}{{ f(3000000000) }}",
    "a format": "{{ '%3000000000d' % 5 }}",
    "a format's filter": "{{ '%3000000000d'|format(5) }}",
    "bytes of a number": "{{ (5).to_bytes(3000000000, 'big') }}",
    "names in names": doubled("1", "namespace(a=n.x, b=n.x)") + "{{ n.x }}",
}  # fmt: skip


def refused(text: str, path: Path) -> str:
    with pytest.raises(UserError) as caught:
        rendering.render(text, str(path), {})
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].what == "the template exceeds the limits"
    return str(caught.value.problems[0].where)


@pytest.mark.parametrize("name", GREEDY)
def test_a_template_that_asks_for_too_much_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "MAX_SECONDS", 0.3)
    monkeypatch.setattr(template_process, "render_in_process", None)  # none of these needs a process
    begun = time.thread_time()
    path = tmp_path / "net.prototxt.j2"
    where = refused("\n" + GREEDY[name], path)
    assert time.thread_time() - begun < 3
    assert where in ((f"{path}:2",) if name != "many lines" else (f"{path}:2", str(path)))


@pytest.mark.skipif(os.name != "posix", reason="the system bounds processes otherwise")
def test_what_cannot_be_bounded_here_is_bounded_by_the_system(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt.j2"
    for text in APART.values():
        with pytest.raises(sandbox.Unusual):
            template.render_here(text, str(path), {})
    assert refused("\n" + APART["a filter's width"], path) == f"{path}:2"
    text = '{% include "a.txt" %}\n{{ "%03d"|format(n) }}\n{{ "x"|center(5) }}|'
    (tmp_path / "a.txt").write_text("one\ntwo")
    rendered = rendering.render(text, str(path), {"n": 7})
    assert rendered.text == "one\ntwo007\n  x  |"
    part = str(tmp_path / "a.txt")
    assert rendered.origins == [(part, 1), (part, 2), (str(path), 3)]
    with pytest.raises(UserError, match="needs the variable `n`"):
        rendering.render(text, str(path), {})


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the system bounds processes otherwise")
@pytest.mark.parametrize("name", APART)
def test_no_template_takes_more_than_seconds(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt.j2"
    assert refused("\n" + APART[name], path) in (f"{path}:2", str(path))  # one that is killed has no line


@pytest.mark.parametrize("path", NETS, ids=lambda path: path.name)
def test_our_templates_need_no_process_and_give_what_jinja_gives(path: Path) -> None:
    plain = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    text = path.read_text("utf-8")
    assert template.render_here(text, str(path), {}).text == plain.from_string(text).render()


@pytest.mark.parametrize(
    "text",
    [
        "{{ [1, 'a', (2.5, none), {'k': true}] }} {{ (1, 2)[0] }} {{ {'a': 1}.a }} {{ 'abc'[1:] }} {{ [1, 2] + [3] }}",
        "{% for a, b in [(1, 2), (3, 4)] %}{{ loop.index }}/{{ loop.length }}: {{ a * b }}{{ loop.cycle('x', 'y') }}"
        "{% endfor %}",
        "{% for x in [] %}{% else %}none{% endfor %} {{ 7 // 2 }} {{ 7 % 4 }} {{ -3 }} "
        "{{ 2 ** 10 }} {{ 1 / 4 }} {{ 'ab' * 3 }}",
        "{% macro m(a, b='z') %}[{{ a ~ b ~ 1 }}]{% endmacro %}{{ m('q') }}{{ m(1, b=2) }} {{ m('a') ~ m('b') }}",
        "{% set n = namespace(i=0) %}{% for x in 'a b c'.split() %}{% set n.i = n.i + 1 %}"
        "{{ x|upper }}{{ n.i }}{% endfor %}",
        "{% set b %}text {{ 1 + 1 }}{% endset %}{{ b|trim }} {{ [3, 1, 2]|max }} {{ '7'|int + 1 }} "
        "{{ none }} {{ 1 if true else 2 }}",
        "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }} {% endfor %}"
        "{{ x|default('none') }} {{ x is defined }}",
    ],
)  # fmt: skip
def test_what_is_counted_gives_what_jinja_gives(text: str, tmp_path: Path) -> None:
    expected = ImmutableSandboxedEnvironment().from_string(text).render()
    assert template.render_here(text, str(tmp_path / "net.prototxt.j2"), {}).text == expected


@pytest.mark.parametrize("inside", [True, False])
def test_a_link_is_included_only_where_it_ends_in_the_templates_folder(inside: bool, tmp_path: Path) -> None:
    folder = tmp_path / "nets"
    folder.mkdir()
    target = (folder if inside else tmp_path) / "other.txt"
    target.write_text('name: "x"\n')
    (folder / "link.txt").symlink_to(target)
    path, text = folder / "net.prototxt.j2", '\n{% include "link.txt" %}'
    if inside:
        assert rendering.render(text, str(path), {}).text == '\nname: "x"\n'
        return
    with pytest.raises(UserError, match="outside of the template's folder") as caught:
        rendering.render(text, str(path), {})
    assert str(caught.value.problems[0].where) == f"{path}:2"


def test_what_is_included_is_a_file_of_moderate_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    for name, said in (("pipe", "not a regular file"), ("large", "1099511627776 bytes")):
        with pytest.raises(UserError, match=said):
            rendering.render(f'{{% include "{name}" %}}', str(tmp_path / "net.prototxt.j2"), {})
