"""What a run did and the files that it produced, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from http_api.file_headers import MOST_FILE_BYTES
from local.foundry_emulator.scripts import Agent, Answer, Call, End, File, Phase, Script, Written
from tests.e2e.generations import operation, present
from tests.e2e.world import World, of_own

pytestmark = pytest.mark.e2e
IN_CONTAINERS = pytest.mark.classic("files of second-generation agents lie in containers")

PNG = File(filename="/mnt/data/chart.png", id="assistant-chart", base64="iVBORw0KGgo=")
TABLE = File(filename="/mnt/data/Tabelle März.csv", id="assistant-table", text="a,b\n1,2\n")
PAGE = File(filename="page.html", id="assistant-page", text="<script>alert(1)</script>")
IMAGE = File(filename="plot.png", id="assistant-plot", base64="iVBORw0KGgo=")
LARGE = File(filename="large.csv", id="assistant-large", text="a,b\n", size=MOST_FILE_BYTES + 1)
LIAR = File(filename="liar.csv", id="assistant-liar", text="a,b\n", size=MOST_FILE_BYTES + 1, says_bytes=4)
ENDLESS = File(filename="endless.csv", id="assistant-endless", text="a,b\n" * 100_000, says_bytes=4, endless=True)
FULL = File(filename="full.csv", id="assistant-full", text="a,b\n", size=MOST_FILE_BYTES)
SHORT = File(filename="short.csv", id="assistant-short", text="a,b\n", says_bytes=400)
INPUT = File(filename="input.csv", id="assistant-input", text="secret\n")
FILES = (PNG, TABLE, PAGE, IMAGE, LARGE, LIAR, ENDLESS, FULL, SHORT, INPUT)


def path_to(file: File) -> dict[str, Any]:
    mark = f"sandbox:{file.filename}"
    return {"type": "file_path", "text": mark, "file_path": {"file_id": file.id}}


SAYS = Written(
    content=[
        {"type": "image_file", "image_file": {"file_id": PNG.id}},
        {"type": "text", "text": {"value": "see there", "annotations": [path_to(TABLE), path_to(PAGE)]}},
    ],
    attachments=tuple({"file_id": f.id, "tools": []} for f in (LARGE, LIAR, ENDLESS, FULL, SHORT)),
)
CITES = {"type": "file_citation", "text": "x", "file_citation": {"file_id": INPUT.id}}
ASKS = Written(content=[{"type": "text", "text": {"value": "Do you need more?", "annotations": [CITES]}}])
SEARCH = "https://api.bing.microsoft.com/v7.0/search?q=fjord+temperature&count=5"
DOES = (
    {
        "id": "call_code",
        "type": "code_interpreter",
        "code_interpreter": {"input": "plot()", "outputs": [{"type": "image", "image": {"file_id": IMAGE.id}}]},
    },
    {"id": "call_bing", "type": "bing_grounding", "bing_grounding": {"requesturl": SEARCH}},
)
WORKS = (Phase(seconds=0.5, does=DOES, writes=(SAYS,)),)
AGENTS = (
    Agent(name="draws", script=Script(phases=WORKS, answer=Answer(kind="messages", messages=(ASKS,)), files=FILES)),
    Agent(
        name="draws and fails",
        script=Script(phases=WORKS, end=End(status="failed", code="server_error", message="sorry"), files=FILES),
    ),
    Agent(name="draws on", script=Script(phases=(*WORKS, Phase(seconds=None)), files=FILES)),
    Agent(
        name="speaks and asks",
        script=Script(
            phases=(
                Phase(says="I look.", calls=(Call(name="look"),)),
                Phase(says="And once more.", calls=(Call(name="look_again"),)),
            ),
            answer=Answer(kind="tools"),
        ),
    ),
    Agent(name="asks", script=Script(phases=(Phase(calls=(Call(name="f", arguments={"secret": 1}),)),))),
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(emulator={"agents": AGENTS}) as made:
        yield made


def start(world: World, name: str, **fields: Any) -> str:
    answer = world.post("/api/run_agent", {"agent_id": of_own(AGENTS, name), "user_message": "draw", **fields})
    assert answer.status == 202, answer.text
    return str(answer.json["id"])


def end(world: World, name: str) -> dict[str, Any]:
    return world.end(start(world, name))


def get(world: World, document: dict[str, Any], file: File) -> Any:
    return world.get(f"/api/runs/{document['instanceId']}/files/{file.id}")


def delete_file(world: World, file: File) -> None:
    """Delete it as somebody with the SDK does."""
    request = Request(f"{world.emulator.endpoint}/files/{file.id}?api-version=v1", method="DELETE")
    request.add_header("Authorization", "Bearer somebody")
    with urlopen(request) as answer:
        assert answer.status == 200


@IN_CONTAINERS
def test_every_file_of_a_run_is_handed_over(world: World) -> None:
    document = end(world, "draws")
    assert document["status"] == "Success", document
    for file, kind, name in (
        (PNG, "image/png", "chart.png"),
        (TABLE, "text/csv; charset=utf-8", "Tabelle M_rz.csv"),
        (IMAGE, "image/png", "plot.png"),
        (PAGE, "application/octet-stream", "page.html"),
    ):
        answer = get(world, document, file)
        assert (answer.status, answer.body) == (200, file.content())
        headers = {key.lower(): value for key, value in answer.headers.items()}
        assert headers["content-type"] == kind
        assert headers["content-disposition"].startswith(f'attachment; filename="{name}"; filename*=')
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert headers["cache-control"] == "no-store"


@IN_CONTAINERS
def test_a_large_file_comes_whole_and_a_larger_one_not_at_all(world: World) -> None:
    document = end(world, "draws")
    whole = get(world, document, FULL)
    assert (whole.status, whole.body) == (200, FULL.content())
    for file in (LARGE, LIAR, ENDLESS):
        answer = get(world, document, file)
        assert (answer.status, answer.json["error"]["code"]) == (413, "response_too_large")
        assert file.id in answer.json["error"]["message"]


@IN_CONTAINERS
def test_half_of_a_file_is_none(world: World) -> None:
    answer = get(world, end(world, "draws"), SHORT)
    assert (answer.status, answer.json["error"]["code"]) == (502, "bad_response")


@IN_CONTAINERS
def test_files_that_the_run_has_not_produced_are_unknown_and_not_asked_for(world: World) -> None:
    document = end(world, "draws")
    mine = world.emulator.add_file(File(filename="other.csv", text="other"))
    before = len(world.emulator.ledger().requests)
    for file_id in (INPUT.id, mine, "assistant-nothing", "..%2Fthreads", "a%20b", "x" * 200):
        answer = world.get(f"/api/runs/{document['instanceId']}/files/{file_id}")
        assert answer.status == 404, file_id
        assert not answer.body or answer.json["error"]["code"] == "not_found"
    asked = {request.operation for request in world.emulator.ledger().requests[before:]}
    assert asked == {"list_messages", "list_steps"}
    assert world.get(f"/api/runs/nobody/files/{PNG.id}").status == 404
    assert get(world, world.run("instant"), PNG).status == 404


@IN_CONTAINERS
def test_a_file_that_foundry_has_deleted_is_gone(world: World) -> None:
    with World(emulator={"agents": AGENTS}) as own:
        document = end(own, "draws")
        delete_file(own, PNG)
        answer = get(own, document, PNG)
        assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
        assert "deleted" in answer.json["error"]["message"]
        own.emulator.faults.add(kind="status", status=500, operation="get_file")
        assert get(own, document, TABLE).status == 502
        assert get(own, document, TABLE).status == 200


@IN_CONTAINERS
@pytest.mark.parametrize("name", ["draws and fails", "draws on"])
def test_a_run_without_an_outcome_has_its_files_too(name: str, world: World) -> None:
    instance = start(world, name)
    path = f"/api/runs/{instance}/steps"
    world.until(instance, lambda d: len(world.get(path).json["steps"]) > 1)
    document = world.document(instance)
    assert document["output"] is None or isinstance(document["output"], str)
    for file in (PNG, TABLE, IMAGE):
        assert get(world, document, file).body == file.content()
    assert get(world, document, INPUT).status == 404
    if document["status"] == "Running":
        world.post(f"/api/runs/{instance}/cancel", {})


def test_the_steps_show_what_the_run_did(world: World) -> None:
    document = end(world, "draws")
    found = world.get(f"/api/runs/{document['instanceId']}/steps").json
    assert (found["run_id"], found["truncated"]) == (document["run_id"], False)
    assert {s["status"] for s in found["steps"]} == {"completed"}
    times = [s["created_at"] for s in found["steps"]]
    if present() == "classic":
        assert times == sorted(times)
        assert all(t.endswith("Z") for t in times)
    else:
        assert set(times) == {None}, "items tell no times"
    calls = {c["type"]: c for s in found["steps"] for c in s["tool_calls"]}
    assert set(calls) == {"code_interpreter", "bing_grounding"}
    assert calls["bing_grounding"]["query_url"] == "https://www.bing.com/search?q=fjord+temperature"
    assert calls["code_interpreter"]["file_ids"] == ([IMAGE.id] if present() == "classic" else [])
    assert calls["bing_grounding"]["file_ids"] == []
    wrote = {"classic": "message_creation", "responses": "message"}[present()]
    written = [s["message_id"] for s in found["steps"] if s["type"] == wrote]
    assert document["output"]["message_id"] in written
    assert "plot()" not in str(found)


def test_a_run_that_waits_has_its_steps_so_far_without_arguments(world: World) -> None:
    instance = start(world, "asks")
    world.until(instance, lambda d: d["required_action"])
    answer = world.get(f"/api/runs/{instance}/steps")
    [step] = answer.json["steps"]
    # A response that asks has ended, and so have its items.
    assert (step["status"], step["completed_at"]) == ("in_progress" if present() == "classic" else "completed", None)
    assert [(c["type"], c["name"]) for c in step["tool_calls"]] == [("function", "f")]
    assert "secret" not in answer.text


def test_a_run_with_rounds_of_calls_shows_all_that_it_did_and_wrote(world: World) -> None:
    instance = start(world, "speaks and asks")
    for number in (1, 2):
        event = f"tool_outputs_{number}"
        asked = world.until(instance, lambda d, e=event: d["required_action"] and d["required_action"]["event"] == e)
        given = [{"tool_call_id": call["id"], "output": str(number)} for call in asked["required_action"]["calls"]]
        assert world.post(f"/api/runs/{instance}/tool_outputs", {"tool_outputs": given}).status == 202
    document = world.end(instance)
    written = [message["text"] for message in document["output"]["messages"]]
    assert written == ["I look.", "And once more.", "The tools said: 1; 2"]
    assert document["response"] == written[-1]
    steps = world.get(f"/api/runs/{instance}/steps").json["steps"]
    assert [c["name"] for s in steps for c in s["tool_calls"]] == ["look", "look_again"]
    wrote = [s["message_id"] for s in steps if s["message_id"]]
    assert set(wrote) == {message["id"] for message in document["output"]["messages"]}


def test_steps_of_a_run_that_is_not_there(world: World) -> None:
    assert world.get("/api/runs/nobody/steps").status == 404
    document = world.run("fails")
    assert world.get(f"/api/runs/{document['instanceId']}/steps").status == 200
    # Every look at a response asks for the same, also those at the runs of other tests.
    fault = world.emulator.faults.add(kind="status", status=503, operation=operation("list_steps"), times=None)
    assert world.get(f"/api/runs/{document['instanceId']}/steps").status == 502
    assert world.emulator.faults.remove(fault.id)
