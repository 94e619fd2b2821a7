"""Whatever refers to a document leads somewhere: to a file, a heading, a numbered rule or a row that exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.documents import DOCS, Document, Reference, document, pages, references, tracked_files
from tests.functions_host.harness import REPOSITORY

TEXTS = {".py", ".md", ".bicep", ".toml", ".yaml", ".yml", ".json", ".kql", ".txt", ".sh", ""}
RULES = "durable-protocol.md"
"""The one document with numbered rules: a rule that comes without a document is one of its."""

QUOTE_OTHERS = {"foundry-api.md", "foundry-responses.md"}
"""They quote Markdown files of Microsoft's repositories."""


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


READ = [path for path in tracked_files() if path.suffix in TEXTS and path != Path(__file__)]
MARKDOWN = [path for path in READ if path.suffix == ".md"]


def test_the_texts_are_found() -> None:
    assert len(READ) > 200
    assert {"design.md", RULES, "README.md"} <= {path.name for path in MARKDOWN}


def test_what_a_file_refers_to_exists() -> None:
    found = {name_of(path): list(dangling(path, path.read_text("utf-8"))) for path in READ}
    assert {name: texts for name, texts in found.items() if texts} == {}


def test_links_lead_to_files_and_headings() -> None:
    broken = []
    for path in MARKDOWN:
        for target, anchor in document(path).links():
            file = (path.parent / target).resolve() if target else path
            if not file.exists() or (anchor and anchor not in document(file).anchors):
                broken.append(f"{name_of(path)}: {target}#{anchor}")
    assert broken == []


def test_the_index_lists_every_page_once() -> None:
    listed = [target for target, _ in document(DOCS / "index.md").links() if "/" not in target]
    assert sorted(listed) == sorted(page.path.name for page in pages() if page.path.name != "index.md")


def test_nothing_refers_to_what_is_not_in_the_repository() -> None:
    # Numbers of three and more digits are those of public trackers, which are named with their repository.
    own = re.compile(r"\.\./shared|\bissues? #?\d{1,2}\b(?!\d)", re.IGNORECASE)
    found = {name_of(path): own.findall(path.read_text("utf-8")) for path in READ}
    assert {name: texts for name, texts in found.items() if texts} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see design.md, section 3.", []),
        ("`foundry-api.md`, sections 1.5 and 2", []),
        ("# the model (``durable-protocol.md``, rules 1 to\n    # 5)", []),
        ('durable-protocol.md, "What the SDK\n    is given and gives back"', []),
        ("[design](docs/design.md), section 4", []),
        ("foundry-api.md, section 2, row 8", []),
        ("design.md, section 99", ["design.md, section 99"]),
        ("durable-protocol.md, rules 1 to 999", ["durable-protocol.md, rules 1 to 999"]),
        ("# (durable-protocol.md, rule\n# 999)", ["durable-protocol.md, rule 999"]),
        ('durable-protocol.md, "No such heading"', ['durable-protocol.md, "No such heading"']),
        ("foundry-api.md, section 2, row 99", ["foundry-api.md, section 2, row 99"]),
        ("no-such-document.md", ["no-such-document.md"]),
        ("Rule 998: something", ["Rule 998"]),
    ],
)
def test_references_are_understood(text: str, found: list[str]) -> None:
    assert list(dangling(REPOSITORY / "settings.py", text)) == found


def test_a_document_speaks_of_its_own_sections() -> None:
    assert list(dangling(DOCS / "design.md", "see section 4, and section 99")) == ["section 99"]


def dangling(path: Path, text: str) -> Iterator[str]:
    """Yield every reference of the text, which is of this file, that leads nowhere."""
    for reference in references(text):
        if not reference.document:
            own = document(path) if path.parent == DOCS else None
            fine = holds(document(DOCS / RULES), reference) if reference.rules else own is None or holds(own, reference)
        else:
            meant = _meant(path, reference.document)
            outside = path.name in QUOTE_OTHERS and not reference.sections and not reference.rules
            fine = outside if meant is None else holds(meant, reference)
        if not fine:
            yield reference.text


def _meant(path: Path, named: str) -> Document | None:
    """Return the document of this name: beside the file that names it, at the root, or under `docs/`."""
    for folder in (path.parent, REPOSITORY, DOCS):
        if (folder / named).is_file():
            return document((folder / named).resolve())
    return None


def holds(meant: Document, reference: Reference) -> bool:
    """Say whether the document has what the reference names."""
    return (
        set(reference.sections) <= meant.sections
        and set(reference.rules) <= meant.rules
        and (reference.row is None or reference.row in meant.rows(reference.sections[-1]))
        and (reference.heading is None or reference.heading in meant.titles)
    )
