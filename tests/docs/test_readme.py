"""The README says what is: the demo's output, the figures of the comparison, targets of make, every page once.

Its calls are run with those of the pages in `test_commands`, its links followed in `test_references`.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.docs.documents import DOCS, document, pages
from tests.docs.shell import commands
from tests.functions_host.harness import REPOSITORY

README = document(REPOSITORY / "README.md")
BENCHMARKS = REPOSITORY / "benchmarks"
MOST_LINES = 150

FACTS = {"azure-infra.md", "foundry-api.md", "foundry-responses.md", "functions-host.md"}
"""The index leads to them."""


def test_it_is_one_to_two_screens() -> None:
    assert len(README.text.splitlines()) <= MOST_LINES


def test_it_links_every_page_once() -> None:
    linked = Counter((REPOSITORY / path).resolve() for path, _ in README.links())
    assert [path for path, times in linked.items() if times > 1] == []
    assert {page.path for page in pages() if page.path.name not in FACTS} <= linked.keys()


def test_every_make_target_it_names_exists_and_every_target_is_listed() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"(?:`|\$ )make ([a-z-]+)", README.text)) <= targets
    documented = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert targets == documented, "every target has a line in `make help`"


# --- the comparison ---------------------------------------------------------------------------------------------------


def comparison(label: str) -> list[str]:
    """The cells of a row of the comparison: the loop, the naive monitor, this app."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in README.text.splitlines() if line[:1] == "|"
    ]
    [row] = [row for row in rows if row[0].startswith(label)]
    return row[1:]


def measured(figure: str) -> dict[str, list[Any]]:
    """The table of a benchmark by its first column."""
    results = json.loads((BENCHMARKS / "results" / "latest.json").read_text("utf-8"))
    return {row[0]: row[1:] for row in results["figures"][figure]["table"]["rows"]}


def test_its_lags_and_looks_are_those_of_the_benchmark() -> None:
    rows = measured("lag_virtual")
    app, app_exact = rows["the app, Azure Storage"], rows["the app, exact timers"]
    naive, naive_exact = rows["1 s timers, Azure Storage"], rows["1 s timers, exact"]
    loop = rows["SDK's 1 s loop"]
    assert comparison("Mean lag, runs up to 10 s") == [
        f"{loop[0]:.2f} s",
        f"{naive[0]:.2f} s (exact timers: {naive_exact[0]:.2f} s)",
        f"**{app[0]:.2f} s ({app_exact[0]:.2f} s)**",
    ]
    lag = [f"{row[4]:.1f} %" for row in (loop, naive, naive_exact, app)]
    [of_loop, of_naive, of_app] = comparison("Mean lag beyond")
    assert (of_loop, of_naive, of_app.split(":")[0]) == (lag[0], f"{lag[1]} ({lag[2]})", f"**{lag[3]}")
    assert comparison("Looks at a run of ten minutes") == [
        f"{loop[7]}",
        f"{naive[7]:,} ({naive_exact[7]})",
        f"{app[7]} ({app_exact[7]})",
    ]


def test_its_quickest_answer_is_that_of_the_benchmark() -> None:
    ours, _, loop, _ = measured("time_to_outcome")[
        "completed in the answer to its creation; Azure Storage timers; outcome there"
    ]
    assert comparison("An answer that is there at once") == [f"{loop:.3f} s", "not measured", f"**{ours:.3f} s**"]


def test_its_transactions_are_those_of_the_benchmark() -> None:
    ours, _, naive, *_ = measured("storage_cost")[30]
    assert comparison("Storage for a run of 30 s") == [
        "none",
        f"{naive:,} transactions",
        f"**{ours:,} transactions**",
    ]


def test_its_kills_are_those_that_were_measured_on_the_real_host() -> None:
    facts = re.sub(r"\s+", " ", document(DOCS / "durable-protocol.md").text)
    assert "instances pause p50 52 s, max 82 s; of 60 instances 6 activities ran twice" in facts
    assert comparison("Its host is killed")[2].endswith("half of the runs within 52 s, all within 82")
    assert "6 of 60 ran twice" in comparison("Paid twice")[1]
    assert "120 of 120 ended as they should, 0 doubled" in facts
    assert "120 of 120" in comparison("Paid twice")[2]
    assert "6 of 230 runs with two or three kills each" in facts
    assert "60 of 60 runs completed under kills" in facts
    assert comparison("Its Python worker")[1:] == ["6 of 230 runs Failed for good", "brought back: 60 of 60 completed"]


# --- one minute without Azure -----------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_clone_is_where_make_works(tmp_path: Path) -> None:
    [clone] = [command.text for command in commands(README) if command.text.startswith("git clone")]
    script = clone.replace("<this repository>", shlex.quote(str(REPOSITORY))) + " && make -n demo"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "-m local.demo" in done.stdout


@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_demo_prints_what_it_shows_with_the_kill_in_its_place() -> None:
    [demo] = [command for command in commands(README) if command.text == "make demo"]
    folder = Path(sys.executable).parent
    ready = folder.parent / ".ready"
    printed = subprocess.run(
        [*demo.text.split(), f"BIN={folder}", f"READY={ready}", f"--old-file={ready}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout
    shown = normalised(demo.output)
    assert normalised(printed) == shown
    killed = shown.index("N s kill -9 N the host is dead, the run in Foundry goes on")
    assert shown[killed + 1] == "N s the host is up again"
    assert shown[killed + 2].startswith("N s Success At sunset")


def normalised(text: str) -> list[str]:
    """The lines without what differs from run to run: times, the process id, and how often a run was seen to go on."""
    text = re.sub(r"\d+\.\d s\b", "N s", text)
    text = re.sub(r"\bkill -9 \d+", "kill -9 N", text)
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    return [line for line in lines if not line.startswith("N s Running")]
