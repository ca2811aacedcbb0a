"""Bounds the service's log: repeated lines, as under attack, are counted and omitted."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator

LINES, SECONDS = 20, 60.0


class RateLimit(logging.Filter):
    """``lines`` records in ``seconds``; the first of the next period says how many were left out."""

    def __init__(self, lines: int = LINES, seconds: float = SECONDS) -> None:
        super().__init__()
        self._lines, self._seconds = lines, seconds
        self._since, self._seen = -seconds, 0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._since >= self._seconds:
            left_out = self._seen - self._lines
            self._since, self._seen = now, 0
            if left_out > 0:
                record.msg = f"({left_out} further lines were left out) {record.msg}"
        self._seen += 1
        return self._seen <= self._lines


@contextlib.contextmanager
def rate_limited() -> Iterator[None]:
    """All loggers of the process write to the standard error within the limit."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(RateLimit())
    # A client's damaged form is answered with what is wrong; the parser's own lines add nothing to that.
    forms = logging.getLogger("python_multipart")
    level = forms.level
    forms.setLevel(logging.CRITICAL + 1)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        forms.setLevel(level)
