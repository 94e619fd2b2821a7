"""The command line in this process, in front of a scripted app."""

import io
import json
import sys

import pytest
import requests

from client import AgentRuns
from client.command.arguments import parser
from client.command.exit_codes import ExitCode
from client.command.main import execute
from tests.client.app import KEY, QUESTION, RUN_ID, App, ended, error, going_on, started
from tests.unit.scripted import reply

HOSTILE = "\x1b]0;owned\x07\u202egnp.exe\n::error::fake\r\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(app, *arguments):
    """Run the command; return its exit code."""

    def connect(*, patience, notice):
        app.runs._patience = patience
        app.runs._transport._notice = notice
        return app.runs

    return execute(arguments, "agent-runs", connect)


@pytest.fixture
def plain(monkeypatch):
    """Terminals without rich."""
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.delitem(sys.modules, "client.command.rich_painter", raising=False)


# --- outcomes ---------------------------------------------------------------------------------------------------------


def test_the_answer_is_all_that_stands_on_standard_output(capsys):
    app = App(started(), going_on(run_status="in_progress"), ended(response="Sunlight."))
    assert run(app, "run", "Why?", "--agent", "history") == 0
    out, err = capsys.readouterr()
    assert out == "Sunlight.\n"
    assert f"started {RUN_ID}" in err
    assert [line.split(" s  ")[1] for line in err.splitlines() if " s  " in line] == ["Running  in_progress", "Success"]


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (ended(response="x"), ExitCode.SUCCESS, "Success"),
        (ended("Failed", error={"code": "timeout", "message": "too slow"}), ExitCode.FAILED, "timeout: too slow"),
        (ended("Cancelled", error={"code": "cancelled", "message": "by me"}), ExitCode.CANCELLED, "cancelled: by me"),
        (going_on(required_action=QUESTION), ExitCode.NEEDS_ANSWER, "answer"),
        (error(400, "invalid_request", "is wrong"), ExitCode.REFUSED, "is wrong"),
        (error(404, "not_found", "no run"), ExitCode.REFUSED, "not_found: no run"),
        (reply(401), ExitCode.UNREACHABLE, "AGENT_RUNS_KEY"),
        (reply(403), ExitCode.UNREACHABLE, "does not open"),
        (error(500, "configuration_error", "FOUNDRY_..."), ExitCode.UNREACHABLE, "configuration_error"),
        (reply(200, b"<html>"), ExitCode.UNREACHABLE, "is not the app"),
    ],
)
@pytest.mark.parametrize("command", ["watch", "run"])
def test_the_exit_code_says_how_it_ended(command, answer, code, said, capsys):
    app = App(answer) if command == "watch" else App(started(), answer)
    assert run(app, command, RUN_ID) == code
    out, err = capsys.readouterr()
    assert said in err
    assert out == ("x\n" if code == ExitCode.SUCCESS else "")


def test_time_that_is_over_is_told_with_what_to_do(capsys):
    assert run(App(*[going_on()] * 9), "watch", RUN_ID, "--timeout", "10") == ExitCode.STILL_RUNNING == 6
    assert f"agent-runs watch {RUN_ID}" in capsys.readouterr().err


def test_an_app_that_is_not_reached_is_said_to_be_tried_again(capsys):
    app = App(*[requests.ConnectionError()] * 99)
    assert run(app, "watch", RUN_ID, "--patience", "3") == ExitCode.UNREACHABLE == 5
    err = capsys.readouterr().err
    assert "trying again in" in err
    assert "agent-runs watch" not in err  # nobody knows of this run


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["explode"],
        ["watch", RUN_ID, "--timeout", "soon"],
        ["watch", RUN_ID, "--timeout", "nan"],
        ["run", "x", "--metadata", "x"],
        ["ls", "--limit", "0"],
        ["run", "x", "--key", KEY],
        ["run", "x", "--age", "history"],
    ],
)
def test_arguments_that_cannot_be_understood_are_refused_before_anything_is_sent(arguments):
    with pytest.raises(SystemExit) as ended_with:
        run(App(), *arguments)
    assert ended_with.value.code == ExitCode.REFUSED == 2


def test_a_refusal_lists_every_field(capsys):
    details = [{"code": "invalid", "message": "must be a number", "target": "timeout_seconds"}]
    assert run(App(error(400, "invalid_request", "is wrong", details=details)), "run", "x") == 2
    assert "timeout_seconds: must be a number" in capsys.readouterr().err


def test_a_refusal_of_one_field_is_told_once(capsys):
    details = [{"code": "invalid", "message": "must be a number", "target": "limit"}]
    assert run(App(error(400, "invalid_request", "limit must be a number", details=details)), "ls") == 2
    assert capsys.readouterr().err == "agent-runs: invalid_request: limit must be a number\n"


def test_no_option_takes_a_key_and_no_output_shows_one(monkeypatch, capsys):
    assert "key" not in {a.dest for a in parser("agent-runs")._actions}
    monkeypatch.setenv("AGENT_RUNS_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AGENT_RUNS_KEY", KEY)
    connect = AgentRuns.from_environment
    assert execute(["show", RUN_ID, "--patience", "0"], "agent-runs", connect) == ExitCode.UNREACHABLE
    monkeypatch.setenv("AGENT_RUNS_KEY", f"{KEY} {KEY}")
    assert execute(["show", RUN_ID], "agent-runs", connect) == ExitCode.REFUSED
    assert KEY not in "".join(capsys.readouterr())


# --- run --------------------------------------------------------------------------------------------------------------


def test_a_start_says_all_that_was_given(capsys):
    app = App(started())
    options = ["--thread", "thread_1", "--deadline", "60", "--if-thread-busy", "fail", "--metadata", "a=b=c"]
    assert run(app, "run", "hi", "--agent", "x", "--idempotency-key", "mine", "--detach", *options) == 0
    assert capsys.readouterr().out == f"{RUN_ID}\n"
    assert app.requests[0].headers["Idempotency-Key"] == "mine"
    assert app.bodies == [
        {
            "user_message": "hi", "agent_id": "x", "thread_id": "thread_1", "timeout_seconds": 60,
            "if_thread_busy": "fail", "metadata": {"a": "b=c"},
        }
    ]  # fmt: skip


def test_a_message_may_come_from_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("from a pipe"))
    app = App(started())
    assert run(app, "run", "-", "--detach") == 0
    assert app.bodies[0]["user_message"] == "from a pipe"


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), requests.ConnectionError()])
def test_a_start_of_which_nothing_is_known_can_be_gone_on_with(trouble, capsys):
    app = App(lambda _: raised(trouble))
    assert run(app, "run", "hi", "--patience", "0") in (ExitCode.INTERRUPTED, ExitCode.UNREACHABLE)
    key = app.requests[0].headers["Idempotency-Key"]
    assert f"--idempotency-key {key}" in capsys.readouterr().err


def raised(error):
    raise error


def test_json_is_the_status_document(capsys):
    app = App(started(), ended(response="x", thread_id="thread_1"))
    assert run(app, "run", "hi", "--json") == 0
    assert json.loads(capsys.readouterr().out)["thread_id"] == "thread_1"


def test_an_answer_without_text_is_said_to_be_none(capsys):
    assert run(App(ended(response="")), "watch", RUN_ID) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "wrote no text" in err


# --- interrupts -------------------------------------------------------------------------------------------------------


def test_an_interrupt_leaves_the_run_and_says_how_to_go_on(capsys):
    app = App(started(), going_on(), lambda _: raised(KeyboardInterrupt()))
    assert run(app, "run", "hi") == ExitCode.INTERRUPTED == 130
    assert f"the run goes on: agent-runs watch {RUN_ID}" in capsys.readouterr().err
    assert len(app.requests) == 3


def test_an_interrupt_cancels_where_that_was_asked_for(capsys):
    app = App(going_on(), lambda _: raised(KeyboardInterrupt()), going_on(name="Cancelling"))
    assert run(app, "watch", RUN_ID, "--cancel-on-interrupt") == ExitCode.INTERRUPTED
    assert app.requests[-1].url.endswith(f"/{RUN_ID}/cancel")
    assert app.bodies[-1] == {"reason": "interrupted"}
    assert "is being cancelled" in capsys.readouterr().err


def test_a_second_interrupt_ends_at_once_and_says_what_is_left(capsys):
    app = App(*[lambda _: raised(KeyboardInterrupt())] * 2)
    assert run(app, "watch", RUN_ID, "--cancel-on-interrupt") == ExitCode.INTERRUPTED
    assert f"not cancelled: agent-runs cancel {RUN_ID}" in capsys.readouterr().err


# --- texts of others --------------------------------------------------------------------------------------------------


def test_a_pipe_gets_the_answer_as_it_is(capsys):
    assert run(App(ended(response=HOSTILE)), "watch", RUN_ID) == 0
    assert capsys.readouterr().out == HOSTILE


def test_half_a_character_is_no_reason_to_fail(capfd):
    assert run(App(ended(response="half \ud800")), "watch", RUN_ID) == 0
    assert capfd.readouterr().out == "half \\ud800\n"


@pytest.mark.parametrize("command", ["watch", "show"])
def test_a_terminal_gets_it_harmless(command, monkeypatch, plain):
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    assert run(App(ended(response=HOSTILE)), command, RUN_ID) == 0
    assert "\\u001b]0;owned\\u0007\\u202egnp.exe\n::error::fake\n" in terminal.getvalue()
    assert not set("\x1b\x07\u202e\r") & set(terminal.getvalue())


@pytest.mark.parametrize(
    "answer",
    [
        error(400, "invalid_request", HOSTILE, details=[{"target": HOSTILE, "message": HOSTILE}]),
        ended("Failed", error={"code": "server_error", "message": HOSTILE}),
        going_on(step=HOSTILE, required_action={"event": "e", "error": HOSTILE, "calls": []}),
        going_on(
            required_action={
                "event": "e",
                "calls": [
                    {"id": HOSTILE, "kind": HOSTILE, "name": HOSTILE, "server_label": HOSTILE, "arguments": HOSTILE}
                ],
            }
        ),
    ],
)
def test_no_line_of_standard_error_is_anybody_elses(answer, capsys):
    # A build's log takes a line that begins with :: for a command.
    assert run(App(answer), "watch", RUN_ID) != 0
    err = capsys.readouterr().err
    assert "owned" in err
    assert not set("\x1b\x07\u202e\r") & set(err)
    assert all(line.startswith("agent-runs: ") or " s  " in line for line in err.splitlines())


# --- ls and show ------------------------------------------------------------------------------------------------------


def listed(*names, cursor=None, **fields):
    runs = [{"instanceId": name, "status": "Failed", "createdTime": "2020-01-01T00:00:00Z", **fields} for name in names]
    return reply(200, {"runs": runs, "next_cursor": cursor, "partial": cursor is not None})


def test_a_program_reads_a_list_by_its_tabs(capsys):
    app = App(listed("a", "b", agent_id="asst_1", error={"code": "timeout", "message": "too\tslow"}))
    assert run(app, "ls") == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(r[0], r[1], r[2], r[4]) for r in rows] == [
        (name, "Failed", "asst_1", "timeout: too slow") for name in ("a", "b")
    ]
    assert all(r[3].endswith(" d ago") for r in rows)


def test_people_read_it_by_its_columns(monkeypatch, plain):
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    assert run(App(listed("a", "long-id")), "ls") == 0
    lines = terminal.getvalue().splitlines()
    assert lines[0].split() == ["ID", "STATUS", "AGENT", "CREATED"]
    assert lines[1].startswith("a        Failed")


def test_or_by_rich_if_it_is_there(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    assert run(App(listed("[red]a[/red]")), "ls") == 0
    assert "─" in terminal.getvalue()
    assert "[red]a[/red]" in terminal.getvalue()  # no markup of others


@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colour_gets_none(variable, monkeypatch):
    monkeypatch.setenv(*variable)
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setattr(sys, "stderr", errors := Terminal())
    assert run(App(listed("a"), ended()), "ls") == 0
    assert run(App(ended()), "watch", RUN_ID) == 0
    assert "\x1b" not in terminal.getvalue() + errors.getvalue()


def test_a_list_goes_on_over_pages_until_there_are_enough(capsys):
    app = App(listed("a", cursor="1"), listed(cursor="2"), listed("b", "c", cursor="3"))
    assert run(app, "ls", "--limit", "3", "--needs-answer", "--status", "Running", "--agent", "x") == 0
    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == ["a", "b", "c"]
    assert "--cursor 3" in err
    assert "limit=3" in app.requests[0].url
    assert "limit=2" in app.requests[2].url
    assert all("needs_answer=true" in r.url and "agent_id=x" in r.url for r in app.requests)


def test_a_list_says_which_run_waits_for_an_answer_whatever_foundry_calls_that(capsys):
    asks = listed("a", status="Running", run_status="completed", needs_answer=True, required_action={"calls": 1})
    assert run(App(asks), "ls") == 0
    assert capsys.readouterr().out.rstrip().endswith("\twaits for an answer")


def test_a_filter_that_leaves_nothing_ends(capsys):
    app = App(*[listed(cursor="c")] * 100)
    assert run(app, "ls") == 0
    assert len(app.requests) == 20
    assert "--cursor c" in capsys.readouterr().err


def test_nothing_found_is_said(capsys):
    assert run(App(listed()), "ls") == 0
    assert capsys.readouterr() == ("", "agent-runs: no such run\n")


def test_a_list_as_json_has_a_line_each(capsys):
    assert run(App(listed("a", "b")), "ls", "--json") == 0
    assert [json.loads(line)["instanceId"] for line in capsys.readouterr().out.splitlines()] == ["a", "b"]


def test_a_run_is_shown_with_all_that_helps(capsys):
    app = App(ended(response="blue", thread_id="thread_1", agent_id="asst_1", monitor_url="https://portal.example"))
    assert run(app, "show", RUN_ID) == 0
    out = capsys.readouterr().out
    for expected in (RUN_ID, "Success", "thread_1", "asst_1", "https://portal.example", "\n\nblue\n"):
        assert expected in out


def test_who_waits_in_line_is_said_to(capsys):
    app = App(
        going_on(waiting_for={"instance": "other", "position": 3}), going_on(customStatus={"retrying": "rate_limited"})
    )
    assert run(app, "show", RUN_ID) == run(app, "show", RUN_ID) == 0
    out = capsys.readouterr().out
    assert "number 3 in line for its thread, which other uses" in out
    assert "tries again after rate_limited" in out


# --- cancel and answer ------------------------------------------------------------------------------------------------


def test_a_cancel_is_done_when_it_is_acknowledged(capsys):
    app = App(going_on(name="Cancelling"))
    assert run(app, "cancel", RUN_ID, "--reason", "enough") == 0
    assert app.bodies == [{"reason": "enough"}]
    assert "is being cancelled" in capsys.readouterr().err


def test_too_late_a_cancel_is_refused(capsys):
    assert run(App(error(409, "already_ended", "the run has ended: Success")), "cancel", RUN_ID) == ExitCode.REFUSED
    assert "the run has ended" in capsys.readouterr().err


def asking(*calls):
    return going_on(required_action={"event": "tool_outputs_1", "calls": list(calls)})


FUNCTION = {"id": "call_f", "kind": "function", "name": "f", "arguments": "{}"}
OTHER = {"id": "call_g", "kind": "function", "name": "g", "arguments": "{}"}
APPROVAL = {"id": "call_a", "kind": "approval", "name": "a", "server_label": "s", "arguments": "{}"}


CONSENT = {"id": "ocr_1", "kind": "consent", "name": "s", "arguments": "", "link": "https://example.com/consent?x=1"}


def test_a_consent_is_shown_with_its_link_and_how_to_approve_it(capsys):
    assert run(App(asking(CONSENT)), "watch", RUN_ID) == ExitCode.NEEDS_ANSWER
    said = capsys.readouterr().err
    assert "ocr_1  consent  s  open https://example.com/consent?x=1, then approve" in said
    assert f"answer {RUN_ID} --approve ocr_1\n" in said


@pytest.mark.parametrize(
    ("calls", "arguments", "outputs", "approvals"),
    [
        ([FUNCTION], ["18 degrees"], {"call_f": "18 degrees"}, {}),
        ([FUNCTION], [""], {"call_f": ""}, {}),
        ([APPROVAL], ["--approve"], {}, {"call_a": True}),
        ([APPROVAL], ["--deny"], {}, {"call_a": False}),
        ([CONSENT], ["--approve"], {}, {"ocr_1": True}),
        ([FUNCTION, APPROVAL], ["18", "--deny", "call_a"], {"call_f": "18"}, {"call_a": False}),
        (
            [FUNCTION, OTHER],
            ["--output", "call_f", "a=b", "--output", "call_g", "c"],
            {"call_f": "a=b", "call_g": "c"},
            {},
        ),
    ],
)
def test_an_answer_names_the_calls_that_it_answers(calls, arguments, outputs, approvals, capsys):
    app = App(asking(*calls), going_on())
    assert run(app, "answer", RUN_ID, *arguments) == 0
    sent = app.bodies[-1]
    assert {o["tool_call_id"]: o["output"] for o in sent["tool_outputs"]} == outputs
    assert {a["tool_call_id"]: a["approve"] for a in sent["approvals"]} == approvals
    assert all(call["id"] in capsys.readouterr().err for call in calls[:1])  # what was answered is shown


@pytest.mark.parametrize(
    ("calls", "arguments", "said"),
    [
        ([FUNCTION, OTHER], ["18"], "2 tool calls wait"),
        ([APPROVAL], ["18"], "0 tool calls wait"),
        ([APPROVAL, {**APPROVAL, "id": "call_b"}], ["--approve"], "2 approvals are asked for"),
        ([FUNCTION], [], "say what to answer"),
        ([APPROVAL], ["--approve", "call_a", "--deny", "call_a"], "answered twice"),
        ([FUNCTION], ["18", "--output", "call_f", "19"], "answered twice"),
    ],
)
def test_an_answer_that_is_not_clear_is_not_sent(calls, arguments, said, capsys):
    app = App(asking(*calls))
    assert run(app, "answer", RUN_ID, *arguments) == ExitCode.REFUSED
    assert said in capsys.readouterr().err
    assert len(app.requests) == 1


def test_where_nothing_is_asked_nothing_is_answered(capsys):
    app = App(going_on(step="get_run"))
    assert run(app, "answer", RUN_ID, "18") == ExitCode.REFUSED
    assert "waits for no answer now: Running get_run" in capsys.readouterr().err


def test_an_answer_may_be_followed_by_the_end(capsys):
    app = App(asking(FUNCTION), going_on(), ended(response="It is 18."))
    assert run(app, "answer", RUN_ID, "18", "--watch") == 0
    assert capsys.readouterr().out == "It is 18.\n"
