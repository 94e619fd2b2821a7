"""What each volume of the console shows."""

from __future__ import annotations

import io
import json
import logging

import pytest

from local.functions_host.console import BRIEF, NORMAL, QUIET, VERBOSE, Console, ConsoleHandler, ending
from local.functions_host.store import Instance


def instance(status: str, output: object = None) -> Instance:
    return Instance(
        instance_id="one",
        execution_id="x",
        name="o_chain",
        version=None,
        input=None,
        status=status,
        custom_status=None,
        output=json.dumps(output),
        created=100.0,
        updated=102.34,
    )


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (instance("Completed", {"secret": "text"}), "o_chain one Completed after 2.3 s"),
        (instance("Failed", "no quota\nand a stack"), "o_chain one Failed after 2.3 s: no quota"),
        (instance("Terminated", "x" * 500), f"o_chain one Terminated after 2.3 s: {'x' * 160}"),
        (instance("Failed", {"not": "a text"}), "o_chain one Failed after 2.3 s"),
        (instance("Failed"), "o_chain one Failed after 2.3 s"),
    ],
)
def test_the_end_of_an_instance_is_one_line_with_its_reason(row: Instance, line: str) -> None:
    assert ending(row) == line


@pytest.mark.parametrize(
    ("level", "lines"),
    [
        (QUIET, ["WARNING w", "WARNING app: warned"]),
        (BRIEF, ["o_chain one Completed after 2.3 s", "WARNING w", "WARNING app: warned"]),
        (
            NORMAL,
            [
                "orchestrator o_chain 'one' Running 1 ms",
                "orchestrator o_chain 'one' Completed 1 ms",
                "activity a 'one' succeeded 1 ms",
                "GET /x -> 200 f 1 ms",
                "WARNING w",
                "WARNING app: warned",
                "INFO app: told",
            ],
        ),
    ],
)
def test_a_volume_shows_what_it_is_for(level: int, lines: list[str]) -> None:
    written = io.StringIO()
    console = Console(level=level, stream=written)
    console.episode(instance("Running"), 0.001)
    console.episode(instance("Completed"), 0.001)
    console.activity("a", "one", 0.001, None)
    console.request("GET", "/x", 200, 0.001, "f")
    console.warn("w")
    handler = ConsoleHandler(console)
    for number, text in ((logging.WARNING, "warned"), (logging.INFO, "told")):
        handler.emit(logging.LogRecord("app", number, __file__, 1, text, None, None))
    assert [line.split("] ")[1].strip() for line in written.getvalue().splitlines()] == lines


def test_a_line_of_a_run_is_coloured_on_a_terminal_by_how_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    written = io.StringIO()
    console = Console(level=BRIEF, stream=written)
    for status in ("Completed", "Failed"):
        console.episode(instance(status), 0.001)
    good, bad = written.getvalue().splitlines()
    assert ("\x1b[32m" in good, "\x1b[31m" in bad) == (True, True)
    assert VERBOSE > NORMAL > BRIEF > QUIET
