"""A short form of `python -m benchmarks.serving_attack`, and the names that clients may send."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest

from benchmarks.serving_attack import CHARSETS, attacked, request
from caffelungo.serving.logs import RateLimit
from tests.serving.running import Running
from tests.serving.test_bad_requests import PNG


def test_good_clients_are_served_beside_bad_ones(start: Callable[..., Running]) -> None:
    service = start()
    good = [request(PNG, "image/png")]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        # In this process the attack's own bodies would count as the service's memory.
        found = pool.submit(attacked, service.port, os.getpid(), good, 3, 4, 12).result()
    assert found.problems(health=9) == []  # seconds are measured by the benchmark; 10 would be no answer
    assert found.records["forms"].answers
    assert service.service.admission.taken == service.service.admission.visits == 0


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("name", [b"\\ud800.png", b"\xed\xa0\x80.png", b"a.png"])
def test_the_charset_of_a_form_is_not_asked_for(start: Callable[..., Running], charset: str, name: bytes) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="a"; filename="%s"\r\n\r\n%s\r\n--b--\r\n' % (name, PNG)
    status, _, answer = start().post("/classify", body, f"multipart/form-data; boundary=b; charset={charset}")
    assert status == 200, answer
    assert len(answer["predictions"]) == 1


@pytest.mark.parametrize("boundary", ["", '""', "é", "b" * 71, '"b\\"c"'])
def test_a_boundary_that_is_none(start: Callable[..., Running], boundary: str) -> None:
    kind = f"multipart/form-data; boundary={boundary}".encode().decode("latin-1")
    status, _, answer = start().post("/classify", b"--b\r\n\r\n--b--", kind)
    assert status == 400
    assert "damaged" in answer["what"]


def test_half_a_surrogate_pair_in_json(start: Callable[..., Running]) -> None:
    body = json.dumps({"image": "AA==", "top": "\ud800"}).encode()
    status, _, answer = start().post("/classify", body, "application/json")
    assert status == 400
    assert "ud800" in answer["received"]


def test_a_log_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("caffelungo.serving.logs.time.monotonic", lambda: now)
    limit, written = RateLimit(lines=3, seconds=10), []
    for second in (0.0, 5.0, 11.0):
        now = second
        for _ in range(100):
            record = logging.LogRecord("x", logging.WARNING, "", 0, "again", (), None)
            if limit.filter(record):
                written.append(record.getMessage())
    assert written == ["again"] * 3 + ["(197 further lines were left out) again", "again", "again"]
