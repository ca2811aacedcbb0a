"""Texts that are no definition: refused in time that grows with their length, in words that do not."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from caffelungo.check import kinds
from caffelungo.definition.parser import parse
from caffelungo.definition.reader import parse_net, parse_solver
from caffelungo.definition.schema import NetParameter
from caffelungo.definition.tree import LineTable
from caffelungo.errors import Problem, UserError, did_you_mean

LENGTH = 60_000
SECONDS = 5.0
"""Far above what any of these takes (0.2 s), far below what a second look at every character takes (40 s)."""
REPEATED = [
    *"{}<>[]:,;\"'\\#-+9.a",
    "layer {", "foo {", "[{", "{[", "layer: [{", "{{", "{%", "{#", '"\\', "- ", "1e+1", "a\u200b",
    "ab ", "#\n", '"a" ', "name: 3 ", "layer { foo: 1 }\n", "\u201c", "\ufeff", "\udce9",
]  # fmt: skip
INSIDE = [
    ("layer { foo ", "{", ""), ("layer { ", "a", ": 1 }"), ("layer { pooling_param { pool: ", "A", " } }"),
    ('layer { pooling_param { pool: "', "A", '" } }'), ('name: "', "a", ""), ("force_backward: ", "T", ""),
    ('input: "a" input_dim: ', "9", ""), ("layer { pooling_param { pool: ", "9", " } }"), ("input_dim: 0x", "f", ""),
]  # fmt: skip


def seconds(run: Callable[[], object]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun


@pytest.mark.parametrize(
    ("before", "again", "behind"),
    [*(("", piece, "") for piece in REPEATED), *INSIDE],
    ids=lambda text: ascii(text)[:24],
)
def test_junk_is_refused_in_little_time_and_few_words(before: str, again: str, behind: str) -> None:
    text = before + again * (LENGTH // len(again)) + behind

    problems: list[Problem] = []

    def read() -> None:
        for reader in (parse_net, parse_solver):
            try:
                reader(text)
            except UserError as error:
                problems.extend(error.problems)
        kinds._top_fields(text)
        kinds._is_list(text)

    assert seconds(read) < SECONDS
    assert all(len(str(problem)) < 3000 for problem in problems)
    assert len(problems) <= 42


def test_a_wide_net_is_located_without_reading_it_again_and_again() -> None:
    text = "layer { } " * (LENGTH // 10)
    document = parse(text, NetParameter(), lines := LineTable("f", text))
    count = len(document.root.fields)

    def locate() -> None:
        for index in range(count):
            place = lines.locate(document.find(("layer", index)))
            assert (place.line, place.column) == (1, index * 10 + 1)

    assert seconds(locate) < SECONDS


def test_no_name_is_near_to_one_that_nobody_wrote() -> None:
    assert did_you_mean("kernel_sise", ["kernel_size"]) == "kernel_size"
    assert did_you_mean("kernel_size" * 1000, ["kernel_size" * 1000]) is None
