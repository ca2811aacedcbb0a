from __future__ import annotations

import pytest

from caffelungo.serving.admission import BODIES, Admission
from caffelungo.serving.failures import Refused


def test_places_are_given_back() -> None:
    house = Admission(3, 1000)
    with house.visit() as one, house.visit() as two:
        one.slots(1)
        one.slots(2)
        two.slots(1)
        assert house.taken == 3
        with house.visit() as three, pytest.raises(Refused) as caught:
            three.slots(1)
        assert house.taken == 3
    assert house.taken == 0
    assert caught.value.status == 503
    assert caught.value.headers == {"Retry-After": "1"}
    assert caught.value.body() == {"what": "the service is busy", "received": "3 of 3 places are in use",
                                   "remedy": "try again in 1 s"}  # fmt: skip


def test_bytes_are_bounded_over_all_requests() -> None:
    house = Admission(100, 10)
    with house.visit() as one:
        one.bytes(10 * BODIES - 1)
        with house.visit() as two:
            two.bytes(1)
            with pytest.raises(Refused, match="busy"):
                two.bytes(1)
        assert house.held == 10 * BODIES - 1
    assert house.held == 0


def test_when_to_come_again_follows_the_net() -> None:
    house = Admission(10, 1000)
    house.taken, house.rate = 10, 2.0
    assert house.full("", "").headers["Retry-After"] in ("5", "6")
    house.rate = 1e-9
    assert house.full("", "").headers["Retry-After"] == "60"
