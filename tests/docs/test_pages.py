"""What the pages say is what the code does: settings, error codes, fields, options of the local programs."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

from contracts.request import AgentRunRequest, RunOptions
from contracts.status import CustomStatus, StatusDocument
from http_api.request_body import MAX_BODY_BYTES
from local.foundry_emulator.faults import Kind
from local.functions_host import lint, lintsource
from local.functions_host.hostile import BEHAVIOURS
from settings import DEFAULTS
from tests.contract.project import DEPLOYED_PACKAGES
from tests.docs.documents import DOCS, Document, document
from tests.docs.shell import blocks
from tests.functions_host.harness import REPOSITORY


def page(name: str) -> Document:
    return document(DOCS / name)


def first_column(text: str) -> set[str]:
    """What stands in backquotes in the first column of the tables of a text."""
    cells = re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_the_layout_in_the_design_is_that_of_the_repository() -> None:
    layout = next(body for language, body in blocks(page("design.md")) if language == "text")
    # The names before the explanations: one to a line, or several with two blanks in between.
    parts = [part for line in layout.splitlines() if line[:1].strip() for part in re.split(" {2,}", line)]
    named = {part for part in parts if re.fullmatch(r"[\w.-]+\.\w+|[\w-]+/", part)}
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
    assert {f"{package}/" for package in DEPLOYED_PACKAGES} <= named
    assert {path.name for path in REPOSITORY.glob("*.py")} <= named


def test_the_settings_table_has_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? *\|", page("settings.md").text, re.MULTILINE)
    assert {name: default for name, default in rows if name in DEFAULTS} == DEFAULTS


def test_the_table_of_fields_has_those_of_a_start_request() -> None:
    text = page("api.md").section("Start a run")
    assert set(AgentRunRequest.__struct_fields__) == first_column(text)
    options = next(line for line in text.splitlines() if line.startswith("| `run_options` |"))
    assert set(re.findall(r"`(\w+)`", options)) == {"run_options", *RunOptions.__struct_fields__}
    assert MAX_BODY_BYTES == 4_000_000
    assert "at most 4 MB" in text


def test_every_field_of_the_status_document_is_described() -> None:
    fields = set(StatusDocument.__struct_encode_fields__) - {"name", "instanceId"}
    assert fields == first_column(page("api.md").section("Status document"))


def test_the_design_names_all_that_the_custom_status_has() -> None:
    paragraph = next(p for p in page("design.md").text.split("\n\n") if p.startswith("**Custom status**"))
    assert set(CustomStatus.__struct_fields__) <= set(re.findall(r"`(\w+)`", paragraph))


def test_every_hostile_behaviour_is_described_as_the_host_does() -> None:
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", page("local-host.md").section("Hostile mode"), re.MULTILINE))
    assert rows == BEHAVIOURS


def test_every_finding_of_the_linter_is_described() -> None:
    told = first_column(page("local-host.md").section("What it says about an orchestrator"))
    sources = [Path(inspect.getfile(module)).read_text("utf-8") for module in (lint, lintsource)]
    found = {name for text in sources for name in re.findall(r'Finding\(\s*"([\w-]+)"', text)}
    assert told == found


def test_every_kind_of_fault_is_described() -> None:
    assert first_column(page("emulator.md").section("Trouble on demand")) == {"kind", *get_args(Kind)}
