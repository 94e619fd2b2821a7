"""What each method sends, and makes of the answer."""

import pytest
import requests

from client import StillRunningError, UnreachableError, UsageError
from tests.client.app import QUESTION, RUN_ID, URL, App, ended, going_on, started
from tests.unit.scripted import reply


def sent(app):
    return [f"{r.method} {r.url.removeprefix(f'{URL}/api/')}" for r in app.requests]


def test_a_start_sends_what_was_given_and_nothing_else():
    app = App(started())
    app.runs.start("hi", agent="history", idempotency_key="mine", fields={"timeout_seconds": 60, "metadata": None})
    assert sent(app) == ["POST run_agent"]
    assert app.bodies == [{"user_message": "hi", "agent_id": "history", "timeout_seconds": 60}]
    assert app.requests[0].headers["Idempotency-Key"] == "mine"


@pytest.mark.parametrize("key", ["a b", "\u00e4", "x" * 201])
def test_a_key_that_the_app_would_refuse_is_not_sent(key):
    app = App()
    with pytest.raises(UsageError):
        app.runs.start("hi", idempotency_key=key)


@pytest.mark.parametrize("run_id", ["", ".", "..", "a/b", "../agents", "a?b", "a b", "x" * 101])
@pytest.mark.parametrize("method", ["get", "cancel", "answer", "wait"])
def test_what_is_no_id_never_becomes_a_path(run_id, method):
    app = App()
    with pytest.raises(UsageError):
        getattr(app.runs, method)(run_id)


def test_a_run_is_waited_for_with_requests_that_the_app_holds():
    app = App(started())
    app.network.script += [going_on(), app.lasting(30, going_on()), app.lasting(12, ended(response="blue"))]
    run = app.runs.run("why?")
    assert (run.response, run.succeeded) == ("blue", True)
    assert sent(app)[1:] == [f"GET runs/{RUN_ID}"] * 3
    assert [r.headers.get("Prefer") for r in app.requests] == [None, None, "wait=30", "wait=30"]
    assert app.clock.pauses == [0.0, 0.0]


def test_where_prefer_is_dropped_the_app_is_asked_as_often_as_it_wishes():
    app = App(going_on(), going_on(), going_on({"Retry-After": "5"}), ended())
    app.runs.wait(RUN_ID)
    assert app.clock.pauses == [0.0, 2.0, 5.0]


def test_a_question_ends_the_wait_unless_others_answer_it():
    app = App(going_on(required_action=QUESTION))
    run = app.runs.wait(RUN_ID)
    assert run.question is not None
    assert [(call.id, call.kind) for call in run.question.calls] == [("call_1", "function"), ("call_2", "approval")]

    app = App(*[going_on(required_action=QUESTION)] * 3, ended())
    assert app.runs.wait(RUN_ID, through_questions=True).succeeded
    assert app.clock.pauses == [0.0, 2.0, 2.0]


def test_a_wait_ends_in_time_and_names_the_run():
    app = App(*[going_on()] * 100)
    with pytest.raises(StillRunningError, match=RUN_ID) as raised:
        app.runs.wait(RUN_ID, timeout=10)
    assert raised.value.run_id == RUN_ID
    assert sum(app.clock.pauses) == 10
    assert isinstance(raised.value, TimeoutError)


def test_a_look_is_held_no_longer_than_is_left():
    app = App()
    app.network.script += [going_on(), app.lasting(30, going_on()), app.lasting(12, ended())]
    app.runs.wait(RUN_ID, timeout=42.5)
    assert [r.headers.get("Prefer") for r in app.requests] == [None, "wait=30", "wait=12"]


def test_an_outage_of_minutes_does_not_end_a_watch_that_has_seen_its_run():
    trouble = [requests.ConnectionError(), reply(404), reply(503)] * 8
    app = App(going_on(), *trouble, ended(), patience=0)
    assert app.runs.wait(RUN_ID).succeeded
    assert sum(app.clock.pauses) > 120


def test_before_it_has_an_address_without_the_app_is_told_at_once():
    app = App(requests.ConnectionError(), patience=0)
    with pytest.raises(UnreachableError):
        app.runs.wait(RUN_ID)


def test_without_holding_a_run_is_looked_at_every_so_often():
    app = App(going_on(), ended())
    assert [run.status for run in app.runs.watch(RUN_ID, every=0.1)] == ["Running", "Success"]
    assert app.clock.pauses == [0.1]
    assert "Prefer" not in app.requests[0].headers


def test_an_answer_names_every_call():
    app = App(going_on())
    app.runs.answer(RUN_ID, outputs={"call_1": "18"}, approvals={"call_2": False}, headers_ref="BANK")
    assert sent(app) == [f"POST runs/{RUN_ID}/tool_outputs"]
    assert app.bodies == [
        {
            "tool_outputs": [{"tool_call_id": "call_1", "output": "18"}],
            "approvals": [{"tool_call_id": "call_2", "approve": False, "headers_ref": "BANK"}],
        }
    ]


def test_a_cancel_says_why():
    app = App(going_on(name="Cancelling"), going_on(name="Cancelling"))
    assert app.runs.cancel(RUN_ID, "no longer needed").status == "Cancelling"
    app.runs.cancel(RUN_ID)
    assert sent(app) == [f"POST runs/{RUN_ID}/cancel"] * 2
    assert app.bodies == [{"reason": "no longer needed"}, {}]


def test_a_list_follows_its_pages():
    def page(*names, cursor):
        runs = [{"instanceId": name, "status": "Running"} for name in names]
        return reply(200, {"runs": runs, "next_cursor": cursor, "partial": cursor is not None})

    app = App(page("a", "b", cursor="c 1"), page(cursor="c2"), page("c", cursor=None))
    found = app.runs.find({"status": "Running", "agent_id": None})
    assert [run.id for run in found] == ["a", "b", "c"]
    assert sent(app) == [
        "GET runs?status=Running",
        "GET runs?status=Running&cursor=c+1",
        "GET runs?status=Running&cursor=c2",
    ]


def test_what_others_leave_out_or_spoil_is_passed_over():
    question = {"event": "tool_outputs_1", "calls": [{"id": "call_1"}, "no call", {"kind": "function"}], "more": "x"}
    shown = {"instanceId": RUN_ID, "status": "Running", "error": "text", "required_action": question, "customStatus": 7}
    run = App(reply(202, shown)).runs.get(RUN_ID)
    assert run.question is not None
    assert [(call.id, call.kind, call.arguments) for call in run.question.calls] == [("call_1", "unsupported", None)]
    assert (run.question.more, run.error_code, run.retrying) == (0, None, None)
