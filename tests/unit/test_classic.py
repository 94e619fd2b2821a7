"""Classic threads and runs over a scripted network: wire shapes in, contracts out."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.activities import NewMessage
from contracts.messages import (
    AttachmentTool,
    ImageFile,
    ImageFilePart,
    ImageUrl,
    ImageUrlPart,
    MessageAttachment,
    TextPart,
)
from contracts.runs import (
    AgentSummary,
    Answer,
    Attachment,
    Effect,
    PendingCall,
    PostedMessage,
    RunSnapshot,
    RunState,
    Stamp,
    Tokens,
    ToolAnswer,
    ToolApproval,
    ToolOutput,
)
from contracts.wire import to_wire
from foundry import errors
from foundry.bodies import MOST_BYTES
from tests.unit.scripted import STAMP, no_deadline, raised_by, reply, service_of
from tests.unit.test_answer_parts import image, message, text

THREAD, RUN = "thread_1", "run_1"
OWN = STAMP.as_metadata()
MESSAGE = NewMessage(content="hi")
EFFECT = Effect(stamp=STAMP)


def run_body(status="queued", **fields):
    return {"id": RUN, "thread_id": THREAD, "status": status, **fields}


def page(items, *, has_more=False, **fields):
    return reply(200, {"data": items, "has_more": has_more, **fields})


def agents(*names):
    return [{"id": name, "name": name.upper(), "model": "m"} for name in names]


def sent(network, index=-1):
    return json.loads(network.requests[index].body)


def query(request):
    return {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}


# --- pages ------------------------------------------------------------------------------------------------------------


def listed(*script):
    service, network = service_of(*script)
    return [a.id for a in service.list_agents()], network


def test_all_pages_are_followed_by_the_cursor():
    ids, network = listed(
        page(agents("a", "b"), has_more=True, last_id="b"),
        page(agents("c"), has_more=True, last_id="c"),
        page(agents("d"), last_id="d"),
    )
    assert ids == ["a", "b", "c", "d"]
    assert [query(r).get("after") for r in network.requests] == [None, "b", "c"]
    assert all(query(r)["limit"] == "100" for r in network.requests)
    assert all(query(r)["api-version"] == "v1" for r in network.requests)


def test_agents_have_id_name_and_model():
    service, _ = service_of(page([{"id": "a", "name": None, "model": "m", "tools": []}, {"id": "b"}]))
    assert list(service.list_agents()) == [
        AgentSummary(id="a", name=None, model="m"),
        AgentSummary(id="b", name=None, model=None),
    ]


def test_a_page_without_last_id_goes_on_after_its_last_item():
    ids, network = listed(page(agents("a", "b"), has_more=True), page(agents("c")))
    assert ids == ["a", "b", "c"]
    assert query(network.requests[1])["after"] == "b"


@pytest.mark.parametrize(
    "last",
    [
        page([], has_more=True, last_id="b"),
        page([], has_more=True, last_id=None),
        page(agents("c"), has_more=True, last_id="a"),
        page(agents("c"), has_more=True, last_id=5),
        page(agents("c"), has_more=False, last_id="c"),
        reply(200, {"data": agents("c"), "last_id": "c"}),
    ],
    ids=["empty", "empty-null", "repeated-cursor", "odd-cursor", "no-more", "not-said"],
)
def test_a_page_that_does_not_lead_on_is_the_last(last):
    ids, network = listed(page(agents("a"), has_more=True, last_id="a"), last)
    assert ids[0] == "a"
    assert len(network.requests) == 2


def test_cursors_that_go_round_end():
    ids, _ = listed(
        page(agents("a"), has_more=True, last_id="a"),
        page(agents("b"), has_more=True, last_id="b"),
        page(agents("a"), has_more=True, last_id="a"),
    )
    assert ids == ["a", "b", "a"]


def test_a_cursor_cannot_add_parameters():
    _, network = listed(page(agents("a"), has_more=True, last_id="x&limit=1#"), page([]))
    assert query(network.requests[1]) == {"limit": "100", "order": "desc", "after": "x&limit=1#", "api-version": "v1"}


def test_a_page_that_fails_fails_the_listing():
    service, _ = service_of(page(agents("a"), has_more=True, last_id="a"), reply(500))
    assert isinstance(raised_by(lambda: list(service.list_agents())), errors.UnavailableError)


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, {"data": "x"}])
def test_a_page_without_a_list_is_a_bad_answer(body):
    service, _ = service_of(reply(200, body))
    assert isinstance(raised_by(lambda: list(service.list_agents())), errors.BadResponseError)


def test_checking_asks_for_one_agent():
    service, network = service_of(reply(200, {}))
    service.check()
    assert network.paths == ["GET /assistants"]
    assert query(network.requests[0])["limit"] == "1"


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_a_thread_carries_the_stamp():
    service, network = service_of(reply(200, {"id": "thread_9"}))
    assert service.create_thread(STAMP).thread_id == "thread_9"
    assert network.paths == ["POST /threads"]
    assert sent(network) == {"metadata": OWN}


def test_a_message_is_the_users_and_carries_the_stamp():
    service, network = service_of(reply(200, {"id": "msg_1"}))
    assert service.create_message(THREAD, NewMessage(content="hi", metadata={"team": "blue"}), STAMP) == "msg_1"
    assert network.paths == ["POST /threads/thread_1/messages"]
    assert sent(network) == {"role": "user", "content": "hi", "metadata": {"team": "blue", **OWN}}


def test_a_message_may_have_parts_and_attachments():
    parts = [
        TextPart(text="what is this?"),
        ImageFilePart(image_file=ImageFile(file_id="file_1", detail="low")),
        ImageUrlPart(image_url=ImageUrl(url="https://example.org/x.png")),
    ]
    attachments = [MessageAttachment(file_id="file_2", tools=[AttachmentTool(type="file_search")])]
    service, network = service_of(reply(200, {"id": "msg_1"}))
    service.create_message(THREAD, NewMessage(content=parts, attachments=attachments), STAMP)
    assert sent(network) == {
        "role": "user",
        "content": [
            {"type": "text", "text": "what is this?"},
            {"type": "image_file", "image_file": {"file_id": "file_1", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}},
        ],
        "attachments": [{"file_id": "file_2", "tools": [{"type": "file_search"}]}],
        "metadata": OWN,
    }


def test_texts_and_urls_of_parts_are_left_out_of_the_services_words():
    parts = [TextPart(text="my secret"), ImageUrlPart(image_url=ImageUrl(url="https://example.org/secret.png"))]
    said = "content[0].text of type text is 'my secret', https://example.org/secret.png"
    service, _ = service_of(reply(400, {"error": {"message": said, "code": None}}))
    error = raised_by(lambda: service.create_message(THREAD, NewMessage(content=parts), STAMP))
    assert "content[0].text of type text is" in error.message, "words of the protocol are no secrets"
    assert "secret" not in error.message


def test_a_run_may_bring_messages_resources_and_fields_to_include():
    options = {
        "include": ["step_details.tool_calls[*].file_search.results[*].content", "other"],
        "tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}},
        "additional_messages": [{"role": "user", "content": "hi", "metadata": {"a": "b"}}, {"role": "assistant"}],
    }
    service, network = service_of(reply(200, run_body()))
    service.create_run(THREAD, "asst_1", options, {}, STAMP)
    assert query(network.requests[0])["include[]"] == "step_details.tool_calls[*].file_search.results[*].content,other"
    assert sent(network) == {
        "assistant_id": "asst_1",
        "metadata": OWN,
        "tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}},
        "additional_messages": [
            {"role": "user", "content": "hi", "metadata": {"a": "b", **OWN}},
            {"role": "assistant", "metadata": OWN},
        ],
    }


def test_a_run_names_the_agent_with_the_options_and_carries_the_stamp():
    service, network = service_of(reply(200, run_body()))
    run = service.create_run(THREAD, "asst_1", {"temperature": 0}, {"team": "blue"}, STAMP)
    assert (run.run_id, run.state) == (RUN, RunState.ACTIVE)
    assert network.paths == ["POST /threads/thread_1/runs"]
    assert sent(network) == {"temperature": 0, "assistant_id": "asst_1", "metadata": {"team": "blue", **OWN}}


def test_neither_metadata_nor_options_can_replace_what_is_ours():
    service, network = service_of(reply(200, {"id": "m"}), reply(200, run_body()))
    forged = Stamp(instance_id="other", operation_id="other").as_metadata()
    service.create_message(THREAD, NewMessage(content="hi", metadata=forged), STAMP)
    service.create_run(THREAD, "asst_1", {"assistant_id": "evil", "metadata": {}}, forged, STAMP)
    assert [sent(network, i)["metadata"] for i in (0, 1)] == [OWN, OWN]
    assert sent(network)["assistant_id"] == "asst_1"


def test_the_stamp_fits_the_services_limits():
    own = Stamp(instance_id="x" * 512, operation_id="y" * 512).as_metadata()
    assert len(own) == 2
    assert all(len(key) <= 64 and len(value) <= 512 for key, value in own.items())


EVIL = ["..", "../x", "a/b", "a?b", "a#b", "", "a\n", "%2e%2e"]


@pytest.mark.parametrize("evil", EVIL)
def test_an_id_that_could_change_the_path_is_never_sent(evil):
    service, network = service_of()
    for call in (
        lambda: service.create_message(evil, NewMessage(content="hi"), STAMP),
        lambda: service.find_message(evil, MESSAGE, STAMP),
        lambda: service.create_run(evil, "asst_1", {}, {}, STAMP),
        lambda: service.find_run(evil, EFFECT),
        lambda: service.get_run(evil, RUN),
        lambda: service.get_run(THREAD, evil),
        lambda: service.cancel_run(evil, RUN),
        lambda: service.cancel_run(THREAD, evil),
        lambda: service.get_answer(evil, RUN),
        lambda: service.get_answer(THREAD, evil),
    ):
        assert isinstance(raised_by(call), errors.InvalidInputError)
    assert network.requests == []


# --- runs -------------------------------------------------------------------------------------------------------------


def snapshot_of(body):
    service, network = service_of(reply(200, body))
    run = service.get_run(THREAD, RUN)
    assert network.paths == ["GET /threads/thread_1/runs/run_1"]
    return run


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("queued", RunState.ACTIVE),
        ("in_progress", RunState.ACTIVE),
        ("requires_action", RunState.REQUIRES_ACTION),
        ("cancelling", RunState.CANCELLING),
        ("completed", RunState.COMPLETED),
        ("failed", RunState.FAILED),
        ("expired", RunState.EXPIRED),
        ("incomplete", RunState.INCOMPLETE),
        ("cancelled", RunState.CANCELLED),
        ("paused", RunState.ACTIVE),
        ("Completed", RunState.ACTIVE),
        ("succeeded", RunState.ACTIVE),
    ],
)
def test_every_status_has_a_state_and_an_unknown_one_goes_on(status, state):
    run = snapshot_of(run_body(status))
    assert (run.state, run.raw_status) == (state, status)


def test_what_is_asked_under_an_unknown_status_is_a_question():
    action = {"type": "submit_consent", "submit_consent": {"url": "https://example.com"}}
    run = snapshot_of(run_body("waiting_for_consent", required_action=action))
    assert (run.state, run.raw_status) == (RunState.REQUIRES_ACTION, "waiting_for_consent")
    assert [call.name for call in run.pending_calls] == ["submit_consent"]
    assert snapshot_of(run_body("paused", required_action=None)).state is RunState.ACTIVE
    assert snapshot_of(run_body("in_progress", required_action=action)).pending_calls == ()


@pytest.mark.parametrize(
    ("message", "waits"),
    [
        ("Rate limit is exceeded. Try again in 6 seconds.", True),
        ("Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 30000, Requested 601.", True),
        (None, True),
        ("Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 30601.", False),
        ("The input or output tokens must be reduced in order to run successfully.", False),
        ("You exceeded your current quota, please check your plan and billing details.", False),
    ],
)
def test_quota_that_no_waiting_brings_is_not_waited_for(message, waits):
    run = snapshot_of(run_body("failed", last_error={"code": "rate_limit_exceeded", "message": message}))
    assert (run.rate_limited, run.error_code) == (waits, "rate_limit_exceeded")
    assert ("No waiting mends that" in (run.error_advice or "")) is not waits


@pytest.mark.parametrize(("status", "is_told"), [("failed", True), ("expired", False), ("cancelled", False)])
def test_a_run_that_failed_tells_by_its_words_what_to_do(status, is_told):
    error = {"code": "server_error", "message": "DeploymentNotFound: the deployment does not exist."}
    advice = snapshot_of(run_body(status, last_error=error)).error_advice
    assert ("not deployed" in advice) if is_told else advice is None


def test_a_full_run_is_read():
    run = snapshot_of(
        run_body(
            "failed",
            last_error={"code": "rate_limit_exceeded", "message": "Try again in 60 seconds."},
            model="gpt-4o",
            usage={"total_tokens": 5, "prompt_token_details": {"cached_tokens": 1}},
            metadata=OWN,
            created_at=1,
            started_at=2.0,
            completed_at=3,
            expires_at=None,
            required_action=None,
        )
    )
    assert run == RunSnapshot(
        run_id=RUN,
        thread_id=THREAD,
        state=RunState.FAILED,
        raw_status="failed",
        error_code="rate_limit_exceeded",
        error_message="Try again in 60 seconds.",
        rate_limited=True,
        retry_after_seconds=60,
        instance_id=STAMP.instance_id,
        model="gpt-4o",
        usage={"total_tokens": 5, "prompt_token_details": {"cached_tokens": 1}},
        tokens=Tokens(total=5, cached=1),
        created_at=1,
        started_at=2,
        completed_at=3,
    )


@pytest.mark.parametrize("details", [{"reason": "content_filter"}, {"reason": "max_completion_tokens"}])
def test_an_incomplete_run_says_why(details):
    run = snapshot_of(run_body("incomplete", incomplete_details=details, last_error=None))
    assert run.error_code == details["reason"], "a program tells them apart"
    assert details["reason"] in run.error_message


@pytest.mark.parametrize("details", [None, {}, {"reason": None}, "x"])
def test_an_incomplete_run_without_a_reason_is_one_too(details):
    run = snapshot_of(run_body("incomplete", incomplete_details=details))
    assert run.error_code == "incomplete"
    assert run.error_message


@pytest.mark.parametrize("error", [None, {}, {"code": None, "message": None}, "x", []])
def test_a_failed_run_may_give_no_reason(error):
    run = snapshot_of(run_body("expired", last_error=error))
    assert (run.error_code, run.error_message) == (None, None)


def test_what_the_service_says_is_cut_to_a_size():
    run = snapshot_of(run_body("x" * 5000, last_error={"code": "c" * 5000, "message": "m" * 50_000}))
    assert len(json.dumps(to_wire(run))) < 3000


@pytest.mark.parametrize("missing", ["id", "thread_id", "status"])
@pytest.mark.parametrize("value", [None, "", 5, {}])
def test_a_run_without_the_essentials_is_a_bad_answer(missing, value):
    service, _ = service_of(reply(200, {**run_body(), missing: value}))
    assert isinstance(raised_by(lambda: service.get_run(THREAD, RUN)), errors.BadResponseError)


FUNCTION_CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
APPROVAL = {"id": "call_2", "type": "mcp", "arguments": "{}", "name": "t", "server_label": "github"}


def test_pending_function_calls_are_read():
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [FUNCTION_CALL, FUNCTION_CALL]}}
    call = PendingCall(id="call_1", kind="function", name="f", arguments='{"a": 1}')
    assert snapshot_of(run_body("requires_action", required_action=action)).pending_calls == (call, call)


def test_pending_approvals_are_read():
    action = {"type": "submit_tool_approval", "submit_tool_approval": {"tool_calls": [APPROVAL]}}
    [call] = snapshot_of(run_body("requires_action", required_action=action)).pending_calls
    assert (call.id, call.kind, call.name, call.arguments) == ("call_2", "approval", "t", "{}")


def test_only_a_run_that_requires_action_has_pending_calls():
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [FUNCTION_CALL]}}
    assert snapshot_of(run_body("completed", required_action=action)).pending_calls == ()


ASKED = {"agent_id": "asst_1", "agent_version": None, "effect": Effect(stamp=STAMP), "metadata": {}}
"""What an answer to tool calls brings along, for the generation that starts another run with it."""

ANSWERED = ToolAnswer(
    tool_outputs=[ToolOutput(tool_call_id="call_1", output="42")],
    approvals=[ToolApproval(tool_call_id="call_2", approve=False)],
)


def test_outputs_and_approvals_are_passed_on():
    service, network = service_of(reply(200, run_body("queued")))
    assert service.submit_tool_outputs(THREAD, RUN, ANSWERED, **ASKED).state is RunState.ACTIVE
    assert network.paths == ["POST /threads/thread_1/runs/run_1/submit_tool_outputs"]
    assert sent(network) == {
        "tool_outputs": [{"tool_call_id": "call_1", "output": "42"}],
        "tool_approvals": [{"tool_call_id": "call_2", "approve": False}],
    }


def test_an_answer_that_an_earlier_attempt_got_through_is_no_failure():
    service, network = service_of(reply(400), reply(200, run_body("in_progress")))
    assert service.submit_tool_outputs(THREAD, RUN, ANSWERED, **ASKED).raw_status == "in_progress"
    assert network.paths[1] == "GET /threads/thread_1/runs/run_1"


WAITING = run_body("requires_action", required_action={"submit_tool_outputs": {"tool_calls": [FUNCTION_CALL]}})
TOO_LONG = {"error": {"message": "The tool outputs exceed 512 KB.", "code": None}}


@pytest.mark.parametrize("refusal", [reply(400, TOO_LONG), reply(413), reply(413, TOO_LONG), reply(422), reply(415)])
def test_an_answer_that_is_refused_while_the_calls_wait_is_refused(refusal):
    service, network = service_of(refusal, reply(200, WAITING))
    error = raised_by(lambda: service.submit_tool_outputs(THREAD, RUN, ANSWERED, **ASKED))
    assert isinstance(error, errors.AnswerRefusedError)
    assert (error.code, error.retryable) == ("answer_refused", False)
    assert ("exceed 512 KB" in error.message) is (b"512" in refusal[1])
    assert "exceed 512 KB" not in error.summary
    assert network.paths[1] == "GET /threads/thread_1/runs/run_1"


@pytest.mark.parametrize(("status", "kind"), [(400, errors.UnreadableRefusalError), (409, errors.RefusedForNowError)])
def test_a_refusal_that_may_pass_is_repeated(status, kind):
    service, _ = service_of(reply(status), reply(200, WAITING))
    error = raised_by(lambda: service.submit_tool_outputs(THREAD, RUN, ANSWERED, **ASKED))
    assert isinstance(error, kind)
    assert error.retryable


@pytest.mark.parametrize("status", [400, 409, 413, 422, 423])
def test_an_answer_that_got_through_is_none_to_refuse(status):
    service, _ = service_of(reply(status), reply(200, run_body("in_progress")))
    assert service.submit_tool_outputs(THREAD, RUN, ANSWERED, **ASKED).raw_status == "in_progress"


SECRET = "Bearer s3cr3t-of-github-0123456789"
HEADERS = {"call_2": {"Authorization": SECRET}}


def test_headers_go_into_the_approval_and_nowhere_else():
    service, network = service_of(reply(200, run_body("queued")))
    service.submit_tool_outputs(THREAD, RUN, ANSWERED, HEADERS, **ASKED)
    assert sent(network)["tool_approvals"] == [
        {"tool_call_id": "call_2", "approve": False, "headers": {"Authorization": SECRET}}
    ]


@pytest.mark.parametrize("quoted", [SECRET, SECRET.split()[1], SECRET[:20]])
def test_headers_that_the_service_quotes_are_masked(quoted):
    refusal = reply(400, {"error": {"message": f"server said 401 to {quoted}", "code": None}})
    service, _ = service_of(refusal, reply(200, WAITING))
    error = raised_by(lambda: service.submit_tool_outputs(THREAD, RUN, ANSWERED, HEADERS, **ASKED))
    assert "server said 401" in error.message
    assert "s3cr3t" not in error.message + error.summary


def test_headers_that_a_failed_run_quotes_are_masked():
    run = snapshot_of(run_body("failed", last_error={"code": "tool_user_error", "message": f"401 to {SECRET}"}))
    assert run.error_message.startswith("401 to")
    assert "s3cr3t" not in run.error_message


# --- cancel -----------------------------------------------------------------------------------------------------------


def test_cancelling_returns_the_run_as_it_is_then():
    service, network = service_of(reply(200, run_body("cancelling")))
    assert service.cancel_run(THREAD, RUN).state is RunState.CANCELLING
    assert network.paths == ["POST /threads/thread_1/runs/run_1/cancel"]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "expired"])
def test_cancelling_a_run_that_has_ended_returns_its_real_end(status):
    refusal = reply(400, {"error": {"message": f"Cannot cancel run with status '{status}'.", "code": None}})
    service, network = service_of(refusal, reply(200, run_body(status)))
    assert service.cancel_run(THREAD, RUN).raw_status == status
    assert network.paths[1] == "GET /threads/thread_1/runs/run_1"


@pytest.mark.parametrize("refusal", [400, 403, 404, 409, 410, 422, 423, 424])
def test_any_refusal_to_cancel_is_no_end_while_the_run_goes_on(refusal):
    named = {"error": {"message": f"No run found with id '{RUN}'.", "code": None}}
    service, network = service_of(reply(refusal, named), reply(200, run_body("in_progress")))
    error = raised_by(lambda: service.cancel_run(THREAD, RUN))
    assert isinstance(error, errors.FoundryError)
    assert not getattr(error, "names_it", False), "it has just been seen"
    assert network.paths[1] == "GET /threads/thread_1/runs/run_1"


@pytest.mark.parametrize("refusal", [400, 403, 404, 409, 422, 423])
def test_a_run_that_has_ended_is_the_answer_however_the_cancel_is_refused(refusal):
    service, _ = service_of(reply(refusal), reply(200, run_body("completed")))
    assert service.cancel_run(THREAD, RUN).state is RunState.COMPLETED


def test_a_run_that_is_gone_says_so_when_it_is_cancelled():
    named = reply(404, {"error": {"message": f"No run found with id '{RUN}'.", "code": None}})
    service, _ = service_of(named, named)
    assert raised_by(lambda: service.cancel_run(THREAD, RUN)).names_it


@pytest.mark.parametrize("status", [401, 429, 500])
def test_other_failures_to_cancel_are_failures(status):
    service, network = service_of(reply(status))
    assert isinstance(raised_by(lambda: service.cancel_run(THREAD, RUN)), errors.FoundryError)
    assert len(network.requests) == 1


# --- answers ----------------------------------------------------------------------------------------------------------


def answer_of(*messages):
    service, network = service_of(page(list(messages)))
    answer = service.get_answer(THREAD, RUN)
    assert network.paths == ["GET /threads/thread_1/messages"]
    assert query(network.requests[0])["run_id"] == RUN
    assert query(network.requests[0])["order"] == "desc"
    return answer


def test_all_messages_of_the_run_are_the_answer_oldest_first():
    answer = answer_of(message(text("Shall I go on?"), id="msg_2"), message(image("file_1"), text("A chart.")))
    assert [(m.id, m.text) for m in answer.messages] == [("msg_1", "A chart."), ("msg_2", "Shall I go on?")]
    assert (answer.text, answer.newest.id) == ("Shall I go on?", "msg_2")
    assert answer.messages[0].attachments == [Attachment(kind="image_file", id="file_1")]


def test_all_pages_of_a_runs_messages_are_read_within_a_bound():
    def numbered(n):
        return message(text(str(n)), id=f"msg_{n}")

    pages = [page([numbered(n)], has_more=True, last_id=f"msg_{n}") for n in range(50, 0, -1)]
    service, network = service_of(*pages)
    answer = service.get_answer(THREAD, RUN)
    assert [m.text for m in answer.messages] == [str(n) for n in range(41, 51)]
    assert len(network.requests) == 10
    service, _ = service_of(*pages[-3:-1], page([numbered(1)]))
    assert [m.text for m in service.get_answer(THREAD, RUN).messages] == ["1", "2", "3"]


OURS = PostedMessage(stamp=Stamp(instance_id="i1", operation_id="o:message"))


def user(id_, stamp=None):
    return {"id": id_, "role": "user", "content": [], "metadata": stamp.as_metadata() if stamp else {}}


@pytest.mark.parametrize(
    ("below", "another"),
    [
        ([user("u1", OURS.stamp)], False),
        ([user("u1", OURS.stamp), user("u0")], False),
        ([user("u2"), user("u1", OURS.stamp)], True),
        ([user("u2", Stamp(instance_id="i2", operation_id="o:message")), user("u1", OURS.stamp)], True),
        ([user("u2")], False),  # ours is not to be seen, which tells nothing
        ([], False),
        (
            [user("u3", Stamp(instance_id="i1", operation_id="o:run-0")), user("u1", OURS.stamp)],
            False,
        ),  # added with the run
    ],
)
def test_an_answer_to_somebody_elses_message_is_told_apart(below, another):
    new = message(text("new"), id="msg_2")
    service, network = service_of(page([new, *below]), page([new]))
    answer = service.get_answer(THREAD, RUN, OURS)
    assert (answer.found, answer.text, answer.of_another_message) == (True, "new", another)
    assert "run_id" not in query(network.requests[0])


def test_on_a_thread_of_others_all_messages_of_the_run_are_found():
    theirs = message(text("theirs"), run_id="run_2", id="msg_9")
    items = [
        theirs,
        message(text("two"), id="msg_2"),
        message(text("one")),
        user("u1", OURS.stamp),
        message(text("old")),
    ]
    service, network = service_of(page(items, has_more=True, last_id="msg_1"))
    answer = service.get_answer(THREAD, RUN, OURS)
    assert [m.text for m in answer.messages] == ["one", "two"]
    assert len(network.requests) == 1


@pytest.mark.parametrize(
    "other",
    [
        message(text("user's"), role="user"),
        message(text("another run's"), run_id="run_2"),
        message(text("nobody's"), run_id=None),
    ],
)
def test_a_message_that_is_not_this_runs_is_never_the_answer(other):
    assert answer_of(other) == Answer()
    assert answer_of(other, message(text("mine"))).text == "mine"


def test_a_run_without_a_message_yet_has_no_answer():
    assert answer_of() == Answer()
    assert not answer_of().found


# --- adoption ---------------------------------------------------------------------------------------------------------


def stamped(id, stamp=STAMP):  # noqa: A002
    return {"id": id, "thread_id": THREAD, "status": "queued", "metadata": stamp.as_metadata()}


OTHERS = [
    {"id": "x1", "metadata": None},
    {"id": "x2"},
    {"id": "x3", "metadata": {"durable_instance_id": STAMP.instance_id}},
    stamped("x4", Stamp(instance_id=STAMP.instance_id, operation_id="op-2:run-0")),
    stamped("x5", Stamp(instance_id="other", operation_id=STAMP.operation_id)),
    {"id": "x6", "metadata": [1]},
]


def test_what_carries_our_stamp_is_found_among_others():
    mine = stamped("found")
    mine["metadata"]["team"] = "blue"
    service, network = service_of(*[page([*OTHERS, mine]) for _ in range(3)])
    assert service.find_thread(STAMP).thread_id == "found"
    assert service.find_message(THREAD, MESSAGE, STAMP) == "found"
    assert service.find_run(THREAD, EFFECT).run_id == "found"
    assert network.paths == ["GET /threads", "GET /threads/thread_1/messages", "GET /threads/thread_1/runs"]
    assert all(query(r)["order"] == "desc" for r in network.requests)


def test_what_only_resembles_our_stamp_is_not_adopted():
    service, _ = service_of(*[page(OTHERS) for _ in range(3)])
    assert service.find_thread(STAMP) is None
    assert service.find_message(THREAD, MESSAGE, STAMP) is None
    assert service.find_run(THREAD, EFFECT) is None


@pytest.mark.parametrize(
    "find",
    [lambda s: s.find_message(THREAD, MESSAGE, STAMP), lambda s: s.find_run(THREAD, EFFECT)],
    ids=["find_message", "find_run"],
)
def test_the_search_reads_the_newest_page_only(find):
    """A thread of 1,100 messages costs no list of all of them, first looks and repeated ones included."""
    pages = [page([{"id": f"x{n}"}], has_more=True, last_id=f"x{n}") for n in range(50)]
    service, network = service_of(*pages)
    assert find(service) is None
    assert len(network.requests) == 1
    service, _ = service_of(page([{"id": "x"}, stamped("found")], has_more=True, last_id="x"))
    assert find(service)


def user_message(stamp=None, **fields):
    return {"id": "m", "role": "user", "metadata": stamp.as_metadata() if stamp else {}, **fields}


OTHER = Stamp(instance_id="other", operation_id="op-9:message")


def test_the_newest_message_awaits_an_answer_whatever_became_of_its_run():
    service, network = service_of(page([user_message(OTHER)]))
    assert service.awaits_answer(THREAD, "other")
    assert network.paths == ["GET /threads/thread_1/messages"]


@pytest.mark.parametrize(
    "newest",
    [
        None,
        user_message(),
        user_message(STAMP),
        user_message(OTHER, role="assistant"),
        {"id": "m"},
        {"id": "m", "metadata": {"durable_instance_id": 5}},
    ],
)
def test_a_newest_message_of_somebody_else_awaits_no_answer(newest):
    service, _ = service_of(page([newest] if newest else []))
    assert service.awaits_answer(THREAD, "other") is False


def test_the_runs_of_a_thread_are_listed():
    service, network = service_of(page([run_body("queued"), run_body("completed")], has_more=True, last_id="x"))
    assert [r.raw_status for r in service.list_runs(THREAD)] == ["queued", "completed"]
    assert len(network.requests) == 1


def test_only_the_newest_threads_are_searched():
    service, network = service_of(page(OTHERS, has_more=True, last_id="x6"))
    assert service.find_thread(STAMP) is None
    assert len(network.requests) == 1


def test_a_search_that_fails_is_a_failure_not_a_miss():
    service, _ = service_of(reply(503))
    assert isinstance(raised_by(lambda: service.find_message(THREAD, MESSAGE, STAMP)), errors.UnavailableError)


# --- answers that are none --------------------------------------------------------------------------------------------

junk = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.sampled_from(["", "x", "text", RUN]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["id", "data", "text", "value", "tool_calls", "function", "file_id"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@no_deadline
@given(
    st.dictionaries(st.sampled_from(["last_error", "incomplete_details", "usage", "model", "created_at"]), junk),
    st.sampled_from(["failed", "incomplete", "queued"]),
)
def test_a_run_with_odd_details_is_still_a_run(fields, status):
    run = snapshot_of(run_body(status, **fields))
    json.dumps(to_wire(run), allow_nan=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"content": 5},
        {"content": True},
        {"attachments": 5},
        {"content": [{"type": "text", "text": {"value": "x", "annotations": 5}}]},
        {"required_action": {"submit_tool_outputs": {"tool_calls": 5}}},
        {"required_action": 5},
    ],
    ids=["content", "content-true", "attachments", "annotations", "tool-calls", "action"],
)
def test_a_number_in_place_of_a_list_raises_nothing_but_a_foundry_error(fields):
    # service.AgentService: "Every method raises FoundryError, and nothing else, for what the service does".
    service, _ = service_of(
        page([{"id": "m", "role": "assistant", "run_id": RUN, **fields}]),
        reply(200, run_body("requires_action", **fields)),
    )
    for call in (lambda: service.get_answer(THREAD, RUN), lambda: service.get_run(THREAD, RUN)):
        error = raised_by(call)
        assert error is None or isinstance(error, errors.FoundryError)


@pytest.mark.parametrize("field", ["name", "model"])
def test_an_agent_with_an_odd_name_is_listed_without_it(field):
    service, _ = service_of(page([{"id": "a", field: 5}]))
    [agent] = service.list_agents()
    assert getattr(agent, field) is None


# --- whose run it is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [{"id": "run_2"}, {"thread_id": "thread_2"}, {"id": "../run_1"}, {"thread_id": 5}])
@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.get_run(THREAD, RUN),
        lambda s: s.cancel_run(THREAD, RUN),
        lambda s: s.submit_tool_outputs(
            THREAD, RUN, ToolAnswer(tool_outputs=[ToolOutput(tool_call_id="c", output="")]), **ASKED
        ),
    ],
)
def test_another_run_than_was_asked_for_is_a_bad_answer(call, wrong):
    service, _ = service_of(reply(200, {**run_body(), **wrong}))
    assert isinstance(raised_by(lambda: call(service)), errors.BadResponseError)


def test_a_new_run_of_another_thread_is_a_bad_answer():
    service, _ = service_of(reply(200, run_body(thread_id="thread_2")))
    assert isinstance(raised_by(lambda: service.create_run(THREAD, "asst_1", {}, {}, STAMP)), errors.BadResponseError)


@pytest.mark.parametrize("bad", ["msg/../x", "", 5, "x" * 129])
def test_an_id_that_is_none_is_a_bad_answer(bad):
    for call in (lambda s: s.create_message(THREAD, NewMessage(content="x"), STAMP), lambda s: s.create_thread(STAMP)):
        service, _ = service_of(reply(200, {"id": bad}))
        assert isinstance(raised_by(lambda call=call, s=service: call(s)), errors.BadResponseError)


def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones():
    """A hundred messages of 250,000 characters are more than is read of an answer."""
    big = reply(200, b'{"data": [], "x": "' + b"x" * MOST_BYTES + b'"}')
    service, network = service_of(big, page([stamped("m1")]))
    assert service.find_message(THREAD, MESSAGE, STAMP) == "m1"
    assert [query(r)["limit"] for r in network.requests] == ["100", "10"]
    service, network = service_of(big, big)
    error = raised_by(lambda: service.find_message(THREAD, MESSAGE, STAMP))
    assert isinstance(error, errors.OversizedAnswerError)
    assert (error.code, error.retryable) == ("bad_response", False)


# --- deleting a thread ------------------------------------------------------------------------------------------------


def gone(what):
    return reply(404, {"error": {"message": f"No thread found with id '{what}'.", "code": None}})


def thread(stamp=STAMP):
    return reply(200, {"id": THREAD, "metadata": stamp.as_metadata() if stamp else {}})


def own_run(status="completed", stamp=STAMP):
    return page([run_body(status, metadata=stamp.as_metadata() if stamp else {})])


def deleted(*script):
    service, network = service_of(*script)
    return service.delete_thread(THREAD, STAMP.instance_id), network


ANSWERED_MESSAGE = page([message(text("hi"))])
DELETED = reply(200, {"id": THREAD, "object": "thread.deleted", "deleted": True})


@pytest.mark.parametrize("last", [DELETED, reply(204), gone(THREAD)], ids=["deleted", "no-body", "gone"])
def test_a_thread_of_the_instance_is_deleted(last):
    done, network = deleted(thread(), own_run(), ANSWERED_MESSAGE, last)
    assert done
    assert network.paths[0] == "GET /threads/thread_1"
    assert network.paths[-1] == "DELETE /threads/thread_1"


def test_a_thread_that_another_instance_has_created_is_deleted_by_its_last_user():
    done, _ = deleted(thread(OTHER), own_run(), ANSWERED_MESSAGE, DELETED)
    assert done


def test_a_thread_without_a_run_is_its_creators():
    assert deleted(thread(), page([]), page([]), DELETED)[0]
    assert not deleted(thread(OTHER), page([]))[0]


@pytest.mark.parametrize(
    "script",
    [
        [thread(None)],
        [thread(), own_run(stamp=OTHER)],
        [thread(), own_run(stamp=None)],
        [thread(), own_run("in_progress")],
        [thread(), own_run("requires_action")],
        [thread(), own_run(), page([user_message(OTHER)])],
        [thread(), own_run(), page([user_message()])],
    ],
    ids=["not-ours", "others-run", "strangers-run", "active", "asks", "others-message", "strangers-message"],
)
def test_a_thread_that_somebody_else_uses_stays(script):
    done, network = deleted(*script)
    assert not done
    assert all(path.startswith("GET ") for path in network.paths)


def test_a_thread_that_is_gone_counts_as_deleted():
    done, network = deleted(gone(THREAD))
    assert done
    assert len(network.requests) == 1


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_deletion_that_fails_is_a_failure(status):
    for script in ([reply(status)], [thread(), own_run(), ANSWERED_MESSAGE, reply(status)]):
        assert isinstance(raised_by(lambda script=script: deleted(*script)), errors.FoundryError)
