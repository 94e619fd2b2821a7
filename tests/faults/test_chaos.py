"""A small storm, and the proof that each check of its ledger can fail."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from contracts.runs import METADATA_INSTANCE, METADATA_OPERATION
from ownership.threads import document_of
from tests.e2e.world import World, agent
from tests.faults.caller import Caller
from tests.faults.chaos import storm
from tests.faults.checks import Started, all_findings, out_of_order
from tests.store.troubled import Written

Ledger = dict[str, dict[str, Any]]


@pytest.mark.e2e
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [3, 4])
def test_a_small_storm(seed: int) -> None:
    assert storm(seed, runs=24, kills=2, speed=20) == []


@pytest.mark.e2e
def test_a_real_ledger_passes_the_checks() -> None:
    with World() as world:
        caller = Caller(world)
        starts = []
        for name in ("history", "rateLimitedOnce", "fails"):
            document = caller.end(caller.start(name, f"a-{name}-run"))
            starts.append(Started(document["instanceId"], name, f"a-{name}-run", document))
        assert all_findings(caller.threads(), starts) == []


# --- made by hand: what a right end looks like, and then one thing is wrong ---


def stamp(operation: str) -> dict[str, str]:
    return {METADATA_INSTANCE: "i", METADATA_OPERATION: f"i:{operation}"}


def run(number: int, name: str, status: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"run_{number}",
        "agent_id": agent(name),
        "status": status,
        "tool_rounds_answered": 0,
        "metadata": stamp(f"run-{number}"),
        **fields,
    }


def ledger(*runs: dict[str, Any]) -> Ledger:
    message = {"id": "msg_1", "role": "user", "metadata": stamp("message")}
    return {"thread_1": {"metadata": stamp("thread"), "messages": [message], "runs": list(runs)}}


def start(name: str, *, run_status: str = "completed", code: str | None = None, **fields: Any) -> Started:
    """A start of the agent, ended as its document says; the default is success with the right answer."""
    document = {
        "status": "Success",
        "runtimeStatus": "Completed",
        "response": 'You wrote: "hello".',
        "run_status": run_status,
        "error": {"code": code, "message": "..."} if code else None,
        "output": None,
        **fields.pop("document", {}),
    }
    return Started("i", name, "hello", document, **fields)


FAILED = {"status": "Failed", "runtimeStatus": "Failed", "response": None}
CANCELLED = {"status": "Cancelled", "runtimeStatus": "Terminated", "response": None}
REPLACED = {**CANCELLED, "output": "replaced by instance j"}
TOOLS = {"response": "The tools said: get_weather; get_time; book_table"}

GOOD: dict[str, tuple[Ledger, Started]] = {
    "success": (ledger(run(0, "history", "completed")), start("history")),
    "tools": (
        ledger(run(0, "twoToolRounds", "completed", tool_rounds_answered=2)),
        start("twoToolRounds", document=TOOLS),
    ),
    "repeated": (
        ledger(run(0, "rateLimitedOnce", "failed"), run(1, "rateLimitedOnce", "completed")),
        start("rateLimitedOnce"),
    ),
    "failed": (
        ledger(run(0, "fails", "failed")),
        start("fails", run_status="failed", code="server_error", document=FAILED),
    ),
    "cancelled": (
        ledger(run(0, "forever", "cancelled")),
        start("forever", run_status="cancelled", code="cancelled", document=CANCELLED, cancel_accepted=True),
    ),
    "terminated": (
        ledger(run(0, "forever", "cancelled")),
        start("forever", run_status="in_progress", code="cancelled", document=CANCELLED, terminated=True),
    ),
    "cancelled before there was anything": (
        {},
        start("history", run_status="", code="cancelled", document=CANCELLED, cancel_accepted=True),
    ),
    "completed although it was cancelled": (
        ledger(run(0, "history", "completed")),
        start("history", cancel_accepted=True),
    ),
    "cancelled after it lacked quota, before it was repeated": (
        ledger(run(0, "rateLimitedOnce", "failed")),
        start(
            "rateLimitedOnce",
            run_status="failed",
            code="rate_limit_exceeded",
            document=FAILED,
            cancel_accepted=True,
        ),
    ),
    "refused, since its thread was busy": (
        {},
        start("history", run_status="", code="thread_busy", document=FAILED, turn="fail"),
    ),
    "replaced by another one": (
        ledger(run(0, "history", "cancelled")),
        start("history", run_status="cancelled", code="cancelled", document=REPLACED, replaceable=True),
    ),
    "out of time": (
        ledger(run(0, "forever", "cancelled")),
        start("forever", run_status="cancelled", code="timeout", document=FAILED, deadline=True),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_right_end_passes_the_checks(name: str) -> None:
    threads, started = GOOD[name]
    assert all_findings(threads, [started]) == []


def on_another_thread(threads: Ledger) -> None:
    threads["thread_2"] = {"metadata": stamp("thread"), "messages": [], "runs": [threads["thread_1"]["runs"].pop()]}


def of_another_operation(what: str) -> Callable[[Ledger], None]:
    def add(threads: Ledger) -> None:
        things = threads["thread_1"][what]
        things.append({**things[0], "id": "another", "metadata": stamp("another")})

    return add


def again(what: str) -> Callable[[Ledger], None]:
    return lambda threads: threads["thread_1"][what].append(threads["thread_1"][what][0])


def without(what: str) -> Callable[[Ledger], None]:
    return lambda threads: threads["thread_1"][what].clear()


def ended_as(status: str) -> Callable[[Ledger], None]:
    return lambda threads: threads["thread_1"]["runs"][-1].update(status=status)


@pytest.mark.parametrize(
    ("good", "spoil", "finding"),
    [
        ("success", again("messages"), "2 times the user message"),
        ("success", again("runs"), "2 times the run"),
        ("success", of_another_operation("messages"), "2 user messages instead of one"),
        ("success", of_another_operation("runs"), "2 runs instead of 1"),
        ("cancelled", of_another_operation("messages"), "2 user messages instead of one"),
        ("cancelled", of_another_operation("runs"), "2 runs instead of 1"),
        ("success", without("messages"), "0 user messages instead of one"),
        ("success", without("runs"), "0 runs instead of 1"),
        ("failed", without("messages"), "0 user messages instead of one"),
        ("success", on_another_thread, "on 2 threads"),
        ("success", ended_as("in_progress"), "is left 'in_progress'"),
        ("terminated", ended_as("cancelling"), "is left 'cancelling'"),
        ("terminated", ended_as("expired"), "until it expired"),
        ("success", ended_as("failed"), "succeeded, but its runs are ['failed']"),
        ("failed", ended_as("completed"), "its run completed, but it ended as Failed"),
        ("repeated", lambda t: t["thread_1"]["runs"].pop(), "1 runs instead of 2"),
        (
            "refused, since its thread was busy",
            lambda t: t.update(ledger(run(0, "history", "completed"))),
            "was refused, but left 1 messages and 1 runs",
        ),
        ("replaced by another one", of_another_operation("runs"), "2 runs instead of 1"),
        ("tools", lambda t: t["thread_1"]["runs"][0].update(tool_rounds_answered=1), "1 tool rounds"),
        ("tools", lambda t: t["thread_1"]["runs"][0].update(tool_rounds_answered=3), "3 tool rounds"),
    ],
)
def test_each_check_of_the_ledger_fails_where_it_should(
    good: str, spoil: Callable[[Ledger], None], finding: str
) -> None:
    threads, started = copy.deepcopy(GOOD[good])
    spoil(threads)
    found = all_findings(threads, [started])
    assert any(finding in f for f in found), found


def test_what_nobody_started_is_found() -> None:
    found = all_findings(GOOD["success"][0], [])
    assert len(found) == 2
    assert all("nobody started" in f for f in found)


COMPLETED = ledger(run(0, "history", "completed"))
LACKED_QUOTA = ledger(run(0, "rateLimitedOnce", "failed"))


@pytest.mark.parametrize(
    ("threads", "started", "finding"),
    [
        (COMPLETED, start("history", document={"status": "Running", "runtimeStatus": "Running"}), "has no end"),
        (COMPLETED, start("history", document={"runtimeStatus": "Failed"}), "has no end"),
        (COMPLETED, start("history", document={"response": 'You wrote: "hello too".'}), "somebody else's answer"),
        (
            COMPLETED,
            start("history", document={"response": 'The one before this was: "hello"'}),
            "somebody else's answer",
        ),
        (COMPLETED, start("history", document={"response": None}), "somebody else's answer"),
        (
            GOOD["tools"][0],
            start("twoToolRounds", document={"response": "The tools said: get_weather"}),
            "somebody else's answer",
        ),
        (ledger(run(0, "forever", "completed")), start("forever"), "which its agent never does"),
        (COMPLETED, start("history", code="cancelled", document=CANCELLED), "cancelled by nobody"),
        (COMPLETED, start("history", code="cancelled", document=REPLACED), "cancelled by nobody"),
        (COMPLETED, start("history", code="cancelled", document=CANCELLED, replaceable=True), "cancelled by nobody"),
        (COMPLETED, start("history", code="server_error", document=FAILED), "failed: {'code': 'server_error'"),
        ({}, start("history", run_status="", code="thread_busy", document=FAILED), "failed: {'code': 'thread_busy'"),
        (COMPLETED, start("history", code="server_error", document=FAILED, cancel_accepted=True), "failed: "),
        (
            ledger(run(0, "history", "failed")),
            start("history", run_status="failed", code="server_error", document=FAILED),
            "failed: ",
        ),
        (GOOD["failed"][0], start("fails", run_status="failed", code="timeout", document=FAILED), "failed: "),
        (
            GOOD["failed"][0],
            start("fails", run_status="in_progress", code="server_error", document=FAILED),
            "failed: ",
        ),
        (
            LACKED_QUOTA,
            start("rateLimitedOnce", run_status="failed", code="rate_limit_exceeded", document=FAILED),
            "failed: ",
        ),
        (
            ledger(run(0, "forever", "cancelled")),
            start("forever", run_status="cancelling", code="timeout", document=FAILED, cancel_accepted=True),
            "the cancel was answered 202",
        ),
    ],
)
def test_each_check_of_an_end_fails_where_it_should(threads: Ledger, started: Started, finding: str) -> None:
    found = all_findings(threads, [started])
    assert any(finding in f for f in found), found


def came(*instances: str) -> list[Written]:
    """What the storage took where these came to the thread, one after the other."""
    path = f"/chaos/agent-runs/hub/{document_of('thread_1').path}"
    versions = [None, *(str(n) for n in range(len(instances)))]
    return [
        Written(path, versions[n], versions[n + 1], {"line": list(instances[: n + 1])}) for n in range(len(instances))
    ]


@pytest.mark.parametrize(
    ("fields", "found"), [({}, 1), ({"turn": "replace"}, 0), ({"terminated": True}, 0), ({"cancel_accepted": True}, 1)]
)
def test_whoever_was_served_before_those_who_had_come_before_is_found(fields: dict[str, Any], found: int) -> None:
    messages = [{"role": "user", "metadata": {METADATA_INSTANCE: instance}} for instance in ("a", "c", "b")]
    threads = {"thread_1": {"metadata": {}, "messages": messages, "runs": []}}
    document = GOOD["success"][1].document
    others = [Started(instance, "history", "hello", document) for instance in ("a", "b")]
    last = Started("c", "history", "hello", document, **fields)
    assert list(out_of_order(threads, [*others, last], came("a", "c", "b"))) == []
    assert len(list(out_of_order(threads, [*others, last], came("a", "b", "c")))) == found


def test_a_used_thread_has_had_its_run_without_quota() -> None:
    """Only the first run of the agent on a thread lacks quota, so that a second instance has one run."""
    other = {"metadata": {METADATA_INSTANCE: "other", METADATA_OPERATION: "other:run-0"}}
    threads = ledger(run(7, "rateLimitedOnce", "failed", **other), run(0, "rateLimitedOnce", "completed"))
    found = all_findings(threads, [start("rateLimitedOnce")])
    assert [f for f in found if "nobody started" not in f] == []
