"""The flat status document of one instance."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recovery
from contracts.outcome import usage_of
from contracts.runs import PendingCall, Tokens
from contracts.status import StatusDocument, shown_call
from contracts.wire import to_wire
from http_api import status_document as module
from recovery import NOT_BROUGHT_BACK, RECOVERING_FOR, REWOUND_WITHIN, died_with_its_worker, may_be_rewound, was_rewound
from tests.unit.scripted import PROMPT, no_deadline

OUTCOME = {
    "status": "Success",
    "response": "blue",
    "thread_id": "thread_1",
    "run_id": "run_1",
    "composite_run_id": "agent#thread_1#run_1",
    "agent_id": "asst_1",
    "run_status": "completed",
    "monitor_url": "https://portal.azure.com/#@/resource/x/overview",
    "message_id": "msg_1",
    "annotations": [],
    "attachments": [],
    "usage": None,
    "model": None,
    "started_at": "2026-11-21T10:00:00Z",
    "completed_at": "2026-11-21T10:00:01Z",
    "messages": [],
    "refusal": False,
    "not_understood": [],
    "thread_deleted": False,
}
CUSTOM = {
    "status": "Running",
    "step": "get_run",
    "thread_id": "thread_0",
    "run_id": "run_0",
    "composite_run_id": "agent#thread_0#run_0",
    "agent_id": "asst_0",
    "run_status": "in_progress",
    "monitor_url": None,
    "required_action": None,
    "error": None,
}


ENDED_AT = datetime(2026, 11, 21, 10, 0, 1, tzinfo=UTC)


class Shown(dict):
    """A status document as a caller reads it, and what it says of itself."""

    def __init__(self, document):
        super().__init__(json.loads(json.dumps(to_wire(document))))
        self.document: StatusDocument = document


def status_document(payload, now=ENDED_AT, history=None):
    return Shown(module.status_document(payload, now, history))


def is_ended(shown):
    return shown.document.is_ended


def is_cancelling(shown):
    return shown.document.is_cancelling


def is_recovering(shown):
    return shown.document.is_recovering


def takes_events(shown):
    return shown.document.takes_events


def durable(runtime_status="Running", **fields):
    return {
        "name": "agent_run",
        "instanceId": "i1",
        "runtimeStatus": runtime_status,
        "input": {"user_message": PROMPT},
        "customStatus": None,
        "output": None,
        "createdTime": "2026-11-21T10:00:00Z",
        "lastUpdatedTime": "2026-11-21T10:00:01Z",
        **fields,
    }


@pytest.mark.parametrize(
    ("runtime_status", "status", "ended"),
    [
        ("Pending", "Running", False),
        ("Running", "Running", False),
        ("ContinuedAsNew", "Running", False),
        ("Suspended", "Running", False),
        ("Completed", "Success", True),
        ("Failed", "Failed", True),
        ("Terminated", "Cancelled", True),
        ("Canceled", "Cancelled", True),
        ("InventedLater", "Running", False),
        (None, "Running", False),
    ],
)
def test_every_runtime_status_has_a_status(runtime_status, status, ended):
    document = status_document(durable(runtime_status))
    assert document["status"] == status
    assert document["runtimeStatus"] == runtime_status
    assert is_ended(document) is ended


def test_the_document_has_all_that_the_design_names_and_no_input():
    document = status_document(durable("Completed", output=OUTCOME, customStatus=CUSTOM))
    assert {
        "name",
        "instanceId",
        "runtimeStatus",
        "customStatus",
        "output",
        "createdTime",
        "lastUpdatedTime",
        "status",
        "response",
        "thread_id",
        "run_id",
        "composite_run_id",
        "run_status",
        "agent_id",
        "generation",
        "agent_version",
        "error",
        "monitor_url",
    } <= set(document)
    assert "input" not in document
    assert PROMPT not in json.dumps(document)


def test_a_success_shows_the_outcome_at_top_level():
    document = status_document(durable("Completed", output=OUTCOME, customStatus=CUSTOM))

    assert (document["response"], document["thread_id"], document["run_id"]) == ("blue", "thread_1", "run_1")
    since = {"incomplete": "", "left_out": [], "generation": "classic", "agent_version": None}
    assert document["output"] == {**OUTCOME, **since}
    assert document["error"] is None


def test_the_document_says_which_generation_and_version_of_an_agent_runs():
    of_both = {"generation": "responses", "agent_version": "7"}
    for payload in (
        durable(customStatus={**CUSTOM, **of_both}),
        durable("Completed", output={**OUTCOME, **of_both}, customStatus=CUSTOM),
    ):
        document = status_document(payload)
        assert (document["generation"], document["agent_version"]) == ("responses", "7")
    older = status_document(durable(customStatus=CUSTOM))
    assert (older["generation"], older["agent_version"]) == ("classic", None), "what ran before there were others"
    assert status_document(durable())["generation"] is None, "nobody has said yet"


def test_what_a_run_has_used_has_one_shape_and_its_older_names_beside_it():
    tokens = Tokens(input=5, output=2, total=7)
    newer = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7, "cached_tokens": None}
    assert usage_of(tokens, "responses") == newer
    assert usage_of(tokens, "classic") == {**newer, "prompt_tokens": 5, "completion_tokens": 2}
    assert usage_of(None, "classic") is usage_of(None, "responses") is None


def test_a_call_is_shown_with_all_that_its_caller_needs():
    consent = PendingCall(id="c1", kind="consent", name="graph", link="https://login.contoso.com/x", arguments=None)
    shown = to_wire(shown_call(consent))
    assert shown == {"id": "c1", "kind": "consent", "name": "graph", "link": "https://login.contoso.com/x"}
    approval = PendingCall(id="c2", kind="approval", name="t", server_label="s", arguments="{}")
    assert to_wire(shown_call(approval)) == {
        "id": "c2",
        "kind": "approval",
        "name": "t",
        "server_label": "s",
        "arguments": "{}",
    }


def test_a_running_instance_shows_what_its_custom_status_says():
    document = status_document(durable(customStatus=CUSTOM))
    for name in ("thread_id", "run_id", "composite_run_id", "run_status", "agent_id"):
        assert document[name] == CUSTOM[name]
    assert document["response"] is None
    assert document["error"] is None


def test_a_cancel_that_is_acknowledged_shows():
    document = status_document(durable(customStatus={**CUSTOM, "status": "Cancelling"}))
    assert document["status"] == "Cancelling"
    assert is_cancelling(document)
    assert not is_ended(document)
    assert not is_cancelling(status_document(durable(customStatus=CUSTOM)))


@pytest.mark.parametrize("shown", ["Success", "Failed", "Cancelled", "x", 5, None, []])
def test_only_cancelling_refines_the_platforms_word(shown):
    assert status_document(durable(customStatus={**CUSTOM, "status": shown}))["status"] == "Running"
    assert status_document(durable("Failed", customStatus={**CUSTOM, "status": "Cancelling"}))["status"] == "Failed"


def test_what_the_custom_status_had_no_room_for_is_shown_all_the_same():
    custom = {**CUSTOM, "composite_run_id": None}
    document = module.status_document(
        durable(customStatus=custom), ENDED_AT, None, "https://portal.azure.com/#@/resource/y"
    )
    assert document.composite_run_id == "agent#thread_0#run_0"
    assert document.monitor_url == "https://portal.azure.com/#@/resource/y"
    own = {**custom, "monitor_url": "https://portal.azure.com/#@/resource/x"}
    assert module.status_document(durable(customStatus=own), ENDED_AT, None, "z").monitor_url == own["monitor_url"]
    assert status_document(durable(customStatus={**custom, "run_id": None}))["composite_run_id"] is None


def test_what_the_run_waits_for_shows_while_it_waits():
    action = {"event": "tool_outputs_1", "calls": [], "error": None}
    assert status_document(durable(customStatus={**CUSTOM, "required_action": action}))["required_action"] == action
    ended = status_document(durable("Failed", customStatus={**CUSTOM, "required_action": action}))
    assert ended["required_action"] is None


@pytest.mark.parametrize(
    ("output", "code", "message"),
    [
        (
            "Orchestrator function 'agent_run' failed: timeout: not done after 5 seconds",
            "timeout",
            "not done after 5 seconds",
        ),
        ("Orchestrator function 'agent_run' failed: server_error: a: b", "server_error", "a: b"),
        ("Orchestrator function 'agent_run' failed: DeploymentNotFound: x", "DeploymentNotFound", "x"),
        ("Orchestrator function 'agent_run' failed: two\nlines \n", "failed", "two"),
        ("Orchestrator function 'agent_run' failed: ", "failed", ""),
    ],
)
def test_a_failure_is_taken_apart(output, code, message):
    document = status_document(durable("Failed", output=output, customStatus=CUSTOM))
    assert document["error"] == {"code": code, "message": message}
    assert document["thread_id"] == "thread_0"
    assert document["response"] is None


def test_callers_read_foundrys_own_words_which_the_output_lacks():
    shown = {"code": "invalid_request", "message": "POST answered 400: too long"}
    output = "Orchestrator function 'agent_run' failed: invalid_request: POST answered 400"
    assert status_document(durable("Failed", output=output, customStatus={"error": shown}))["error"] == shown
    other = status_document(durable("Failed", output=output, customStatus={"error": {**shown, "code": "timeout"}}))
    assert other["error"] == {"code": "invalid_request", "message": "POST answered 400"}


@pytest.mark.parametrize("output", [None, "", {}, [], 5, "The event cannot be decoded"])
def test_another_failure_falls_back_to_the_custom_status(output):
    shown = {"code": "timeout", "message": "not done"}
    assert status_document(durable("Failed", output=output, customStatus={"error": shown}))["error"] == shown
    bare = status_document(durable("Failed", output=output))["error"]
    assert bare["code"] == "failed"
    assert isinstance(bare["message"], str)


def test_a_failure_never_shows_the_outcome_of_an_output_that_looks_like_one():
    document = status_document(durable("Failed", output=OUTCOME))
    assert (document["response"], document["thread_id"]) == (None, None)


@pytest.mark.parametrize(("output", "message"), [("on request", "on request"), (None, None), ({}, None)])
def test_a_cancelled_run_says_why(output, message):
    error = status_document(durable("Terminated", output=output, customStatus=CUSTOM))["error"]
    assert error["code"] == "cancelled"
    assert error["message"] == (message or "the instance was terminated")


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*CUSTOM, "x"]), inner, max_size=4),
    max_leaves=6,
)


@no_deadline
@given(
    st.sampled_from(["Pending", "Running", "Suspended", "Completed", "Failed", "Terminated", "Canceled", "x"]), odd, odd
)
def test_odd_outputs_and_custom_statuses_give_a_document(runtime_status, output, custom):
    document = status_document(durable(runtime_status, output=output, customStatus=custom))
    json.dumps(document)
    assert document["status"] in ("Running", "Cancelling", "Success", "Failed", "Cancelled")
    assert is_ended(document) is (document["status"] in ("Success", "Failed", "Cancelled"))
    error = document["error"]
    assert (error is None) is (document["status"] not in ("Failed", "Cancelled"))
    if error is not None:
        assert {name: type(value) for name, value in error.items()} == {"code": str, "message": str}
    is_cancelling(document)


def test_an_empty_status_gives_a_document():
    assert status_document({})["status"] == "Running"


# --- instances that died with their worker ---

DEAD = 'One or more errors occurred. ("/opt/python worker.py" exited with code 137 (0x89))'
NOT_DETERMINISTIC = "Non-Deterministic workflow detected: A previous execution of this orchestration ..."


def dead(output=DEAD, **fields):
    return durable("Failed", output=output, **{"customStatus": CUSTOM, **fields})


@pytest.mark.parametrize("output", [DEAD, NOT_DETERMINISTIC, f"Orchestrator function 'agent_run' failed: {DEAD}"])
@pytest.mark.parametrize("custom", [None, CUSTOM, {**CUSTOM, "status": "Cancelling"}])
def test_who_died_with_its_worker_recovers(output, custom):
    document = status_document(dead(output, customStatus=custom))
    assert document["status"] == ("Cancelling" if custom and custom["status"] == "Cancelling" else "Running")
    assert document["step"] == "recovering"
    assert document["runtimeStatus"] == "Failed"
    assert document["error"] is None
    assert not is_ended(document)
    assert is_recovering(document)
    assert not takes_events(document)


@pytest.mark.parametrize(
    "payload",
    [
        dead(runtimeStatus="Terminated"),
        dead(customStatus={**CUSTOM, "status": "Failed"}),
        dead(customStatus={**CUSTOM, "status": "Cancelled"}),
        dead(output=f"Orchestrator function 'agent_run' failed: worker_died: {DEAD}"),
        dead(output=None),
        dead(output="The event cannot be decoded"),
        dead(output=NOT_DETERMINISTIC, version="0.9"),
    ],
)
def test_who_ended_otherwise_has_ended(payload):
    assert not died_with_its_worker(payload)
    assert is_ended(status_document(payload))


def test_an_instance_that_is_not_brought_back_has_failed():
    died = dead(version="1.0")
    late = ENDED_AT + RECOVERING_FOR
    assert is_recovering(status_document(died, late - timedelta(seconds=1)))
    document = status_document(died, late)
    assert (document["status"], document["error"]["code"]) == ("Failed", "worker_died")
    assert "new idempotency key" in document["error"]["message"]
    assert document["thread_id"] == "thread_0"


def test_one_that_stood_still_after_it_was_brought_back_has_failed():
    document = status_document(durable("Terminated", output=NOT_BROUGHT_BACK, customStatus=CUSTOM))
    assert (document["status"], document["error"]["code"]) == ("Failed", "worker_died")


def test_nothing_is_rewound_that_a_caller_was_told_to_have_ended():
    assert REWOUND_WITHIN < RECOVERING_FOR
    assert may_be_rewound(dead(), ENDED_AT + REWOUND_WITHIN - timedelta(seconds=1))
    assert not may_be_rewound(dead(), ENDED_AT + REWOUND_WITHIN)


@pytest.mark.parametrize(
    ("history", "rewound"),
    [
        (None, False),
        ([{"EventType": "ExecutionStarted"}, {"EventType": "TaskCompleted"}], False),
        ([{"EventType": "ExecutionStarted"}, {"EventType": "GenericEvent"}], True),
    ],
)
def test_a_rewind_leaves_a_trace(history, rewound):
    assert was_rewound(history) is rewound


def test_a_rewound_instance_takes_events_while_it_shows_pending():
    assert takes_events(status_document(durable("Pending", customStatus=CUSTOM)))
    assert takes_events(status_document(durable("Pending", output=DEAD)))
    assert not takes_events(status_document(durable("Pending")))
    assert not takes_events(status_document(durable("Completed", customStatus=CUSTOM)))


def test_a_failure_that_is_not_ours_shows_no_trace():
    document = status_document(durable("Failed", output="Exception: no\n  File '/home/x.py', line 5\n" + "x" * 9999))
    assert document["output"] == "Exception: no"
    assert "home" not in json.dumps(document)
    assert len(status_document(durable("Failed", output="x" * 9999))["output"]) < 1000


FORGED = {"__class__": "X", "__module__": "m", "__data__": "d"}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (json.dumps(FORGED), True),
        (FORGED, True),
        (json.dumps({"tool_outputs": [{"output": FORGED}]}), True),
        (json.dumps(json.dumps(FORGED)), True),
        (json.dumps({"__class__": 1, "__module__": 2}), False),
        ("__class__ is no JSON", False),
        (None, False),
    ],
)
def test_an_event_that_cannot_be_decoded_is_told_and_not_waited_for(given, found):
    history = [
        {"EventType": "ExecutionStarted", "Input": json.dumps(FORGED)},
        {"EventType": "EventRaised", "Input": given},
    ]
    for output in (NOT_DETERMINISTIC, DEAD):
        document = status_document(dead(output, customStatus=None), history=history)
        assert (document["status"] == "Failed") is found
        if found:
            assert document["error"]["code"] == "undecodable_event"


def test_why_the_platform_ended_an_instance_is_asked_only_where_the_orchestrator_has_not_said():
    assert recovery.ended_by_the_platform(dead(customStatus=None))
    assert recovery.ended_by_the_platform(dead())
    assert not recovery.ended_by_the_platform(dead(customStatus={**CUSTOM, "status": "Failed"}))
    assert not recovery.ended_by_the_platform(durable("Terminated"))
