"""The page at `/`: one file, nothing loaded from elsewhere, and no script but its own may run."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

HTML = Path(__file__).with_name("page.html").read_text("utf-8")


def _hash(tag: str) -> str:
    """The part between ``<tag>`` and ``</tag>`` as a Content-Security-Policy names it."""
    found = re.search(rf"<{tag}>(.*?)</{tag}>", HTML, re.DOTALL)
    assert found is not None
    return "'sha256-" + base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode() + "'"


HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hash('script')}; style-src {_hash('style')}; img-src data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
