"""No message that a Python user gets speaks of the command line's options: every text of the engine, translated."""

from __future__ import annotations

import re
from functools import cache

import pytest

import caffelungo as cl
from caffelungo.api.public_call import vocabulary
from caffelungo.api.python_words import received, reworded, translated
from caffelungo.errors import Problem, RunError, UserError
from tests.cli.test_remedies import COMMAND, ENGINE, FLAG, OTHERS, texts


@cache
def engine_texts() -> list[str]:
    """Every text of the rooms that names an option or a command, placeholders filled."""
    found = {}
    for path in sorted(ENGINE.rglob("*.py")):
        if path.relative_to(ENGINE).parts[0] != "cli":
            for text in texts(path.read_text()):
                if (FLAG.search(text) or COMMAND.search(text)) and not OTHERS.search(text) and "\\b" not in text:
                    found[text] = None
                    found[text.replace("{}", "fc8")] = None
                    found[text.replace("{}", "a/b.prototxt")] = None
    return list(found)


def test_no_option_and_no_command_is_left_in_any_text() -> None:
    found = engine_texts()
    assert len(found) > 300
    for text in found:
        for said in (translated(text, vocabulary()), received(text, vocabulary())):
            assert not FLAG.search(said), (text, said)
            assert not re.search(rf"(?<![\w/])lungo ({'|'.join(cl._VERBS)})\b", said), (text, said)


def test_what_is_translated_stays_as_it_is() -> None:
    for text in engine_texts():
        once = translated(text, vocabulary())
        assert translated(once, vocabulary()) == once


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name them: --weights net.caffemodel", 'name them: weights="net.caffemodel"'),
        ("weights go to --weights; name the file here", "weights go to `weights=`; name the file here"),
        ("name another file, or add --overwrite", "name another file, or add overwrite=True"),
        ("remove --keep-head", "remove `keep_head=`"),
        ("write --no-preprocess, or end", "write preprocess=False, or end"),
        ("write --mean 104,117,123 (blue)", 'write mean="104,117,123" (blue)'),
        ("write --scale 20, or the norm", "write scale=20, or the norm"),
        ("did you mean --groups plants?", 'did you mean groups="plants"?'),
        ("write --set NAME=VALUE", 'write set={"NAME": "VALUE"}'),
        ("add --set-solver max_iter=4", 'add set_solver={"max_iter": 4}'),
        ("--head and --data test an old one", "`head=` and `data=` test an old one"),
        ("--threads must be from 1 to 8", "`threads=` must be from 1 to 8"),
        ("`lungo nets` lists the names", "`cl.nets()` lists the names"),
        ("make it with `lungo export`, or", "make it with `cl.export`, or"),
        ("`lungo grow -h` lists the options", "`help(cl.grow)` lists the options"),
        ("lungo grow NET --task birds/ -o mine2/", 'cl.grow("NET", task="birds/", output="mine2/")'),
        ("use `lungo rewrite --cast all --size N`, which", 'use `cl.rewrite(cast="all", size=N)`, which'),
        ("another with --port (0 for any)", "another with `port=` (0 for any)"),
        ("a - b, --, x--y and 3 - -4", "a - b, --, x--y and 3 - -4"),
    ],
)
def test_texts_as_python_says_them(text: str, wanted: str) -> None:
    assert translated(text, vocabulary()) == wanted


def test_all_after_a_name_is_what_was_received() -> None:
    words = vocabulary()
    assert received("--scale a b c", words) == 'scale="a b c"'
    assert received("--scale 3 --widen fc7:x", words) == 'scale=3 widen="fc7:x"'
    assert received("--weights 'x y.caffemodel'", words) == 'weights="x y.caffemodel"'


def test_an_error_keeps_its_class_and_what_it_carries() -> None:
    error = UserError([Problem("--size is wrong", None, "--size 0", "write --size 3", table="a --table")])
    reworded(error, vocabulary())
    (problem,) = error.problems
    assert (problem.what, problem.received, problem.remedy) == ("`size=` is wrong", "size=0", "write size=3")
    assert "--size" not in str(error)
    failed = RunError("no memory\n  to do: use a smaller --batch-size")
    reworded(failed, vocabulary())
    assert str(failed) == "no memory\n  to do: use a smaller `batch_size=`"


def test_messages_of_functions_speak_so() -> None:
    with pytest.raises(cl.UserError, match="`threads=` must be from 1") as caught:
        cl.train("absent.prototxt", threads=-1)
    assert caught.value.problems[0].received == "threads=-1"
    with pytest.raises(cl.UserError, match=r"`cl.nets\(\)` lists the names"):
        cl.open("squeeznet")
