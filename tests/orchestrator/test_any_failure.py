"""Whatever Foundry says, in whatever order: the orchestration ends in time, and leaves no run without saying so."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.runs import RunState
from orchestrators.endings import CANCELLING_SECONDS, DELETING_SECONDS, STOPPING_SECONDS
from tests.orchestrator.scripted_foundry import DEAD_WORKER, ActivityCrashError, ScriptedFoundry, call, failure

DEADLINE = 300

FAILURES = st.builds(
    failure,
    st.sampled_from(
        ["invalid_request", "unauthorized", "forbidden", "no_token", "not_found", "configuration_error",
         "refused_for_now", "answer_refused", "certificate", "proxy_refused", "rate_limited", "service_unavailable",
         "connection_failed", "bad_response", "unreadable_refusal", "thread_busy", "store_unavailable", "worker_died",
         "activity_failed", "too_many_tool_calls", "response_too_large", "SomethingNew"]
    ),
    retryable=st.booleans(),
    gone=st.booleans(),
    retry_after_seconds=st.none() | st.floats(0, 100_000),
)  # fmt: skip

ANSWERS = st.lists(
    st.tuples(FAILURES | st.just(ActivityCrashError(DEAD_WORKER)) | st.none(), st.integers(1, 15)), max_size=6
).map(lambda runs: [answer for answer, times in runs for _ in range(times)])

ACTIVITIES = (
    "create_thread", "create_message", "create_run", "get_run", "get_response", "submit_tool_outputs", "cancel_run",
    "delete_thread",
)  # fmt: skip

LIMITED = {"state": "failed", "error_code": "rate_limit_exceeded", "rate_limited": True, "retry_after_seconds": 6}
STATES = st.sampled_from(
    ["active", "cancelling", "completed", "failed", "expired", "incomplete", "cancelled", LIMITED,
     {"state": "requires_action"},
     {"state": "requires_action", "pending_calls": [call("c1")]},
     {"state": "requires_action", "pending_calls": [call("c1"), call("x1", kind="unsupported")]},
     {"state": "requires_action", "pending_calls": [call("null", "null", kind="unsupported")]}]
)  # fmt: skip


def until_it_ends(states: dict[float, Any]) -> dict[float, Any]:
    """Return the states without those that would follow an end."""
    kept: dict[float, Any] = {}
    for at, state in sorted(states.items()):
        kept[at] = state
        name = state if isinstance(state, str) else state["state"]
        if RunState(name).is_ended:
            break
    return kept


@settings(max_examples=40, deadline=None)
@given(
    overrides=st.fixed_dictionaries({}, optional=dict.fromkeys(ACTIVITIES, ANSWERS)),
    states=st.dictionaries(st.integers(1, 200), STATES, max_size=4),
    events=st.lists(
        st.tuples(
            st.floats(0, 400),
            st.sampled_from(["cancel", "tool_outputs_1", "tool_outputs_2"]),
            st.sampled_from([None, {"tool_outputs": [{"tool_call_id": "c1", "output": "x"}]}]),
        ),
        max_size=4,
    ),
    message=st.sampled_from(["hello", None]),
)
def test_it_ends_in_time_and_leaves_no_run_without_saying_so(
    overrides: dict[str, list[Any]], states: dict[float, Any], events: list[Any], message: str | None
) -> None:
    foundry = ScriptedFoundry({0: "active", **until_it_ends(states)}, **overrides)
    ended = foundry.run(
        {"thread_id": "thread_x", "user_message": message},
        timeout=DEADLINE,
        events=events,
        policy={"delete_thread": "on_success"},
    )
    assert ended.status in {"Completed", "Failed", "Terminated"}
    stopping = CANCELLING_SECONDS if any(name == "cancel" for _, name, _ in events) else STOPPING_SECONDS
    assert ended.seconds <= DEADLINE + stopping + STOPPING_SECONDS + DELETING_SECONDS + 10
    assert len(foundry.messages) <= 1
    assert ended.custom_status["status"] in {"Success", "Failed", "Cancelled"}
    assert ended.custom_status["retrying"] is None
    if not foundry.runs:
        return
    last = foundry._snapshot(foundry.runs[-1], ended.seconds, "thread_x")["state"]
    if last in {"active", "requires_action"}:
        told = ended.output + str(ended.custom_status["error"])
        assert any(words in told for words in ("could not be stopped", "may still be active", "is still", "is gone"))
