"""What a page must be: well-formed, and needing nothing but itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Reader(HTMLParser):
    """Collects tags and text; ``mistakes`` are tags that do not close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.mistakes: list[str] = []
        self.feed(page)
        self.close()
        self.mistakes += [f"<{tag}> stays open" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mistakes.append(f"</{tag}> closes another")

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    def values(self, attribute: str) -> list[str]:
        return [str(attrs[attribute]) for _, attrs in self.tags if attribute in attrs]


def read(page: str) -> Reader:
    """The page read, after the checks that hold for every page."""
    reader = Reader(page)
    assert page.startswith("<!DOCTYPE html>")
    assert reader.mistakes == []
    assert all(source.startswith("data:image/") for source in reader.values("src"))
    assert all(not re.match(r"(?i)[a-z]+:|//", link) for link in reader.values("href"))
    assert not re.search(r"(?i)https?:|url\(|@import|<script|<link", page)
    ids = reader.values("id")
    assert len(ids) == len(set(ids))
    assert all(link[1:] in ids for link in reader.values("href") if link.startswith("#"))
    assert all(attrs.get("alt") for tag, attrs in reader.tags if tag == "img")
    return reader
