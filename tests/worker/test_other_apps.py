"""What functions may return and raise, in the apps that the local host's own tests use."""

from __future__ import annotations

import json
from pathlib import Path

from tests.worker.comparison import Both, Player


def test_whatever_an_http_function_returns_is_answered_alike(sample_app: Both) -> None:
    def scenario(player: Player) -> None:
        for kind in ("str", "none", "bytes", "dict", "int", "json", "header", "empty"):
            player.http("result", path=f"result/{kind}", params={"kind": kind})
        player.http("raises")
        player.http("cookies")

    notes = sample_app(scenario)
    answers = dict(zip(("str", "none", "bytes", "dict", "int"), notes, strict=False))
    assert answers["str"]["result"]["headers"] == {"content-type": "text/plain; charset=utf-8"}
    for kind in ("none", "bytes", "dict", "int"):
        assert "error" in answers[kind], kind
    cookies = next(n for n in notes if n.get("invoked") == "cookies")["result"]["cookies"]
    assert [c[:2] for c in cookies] == [["a", "1"], ["b", "2"]]


def test_a_request_reaches_the_function_alike(sample_app: Both) -> None:
    def scenario(player: Player) -> None:
        for body in (b'{"a": 1}', b"", b"{", b"\xff\xfe", "\ufeff{}".encode(), b"NaN", "ü".encode()):
            player.http("echo", "POST", "echo/a%2Fb", params={"rest": "a%2Fb"}, body=body)
        player.http("echo", "GET", "echo", query={"q": "1,2"}, headers={"x-one": "a,b"})
        player.http("echo", "PUT", "echo", query={"Ü": "ü/?"}, headers={})
        player.http("item", path="items/5", params={"id": "5"})

    notes = sample_app(scenario)
    assert json.loads(notes[0]["result"]["body"])["json"] == {"a": 1}


HEADERS_APP = """
import azure.functions as func

app = func.FunctionApp()
VALUES = {"number": 5, "none": None, "bytes": b"x", "break": "a\\nb", "empty": ""}


@app.route(route="header")
def header(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("x", headers={"X-One": VALUES[req.params["kind"]]})
"""


def test_a_header_that_is_no_text_is_answered_alike(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(HEADERS_APP, encoding="utf-8")

    def scenario(player: Player) -> None:
        for kind in ("number", "none", "bytes", "break", "empty"):
            player.http("header", query={"kind": kind})

    with Both(tmp_path) as both:
        notes = both(scenario)
    texts = [note["result"]["headers"]["x-one"] if "result" in note else "failed" for note in notes[:5]]
    assert texts == ["5", "None", "b'x'", "failed", ""]


def test_activities_take_and_return_json_alike(sample_app: Both, recorded_app: Both) -> None:
    def sample(player: Player) -> None:
        assert player.activity("double", "4") == 8
        assert "FileNotFoundError" in player.activity("needs_file", '"/nowhere"')
        for given in ('"a"', "null", "[1]", "no JSON"):
            player.activity("double", given)
        player.activity("leaves_file", "{}")
        player.durable.add("goes-on")
        player.activity("terminates", {"id": "goes-on", "reason": "why"})

    def recorded(player: Player) -> None:
        for text in ('{"a": [1, "å", null]}', "null", "5", "plain", '{"$type": "x"}', "1e400", '"\\ud800"'):
            player.activity("echo", text)
        assert "boom x" in player.activity("fail", '"x"')
        assert "must be json serializable" in player.activity("gives_a_set", '"x"')

    sample_app(sample)
    recorded_app(recorded)


def test_the_durable_client_is_driven_alike(sample_app: Both) -> None:
    def scenario(player: Player) -> None:
        player.durable.add("i1", customStatus={"a": 1}, input={"x": 1})
        for operation, given in {
            "start": {"name": "adds", "id": "new", "input": [1], "version": "1.0"},
            "status": {"id": "i1"},
            "all": {},
            "by": {"statuses": ["Running"], "prefix": "i"},
            "raise": {"id": "i1", "event": "go", "data": {"a": "ü"}},
            "terminate": {"id": "i1", "reason": "a & b"},
            "suspend": {"id": "i1", "reason": "why"},
            "resume": {"id": "i1", "reason": "why"},
            "rewind": {"id": "i1", "reason": "why"},
            "purge": {"id": "i1"},
            "payload": {"id": "i1"},
            "check": {"id": "i1"},
        }.items():
            player.http("client_op", "POST", f"client/{operation}", params={"op": operation}, body=given)

    notes = sample_app(scenario)
    asked = notes[-1]["asked of Durable"]
    assert [c["target"].split("?")[0] for c in asked if c["method"] == "POST"][:2] == [
        "/durabletask/orchestrators/adds/new",
        "/durabletask/instances/i1/raiseEvent/go",
    ]


def test_a_timer_runs_alike(sample_app: Both) -> None:
    def scenario(player: Player) -> None:
        player.timer("tick")
        assert json.loads(player.http("ticks")["result"]["body"])[-1]["past_due"] is False

    sample_app(scenario)
