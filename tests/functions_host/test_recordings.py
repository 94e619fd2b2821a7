"""What differs between the two recorded extensions, 3.14.1 and 3.19.0, and that the app bears both."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.codes import ErrorCode
from contracts.wire import to_wire
from http_api.status_document import status_document
from orchestrators.retry_policy import failure_of_exception
from tests.functions_host.conformance import RECORDINGS
from tests.orchestrator.scripted_foundry import DEAD_WORKER

ONE_BLANK = {
    ("o_act_fail", "status"), ("o_act_fail", "history"),
    ("o_catch", "status"), ("o_catch", "history"),
    ("o_retry", "history"), ("o_retry_out", "status"), ("o_retry_out", "history"),
    ("o_all", "status"), ("o_all", "history"),
    ("o_act_not_json", "status"), ("o_act_not_json", "history"),
}  # fmt: skip
INSTANCE_ID_OF_A_CHILD = {("o_sub", "history")}
RESULT_THAT_IS_NO_JSON = {("o_not_json", "status"), ("o_not_json", "history")}
ROUNDING = {("o_timer", "status"), ("o_timer", "history")}
LATER = datetime(2026, 12, 24, tzinfo=UTC)
PAIRS = [("real-host.json", "real-host-3.19.json"), ("real-host-with-keys.json", "real-host-3.19-with-keys.json")]


def recorded(name: str) -> dict[str, Any]:
    return dict(json.loads((RECORDINGS / name).read_text(encoding="utf-8")))


def differences(old: str, new: str) -> dict[tuple[str, str], str]:
    command = [sys.executable, str(RECORDINGS / "compare.py"), str(RECORDINGS / old), str(RECORDINGS / new)]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    assert printed[-1].startswith("306 rows, ")
    rows = [line.removeprefix("DIFF  ").split(" | ", 2) for line in printed[:-1]]
    return {(scenario, label): what for scenario, label, what in rows}


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_sixteen_rows_differ(old: str, new: str) -> None:
    found = differences(old, new)
    assert found.keys() == ONE_BLANK | INSTANCE_ID_OF_A_CHILD | RESULT_THAT_IS_NO_JSON | ROUNDING
    assert len(found) == 16
    for row in ONE_BLANK:
        before, after = re.fullmatch(r".*: (\".*) \| (\".*)", found[row], re.DOTALL).groups()
        assert " failed:  " in before
        assert " failed:  " not in after
    for row in RESULT_THAT_IS_NO_JSON:
        assert "not JSON serializable" in found[row]
        assert "Non-Deterministic workflow detected: A previous execution of this" in found[row]


def reasons(name: str) -> Iterator[str]:
    """What orchestrators are told of failed activities."""
    for rows in recorded(name).values():
        for _label, *rest in rows:
            events = rest[-1].get("historyEvents", []) if isinstance(rest[-1], dict) else []
            yield from (f'{e["Reason"]} \n {{"$type": 1}}' for e in events if e["EventType"] == "TaskFailed")


def test_the_app_reads_a_failed_activity_of_both_alike() -> None:
    for old, new in PAIRS:
        before, after = list(reasons(old)), list(reasons(new))
        assert before != after
        assert [failure_of_exception(t) for t in before] == [failure_of_exception(t) for t in after]
        assert {f.code for f in map(failure_of_exception, after)} == {"activity_failed"}
        assert all(
            re.fullmatch(r"Activity function '\w+' failed: \w+Error", failure_of_exception(t).summary or "")
            for t in after
        )


def test_the_app_knows_a_dead_worker_of_both() -> None:
    two_blanks = DEAD_WORKER
    one_blank = DEAD_WORKER.replace("failed:  ", "failed: ")
    assert one_blank != two_blanks
    assert failure_of_exception(one_blank) == failure_of_exception(two_blanks)
    assert failure_of_exception(one_blank).code == ErrorCode.WORKER_DIED


def test_the_app_shows_a_failed_instance_of_both() -> None:
    for old, new in PAIRS:
        shown: list[list[Any]] = []
        for name in (old, new):
            statuses = [r[3] for rows in recorded(name).values() for r in rows if r[0] == "status"]
            failed = [
                {**s, "lastUpdatedTime": "2026-01-01T00:00:00Z"} for s in statuses if s["runtimeStatus"] == "Failed"
            ]
            shown.append([to_wire(status_document(s, LATER))["error"] for s in failed])
        before, after = shown
        assert len(before) == len(after) > 5
        assert all(error["code"] and error["message"] for error in before + after)
        other = [(a, b) for a, b in zip(before, after, strict=True) if without_blanks(a) != without_blanks(b)]
        assert len(other) == 1  # the result that is no JSON


def without_blanks(error: dict[str, str]) -> str:
    return " ".join(error["message"].split())
