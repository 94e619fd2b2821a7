"""The documents of this project, read as Markdown: headings, numbered rules, rows of tables, links, and references."""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.functions_host.harness import REPOSITORY

DOCS = REPOSITORY / "docs"

_FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (?:(?P<number>\d+(?:\.\d+)*)\.? )?(?P<text>.+)$", re.MULTILINE)
_NUMBERS = r"\d+(?:\.\d+)*(?:(?:, | and | to )\d+(?:\.\d+)*)*"
_REFERENCE = re.compile(
    r"(?P<document>(?:[\w.-]+/)*[\w-][\w.-]*\.md)(?P<closing>[`)\]]*)"
    rf"(?:,? (?:sections? (?P<sections>{_NUMBERS})(?:, row (?P<row>\d+))?|rules? (?P<rules>{_NUMBERS})"
    r'|"(?P<heading>[^"]+)"))?'
)
_BARE = re.compile(rf"\b(?P<kind>[Ss]ection|[Rr]ule)s? (?P<numbers>{_NUMBERS})")


@dataclass(frozen=True)
class Document:
    """A Markdown file."""

    path: Path

    @functools.cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @functools.cached_property
    def prose(self) -> str:
        """The text without fenced blocks, in which `#` begins a comment and brackets are no links."""
        return _FENCE.sub("", self.text)

    @functools.cached_property
    def headings(self) -> list[re.Match[str]]:
        return list(_HEADING.finditer(self.prose))

    @property
    def sections(self) -> set[str]:
        """The numbers of its headings."""
        return {h["number"] for h in self.headings if h["number"]}

    @property
    def titles(self) -> set[str]:
        """Its headings, without their numbers."""
        return {h["text"] for h in self.headings}

    @property
    def anchors(self) -> set[str]:
        """What GitHub makes of its headings."""
        return {_slug(h[0].lstrip("#").strip()) for h in self.headings}

    @functools.cached_property
    def rules(self) -> set[str]:
        """The numbers of the list below the heading that speaks of rules."""
        return {
            n
            for h in self.headings
            if "Rules" in h["text"]
            for n in re.findall(r"^(\d+)\. ", self.below(h), re.MULTILINE)
        }

    def rows(self, section: str) -> set[str]:
        """The numbers in the first column of the tables of a section."""
        heading = next(h for h in self.headings if h["number"] == section)
        return set(re.findall(r"^\| (\d+) \|", self.below(heading), re.MULTILINE))

    def below(self, heading: re.Match[str]) -> str:
        """The text of a heading's own section."""
        after = [h.start() for h in self.headings if h.start() > heading.start() and len(h[1]) <= len(heading[1])]
        return self.prose[heading.end() : after[0] if after else None]

    def section(self, title: str) -> str:
        """The text below the heading of this title."""
        return self.below(next(h for h in self.headings if h["text"] == title))

    def links(self) -> Iterator[tuple[str, str]]:
        """Yield path and anchor of every link that stays in the repository."""
        for target in re.findall(r"\]\(([^)\s]+)\)", self.prose):
            if not re.match(r"[a-z]+:", target):
                path, _, anchor = target.partition("#")
                yield path, anchor


def _slug(heading: str) -> str:
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@functools.cache
def document(path: Path) -> Document:
    """The document of this file, read once."""
    return Document(path)


def pages() -> list[Document]:
    """All documents under `docs/`."""
    return [document(path) for path in sorted(DOCS.glob("*.md"))]


@functools.cache
def tracked_files() -> list[Path]:
    """Every file that git knows of and that is there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()]


@dataclass(frozen=True)
class Reference:
    """Something that names a document, or a section or a rule without naming one (`document` is empty then)."""

    text: str
    document: str = ""
    sections: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    row: str | None = None
    heading: str | None = None


def references(text: str) -> Iterator[Reference]:
    """Yield what a text of any kind refers to; one that goes on in the next line of a comment is one."""
    running = re.sub(r"\s*\n[ \t]*(?:#|//|\*|>)?[ \t]*", " ", text)
    for found in _REFERENCE.finditer(running):
        yield Reference(
            found[0],
            found["document"],
            sections=_expanded(found["sections"]),
            rules=_expanded(found["rules"]),
            row=found["row"],
            heading=found["heading"],
        )
    for found in _BARE.finditer(_REFERENCE.sub(" ", running)):
        numbers = _expanded(found["numbers"])
        if found["kind"].lower() == "section":
            yield Reference(found[0], sections=numbers)
        else:
            yield Reference(found[0], rules=numbers)


def _expanded(numbers: str | None) -> tuple[str, ...]:
    """`1, 3 to 5 and 8` as all the numbers that are meant."""
    meant: list[str] = []
    for part in re.split(r", | and ", numbers or ""):
        first, _, last = part.partition(" to ")
        if last and first.isdigit() and last.isdigit():
            meant += [str(n) for n in range(int(first), int(last) + 1)]
        elif part:
            meant += [first, last] if last else [first]
    return tuple(meant)
