"""One trace from the caller over every generation of an instance to Foundry, and to the log (design.md, section 3)."""

from __future__ import annotations

import re
import secrets

import pytest

from orchestrators.steps import TIMERS_PER_GENERATION
from tests.e2e.world import World, agent

pytestmark = pytest.mark.e2e


def asked_of_foundry(world: World, thread_id: str) -> list[str | None]:
    """The `traceparent` of every request about a thread."""
    entries = world.emulator.ledger().requests
    return [entry.trace for entry in entries if thread_id in (entry.thread_id, entry.conversation_id)]


def start(world: World, traceparent: str, path: str = "/api/run_agent", **fields: str) -> str:
    body = {"agent_id": agent("slow"), "user_message": "hello", **fields}
    answer = world.post(path, body, headers={"traceparent": traceparent, "tracestate": "vendor=1"})
    assert answer.status == 202, answer.text
    return str(answer.json["id"])


def test_a_run_belongs_to_the_trace_of_its_caller(world: World) -> None:
    trace_id = secrets.token_hex(16)
    run = start(world, f"00-{trace_id}-00f067aa0ba902b7-01")
    document = world.end(run)
    assert document["status"] == "Success"
    assert document["trace_id"] == document["customStatus"]["trace_id"] == trace_id
    traces = asked_of_foundry(world, document["thread_id"])
    assert document["customStatus"]["polls"] > TIMERS_PER_GENERATION, "a second generation has gone on with it"
    assert {re.fullmatch(r"00-(\w{32})-\w{16}-01", trace or "")[1] for trace in traces} == {trace_id}  # type: ignore[index]
    assert len(set(traces)) > 5, "each activity is a span of its own"


def test_what_it_logs_names_it(world: World) -> None:
    world.only_here("writes its log elsewhere")
    trace_id = secrets.token_hex(16)
    run = start(world, f"00-{trace_id}-00f067aa0ba902b7-01")
    world.end(run)
    world.host.until_log(f'"trace_id":"{trace_id}"')
    [ended] = [line for line in world.host.log.splitlines() if "agent_run.ended" in line and run in line]
    assert f'"trace_id":"{trace_id}"' in ended


def test_so_does_one_that_the_webhook_starts(world: World) -> None:
    trace_id = secrets.token_hex(16)
    run = start(world, f"00-{trace_id}-00f067aa0ba902b7-00", "/runtime/webhooks/durabletask/orchestrators/agent_run")
    assert world.end(run)["trace_id"] == trace_id


@pytest.mark.parametrize("given", ["", "nothing", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
def test_without_a_valid_trace_it_has_its_own(world: World, given: str) -> None:
    document = world.end(start(world, given, agent_id=agent("instant")))
    assert document["status"] == "Success"
    own = {re.fullmatch(r"00-(\w{32})-\w{16}-00", t or "")[1] for t in asked_of_foundry(world, document["thread_id"])}  # type: ignore[index]
    assert own == {document["trace_id"]}
    assert document["trace_id"] != "0" * 32
