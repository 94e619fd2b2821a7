"""Polysync against the real app on the local host: import, start, poll, bind, chain, cancel, fail."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from contracts.generations import Generation
from tests.e2e.generations import present, thread_prefix
from tests.e2e.world import World, agent, one_message_one_run
from tests.functions_host.harness import REPOSITORY
from tests.polysync.client import (
    DURABLE_STATUS_MAPPING,
    Direction,
    EntraClientCredentials,
    Execution,
    FunctionKey,
    Job,
    Parameter,
    Polysync,
)

pytestmark = pytest.mark.e2e

DOCUMENT = (REPOSITORY / "docs" / "polysync.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"<!-- example: ([^>]+) -->\n```json\n(.*?)\n```", DOCUMENT, flags=re.DOTALL))


def example(name: str, **filled: str) -> Any:
    """An example of the documentation, its values in angle brackets filled in."""
    text = EXAMPLES[name]
    for placeholder, value in {"agent id": agent("history"), **filled}.items():
        text = text.replace(f"<{placeholder}>", value)
    return json.loads(text)


@pytest.fixture(scope="module")
def world(generation: Generation) -> Iterator[World]:
    with World(args=["--auth"]) as made:
        yield made


@pytest.fixture
def polysync(world: World) -> Polysync:
    described = example("function key", **{"function key": world.host.ready["function_key"]})
    made = Polysync(FunctionKey(described["key"]))
    made.import_functions(world.host.url, world.host.ready["master_key"])
    return made


def job(name: str = "instant", message: str = "hi", **fields: Any) -> Job:
    """A job like the documented one, for any built-in agent."""
    described = example("job")
    described |= {"name": name, **fields}
    values = {"agent_id": agent(name), "user_message": message}
    for parameter in described["parameters"]:
        parameter["value"] = values.get(parameter["name"], parameter.get("value"))
    return Job.from_json(described)


def with_parameter(given: Job, parameter: Parameter) -> Job:
    """The job with a parameter more, or with another one in its place."""
    others = [p for p in given.parameters if p.name != parameter.name]
    return dataclasses.replace(given, parameters=[*others, parameter])


def document(world: World, polysync: Polysync, execution: Execution) -> dict[str, Any]:
    url = execution.started.json["runUri"]
    return dict(world.host.request("GET", url, headers=polysync.authentication.headers(url)).json)


def test_every_example_is_used_somewhere() -> None:
    used = set(re.findall(r'example\("([^"]+)"', (REPOSITORY / "tests/polysync/test_polysync.py").read_text("utf-8")))
    assert set(EXAMPLES) == used
    assert DOCUMENT.count("```json") == len(EXAMPLES)


# --- import ---


def test_the_import_finds_names_routes_and_methods(polysync: Polysync, world: World) -> None:
    listed = {(f.name, f.method, f.url_template.removeprefix(world.host.url)) for f in polysync.functions.values()}
    documented = set()
    for names, method, route in re.findall(
        r"^\| (`\w+`(?:, `\w+`)*) \| (GET|POST)(?: `([^`]+)`)? \|", DOCUMENT, re.MULTILINE
    ):
        for name in re.findall(r"\w+", names):
            documented.add((name, method, route or None))
    assert {(n, m) for n, m, _ in listed} == {(n, m) for n, m, _ in documented}
    assert {row for row in documented if row[2]} <= listed
    assert polysync.functions["start_agent_run"].placeholders == ["agent_id"]


def test_the_import_takes_the_master_key_only(world: World) -> None:
    for name in ("function_key", "host_key"):
        with pytest.raises(PermissionError, match=r"401|403"):
            Polysync(FunctionKey("x")).import_functions(world.host.url, world.host.ready[name])


# --- a run ---


def test_the_documented_job(polysync: Polysync, world: World) -> None:
    documented = Job.from_json(example("job"))
    method, url, body, headers = polysync.request_of(documented)
    assert (method, url) == ("POST", f"{world.host.url}/api/run_agent")
    assert headers == {"Content-Type": "application/json"}
    assert json.loads(body or b"") == example("body")
    done = polysync.run(documented)
    assert done.status == "Success"
    assert set(done.outputs) == {"response", "thread_id"}
    assert "Why is the sky blue?" in done.outputs["response"] or "Rayleigh" in done.outputs["response"]
    one_message_one_run(world, done.outputs)


def test_every_property_that_is_documented_as_an_output(polysync: Polysync) -> None:
    listed = re.search(r"has these properties, each of which can be mapped: (.*?)\.\n", DOCUMENT, flags=re.DOTALL)
    assert listed
    names = re.findall(r"`(\w+)`", listed[1])
    done = polysync.run(job(output_mapping={name: f"output.{name}" for name in names}))
    assert set(done.answer["output"]) == set(names)
    versions = {"agent_version"} if present() == "classic" else set()  # classic agents have none
    assert set(names) - set(done.outputs) == {"monitor_url"} | versions  # set only with FOUNDRY_RESOURCE_ID


def test_the_flat_status_document(polysync: Polysync) -> None:
    done = polysync.run(Job.from_json(example("flat job")))
    assert done.status == "Success"
    assert done.outputs["response"] == done.answer["output"]["response"]
    assert done.outputs["thread_id"] == done.answer["output"]["thread_id"]


def test_both_status_urls_say_the_same_at_every_moment(polysync: Polysync, world: World) -> None:
    execution = polysync.start(job("history"))
    seen = set()
    while not execution.ended:
        before = document(world, polysync, execution)
        polysync.poll(execution)
        after = document(world, polysync, execution)
        assert execution.status in (before["status"], after["status"])
        seen.add(execution.answer["runtimeStatus"])
    assert seen >= {"Running", "Completed"}


def test_the_documented_mapping_is_complete() -> None:
    assert example("job")["status_mapping"] == DURABLE_STATUS_MAPPING
    table = DOCUMENT.split("Status mapping:")[1].split("If Polysync maps")[0]
    _, *rows = re.findall(r"^\| (`.*?) \| (\w+) \|", table, re.MULTILINE)
    assert {word: status for words, status in rows for word in re.findall(r"`(\w+)`", words)} == DURABLE_STATUS_MAPPING


def test_two_jobs_on_one_thread(polysync: Polysync, world: World) -> None:
    first = polysync.run(Job.from_json(example("job")))
    second = polysync.run(Job.from_json(example("second job")))
    assert second.status == "Success"
    assert second.outputs["thread_id"] == first.outputs["thread_id"]
    assert "2 user messages" in second.outputs["response"]
    assert "Why is the sky blue?" in second.outputs["response"]
    assert len(world.thread(first.outputs["thread_id"])["runs"]) == 2


def test_two_jobs_on_one_thread_at_once(polysync: Polysync) -> None:
    first = polysync.run(job("history", "one"))
    thread = Parameter("thread_id", direction=Direction.BOTH, value=first.outputs["thread_id"])
    messages = ("two", "three")
    jobs = [with_parameter(dataclasses.replace(job("history", m), name=m), thread) for m in messages]
    running = [polysync.start(j) for j in jobs]
    while not all(e.ended for e in running):
        for execution in running:
            polysync.poll(execution)
    assert [e.status for e in running] == ["Success", "Success"]
    for execution, message in zip(running, messages, strict=True):
        assert f'You wrote: "{message}"' in execution.outputs["response"]


def test_reserved_parameters(polysync: Polysync, world: World) -> None:
    documented = Job.from_json(example("reserved"))
    _, url, body, headers = polysync.request_of(documented)
    assert url == f"{world.host.url}/api/agents/{agent('history')}/runs?timeout_seconds=600&if_thread_busy=fail"
    assert body == b"Why is the sky blue?"
    assert headers["Content-Type"] == "text/plain"
    done = polysync.run(documented)
    assert done.status == "Success"
    assert done.outputs["response"]


def test_a_request_body_that_is_json(polysync: Polysync) -> None:
    text = json.dumps({"agent_id": agent("instant"), "user_message": "from the body"})
    whole = Job(
        "whole", "run_agent", [Parameter("RequestBody", value=text), Parameter("user_message", value="not this")]
    )
    done = polysync.run(Job(**{**vars(whole), "output_mapping": {"response": "output.response"}}))
    assert "from the body" in done.outputs["response"]


def test_query_and_body_that_contradict_each_other(polysync: Polysync) -> None:
    failed = polysync.run(with_parameter(job(), Parameter("QueryString", value="user_message=another")))
    assert failed.status == "Failed"
    assert failed.started.status == 400
    assert "user_message" in failed.message


def test_discovery(polysync: Polysync, world: World) -> None:
    done = polysync.run(Job.from_json(example("discovery")))
    assert done.status == "Success"
    assert agent("history") in [a["id"] for a in done.outputs["agents"]]


# --- jobs that do not succeed ---


def test_a_failed_run(polysync: Polysync) -> None:
    failed = polysync.run(job("fails"))
    assert (failed.status, failed.answer["runtimeStatus"]) == ("Failed", "Failed")
    assert "server_error" in failed.message
    assert "\n" not in failed.message
    assert failed.outputs == {}
    assert failed.answer["customStatus"]["thread_id"]


def test_a_failed_run_keeps_its_thread_in_the_flat_document(polysync: Polysync) -> None:
    flat = example("flat job")
    flat["parameters"][0]["value"] = agent("fails")
    failed = polysync.run(Job.from_json(flat))
    assert failed.status == "Failed"
    assert failed.outputs["thread_id"].startswith(thread_prefix())
    assert failed.message


def test_a_run_that_somebody_cancels_in_foundry(polysync: Polysync) -> None:
    cancelled = polysync.run(job("cancelledOutside"))
    assert (cancelled.status, cancelled.answer["runtimeStatus"]) == ("Cancelled", "Terminated")
    assert "cancelled" in cancelled.message


def test_cancel_by_terminate_post_uri(polysync: Polysync, world: World) -> None:
    execution = polysync.start(job("forever"))
    while not (run := document(world, polysync, execution)["run_id"]):
        pass
    assert polysync.cancel(execution, "the operator & nobody else") == 202
    while not execution.ended:
        polysync.poll(execution)
    assert execution.status == "Cancelled"
    assert execution.answer["output"] == "the operator & nobody else"
    # Foundry's run goes on, until the timer function cancels it.
    thread = execution.answer["customStatus"]["thread_id"]
    scan = world.host.request(
        "POST", "/admin/functions/cancel_orphaned_runs", {}, headers={"x-functions-key": world.host.ready["master_key"]}
    )
    assert scan.status == 202
    assert _wait(lambda: _run_status(world, thread, run) == "cancelled")


def test_cancel_by_our_own_route(polysync: Polysync, world: World) -> None:
    execution = polysync.start(job("forever", cancel_url="cancelPostUri"))
    while not (run := document(world, polysync, execution)["run_id"]):
        pass
    assert polysync.cancel(execution, "ignored") == 202
    while not execution.ended:
        polysync.poll(execution)
    assert execution.status == "Cancelled"
    assert _run_status(world, execution.answer["customStatus"]["thread_id"], run) == "cancelled"


def test_the_cancel_job(polysync: Polysync, world: World) -> None:
    execution = polysync.start(job("forever"))
    while not document(world, polysync, execution)["run_id"]:
        pass
    cancel = polysync.start(Job.from_json(example("cancel job", **{"instance id": execution.started.json["id"]})))
    assert cancel.started.status == 202
    assert cancel.status == "Success"
    while not execution.ended:
        polysync.poll(execution)
    assert execution.status == "Cancelled"


def test_the_timeout_of_the_run(polysync: Polysync) -> None:
    late = Parameter("timeout_seconds", "Number", value="3")
    failed = polysync.run(with_parameter(job("forever"), late))
    assert failed.status == "Failed"
    assert "timeout" in failed.message


def test_the_timeout_of_the_job(polysync: Polysync) -> None:
    cancelled = polysync.run(job("forever", timeout_seconds=0.5))
    assert cancelled.status == "Cancelled"
    assert cancelled.answer["output"] == "timeout of the job"


# --- starts that are refused, as the troubleshooting table has them ---


def test_a_wrong_key(polysync: Polysync) -> None:
    polysync.authentication = FunctionKey("wrong")
    refused = polysync.run(job())
    assert (refused.status, refused.started.status) == ("Failed", 401)


def test_a_key_as_header_wins_over_the_one_of_the_status_url(polysync: Polysync, world: World) -> None:
    class SendsItEverywhere(FunctionKey):
        def headers(self, url: str) -> dict[str, str]:
            return {"x-functions-key": self.key}

    polysync.authentication = SendsItEverywhere(world.host.ready["function_key"])
    refused = polysync.run(job())
    assert (refused.started.status, refused.status) == (202, "Failed")
    assert re.search("polling answers 40[13]", refused.message)
    flat = example("flat job")
    assert polysync.run(Job.from_json(flat)).status == "Success"


def test_a_number_of_type_string(polysync: Polysync) -> None:
    refused = polysync.run(with_parameter(job(), Parameter("timeout_seconds", "String", value="60")))
    assert (refused.status, refused.started.status) == ("Failed", 400)
    assert "timeout_seconds" in refused.message


def test_a_parameter_that_does_not_exist_here(polysync: Polysync) -> None:
    refused = polysync.run(with_parameter(job(), Parameter("colour", value="red")))
    assert (refused.status, refused.started.status) == ("Failed", 400)
    assert "colour" in refused.message


def test_a_repeated_start_with_one_key(polysync: Polysync) -> None:
    key = Parameter("idempotency_key", value="nightly-2026-11-21")
    first = polysync.run(with_parameter(job(), key))
    again = polysync.run(with_parameter(job(), key))
    assert again.started.json["id"] == first.started.json["id"]
    other = polysync.run(with_parameter(job(message="other"), key))
    assert (other.status, other.started.status) == ("Failed", 409)


# --- Entra ---


class TokenEndpoint(BaseHTTPRequestHandler):
    """Answers as Entra's token endpoint; remembers what it was asked."""

    asked: list[tuple[str, dict[str, list[str]]]]

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        type(self).asked.append((self.path, form))
        body = json.dumps({"access_token": "token-of-polysync", "expires_in": 3599, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base's
        pass


@pytest.fixture
def login() -> Iterator[str]:
    TokenEndpoint.asked = []
    with HTTPServer(("127.0.0.1", 0), TokenEndpoint) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_entra_client_credentials(login: str) -> None:
    """With authMode entra the app asks for no key, and the token goes with every request, status URL included."""
    filled = {
        "tenant id": "11111111-1111-1111-1111-111111111111",
        "client id of Polysync": "22222222-2222-2222-2222-222222222222",
        "client secret": "planted-secret-9b1e",
        "client id of the API": "33333333-3333-3333-3333-333333333333",
    }
    described = {k: v for k, v in example("entra", **filled).items() if k != "method"}
    sent: list[tuple[str, str | None]] = []

    class Watched(Polysync):
        def _send(self, method: str, url: str, body: bytes | None = None, headers: Any = None) -> Any:
            sent.append((url, self.authentication.headers(url).get("Authorization")))
            return super()._send(method, url, body, headers)

    with World(env={"HTTP_AUTH_LEVEL": "ANONYMOUS"}, args=["--auth"]) as world:
        polysync = Watched(EntraClientCredentials(**described, login_url=login))
        polysync.import_functions(world.host.url, world.host.ready["master_key"])
        done = polysync.run(job("history"))
        log = world.host.log
    assert done.status == "Success"
    assert {token for _, token in sent} == {"Bearer token-of-polysync"}
    assert any("/runtime/webhooks/durabletask/instances/" in url for url, _ in sent)
    (path, form), *more = TokenEndpoint.asked
    assert more == []
    assert path == f"/{filled['tenant id']}/oauth2/v2.0/token"
    assert form["grant_type"] == ["client_credentials"]
    assert form["scope"] == [f"api://{filled['client id of the API']}/.default"]
    assert "token-of-polysync" not in log
    assert "planted-secret-9b1e" not in log


def _run_status(world: World, thread_id: str, run_id: str) -> str:
    return next(str(run["status"]) for run in world.thread(thread_id)["runs"] if run["id"] == run_id)


def _wait(condition: Any) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
