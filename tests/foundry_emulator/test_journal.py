"""`db=`: threads and runs outlive the emulator, whatever ends it."""

import json
import shutil
import sqlite3
from contextlib import contextmanager

import pytest
import requests

from local.foundry_emulator import Agent, Agents, AgentsFileError, FoundryEmulator, JournalError, ManualClock
from local.foundry_emulator.journal import Journal
from local.foundry_emulator.scripts import Call, End, Phase, Quota, Refusal, Script
from tests.foundry_emulator.conftest import Http


@contextmanager
def emulated(db, **options):
    with FoundryEmulator(db=db, **options) as emulator, requests.Session() as session:
        yield emulator, Http(emulator, session)


def everything(emulator, http):
    """What a client can read of the project, and what tests count."""
    threads = emulator.ledger().threads
    alive = [key for key, thread in threads.items() if not thread["deleted"]]
    read = {
        path: http.ok("GET", path, query={"limit": "100"})
        for key in alive
        for path in (f"/threads/{key}", f"/threads/{key}/messages", f"/threads/{key}/runs")
    }
    steps = {
        run["id"]: http.ok("GET", f"/threads/{key}/runs/{run['id']}/steps")
        for key in alive
        for run in threads[key]["runs"]
    }
    return threads, read, steps, http.ok("GET", "/assistants", query={"limit": "100"})


def test_whatever_a_client_did_is_there_after_a_restart(tmp_path):
    db, clock = tmp_path / "foundry.db", ManualClock()
    with emulated(db, clock=clock) as (emulator, http):
        mine = http.ok("POST", "/assistants", {"model": "m", "metadata": {"emulator_script": "history"}})
        http.ok("POST", f"/assistants/{mine['id']}", {"name": "mine"})
        gone = http.ok("POST", "/assistants", {"model": "m"})
        http.ok("DELETE", f"/assistants/{gone['id']}")
        talk = http.thread("one", metadata={"a": "b"})
        http.ok("POST", f"/threads/{talk}", {"metadata": {"a": "c"}})
        run = http.run(talk, mine["id"], additional_messages=[{"role": "user", "content": "lone \ud800"}])
        http.ok("POST", f"/threads/{talk}/runs/{run['id']}", {"metadata": {"r": "1"}})
        clock.advance(5)
        answer = http.messages(talk)[0]
        http.ok("POST", f"/threads/{talk}/messages/{answer['id']}", {"metadata": {"read": "yes"}})
        http.say(talk, "two")
        asking = http.thread("weather?")
        tool = http.run(asking, Agents.TOOL)
        clock.advance(2)
        [call] = http.get_run(tool)["required_action"]["submit_tool_outputs"]["tool_calls"]
        outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "rain"}]}
        http.ok("POST", f"/threads/{asking}/runs/{tool['id']}/submit_tool_outputs", outputs)
        approving = http.run(http.thread("may I?"), Agents.MCP_APPROVAL)
        cancelled = http.run(http.thread("stop"), Agents.SLOW_CANCEL)
        http.ok("POST", f"/threads/{cancelled['thread_id']}/runs/{cancelled['id']}/cancel")
        outside = http.run(http.thread("outside"), Agents.SLOW_CANCEL)
        emulator.cancel_run(outside["id"])
        forced = http.run(http.thread("force"), Agents.FOREVER)
        emulator.end_run(forced["id"], End(status="failed", code="server_error", message="gone"))
        http.ok("DELETE", f"/threads/{http.thread('forget me')}")
        before = everything(emulator, http)
    with emulated(db, clock=clock) as (emulator, http):
        assert everything(emulator, http) == before
        clock.advance(10)
        assert http.get_run(tool)["status"] == "completed"
        assert http.messages(asking)[0]["content"][0]["text"]["value"] == "The tools said: rain"
        assert http.get_run(approving)["status"] == "requires_action"
        assert {http.get_run(one)["status"] for one in (cancelled, outside)} == {"cancelled"}
        assert emulator.ledger().threads[talk]["user_messages"] == 3


def test_a_run_goes_on_meanwhile_and_answers_what_it_was_asked(tmp_path):
    db, clock = tmp_path / "foundry.db", ManualClock()
    with emulated(db, clock=clock) as (_, http):
        run = http.run(http.thread("first"), Agents.HISTORY)
    clock.advance(60)
    with emulated(db, clock=clock) as (_, http):
        http.say(run["thread_id"], "second")
        assert http.get_run(run)["status"] == "completed"
        [answer] = http.messages(run["thread_id"], run_id=run["id"])
    with emulated(db, clock=clock) as (_, http):
        assert http.messages(run["thread_id"], run_id=run["id"]) == [answer]
    assert answer["content"][0]["text"]["value"].endswith("(This thread holds 1 user message.)")


def test_a_reset_empties_the_file_too(tmp_path):
    with emulated(tmp_path / "foundry.db") as (emulator, http):
        http.thread("hi")
        emulator.reset()
    with emulated(tmp_path / "foundry.db") as (emulator, _):
        assert emulator.ledger().threads == {}


def test_questions_refusals_and_quota_are_there_after_a_restart(tmp_path):
    db, clock = tmp_path / "foundry.db", ManualClock()
    asks = Phase(calls=(Call(name="f"),), refuses=Refusal(message="no", times=2))
    agent = Agent(name="mine", script=Script(phases=(asks, Phase(action=None)), quota=Quota(runs=1, seconds=60)))

    def answer(http, run):
        [call] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        path = f"/threads/{run['thread_id']}/runs/{run['id']}/submit_tool_outputs"
        return http("POST", path, {"tool_outputs": [{"tool_call_id": call["id"], "output": "x"}]})

    with emulated(db, clock=clock, agents=[agent]) as (_, http):
        run, refused = (http.run(http.thread("hi"), agent.id) for _ in "ab")
        assert answer(http, run).status_code == 400
    with emulated(db, clock=clock, agents=[agent]) as (_, http):
        clock.advance(1)
        assert [http.get_run(one)["status"] for one in (run, refused)] == ["requires_action", "failed"]
        assert [answer(http, run).status_code for _ in "ab"] == [400, 200]
        http.run(http.thread("hi"), agent.id)
    with emulated(db, clock=clock, agents=[agent]) as (_, http):
        shown = http.get_run(run)
        assert (shown["status"], shown["required_action"]) == ("requires_action", None)
        clock.advance(59)
        assert http.run(http.thread("hi"), agent.id)["status"] == "requires_action"  # those refused do not count


def test_the_services_time_never_goes_back(tmp_path):
    with emulated(tmp_path / "foundry.db", clock_speed=100_000) as (emulator, http):
        thread_id = http.thread()
        seen = http.ok("GET", f"/threads/{thread_id}")["created_at"]
        http.ok("GET", "/threads")  # also an answer that changes nothing tells the time
        told = emulator.clock.now()
    with emulated(tmp_path / "foundry.db") as (emulator, _):
        assert emulator.clock.now() > seen
        assert abs(emulator.clock.now() - told) < 100_000 * 60


# --- agents -----------------------------------------------------------------------------------------------------------


def agents_file(path, **script):
    content = {"include_builtin": False, "agents": [{"name": "mine", "script": script}] if script else []}
    path.write_text(json.dumps(content))
    return path


def text(value):
    return {"answer": {"kind": "text", "text": value}}


def test_with_a_changed_agents_file_a_run_keeps_the_script_that_it_began_with(tmp_path):
    db, file, clock = tmp_path / "foundry.db", tmp_path / "agents.json", ManualClock()
    agent = "asst_mine00000000000000000000"

    def said(http, run):
        return [m["content"][0]["text"]["value"] for m in http.messages(run["thread_id"], run_id=run["id"])]

    with emulated(db, clock=clock, agents=agents_file(file, **text("old"))) as (_, http):
        under_way = http.run(http.thread("hi"), agent)
        http.ok("POST", f"/assistants/{agent}", {"instructions": "a client's"})
    with emulated(db, clock=clock, agents=agents_file(file, **text("new"))) as (_, http):
        new = http.run(http.thread("hi"), agent)
        clock.advance(10)
        assert (said(http, under_way), said(http, new)) == (["old"], ["new"])
        assert http.ok("GET", f"/assistants/{agent}")["instructions"] == "Answer briefly."  # the file's word again
    with emulated(db, clock=clock, agents=agents_file(file)) as (_, http):
        assert http("GET", f"/assistants/{agent}").status_code == 404
        assert http.get_run(new)["status"] == "completed"
        assert said(http, new) == ["new"]


def test_an_agent_of_the_file_wins_over_a_clients_with_its_id(tmp_path):
    with emulated(tmp_path / "foundry.db") as (_, http):
        made = http.ok("POST", "/assistants", {"model": "a client's"})["id"]
    with emulated(tmp_path / "foundry.db") as (_, http):
        assert http.ok("GET", f"/assistants/{made}")["model"] == "a client's"
    with emulated(tmp_path / "foundry.db", agents=[Agent(name="of the file", id=made)]) as (_, http):
        assert http.ok("GET", f"/assistants/{made}")["name"] == "of the file"


def test_a_bad_agents_file_leaves_the_journal_free(tmp_path):
    (tmp_path / "agents.json").write_text("{")
    with pytest.raises(AgentsFileError):
        FoundryEmulator(agents=tmp_path / "agents.json", db=tmp_path / "foundry.db")
    with emulated(tmp_path / "foundry.db"):
        pass


# --- size and number --------------------------------------------------------------------------------------------------


def test_a_thousand_threads(tmp_path):
    db = tmp_path / "foundry.db"
    with emulated(db) as (emulator, http):
        for number in range(1000):
            thread_id = http.thread(f"question {number}")
            http.run(thread_id, Agents.INSTANT)
    assert db.stat().st_size < 3_000_000
    with emulated(db) as (emulator, http):
        threads = emulator.ledger().threads
        assert [one["messages"][0]["text"] for one in threads.values()] == [f"question {n}" for n in range(1000)]
        assert {len(one["messages"]) for one in threads.values()} == {2}
        assert {run["status"] for run in emulator.ledger().runs} == {"completed"}
        assert len(emulator.ledger().runs) == 1000
        http.say(thread_id, "one more")


def test_a_long_talk_takes_room_for_each_message_once(tmp_path):
    db, turns, size = tmp_path / "foundry.db", 100, 10_000
    with emulated(db) as (_, http):
        thread_id = http.thread()
        for number in range(turns):
            http.say(thread_id, f"{number} ".ljust(size, "x"))
            http.run(thread_id, Agents.INSTANT)
    assert db.stat().st_size < 2 * turns * size
    with emulated(db) as (_, http):
        [answer] = http.messages(thread_id, limit="1")
        assert f"This thread holds {turns} user messages" in answer["content"][0]["text"]["value"]


def test_an_answer_that_changes_nothing_writes_no_object(tmp_path, monkeypatch):
    written = []
    write = Journal.write
    monkeypatch.setattr(Journal, "write", lambda self, rows, **rest: write(self, written.append(rows) or rows, **rest))
    with emulated(tmp_path / "foundry.db") as (_, http):
        thread_id = http.thread("hi")
        http.messages(thread_id)
    assert [[row.kind for row in rows] for rows in written] == [["thread", "message"], []]


# --- what can happen to the file --------------------------------------------------------------------------------------


def test_a_log_that_was_cut_anywhere_loses_the_last_changes_only(tmp_path):
    db = tmp_path / "foundry.db"
    with emulated(db) as (_, http):
        asked = [http.thread("hi", "there", metadata={"n": str(n)}) for n in range(20)]
        shutil.copytree(tmp_path, tmp_path / "killed")  # what a SIGKILL would leave
    log = (tmp_path / "killed" / "foundry.db-wal").read_bytes()
    assert len(log) > 20_000
    found = []
    for cut in (*range(0, len(log), len(log) // 23), len(log) - 1, len(log)):
        torn = tmp_path / f"cut-{cut}"
        torn.mkdir()
        shutil.copy(tmp_path / "killed" / "foundry.db", torn)
        (torn / "foundry.db-wal").write_bytes(log[:cut])
        with emulated(torn / "foundry.db") as (emulator, http):
            threads = emulator.ledger().threads
            assert list(threads) == asked[: len(threads)]
            assert {thread["user_messages"] for thread in threads.values()} <= {2}
            assert {thread["metadata"]["n"] for thread in threads.values()} == {str(n) for n in range(len(threads))}
            found.append(len(threads))
            http.thread("and on it goes")
    assert found == sorted(found)
    assert (found[0], found[-2:]) == (0, [19, 20])


def test_two_emulators_on_one_file_are_refused_and_the_first_goes_on(tmp_path):
    with emulated(tmp_path / "foundry.db") as (_, http):
        thread_id = http.thread()
        with pytest.raises(JournalError, match=r"foundry\.db is in use by another emulator: stop it, or name another"):
            FoundryEmulator(db=tmp_path / "foundry.db")
        http.say(thread_id, "still there")
    with emulated(tmp_path / "foundry.db") as (emulator, _):
        assert emulator.ledger().user_messages == 1


def test_an_emulator_that_cannot_listen_leaves_the_file_free(tmp_path):
    with FoundryEmulator() as other:
        second = FoundryEmulator(db=tmp_path / "foundry.db", port=other.port)
        with pytest.raises(OSError, match="in use"):
            second.start()
        second.stop()
    with emulated(tmp_path / "foundry.db"):
        pass


def broken(path, statement, *values):
    with emulated(path) as (_, http):
        http.thread("hi")
    with sqlite3.connect(path) as db:
        db.execute(statement, values)
    db.close()


def of_another_program(path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE meta (key TEXT)")
    db.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (of_another_program, "belongs to another program: name another file"),
        (lambda path: path.write_text("no database at all " * 100), "cannot be used: file is not a database"),
        (lambda path: path.mkdir(), "cannot be opened: unable to open"),
        (lambda path: broken(path, "PRAGMA user_version = 7"), "has version 7, this emulator writes 1: delete it"),
        (
            lambda path: broken(path, "UPDATE objects SET body = '{' WHERE kind = 'message'"),
            r"is damaged: message msg_\w+ cannot be read: .*Delete it",
        ),
        (
            lambda path: broken(path, "UPDATE objects SET body = json_remove(body, '$.role') WHERE kind = 'message'"),
            "message msg_.* cannot be read: Object missing required field `role`",
        ),
        (lambda path: broken(path, "DELETE FROM objects WHERE kind = 'thread'"), "message msg_.* cannot be read"),
        (lambda path: broken(path, "UPDATE objects SET kind = 'vase'"), "no object is called vase"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_left_as_it_is(tmp_path, spoil, words):
    path = tmp_path / "foundry.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(JournalError, match=rf"foundry\.db .*{words}"):
        FoundryEmulator(db=path)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert not list(tmp_path.glob("foundry.db-*"))


def test_a_write_that_fails_is_a_500_and_made_up_for_by_the_next(tmp_path, monkeypatch):
    emulator = FoundryEmulator(db=tmp_path / "foundry.db")
    emulator.start()
    with requests.Session() as session:
        http = Http(emulator, session)
        write = Journal.write
        monkeypatch.setattr(Journal, "write", lambda *_, **__: (_ for _ in ()).throw(sqlite3.OperationalError("full")))
        assert http("POST", "/threads", {}).status_code == 500
        monkeypatch.setattr(Journal, "write", write)
        assert http("POST", "/threads", {}).status_code == 200
    with pytest.raises(ExceptionGroup, match="went wrong"):
        emulator.stop()
    with emulated(tmp_path / "foundry.db") as (again, _):
        assert len(again.ledger().threads) == 2
