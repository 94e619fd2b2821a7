"""Which runs a caller means, and what the platform is asked for instead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http_api.run_filters import EARLIEST, LATEST, STATUSES, RunFilters, filters_of_query, read_filters
from http_api.status_document import status_document
from recovery import NOT_BROUGHT_BACK
from tests.unit.run_hub import NOW, matches, row
from tests.unit.scripted import no_deadline

DEAD = "One or more errors occurred. (dotnet exited with code 137 (0x89))"
ASKS = {"event": "tool_outputs_1", "calls": [{"id": "call_1", "kind": "function", "name": "f"}]}
ODD = {"event": "tool_outputs_1", "calls": [{"id": "call_1", "kind": "unsupported", "name": "f"}]}
ROWS = {
    "pending": row("pending", status="Pending"),
    "running": row("running", status="Running", customStatus={"status": "Running", "agent_id": "asst_1"}),
    "suspended": row("suspended", status="Suspended"),
    "cancelling": row("cancelling", status="Running", customStatus={"status": "Cancelling"}),
    "asks": row(
        "asks",
        status="Running",
        customStatus={"status": "Running", "agent_id": "helper:7", "required_action": ASKS},
    ),
    "odd": row("odd", status="Running", customStatus={"status": "Running", "required_action": ODD}),
    "done": row("done", customStatus={"status": "Success", "agent_id": "asst_1", "thread_id": "thread_1"}),
    "failed": row("failed", status="Failed", output="Orchestrator function 'agent_run' failed: timeout: late"),
    "recovering": row("recovering", status="Failed", output=DEAD),
    "dead": row("dead", NOW - timedelta(hours=1), status="Failed", output=DEAD),
    "stuck": row("stuck", status="Terminated", output=NOT_BROUGHT_BACK),
    "cancelled": row("cancelled", status="Terminated", output="cancelled on request"),
}
GOING_ON = {"pending", "running", "suspended", "cancelling", "asks", "odd", "recovering"}


def found(filters: RunFilters) -> set[str]:
    selection = filters.selection()
    return {
        name
        for name, each in ROWS.items()
        if matches(each, selection) and filters.match(status_document(each, NOW + timedelta(minutes=1)))
    }


@pytest.mark.parametrize(
    ("given_fields", "expected"),
    [
        ({}, set(ROWS)),
        ({"status": "Running"}, GOING_ON),
        ({"status": "Success"}, {"done"}),
        ({"status": "Failed"}, {"failed", "dead", "stuck"}),
        ({"status": "Cancelled"}, {"cancelled"}),
        ({"status": "Success,Cancelled"}, {"done", "cancelled"}),
        ({"status": ["Success", "Cancelled"]}, {"done", "cancelled"}),
        ({"status": ",".join(STATUSES)}, set(ROWS)),
        ({"needs_answer": True}, {"asks"}),
        ({"needs_answer": False}, set(ROWS) - {"asks"}),
        ({"needs_answer": True, "status": "Success"}, set()),
        ({"agent_id": "asst_1"}, {"running", "done"}),
        ({"agent_id": "asst_1", "status": "Running"}, {"running"}),
        ({"agent_id": "helper:7"}, {"asks"}),
        ({"thread_id": "thread_1"}, {"done"}),
        ({"created_to": "2026-11-26T14:30:00Z"}, {"dead"}),
        ({"created_from": "2026-11-26T15:30:00+01:00"}, set(ROWS) - {"dead"}),
        ({"agent_id": None, "status": None}, set(ROWS)),
    ],
)
def test_what_matches(given_fields: dict[str, Any], expected: set[str]) -> None:
    filters, errors = read_filters(given_fields)
    assert errors == []
    assert found(filters) == expected


@pytest.mark.parametrize(
    ("query", "exact"),
    [({}, True), ({"status": "Success"}, True), ({"created_from": "2026-11-26T14:30Z"}, True)]
    + [({name: value}, False) for name, value in {"status": "Failed", "agent_id": "asst_1"}.items()]
    + [({"needs_answer": "false"}, False), ({"status": "Success,Failed"}, False)],
)
def test_whether_the_platform_looks_at_all_of_it(query: dict[str, str], exact: bool) -> None:
    assert filters_of_query(query)[0].are_the_platforms is exact


@pytest.mark.parametrize(
    ("query", "targets"),
    [
        ({"status": "Cancelling"}, ["status"]),
        ({"status": "running"}, ["status"]),
        ({"status": "Running,"}, ["status"]),
        ({"agent_id": "asst_1,asst_2", "thread_id": "../x"}, ["agent_id", "thread_id"]),
        ({"thread_id": "asst_abc123"}, ["thread_id"]),
        ({"created_from": "2026-11-26"}, ["created_from"]),
        ({"created_from": "2026-11-26T10:00:00"}, ["created_from"]),
        ({"created_to": "2026-13-26T10:00:00Z"}, ["created_to"]),
        ({"created_to": "now"}, ["created_to"]),
        ({"created_from": "2026-11-26T10:00:00Z", "created_to": "2026-11-26T10:00:00+01:00"}, ["created_to"]),
        ({"needs_answer": "yes", "status": "x"}, ["status", "needs_answer"]),
    ],
)
def test_everything_that_is_wrong_is_named(query: dict[str, str], targets: list[str]) -> None:
    _, errors = filters_of_query(query)
    assert [error.target for error in errors] == targets
    assert all(error.message.startswith(("must ", "must be")) for error in errors)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-26T10:00:00Z", datetime(2026, 11, 26, 10, tzinfo=UTC)),
        ("2026-11-26t10:00:00.123456789z", datetime(2026, 11, 26, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-26T10:00:00 01:00", datetime(2026, 11, 26, 9, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", EARLIEST),
        ("9999-12-31T23:59:59-14:00", LATEST),
    ],
)
def test_moments_as_queries_hold_them(text: str, moment: datetime) -> None:
    filters, errors = filters_of_query({"Created_From": text})
    assert (filters.created_from, errors) == (moment, [])


@pytest.mark.parametrize(
    "field",
    [
        {"needs_answer": "true"},
        {"needs_answer": 1},
        {"status": [1]},
        {"status": 1},
        {"status": []},
        {"created_to": 5},
        {"agent_id": 1},
        {"thread_id": ["thread_1"]},
    ],
)
def test_a_body_holds_values_of_their_type(field: dict[str, Any]) -> None:
    assert [error.target for error in read_filters(field)[1]] == list(field)


@given(st.sampled_from(["status", "agent_id", "thread_id", "created_from", "created_to", "needs_answer"]), st.text())
@no_deadline
def test_no_text_breaks_it(name: str, text: str) -> None:
    filters, errors = filters_of_query({name: text})
    assert errors or isinstance(filters.selection().statuses, tuple)
