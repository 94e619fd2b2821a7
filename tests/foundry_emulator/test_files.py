"""Files: uploaded, produced by runs, read, deleted; sent slowly, or without an end."""

import pytest
import requests

from local.foundry_emulator import Agent, FoundryEmulator, ManualClock
from local.foundry_emulator.scripts import File, Phase, Script
from tests.foundry_emulator.conftest import Http

CHART = File(filename="chart.png", base64="iVBORw0KGgo=", content_type="image/png")
PAINTER = Agent(name="painter", script=Script(phases=(Phase(seconds=None),), files=(CHART,)))


def emulated(**options):
    return FoundryEmulator(agents=[PAINTER], clock=ManualClock(), **options)


def upload(http, content=b"\r\n--\x00\xffno end\r\n", **form):
    form = {"purpose": "assistants", **form}
    answer = requests.post(
        f"{http.emulator.endpoint}/files",
        params={"api-version": "v1"},
        headers={"Authorization": "Bearer t"},
        files={"file": ('a "b".bin', content)} if content is not None else {"other": b""},
        data={key: value for key, value in form.items() if value is not None},
        timeout=10,
    )
    return answer.status_code, answer.json()


def content_of(http, file_id):
    return http("GET", f"/files/{file_id}/content")


def test_an_uploaded_file_is_read_listed_and_deleted(http):
    content = b"\r\n--\x00\xffno end\r\n"
    status, file = upload(http, content)
    assert status == 200
    assert file["id"].startswith("assistant-")
    assert (file["bytes"], file["purpose"], file["object"]) == (len(content), "assistants", "file")
    assert http.ok("GET", f"/files/{file['id']}") == file
    assert content_of(http, file["id"]).content == content
    assert http.ok("GET", "/files")["data"] == [file]
    assert http.ok("GET", "/files", query={"purpose": "vision"})["data"] == []
    gone = {"id": file["id"], "object": "file", "deleted": True}
    assert http.ok("DELETE", f"/files/{file['id']}") == gone
    for path in (f"/files/{file['id']}", f"/files/{file['id']}/content"):
        answer = http("GET", path)
        assert (answer.status_code, answer.json()["error"]["message"]) == (
            404,
            f"No file found with id '{file['id']}'.",
        )


def test_an_upload_needs_a_file_and_a_purpose(http):
    for content, form, param in (
        (None, {}, "file"),
        (b"x", {"purpose": None}, "purpose"),
        (b"x", {"purpose": "no"}, "purpose"),
    ):
        status, body = upload(http, content, **form)
        assert (status, body["error"]["param"]) == (400, param)
    answer = http("POST", "/files", {"purpose": "assistants"})
    assert (answer.status_code, "multipart/form-data" in answer.json()["error"]["message"]) == (400, True)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert http("POST", "/files", data=b"--b\r\nnonsense\r\n--b--", headers=headers).status_code == 400


def test_a_runs_files_are_there_with_the_run():
    with emulated() as emulator, requests.Session() as session:
        http = Http(emulator, session)
        assert content_of(http, CHART.id).status_code == 404
        http.run(http.thread("paint"), PAINTER.id)
        shown = http.ok("GET", f"/files/{CHART.id}")
        assert (CHART.id, len(CHART.id)) == ("assistant-chartpng00000000000000", 32)
        assert (shown["filename"], shown["bytes"], shown["purpose"]) == ("chart.png", 8, "assistants_output")
        answer = content_of(http, CHART.id)
        assert (answer.content, answer.headers["Content-Type"]) == (b"\x89PNG\r\n\x1a\n", "image/png")


def test_files_outlive_the_emulator(tmp_path):
    db = tmp_path / "foundry.db"
    with emulated(db=db) as emulator, requests.Session() as session:
        http = Http(emulator, session)
        http.run(http.thread("paint"), PAINTER.id)
        emulator.add_file(File(filename="gone.txt"))
        http.ok("DELETE", f"/files/{File(filename='gone.txt').id}")
        before = http.ok("GET", "/files")
    with emulated(db=db) as emulator, requests.Session() as session:
        http = Http(emulator, session)
        assert http.ok("GET", "/files") == before
        assert content_of(http, CHART.id).content == CHART.content()
        http.control("POST", "/reset")
        assert http.ok("GET", "/files")["data"] == []


@pytest.mark.parametrize(
    ("fields", "content", "told"),
    [
        ({}, b"", 0),
        ({"text": "é"}, "é".encode(), 2),
        ({"text": "abc", "size": 7}, b"abcabca", 7),
        ({"size": 3}, b"...", 3),
        ({"text": "abc", "says_bytes": 1}, b"abc", 1),
        ({"text": "abc", "seconds": 0.1}, b"abc", 3),
    ],
)
def test_size_and_content_are_as_scripted(http, emulator, fields, content, told):
    file_id = emulator.add_file(File(filename="f", **fields))
    assert http.ok("GET", f"/files/{file_id}")["bytes"] == told
    answer = content_of(http, file_id)
    assert (answer.content, answer.headers["Content-Length"]) == (content, str(len(content)))


def test_a_file_without_an_end_is_sent_until_the_client_goes(http, emulator):
    file_id = emulator.add_file(File(filename="f", text="abc", size=30_000, endless=True))
    with requests.get(
        f"{emulator.endpoint}/files/{file_id}/content",
        params={"api-version": "v1"},
        headers={"Authorization": "Bearer t"},
        stream=True,
        timeout=10,
    ) as answer:
        assert "Content-Length" not in answer.headers
        assert len(answer.raw.read(1_000_000)) == 1_000_000
        assert http.ok("GET", f"/files/{file_id}")["bytes"] == 30_000  # others are served meanwhile


def test_faults_spoil_files_too(http, emulator):
    file_id = emulator.add_file(File(filename="f", text="abcdef", seconds=60))
    emulator.faults.add("cut_body", operation="get_file_content")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        content_of(http, file_id)


def test_base64_that_is_none_is_refused():
    with pytest.raises(ValueError, match="`base64` is none"):
        File(filename="f", base64="%")
