"""The documentation as its tests read it: pages, headings, links, and what stands in fences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOP = tuple(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "SECURITY"))
PAGES = (*TOP, *sorted((ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>\w+): (?P<value>[\w.]+) -->\n\n)?```(?P<kind>\w+)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    :param line: the line of its first fence.
    :param kind: the language after the fence.
    :param mark: what the comment before it says it is: ``run``, ``file``, ``shows``, or nothing.
    :param value: which scene it is run in, which file it is, what it shows.
    """

    page: Path
    line: int
    kind: str
    body: str
    mark: str
    value: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def last_line(self) -> int:
        """Return the line of its last fence."""
        return self.line + self.body.count("\n") + 1

    def commands(self) -> list[tuple[str, list[str]]]:
        """Return each command with the lines it is shown to print."""
        found: list[tuple[str, list[str]]] = []
        for line in self.body.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
        return found


@cache
def text_of(page: Path) -> str:
    """Return a page's text."""
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """Return a page's text without its blocks and comments."""
    return _COMMENT.sub("", _BLOCK.sub("", text_of(page)))


def blocks(*kinds: str) -> list[Block]:
    """Return every block of these languages, in the order of the pages."""
    return [block for page in PAGES for block in _blocks_of(page) if block.kind in kinds]


def _blocks_of(page: Path) -> Iterator[Block]:
    text = text_of(page)
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("kind")) + 1
        mark, value = found["mark"] or "", found["value"] or ""
        yield Block(page, line, found["kind"], found["body"], mark, value)


def marked(page: Path, mark: str, value: str) -> Block:
    """Return the one block of a page that is marked so."""
    (block,) = (b for b in _blocks_of(page) if (b.mark, b.value) == (mark, value))
    return block


def headings(page: Path) -> list[str]:
    """Return the headings of a page."""
    return re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)


def anchor(heading: str) -> str:
    """Return the fragment that leads to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links(page: Path) -> list[str]:
    """Return where a page's links and pictures lead."""
    return re.findall(r"\]\(([^)\s]+)\)", prose_of(page))
