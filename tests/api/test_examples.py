"""The examples in the docstrings of the public names do what they say."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path
from typing import Any

import pytest

import caffelungo as cl


def examples() -> list[doctest.DocTest]:
    """Those of the public functions, and of the public classes and their methods."""
    finder = doctest.DocTestFinder(recurse=False, exclude_empty=True)
    found: list[doctest.DocTest] = []
    for name in sorted(cl.__all__):
        one = getattr(cl, name)
        documented: list[tuple[str, Any]] = [(name, one)]
        if inspect.isclass(one) and one.__module__.startswith("caffelungo.api"):
            documented += [(f"{name}.{key}", member) for key, member in vars(one).items() if not key.startswith("_")]
        for title, thing in documented:
            if inspect.isclass(thing) or inspect.isfunction(thing) or isinstance(thing, property):
                found += [test for test in finder.find(thing, title, globs={"cl": cl}) if test.examples]
    return found


@pytest.mark.parametrize("example", examples(), ids=lambda one: one.name)
def test_the_example_does_what_it_says(example: doctest.DocTest, work: Path) -> None:
    said: list[str] = []
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    # The message of an error is looked at by tests of their own; here its kind.
    done = doctest.DocTestRunner(verbose=False, optionflags=flags).run(example, out=said.append, clear_globs=False)
    assert done.failed == 0, "".join(said)
    assert done.attempted > 0
