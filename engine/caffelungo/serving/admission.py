"""Limits the pictures and bytes in progress; requests beyond the limit are refused at once."""

from __future__ import annotations

from caffelungo.serving.failures import Refused, refused

BODIES = 8
"""Bodies of the largest size that may be held at once."""


class Admission:
    """Counts slots (a picture each) and bytes. Used on the event loop alone, so it needs no lock.

    ``visits`` are the requests at hand, those included that wait for their body. ``rate`` is how many pictures a second
    the net has lately answered; it says when to come again.
    """

    def __init__(self, slots: int, max_bytes: int) -> None:
        self.slots, self.bytes = slots, BODIES * max_bytes
        self.taken = self.held = self.visits = 0
        self.rate = 0.0

    def visit(self) -> Visit:
        """A context that gives back all that was taken in it."""
        return Visit(self)

    def full(self, what: str, received: str) -> Refused:
        """A 503 with the time after which the waiting pictures should be done."""
        seconds = min(60, max(1, round(self.taken / self.rate + 0.5))) if self.rate > 0 else 1
        return refused(
            503, what, received, f"try again in {seconds} s", reason="overload", headers={"Retry-After": str(seconds)}
        )


class Visit:
    """What one request holds."""

    def __init__(self, house: Admission) -> None:
        self._house, self._slots, self._bytes = house, 0, 0

    def ask(self, count: int) -> int:
        """How many slots are missing to ``count``; Refused when fewer are free. Holds none."""
        house, more = self._house, count - self._slots
        if house.taken + more > house.slots:
            raise house.full("the service is busy", f"{house.taken} of {house.slots} places are in use")
        return more

    def slots(self, count: int) -> None:
        """Hold ``count`` slots altogether; Refused when fewer are free."""
        more = self.ask(count)
        self._house.taken += more
        self._slots += more

    def bytes(self, more: int) -> None:
        """Hold ``more`` bytes; Refused when the bodies at hand are too many."""
        house = self._house
        if house.held + more > house.bytes:
            raise house.full("the service is busy", f"{house.held} bytes of pictures are being received")
        house.held += more
        self._bytes += more

    def __enter__(self) -> Visit:
        self._house.visits += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._house.visits -= 1
        self._house.taken -= self._slots
        self._house.held -= self._bytes
        self._slots = self._bytes = 0
