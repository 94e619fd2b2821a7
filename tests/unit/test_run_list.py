"""The routes for many runs, on a hub in memory: list, counts, cancel."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

import host_clock
from contracts.codes import ErrorCode
from http_api import bulk_cancel, instances, run_counts, run_list
from http_api.answers import ApiError
from tests.unit.run_hub import NOW, ListedHub, row
from tests.unit.test_http_functions import (
    OUTCOME,
    FakeClient,
    call,
    environment,  # noqa: F401 - for every test
)
from tests.unit.test_run_filters import ASKS, DEAD
from tests.unit.test_run_pages import others, ours

SECRETS = ("the secret question", "the secret answer", "the secret argument")
REWOUND = [{"EventType": "GenericEvent"}]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> ListedHub:
    made = ListedHub()
    for module in (run_list, run_counts, bulk_cancel):
        monkeypatch.setattr(module, "TaskHub", lambda client: made)
    monkeypatch.setattr(host_clock, "now", lambda: NOW)
    return made


def listed(**query: str) -> tuple[int, Any]:
    answer = call(run_list.list_runs, "/runs", method="GET", query=query, client=FakeClient())
    return answer[0], answer[1]


def test_an_entry_is_the_status_document_without_request_question_and_answer(hub: ListedHub) -> None:
    asked = {**ASKS, "more": 2, "calls": [{**ASKS["calls"][0], "arguments": SECRETS[2]}]}
    custom = {"status": "Running", "step": "get_run", "agent_id": "asst_1", "run_id": "run_1", "required_action": asked}
    hub.rows = [
        ours(2, status="Running", input=SECRETS[0], customStatus={**custom, "thread_id": "thread_1"}),
        ours(3, output={**OUTCOME, "response": SECRETS[1], "messages": []}),
    ]
    status, body = listed()
    assert (status, body["next_cursor"], body["partial"]) == (200, None, False)
    first, second = body["runs"]
    instance_id = hub.rows[0]["instanceId"]
    assert first == {
        "instanceId": instance_id,
        "runUri": f"https://app.azurewebsites.net/api/runs/{instance_id}",
        "runtimeStatus": "Running",
        "createdTime": "2026-11-26T14:59:58Z",
        "lastUpdatedTime": "2026-11-26T14:59:58Z",
        "status": "Running",
        "step": "get_run",
        "agent_id": "asst_1",
        "generation": "classic",
        "agent_version": None,
        "thread_id": "thread_1",
        "run_id": "run_1",
        "composite_run_id": "agent#thread_1#run_1",
        "run_status": None,
        "run_state": None,
        "monitor_url": None,
        "trace_id": None,
        "needs_answer": True,
        "required_action": {"event": "tool_outputs_1", "kinds": ["function"], "calls": 3},
        "waiting_for": None,
        "error": None,
    }
    assert second["status"] == "Success"
    assert not [secret for secret in SECRETS if secret in json.dumps(body)]


def test_pages_follow_one_another(hub: ListedHub) -> None:
    hub.rows = [ours(n) for n in range(45)]
    found, cursor = [], {}
    for size in (20, 20, 5):
        _, body = listed(**cursor)
        assert len(body["runs"]) == size
        assert not body["partial"]
        found += [run["instanceId"] for run in body["runs"]]
        cursor = {"cursor": body["next_cursor"]}
    assert found == [r["instanceId"] for r in hub.rows]
    assert cursor == {"cursor": None}


def test_a_page_that_holds_fewer_although_there_are_more_says_so(hub: ListedHub) -> None:
    hub.rows = [ours(n) for n in range(3_000)]
    status, body = listed(agent_id="asst_nobody")
    assert (status, body["runs"], body["partial"]) == (200, [], True)
    assert body["next_cursor"]


def test_what_is_wrong_with_a_query_is_named_at_once(hub: ListedHub) -> None:
    status, body = listed(limit="101", status="Done", created_to="yesterday")
    assert (status, {d["target"] for d in body["error"]["details"]}) == (400, {"limit", "status", "created_to"})
    for query in ({"limit": "0"}, {"limit": "5,6"}, {"limit": "²"}, {"limit": "-1"}, {"color": "red"}, {"cursor": "x"}):
        status, body = listed(**query)
        assert (status, body["error"]["target"]) == (400, next(iter(query)))
    hub.rows = [ours(n) for n in range(45)]
    cursor = listed(status="Success")[1]["next_cursor"]
    assert listed(status="Success", cursor=cursor, limit="3", code="key")[0] == 200
    assert listed(cursor=cursor)[1]["error"]["target"] == "cursor"


def test_a_platform_that_does_not_list_is_a_503(hub: ListedHub) -> None:
    hub.broken = True
    for answer in (
        call(run_list.list_runs, "/runs", method="GET", client=FakeClient()),
        call(run_counts.count_runs, "/runs/counts", method="GET", client=FakeClient()),
        call(bulk_cancel.cancel_runs, "/runs/cancel", {"reason": "x", "all": True}, client=FakeClient()),
    ):
        status, body, headers = answer
        assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "instance_not_seen", "5")


def test_an_instance_that_its_worker_left_is_shown_as_its_status_document_shows_it(hub: ListedHub) -> None:
    event = {"EventType": "EventRaised", "Input": {"__class__": 1, "__module__": 2, "__data__": 3}}
    hub.rows = [others(name, 60, status="Failed", output=DEAD) for name in ("fresh", "rewound", "spoiled")]
    hub.rows += [others(name, 3_600, status="Failed", output=DEAD) for name in ("old", "old-spoiled")]
    hub.histories = {"rewound": REWOUND, "spoiled": [event], "old-spoiled": [event]}
    runs = {run["instanceId"]: run for run in listed()[1]["runs"]}
    assert {name: (run["status"], run["step"]) for name, run in runs.items()} == {
        "fresh": ("Running", "recovering"),
        "rewound": ("Failed", None),
        "spoiled": ("Failed", None),
        "old": ("Failed", None),
        "old-spoiled": ("Failed", None),
    }
    assert runs["rewound"]["error"]["code"] == "worker_died"
    assert {runs[name]["error"]["code"] for name in ("spoiled", "old-spoiled")} == {"undecodable_event"}
    assert {run["instanceId"] for run in listed(status="Running")[1]["runs"]} == {"fresh"}
    assert {run["instanceId"] for run in listed(status="Failed")[1]["runs"]} == set(runs) - {"fresh"}


def test_a_history_is_asked_for_only_where_it_decides_something(hub: ListedHub) -> None:
    failure = "Orchestrator function 'agent_run' failed: timeout: late"
    stopped = {"status": "Failed", "error": {"code": "timeout", "message": "late"}}
    hub.rows = [others("a", 9, status="Failed", output=failure, customStatus=stopped), others("b", 9), others("c", 9)]
    assert len(listed()[1]["runs"]) == 3
    assert hub.looked_at == []


# --- counts -----------------------------------------------------------------------------------------------------------


def counted() -> Any:
    status, body, _ = call(run_counts.count_runs, "/runs/counts", method="GET", client=FakeClient())
    assert status == 200
    return body


def test_runs_are_counted_by_status_and_window(hub: ListedHub) -> None:
    minutes = {
        5: "Running",
        10: "Running",
        20: "Pending",
        30: "Completed",
        120: "Completed",
        60 * 30: "Failed",
        60 * 24 * 8: "Failed",
    }
    hub.rows = [ours(60 * ago, status=status) for ago, status in minutes.items()]
    hub.rows[0]["customStatus"] = {"status": "Cancelling"}
    hub.rows += [others("x", 60 * 50, status="Terminated"), others("y", 1, name="another")]
    hub.rows += [others(name, 60, status="Failed", output=DEAD) for name in ("fresh", "rewound")]
    hub.histories = {"rewound": REWOUND}
    assert counted() == {
        "last_hour": {"Running": 4, "Success": 1, "Failed": 1, "Cancelled": 1, "complete": True},
        "last_day": {"Running": 4, "Success": 2, "Failed": 1, "Cancelled": 1, "complete": True},
        "last_week": {"Running": 4, "Success": 2, "Failed": 2, "Cancelled": 1, "complete": True},
    }


def test_counts_say_where_they_gave_up(hub: ListedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_counts, "MOST_PAGES", 3)
    hub.reads = 10
    hub.rows = [ours(60 * n) for n in range(3)] + [ours(7_200 + n) for n in range(100)]
    found = counted()
    assert [found[window]["complete"] for window in found] == [False, False, False]
    assert len(hub.asked) == 3
    hub.reads = 1000
    assert [window["complete"] for window in counted().values()] == [True, True, True]


def test_a_query_parameter_is_none_of_the_counts(hub: ListedHub) -> None:
    status, body, _ = call(run_counts.count_runs, "/runs/counts", method="GET", query={"a": "1"}, client=FakeClient())
    assert (status, body["error"]["target"]) == (400, "a")


# --- cancel -----------------------------------------------------------------------------------------------------------


class Cancels:
    """Stands in for the cancel of one run: what comes of each, by its id; how many are under way at most."""

    def __init__(self, **outcomes: Any) -> None:
        self.outcomes = outcomes
        self.reasons: dict[str, str] = {}
        self.at_once = self.under_way = 0

    async def __call__(self, client: Any, instance_id: str, reason: str) -> Any:
        self.reasons[instance_id] = reason
        self.under_way += 1
        self.at_once = max(self.at_once, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        outcome = self.outcomes.get(instance_id, False)
        if isinstance(outcome, Exception):
            raise outcome
        return None, outcome


def cancelled(**body: Any) -> tuple[int, Any]:
    return call(bulk_cancel.cancel_runs, "/runs/cancel", body, client=FakeClient())[:2]


def test_what_goes_on_and_matches_is_cancelled(hub: ListedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    cancels = Cancels(
        late=ApiError(409, ErrorCode.ALREADY_ENDED, "x"),
        purged=ApiError(404, ErrorCode.NOT_FOUND, "x"),
        before=True,
        busy=ApiError(503, ErrorCode.NOT_ACKNOWLEDGED, "x"),
        broken=RuntimeError("x"),
    )
    monkeypatch.setattr(bulk_cancel, "cancel_run", cancels)
    mine = {"customStatus": {"status": "Running", "agent_id": "asst_1"}}
    names = ("one", "two", "late", "purged", "before", "busy", "broken")
    hub.rows = [others(name, 5, status="Running", **mine) for name in names]
    hub.rows += [others("ended", 5, **mine), others("another", 5, status="Running")]
    status, body = cancelled(agent_id="asst_1", reason="The tenant has left.")
    assert (status, body) == (
        200,
        {"matched": 7, "cancelled": 2, "already_ended": 3, "failed": ["broken", "busy"], "more": False},
    )
    assert cancels.reasons == dict.fromkeys(names, "The tenant has left.")


def test_it_cancels_a_thousand_a_few_at_a_time(hub: ListedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_cancel, "cancel_run", cancels := Cancels())
    hub.rows = [ours(n, status="Running") for n in range(1_001)]
    _, body = cancelled(all=True, reason="x")
    assert (body["matched"], body["cancelled"], body["more"]) == (1_000, 1_000, True)
    assert 1 < cancels.at_once <= bulk_cancel.AT_ONCE
    hub.rows = hub.rows[:1_000]
    assert cancelled(all=True, reason="x")[1]["more"] is False


def test_it_begins_with_none_when_the_time_is_over(hub: ListedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_cancel, "cancel_run", cancels := Cancels())
    monkeypatch.setattr(bulk_cancel, "START_NONE_AFTER_SECONDS", 0)
    hub.rows = [ours(n, status="Running") for n in range(5)]
    assert cancelled(all=True, reason="x")[1] == {
        "matched": 0, "cancelled": 0, "already_ended": 0, "failed": [], "more": True,
    }  # fmt: skip
    assert cancels.reasons == {}


def test_one_that_hangs_keeps_nobody(hub: ListedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(client: Any, instance_id: str, reason: str) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(bulk_cancel, "cancel_run", hangs)
    monkeypatch.setattr(bulk_cancel, "ONE_SECONDS", 0.01)
    hub.rows = [others("hung", 1, status="Running")]
    assert cancelled(all=True, reason="x")[1]["failed"] == ["hung"]


@pytest.mark.parametrize(
    ("body", "targets"),
    [
        ({}, ["reason", "all"]),
        ({"all": True}, ["reason"]),
        ({"reason": "x"}, ["all"]),
        ({"reason": "x", "all": False}, ["all"]),
        ({"reason": "x", "status": "Running"}, ["all"]),
        ({"reason": "x", "all": True, "agent_id": "asst_1"}, ["all"]),
        ({"reason": "x", "all": "true"}, ["all"]),
        ({"reason": "x", "all": 1}, ["all"]),
        ({"reason": " ", "all": True}, ["reason"]),
        ({"reason": 5, "all": True}, ["reason"]),
        ({"reason": "x" * 501, "all": True}, ["reason"]),
        ({"reason": "x", "all": True, "status": "Failed"}, ["status"]),
        ({"reason": "x", "all": True, "resaon": "x"}, ["resaon"]),
        ({"reason": "x", "thread_id": "run_1"}, ["thread_id"]),
    ],
)
def test_a_cancel_of_many_says_what_it_means(hub: ListedHub, body: dict[str, Any], targets: list[str]) -> None:
    status, answer = cancelled(**body)
    assert (status, [d["target"] for d in answer["error"]["details"]]) == (400, targets)
    assert hub.asked == []


def test_the_single_route_and_this_one_cancel_alike(hub: ListedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "RAISE_AGAIN_SECONDS", 0)
    client = FakeClient()
    hub.rows = [row("i1", status="Running")]
    client.instances["i1"] = row("i1", status="Running")
    client.on_event = lambda *_: client.instances["i1"].update(customStatus={"status": "Cancelling"})
    status, body, _ = call(bulk_cancel.cancel_runs, "/runs/cancel", {"reason": "why", "all": True}, client=client)
    assert (status, body["cancelled"]) == (200, 1)
    assert client.events == [("i1", "cancel", {"reason": "why"})]


def test_a_run_that_was_started_long_ago_is_found_by_its_window(hub: ListedHub) -> None:
    hub.rows = [ours(60), ours(7_200)]
    since = (NOW - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert [run["instanceId"] for run in listed(created_from=since)[1]["runs"]] == [hub.rows[0]["instanceId"]]
    assert [run["instanceId"] for run in listed(created_to=since)[1]["runs"]] == [hub.rows[1]["instanceId"]]
