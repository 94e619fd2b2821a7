"""Files that a run produced: which they are, how they are read, and under which headers they go out."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.steps import RunFile
from foundry import errors
from foundry import transport as transport_module
from foundry.transport import Transport
from http_api.file_headers import BYTES, MEDIA_TYPES, content_type, file_headers, safe_name
from tests.unit.scripted import ScriptedNetwork, Tokens, no_deadline, raised_by, reply, service_of
from tests.unit.test_transport import dripping

THREAD, RUN, FILE = "thread_1", "run_1", "assistant-1"


def page(*items: Any) -> Any:
    return reply(200, {"data": list(items), "has_more": False})


def message(**fields: Any) -> dict[str, Any]:
    return {"id": "msg_1", "role": "assistant", "run_id": RUN, "content": [], **fields}


def text(*annotations: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": {"value": "see there", "annotations": list(annotations)}}]}


# --- which files are of the run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"attachments": [{"file_id": FILE, "tools": []}]},
        {"content": [{"type": "image_file", "image_file": {"file_id": FILE}}]},
        text({"type": "file_path", "text": "sandbox:/mnt/data/a.csv", "file_path": {"file_id": FILE}}),
    ],
)
def test_a_file_that_a_message_hands_over_is_of_the_run(fields: dict[str, Any]) -> None:
    service, network = service_of(page(message(**fields)))
    assert service.has_produced(THREAD, RUN, FILE)
    assert len(network.requests) == 1


@pytest.mark.parametrize(
    "output",
    [{"type": "image", "image": {"file_id": FILE}}, {"type": "file", "file_id": FILE}],
)
def test_a_file_that_the_runs_code_made_is_of_the_run(output: dict[str, Any]) -> None:
    call = {"id": "call_1", "type": "code_interpreter", "code_interpreter": {"input": "", "outputs": [output]}}
    step = {"id": "step_1", "step_details": {"type": "tool_calls", "tool_calls": [call]}}
    service, network = service_of(page(), page(step))
    assert service.has_produced(THREAD, RUN, FILE)
    assert network.paths == [f"GET /threads/{THREAD}/messages", f"GET /threads/{THREAD}/runs/{RUN}/steps"]


FILE_SEARCH = {"id": "c", "type": "file_search", "file_search": {"results": [{"file_id": FILE}]}}


@pytest.mark.parametrize(
    ("messages", "steps"),
    [
        ([], []),
        ([message(**text({"type": "file_citation", "text": "x", "file_citation": {"file_id": FILE}}))], []),
        ([message(role="user", attachments=[{"file_id": FILE}])], []),
        ([message(run_id="run_2", attachments=[{"file_id": FILE}])], []),
        ([message(run_id=None, attachments=[{"file_id": FILE}])], []),
        ([message(metadata={"file_id": FILE})], []),
        ([message(attachments=[{"file_id": f"{FILE}2"}])], []),
        ([], [{"id": "step_1", "step_details": {"type": "tool_calls", "tool_calls": [FILE_SEARCH]}}]),
    ],
)
def test_what_was_only_read_or_is_anothers_is_not_of_the_run(messages: list[Any], steps: list[Any]) -> None:
    service, network = service_of(page(*messages), page(*steps))
    assert not service.has_produced(THREAD, RUN, FILE)
    assert not any("/files" in path for path in network.paths)


# --- reading one ------------------------------------------------------------------------------------------------------


def read(*script: Any, most: int = 100) -> tuple[RunFile | BaseException, ScriptedNetwork]:
    service, network = service_of(*script)
    try:
        return service.get_file(FILE, most), network
    except errors.FoundryError as error:
        return error, network


def about(size: Any = 3, **fields: Any) -> Any:
    return reply(200, {"id": FILE, "object": "file", "bytes": size, "filename": "/mnt/data/a.csv", **fields})


def test_a_file_has_its_name_and_its_bytes_as_they_are() -> None:
    content = b"\x00\xff{not json"
    found, network = read(about(len(content)), reply(200, content))
    assert found == RunFile(name="/mnt/data/a.csv", content=content)
    assert network.paths == [f"GET /files/{FILE}", f"GET /files/{FILE}/content"]
    assert [r.headers["Accept"] for r in network.requests] == ["application/json", "*/*"]


def test_an_empty_file_is_one() -> None:
    assert read(about(0), reply(200, b""))[0] == RunFile(name="/mnt/data/a.csv", content=b"")


def test_a_file_of_just_the_most_bytes_is_read() -> None:
    assert read(about(100), reply(200, b"x" * 100))[0] == RunFile(name="/mnt/data/a.csv", content=b"x" * 100)


def test_a_file_that_says_to_be_larger_is_not_asked_for() -> None:
    error, network = read(about(1234))
    assert isinstance(error, errors.ResponseTooLargeError)
    assert "1,234 bytes" in error.message
    assert f"/files/{FILE}/content" in error.message
    assert len(network.requests) == 1


@pytest.mark.parametrize("size", [3, 0, None, "3", -1, True, 2.5])
def test_a_file_that_says_nothing_true_of_its_size_is_read_so_far_and_no_further(size: Any) -> None:
    error, _ = read(about(size), reply(200, b"x" * 101))
    assert isinstance(error, errors.ResponseTooLargeError)
    assert "more than 100 bytes" in error.message


def test_a_file_that_ends_too_early_is_none() -> None:
    error, _ = read(about(50), reply(200, b"x" * 49))
    assert isinstance(error, errors.BadResponseError)
    assert "49 of 50" in error.message


@pytest.mark.parametrize("name", [None, 7, ["a"]])
def test_a_name_that_is_none_is_left_to_the_headers(name: Any) -> None:
    assert read(about(3, filename=name), reply(200, b"abc"))[0] == RunFile(name="", content=b"abc")


def test_what_foundry_says_against_it_is_said() -> None:
    gone = reply(404, {"error": {"message": f"No file found with id '{FILE}'.", "code": None}})
    for script in ((gone,), (about(), gone)):
        error, _ = read(*script)
        assert isinstance(error, errors.NotFoundError)
        assert error.names_it
    assert isinstance(read(about(), reply(500))[0], errors.UnavailableError)
    assert isinstance(read(reply(403, {"error": {"message": "no"}}))[0], errors.PermissionDeniedError)


@pytest.mark.parametrize("file_id", ["", "..", "a/b", "a?b", "a b", "é", "x" * 129])
def test_what_is_no_id_is_not_asked_for(file_id: str) -> None:
    service, network = service_of()
    assert isinstance(raised_by(lambda: service.get_file(file_id, 10)), errors.InvalidInputError)
    assert not network.requests


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(("head", "drop"), [(CHUNKED, b"1\r\nx\r\n"), (UNTIL_CLOSED, b"x")])
def test_a_file_that_drips_has_an_end(head: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "REQUEST_SECONDS", 0.5)
    with dripping(head, drop) as endpoint:
        transport = Transport(endpoint, "v1", Tokens(), timeouts=(5, 5))
        error = raised_by(lambda: transport.get_bytes(f"/files/{FILE}/content", 10**9))
        transport._session().close()
    assert isinstance(error, errors.ConnectionFailedError)


@pytest.mark.parametrize(("head", "drop"), [(CHUNKED, b"400\r\n" + b"x" * 1024 + b"\r\n"), (UNTIL_CLOSED, b"x" * 1024)])
def test_a_file_without_an_end_is_read_so_far_and_no_further(head: bytes, drop: bytes) -> None:
    with dripping(head, drop) as endpoint:
        transport = Transport(endpoint, "v1", Tokens(), timeouts=(5, 5))
        error = raised_by(lambda: transport.get_bytes(f"/files/{FILE}/content", 5000))
        transport._session().close()
    assert isinstance(error, errors.OversizedAnswerError)


def test_the_token_that_a_file_quotes_stays_in_it() -> None:
    # A file is what it is: nothing in it is masked.
    assert read(about(7), reply(200, b"token-1"))[0] == RunFile(name="/mnt/data/a.csv", content=b"token-1")


# --- its headers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("/mnt/data/chart.png", "chart.png"),
        ("C:\\temp\\chart.png", "chart.png"),
        ("../../etc/passwd", "passwd"),
        ("..", ""),
        ("...", ""),
        ("", ""),
        ("/", ""),
        (".htaccess", "htaccess"),
        ('a"; filename="b.exe', "a__ filename=_b.exe"),
        ("a\r\nSet-Cookie: x=1.csv", "aSet-Cookie_ x=1.csv"),
        ("a\x00b.csv", "ab.csv"),
        ("gepj\u202efdp.exe", "gepjfdp.exe"),
        ("a\u2028b.txt", "a_b.txt"),
        ("Bericht für März.csv", "Bericht für März.csv"),
        ("天气.csv", "天气.csv"),
        ("half\ud83d.txt", "half.txt"),
        ("100%25.csv", "100_25.csv"),
        ("con.txt", "_con.txt"),
        ("LPT1", "_LPT1"),
        ("-rf", "rf"),
        ("x" * 500 + ".csv", "x" * 100 + ".csv"),
        ("a." + "x" * 500, ("a." + "x" * 500)[:100]),
        ("name. . .", "name"),
    ],
)
def test_a_name_is_safe_wherever_it_is_saved(given_name: str, name: str) -> None:
    assert safe_name(given_name) == name


@given(st.text(max_size=300))
@no_deadline
def test_no_name_breaks_the_header(given_name: str) -> None:
    headers = file_headers(RunFile(name=given_name, content=b"x"), FILE)
    disposition = headers["Content-Disposition"]
    assert re.fullmatch(
        r"attachment; filename=\"[^\"\\/\x00-\x1f\x7f-\uffff]+\"; filename\*=UTF-8''[\w.~%-]+", disposition
    )
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    assert len(disposition) < 2000
    name = safe_name(given_name)
    assert PurePosixPath(name or FILE).name == (name or FILE)


def test_without_a_name_the_id_is_one() -> None:
    disposition = file_headers(RunFile(name="..", content=b""), FILE)["Content-Disposition"]
    assert disposition == f"attachment; filename=\"{FILE}\"; filename*=UTF-8''{FILE}"


PNG = b"\x89PNG\r\n\x1a\n...."


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.png", PNG, "image/png"),
        ("a.PNG", PNG, "image/png"),
        ("a.png", b"<script>alert(1)</script>", BYTES),
        ("a.jpg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.jpg", PNG, BYTES),
        ("a.gif", b"GIF89a", "image/gif"),
        ("a.webp", b"RIFF0000WEBPVP8 ", "image/webp"),
        ("a.webp", b"RIFF0000WAVEfmt ", BYTES),
        ("a.pdf", b"%PDF-1.7", "application/pdf"),
        ("a.pdf", b"<html>", BYTES),
        ("a.csv", b"a,b\n1,2\n", "text/csv; charset=utf-8"),
        ("a.csv", "ä,b".encode(), "text/csv; charset=utf-8"),
        ("a.csv", "ä,b".encode("latin-1"), BYTES),
        ("a.txt", b"a\x00b", BYTES),
        ("a.txt", b"", "text/plain; charset=utf-8"),
        ("a.json", b"{}", "application/json"),
        ("a.xlsx", b"PK\x03\x04", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("a.xlsx", b"<html>", BYTES),
        ("a.html", b"<html>", BYTES),
        ("a.svg", b"<svg/>", BYTES),
        ("a.xml", b"<a/>", BYTES),
        ("a.xhtml", b"<a/>", BYTES),
        ("a.js", b"alert(1)", BYTES),
        ("a.png.html", PNG, BYTES),
        ("a", PNG, BYTES),
    ],
)
def test_the_type_is_one_of_a_few_and_agrees_with_the_first_bytes(name: str, content: bytes, kind: str) -> None:
    assert content_type(name, content) == kind
    assert kind.partition(";")[0] in MEDIA_TYPES


def test_a_file_is_never_a_page_of_this_origin() -> None:
    for name in ("a.html", "a.png", "a.txt"):
        headers = file_headers(RunFile(name=name, content=PNG), FILE)
        assert headers["Content-Disposition"].startswith("attachment;")
        assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
    dangerous = ("html", "svg", "xml", "javascript")
    assert not [kind for kind in MEDIA_TYPES if any(word in kind.replace("openxmlformats", "") for word in dangerous)]
