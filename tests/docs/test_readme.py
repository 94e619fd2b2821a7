"""The README says what is: its settings table, its commands, and the demo's output."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from settings import DEFAULTS
from tests.functions_host.harness import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_settings_table_has_every_setting_with_its_default() -> None:
    section = README.split("## Settings")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|\s*`?([^|`]*?)`?\s*\|", section, re.MULTILINE)
    assert {name: default.strip() for name, default in rows} == DEFAULTS


def test_every_make_target_it_names_exists_and_every_target_is_listed() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"(?:`|\$ )make ([a-z-]+)", README)) <= targets
    documented = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert targets == documented, "every target has a line in `make help`"


def test_files_and_folders_it_names_exist() -> None:
    for link in re.findall(r"\]\(([\w/.-]+)\)", README):
        assert (REPOSITORY / link).exists(), link
    code_map = README.split("## The code")[1].split("```")[1]
    for name in re.findall(r"(?:^|  )([\w_]+(?:\.py|/))", code_map, re.MULTILINE):
        assert (REPOSITORY / name).exists(), name


@pytest.mark.e2e
def test_the_demo_prints_what_the_readme_shows() -> None:
    shown = README.split("$ make demo\n")[1].split("\n```")[0]
    printed = subprocess.run(
        [sys.executable, "-m", "local.demo"], cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=True
    ).stdout
    assert normalised(printed) == normalised(shown)


def normalised(text: str) -> list[str]:
    """The lines without what differs from run to run: ids, times, ports, and how often the run was looked at."""
    text = re.sub(r"\b(thread|run|msg)_[A-Za-z0-9]{24}\b", r"\1_X", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "INSTANCE", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r'"polls": \d+', '"polls": N', text)
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return [
        line for line in lines if not re.match(r" +\d+\.\d s  Running", line) and not re.match(r" +\d+\.\d s", line)
    ]
