"""Each fault, before and after the request took effect, as a client meets it and as the ledger tells it."""

import re
import socket
import threading
import time
from pathlib import Path

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

from local.foundry_emulator import Agents, FoundryEmulator
from local.foundry_emulator.sayings import SAYINGS
from tests.foundry_emulator.conftest import Http, sdk_client

MESSAGE = {"role": "user", "content": "hi"}


@pytest.fixture
def thread_id(http):
    return http.thread()


def post_message(http, thread_id, **options):
    return http("POST", f"/threads/{thread_id}/messages", MESSAGE, **options)


def last(emulator):
    return emulator.ledger().of("create_message")[-1]


@pytest.mark.parametrize("status", [401, 408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("effect", ["none", "first"])
def test_a_status_instead_of_the_answer(http, emulator, thread_id, status, effect):
    fault = emulator.faults.add("status", operation="create_message", status=status, effect=effect)
    answer = post_message(http, thread_id)
    assert answer.status_code == status
    assert answer.json()
    ledger = emulator.ledger()
    took_effect = effect == "first"
    assert ledger.user_messages == (1 if took_effect else 0)
    entry = last(emulator)
    assert (entry.status, entry.service_status) == (status, 200 if took_effect else None)
    assert entry.took_effect is took_effect
    assert entry.fault == {"id": fault.id, "kind": "status", "effect": effect}
    assert (entry.message_id is not None) is took_effect
    assert post_message(http, thread_id).status_code == 200  # once only


@pytest.mark.parametrize("says", SAYINGS)
def test_what_the_service_and_its_neighbours_say(http, emulator, thread_id, says):
    emulator.faults.add("status", operation="get_thread", says=says, headers={"x-more": "1"})
    answer = http("GET", f"/threads/{thread_id}")
    said = SAYINGS[says]
    assert answer.status_code == said.status
    assert (answer.text if isinstance(said.body, str) else answer.json()) == said.body
    sent = {"Content-Type": "application/json; charset=utf-8", **said.headers, "x-more": "1"}
    assert sent.items() <= dict(answer.headers).items()


def test_looks_and_cancels_are_refused_so_many_times(http, emulator):
    run = http.run(http.thread("hi"), Agents.FOREVER)
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    emulator.faults.add("status", operation="get_run", says="project_not_found", times=3)
    assert [http("GET", path).status_code for _ in range(4)] == [404, 404, 404, 200]
    emulator.faults.add("status", operation="cancel_run", says="conflict", times=2, path=path + "/cancel")
    assert [http("POST", f"{path}/cancel").status_code for _ in range(3)] == [409, 409, 200]
    assert [run["cancel_requested"] for run in emulator.ledger().runs] == [True]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"says": "nothing"}, "`says` is one of project_not_found, .*; not 'nothing'"),
        ({"says": "locked", "status": 400}, "instead of `status` and `body`"),
        ({"says": "locked", "body": {}}, "instead of `status` and `body`"),
        ({"says": "locked", "kind": "html"}, "for a fault of kind `status`"),
    ],
)
def test_a_saying_that_makes_no_sense_is_refused(emulator, fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        emulator.faults.add_rule({"kind": "status", **fields})


def test_headers_and_body_of_a_status(http, emulator, thread_id):
    emulator.faults.add(
        "status",
        operation="create_message",
        status=429,
        headers={"Retry-After": "3", "retry-after-ms": "2500", "x-ratelimit-remaining-tokens": "0"},
        body={"error": {"code": "429", "message": "slow down"}},
    )
    answer = post_message(http, thread_id)
    assert (answer.headers["Retry-After"], answer.headers["retry-after-ms"]) == ("3", "2500")
    assert answer.json()["error"]["message"] == "slow down"
    emulator.faults.add("status", operation="create_message", status=429)
    answer = post_message(http, thread_id)
    assert "Retry-After" not in answer.headers
    assert answer.json()["error"]["message"] == "Rate limit is exceeded. Try again in 2 seconds."


@pytest.mark.parametrize("effect", ["none", "first"])
def test_html_of_a_gateway(http, emulator, thread_id, effect):
    emulator.faults.add("html", operation="create_message", effect=effect)
    answer = post_message(http, thread_id)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert answer.text.startswith("<html>")
    assert emulator.ledger().user_messages == (effect == "first")


def test_truncated_json(http, emulator, thread_id):
    emulator.faults.add("truncated_json", operation="create_message")
    answer = post_message(http, thread_id)
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert emulator.ledger().user_messages == 1


@pytest.mark.parametrize("effect", ["none", "first"])
def test_empty_body(http, emulator, thread_id, effect):
    emulator.faults.add("empty_body", operation="create_message", effect=effect)
    answer = post_message(http, thread_id)
    assert (answer.status_code, answer.content) == (200, b"")
    assert emulator.ledger().user_messages == (effect == "first")


def test_cut_body(http, emulator, thread_id):
    emulator.faults.add("cut_body", operation="create_message")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        post_message(http, thread_id)
    assert emulator.ledger().user_messages == 1


@pytest.mark.parametrize("effect", ["none", "first"])
def test_reset(http, emulator, thread_id, effect):
    emulator.faults.add("reset", operation="create_message", effect=effect)
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        post_message(http, thread_id)
    entry = last(emulator)
    assert entry.status is None
    assert entry.took_effect is (effect == "first")
    assert emulator.ledger().user_messages == (effect == "first")


@pytest.mark.parametrize(("effect", "after"), [("first", 1), ("last", 0)])
def test_an_answer_later_than_the_clients_patience(http, emulator, thread_id, effect, after):
    emulator.faults.add("delay", operation="create_message", effect=effect, seconds=0.8)
    with pytest.raises(requests.ReadTimeout):
        post_message(http, thread_id, timeout=0.4)
    assert emulator.ledger().user_messages == after
    entry = last(emulator)
    assert (entry.status, entry.took_effect) == (None, effect == "first")
    until = time.monotonic() + 3
    while emulator.ledger().user_messages == 0 and time.monotonic() < until:
        time.sleep(0.01)
    assert emulator.ledger().user_messages == 1  # the service goes on without the client


def test_a_delayed_answer_arrives(http, emulator, thread_id):
    emulator.faults.add("delay", operation="create_message", seconds=0.15)
    answer = post_message(http, thread_id)
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.15
    assert last(emulator).status == 200


def test_a_request_that_hangs_and_never_lands(http, emulator, thread_id):
    emulator.faults.add("delay", operation="create_message", seconds=0.1, effect="none")
    with pytest.raises(requests.ConnectionError):
        post_message(http, thread_id)
    assert emulator.ledger().user_messages == 0


def test_a_body_that_trickles_defeats_a_read_timeout(http, emulator, thread_id):
    emulator.faults.add("trickle", operation="create_message", seconds=0.6)
    started = time.monotonic()
    answer = post_message(http, thread_id, timeout=0.3)
    assert time.monotonic() - started >= 0.6
    assert answer.json()["role"] == "user"


def test_a_refused_connection_after_the_answer(http, emulator, thread_id):
    emulator.faults.add("refuse", operation="create_message", effect="first", seconds=0.5)
    assert post_message(http, thread_id).status_code == 200
    with pytest.raises(requests.ConnectionError, match="refused"):
        post_message(http, thread_id)
    _wait_until_back(emulator)
    assert post_message(http, thread_id).status_code == 200
    assert emulator.ledger().user_messages == 2


def test_a_refused_connection_instead_of_the_answer(http, emulator, thread_id):
    emulator.faults.add("refuse", operation="create_message", seconds=0.5)
    with pytest.raises(requests.ConnectionError):
        post_message(http, thread_id)
    with pytest.raises(requests.ConnectionError, match="refused"):
        post_message(http, thread_id)
    _wait_until_back(emulator)
    assert emulator.ledger().user_messages == 0


def test_an_outage_breaks_pooled_connections_too(http, emulator, thread_id):
    port = emulator.port
    emulator.outage(0.4)
    with pytest.raises(requests.ConnectionError):
        http.thread()
    _wait_until_back(emulator)
    assert emulator.port == port
    assert http.thread()


def test_an_outage_can_be_prolonged(emulator, http):
    emulator.outage(0.05)
    emulator.outage(1)
    time.sleep(0.2)
    with pytest.raises(requests.ConnectionError):
        http.thread()
    _wait_until_back(emulator)


def _wait_until_back(emulator):
    until = time.monotonic() + 3
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", emulator.port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    pytest.fail("the emulator does not listen again")


def test_stopping_does_not_wait_for_a_hanging_answer():
    started = time.monotonic()
    with FoundryEmulator() as emulator:
        emulator.faults.add("delay", seconds=60)
        url = f"{emulator.endpoint}/threads?api-version=v1"
        failed = []

        def ask():
            try:
                requests.post(url, headers={"Authorization": "Bearer t"}, timeout=30)
            except requests.ConnectionError as error:
                failed.append(error)

        asker = threading.Thread(target=ask)
        asker.start()
        while not emulator.ledger().requests:
            time.sleep(0.01)
    asker.join(timeout=10)
    assert failed
    assert time.monotonic() - started < 5


# Which requests a rule picks


def test_skip_and_times(http, emulator, thread_id):
    fault = emulator.faults.add("status", operation="create_message", status=500, skip=1, times=2)
    statuses = [post_message(http, thread_id).status_code for _ in range(5)]
    assert statuses == [200, 500, 500, 200, 200]
    assert (fault.applied, fault.matched) == (2, 3)


def test_for_ever_until_removed(http, emulator, thread_id):
    fault = emulator.faults.add("status", method="POST", path=r"/threads/[^/]+/messages", times=None)
    assert [post_message(http, thread_id).status_code for _ in range(3)] == [503] * 3
    assert http("GET", f"/threads/{thread_id}/messages").status_code == 200
    assert emulator.faults.remove(fault.id)
    assert post_message(http, thread_id).status_code == 200


def test_the_first_rule_that_picks_is_applied_then_the_next(http, emulator, thread_id):
    emulator.faults.add("status", operation="create_message", status=500)
    emulator.faults.add("status", operation="create_message", status=503)
    assert [post_message(http, thread_id).status_code for _ in range(3)] == [500, 503, 200]


def test_a_rule_picks_requests_by_what_they_mention_in_path_query_or_body(http, emulator, thread_id):
    other = http.thread()
    emulator.faults.add("status", mentions=thread_id, times=None)
    assert post_message(http, other).status_code == 200
    assert post_message(http, thread_id).status_code == 503
    emulator.faults.clear()
    emulator.faults.add("status", mentions="needle", times=None)
    assert http("GET", f"/threads/{thread_id}/messages").status_code == 200
    assert http("GET", f"/threads/{thread_id}/messages", query={"after": "needle"}).status_code == 503
    sent = {"role": "user", "content": "a needle in it"}
    assert http("POST", f"/threads/{thread_id}/messages", sent).status_code == 503


def test_probability_follows_the_seed(emulator):
    def draw(seed):
        fault = emulator.faults.add("reset", probability=0.3, seed=seed, times=None)
        return [fault.wants("GET", "/threads", "list_threads") for _ in range(200)]

    assert draw(1) == draw(1) != draw(2)
    assert 30 < sum(draw(1)) < 90


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"kind": "explode"}, "Invalid enum value 'explode'"),
        ({"kind": "reset", "operation": "create_mesage"}, "`operation` is one of"),
        ({"kind": "reset", "effect": "last"}, "`effect` of reset"),
        ({"kind": "reset", "path": "("}, "no regular expression"),
        ({"kind": "reset", "tims": 1}, "unknown field `tims`"),
        ({"kind": "status", "status": 99}, "status"),
        ({"kind": "delay", "seconds": -1}, "seconds"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(emulator, rule, complaint):
    with pytest.raises(ValueError, match=complaint):
        emulator.faults.add(**rule)
    assert emulator.faults.all() == []


# With the SDK


def test_an_ambiguous_run_is_really_there(emulator, sdk):
    thread = sdk.threads.create()
    emulator.faults.add("reset", operation="create_run", effect="first")
    with pytest.raises(ServiceResponseError):
        sdk.runs.create(thread_id=thread.id, agent_id=Agents.FOREVER, metadata={"op": "7"})
    [run] = sdk.runs.list(thread.id)
    assert run.metadata == {"op": "7"}
    with pytest.raises(HttpResponseError, match=f"already has an active run {run.id}"):
        sdk.runs.create(thread_id=thread.id, agent_id=Agents.FOREVER)


def test_the_sdks_own_retry_doubles_a_message(emulator):
    """Why our client does not use it: a POST answered with 503 after it took effect is sent again."""
    with sdk_client(emulator, retry_total=1, retry_backoff_factor=0) as sdk:
        thread = sdk.threads.create()
        emulator.faults.add("status", operation="create_message", status=503, effect="first")
        sdk.messages.create(thread.id, role="user", content="hi")
    assert emulator.ledger().threads[thread.id]["user_messages"] == 2


def test_a_closed_port_is_a_request_error(emulator, sdk):
    emulator.outage(0.5)
    with pytest.raises(ServiceRequestError):
        sdk.threads.create()


def test_outages_that_overlap_hurt_nobody_but_clients():
    """Connections break before their request is read, and a port is closed while it is being opened again."""
    with FoundryEmulator() as emulator:  # its end shows what went wrong inside
        emulator.faults.add("refuse", operation="create_thread", probability=0.05, times=None, seconds=0.005)
        answered, refused, end = [], [], time.monotonic() + 3

        def hammer():
            while time.monotonic() < end:
                with requests.Session() as session:
                    try:
                        while time.monotonic() < end:
                            url = f"{emulator.endpoint}/threads?api-version=v1"
                            answer = session.post(url, json={}, headers={"Authorization": "Bearer t"}, timeout=5)
                            answered.append(answer.status_code)
                    except requests.ConnectionError as error:
                        refused.append(error)

        callers = [threading.Thread(target=hammer) for _ in range(12)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        emulator.faults.clear()
        assert set(answered) == {200}
        assert len(refused) > 10
        time.sleep(0.5)  # the last outage may have begun just now
        Http(emulator, requests.Session()).thread()


def test_a_bug_inside_is_shown_at_the_end():
    emulator = FoundryEmulator().start()
    emulator.service.state.assistants = None
    answer = requests.get(
        f"{emulator.endpoint}/assistants?api-version=v1", headers={"Authorization": "Bearer t"}, timeout=5
    )
    assert answer.status_code == 500
    with pytest.raises(ExceptionGroup, match="the emulator went wrong") as shown:
        emulator.stop()
    assert isinstance(shown.value.exceptions[0], AttributeError)


def test_the_page_tells_all_sayings():
    page = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text("utf-8")
    section = page.split("## What is said instead")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)[1:] == list(SAYINGS)
