"""The activities against a fake service: failures as data, adoption, the allow-list, nothing posted twice."""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from activities import foundry_calls, instance_control
from activities.agent_calls import AgentCalls
from contracts.activities import (
    ActivityResult,
    CancelledRun,
    CancelRun,
    CreateMessage,
    CreateRun,
    CreateThread,
    DeleteThread,
    MessageRef,
    NewMessage,
    PlanRun,
    RunRef,
    SubmitToolOutputs,
    TerminateInstance,
    ThreadDeletion,
    ThreadRef,
)
from contracts.generations import CAPABILITIES
from contracts.messages import AdditionalMessage, AttachmentTool, MessageAttachment, TextPart
from contracts.request import RunOptions, RunPolicy
from contracts.runs import (
    Answer,
    AnswerMessage,
    Effect,
    PendingCall,
    PostedMessage,
    RunSnapshot,
    RunState,
    Stamp,
    ToolAnswer,
    ToolApproval,
    ToolOutput,
)
from contracts.wire import from_wire, to_wire
from foundry import errors
from settings import DEFAULTS
from tests.store.memory import MemoryStore
from tests.unit.scripted import ENDPOINT, PROMPT, STAMP, raised_by

ME = "i1"
RUN = RunSnapshot(run_id="run_1", thread_id="thread_1", state=RunState.ACTIVE, raw_status="queued")
ANSWER = Answer(messages=[AnswerMessage(id="msg_1", text="blue")])
REF = RunRef(runs_as=ME, thread_id="thread_1", run_id="run_1")
MESSAGE = CreateMessage(
    runs_as=ME, thread_id="thread_1", message=NewMessage(content=PROMPT, metadata={"team": "blue"}), stamp=STAMP
)
NEW_RUN = CreateRun(
    runs_as=ME,
    thread_id="thread_1",
    agent_id="asst_1",
    effect=Effect(stamp=STAMP),
    options=RunOptions(temperature=0),
    metadata={"team": "blue"},
)


class FakeService:
    """Holds what was created by its stamp; `faults` raises at the next call of a method, before or after its effect."""

    def __init__(self):
        self.calls: list[tuple] = []
        self.created: dict[tuple[str, Stamp], str] = {}
        self.run = RUN
        self.runs: list[RunSnapshot] = []
        self.capabilities = CAPABILITIES["classic"]
        self.known_runs: tuple[str, ...] = ()
        self.taken_over: list[tuple[str, str]] = []
        self.lost: dict[str, Exception] = {}
        """The answer to the next call of this method is lost: it has its effect, and raises this."""
        self.faults: dict[str, Exception] = {}
        """The next call of this method raises this, without effect."""

    def _call(self, name, *args):
        self.calls.append((name, *args))
        if name in self.faults:
            raise self.faults.pop(name)

    def _create(self, kind, stamp):
        new = self.created[kind, stamp] = f"{kind}_{len(self.created) + 1}"
        if f"create_{kind}" in self.lost:
            raise self.lost.pop(f"create_{kind}")
        return new

    def posted(self, kind):
        return [call for call in self.calls if call[0] == f"create_{kind}"]

    def create_thread(self, stamp, message=None):
        self._call("create_thread", stamp, *([message] if message else []))
        return ThreadRef(thread_id=self._create("thread", stamp), message_id="msg_1" if message else None)

    def find_thread(self, stamp):
        self._call("find_thread", stamp)
        known = self.created.get(("thread", stamp))
        return ThreadRef(thread_id=known) if known else None

    def take_over(self, thread_id, instance_id, former=None):
        self.former = former
        self.taken_over.append((thread_id, instance_id))
        return self.known_runs

    def create_message(self, thread_id, message, stamp):
        self._call("create_message", thread_id, message.content, message.metadata, stamp, *message.attachments)
        return self._create("message", stamp)

    def find_message(self, thread_id, message, stamp):
        self._call("find_message", thread_id, stamp)
        return self.created.get(("message", stamp))

    def take_back_message(self, thread_id, message_id):
        self._call("take_back_message", thread_id, message_id)

    def create_run(self, thread_id, agent_id, options, metadata, stamp, agent_version=None):
        self._call("create_run", thread_id, agent_id, options, metadata, stamp)
        return msgspec.structs.replace(RUN, run_id=self._create("run", stamp))

    def find_run(self, thread_id, effect):
        self._call("find_run", thread_id, effect.stamp)
        known = self.created.get(("run", effect.stamp))
        return msgspec.structs.replace(RUN, run_id=known) if known else None

    def get_run(self, thread_id, run_id):
        self._call("get_run", thread_id, run_id)
        return self.run

    def get_answer(self, thread_id, run_id, message=None, earlier_runs=()):
        self.earlier_runs = earlier_runs
        self._call("get_answer", thread_id, run_id)
        return ANSWER

    def list_runs(self, thread_id):
        self._call("list_runs", thread_id)
        return self.runs

    def delete_thread(self, thread_id, instance_id):
        self._call("delete_thread", thread_id, instance_id)
        return thread_id == "thread_1"

    def cancel_run(self, thread_id, run_id):
        self._call("cancel_run", thread_id, run_id)
        return msgspec.structs.replace(RUN, run_id=run_id, state=RunState.CANCELLING, raw_status="cancelling")

    def submit_tool_outputs(
        self, thread_id, run_id, answer, headers=None, *, agent_id, agent_version, effect, metadata
    ):
        self._call("submit_tool_outputs", thread_id, run_id, answer, headers)
        return RUN


class FakeInstances:
    """What the platform says of other instances: those that are not here are unknown."""

    def __init__(self):
        self.known: dict[str, dict] = {}
        self.looked_at: list[str] = []
        self.asked: list[tuple[str, str]] = []

    def add(self, instance_id, status="Running", **custom):
        written = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.known[instance_id] = {"runtimeStatus": status, "lastUpdatedTime": written, "customStatus": custom or None}

    def status_of(self, instance_id):
        self.looked_at.append(instance_id)
        found = self.known.get(instance_id)
        if isinstance(found, Exception):
            raise found
        return found

    def ask_to_cancel(self, instance_id, reason):
        self.asked.append((instance_id, reason))


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FOUNDRY_PROJECT_ENDPOINT", ENDPOINT)
    return monkeypatch


@pytest.fixture
def service():
    _given["service"], _given["store"], _given["others"] = FakeService(), MemoryStore(), FakeInstances()
    _given["open_store"] = None
    return _given["service"]


@pytest.fixture
def store(service):
    return _given["store"]


@pytest.fixture
def others(service):
    return _given["others"]


_given = {}
"""What the activities of the present test are handed."""


def function(name):
    """Return the activity as the worker calls it."""
    builder = getattr(foundry_calls, name, None) or getattr(instance_control, name)
    return builder._function.get_user_function()


def run(name, message, kind):
    """Run the activity over the wire, as the platform does."""
    payload = json.loads(json.dumps(to_wire(message)))
    if hasattr(AgentCalls, name):

        def call(settings, wanted):
            open_store = _given.get("open_store") or (lambda: _given["store"])
            calls = AgentCalls(_given["service"], settings, open_store, datetime.now(UTC), _given["others"])
            return getattr(calls, name)(wanted)

        wire = foundry_calls.perform(name, type(message), payload, call)
    else:
        wire = function(name)(payload=payload, context=None)
    return from_wire(ActivityResult[kind], json.loads(json.dumps(wire, allow_nan=False)))


def test_a_thread_is_created_once(service):
    assert run("create_thread", CreateThread(runs_as=ME, stamp=STAMP), ThreadRef).value == ThreadRef(
        thread_id="thread_1"
    )
    again = run("create_thread", CreateThread(runs_as=ME, stamp=STAMP, repeated=True), ThreadRef)
    assert again.value == ThreadRef(thread_id="thread_1")
    assert len(service.posted("thread")) == 1


def test_a_first_thread_is_not_looked_for(service):
    run("create_thread", CreateThread(runs_as=ME, stamp=STAMP), ThreadRef)
    assert [c[0] for c in service.calls] == ["create_thread"]


@pytest.mark.parametrize("repeats", [1, 2, 5])
def test_a_message_is_posted_once_however_often_the_activity_runs(service, repeats):
    results = {run("create_message", MESSAGE, MessageRef).value for _ in range(repeats)}
    assert results == {MessageRef(message_id="message_1")}
    assert service.posted("message") == [("create_message", "thread_1", PROMPT, {"team": "blue"}, STAMP)]


@pytest.mark.parametrize("repeats", [1, 2, 5])
def test_a_run_is_started_once_however_often_the_activity_runs(service, repeats):
    results = {run("create_run", NEW_RUN, RunSnapshot).value.run_id for _ in range(repeats)}
    assert results == {"run_1"}
    assert service.posted("run") == [("create_run", "thread_1", "asst_1", {"temperature": 0}, {"team": "blue"}, STAMP)]


@pytest.mark.parametrize(
    "lost", [errors.ConnectionFailedError("reset"), errors.UnavailableError("502"), errors.BadResponseError("html")]
)
def test_what_was_created_although_its_answer_was_lost_is_adopted(service, lost):
    for name, message, kind in (("message", MESSAGE, MessageRef), ("run", NEW_RUN, RunSnapshot)):
        service.lost = {f"create_{name}": lost}
        first = run(f"create_{name}", message, kind)
        assert first.value is None
        assert first.failure.retryable
        assert run(f"create_{name}", message, kind).value is not None
        assert len(service.posted(name)) == 1


def test_another_operations_message_and_run_are_not_adopted(service):
    other = Stamp(instance_id=STAMP.instance_id, operation_id="op-2:run-0")
    service.created = {("message", other): "message_x", ("run", other): "run_x"}
    assert run("create_message", MESSAGE, MessageRef).value.message_id != "message_x"
    assert run("create_run", NEW_RUN, RunSnapshot).value.run_id != "run_x"


def test_a_search_that_fails_posts_nothing(service):
    service.faults = {"find_message": errors.UnavailableError("503"), "find_run": errors.UnavailableError("503")}
    assert run("create_message", MESSAGE, MessageRef).failure.retryable
    assert run("create_run", NEW_RUN, RunSnapshot).failure.retryable
    assert service.created == {}


@pytest.mark.parametrize("names_it", [True, False])
def test_what_the_service_names_as_missing_is_gone(service, names_it):
    service.faults = {"create_message": errors.NotFoundError("no", names_it=names_it)}
    assert run("create_message", MESSAGE, MessageRef).failure.gone is names_it


def test_a_busy_thread_is_a_failure_that_names_the_run(service):
    service.faults = {"create_message": errors.ThreadBusyError("busy", active_run_id="run_x")}
    failure = run("create_message", MESSAGE, MessageRef).failure
    assert (failure.code, failure.active_run_id) == ("thread_busy", "run_x")


def test_a_thread_that_our_own_run_occupies_is_no_obstacle(service):
    # Our POST was on its way when we looked for its stamp.
    def refuse(*args, **_):
        service.created["run", STAMP] = "run_ours"
        raise errors.ThreadBusyError("busy", active_run_id="run_ours")

    service.create_run = refuse
    assert run("create_run", NEW_RUN, RunSnapshot).value.run_id == "run_ours"


def test_a_thread_that_another_run_occupies_is_busy(service):
    service.faults = {"create_run": errors.ThreadBusyError("busy", active_run_id="run_x")}
    failure = run("create_run", NEW_RUN, RunSnapshot).failure
    assert (failure.code, failure.active_run_id) == ("thread_busy", "run_x")


@pytest.mark.parametrize(("name", "message"), [("create_message", MESSAGE), ("create_run", NEW_RUN)])
def test_a_busy_thread_tells_what_its_run_does(service, name, message):
    service.run = msgspec.structs.replace(RUN, run_id="run_x", raw_status="requires_action")
    service.faults = {name: errors.ThreadBusyError("busy", active_run_id="run_x")}
    failure = run(name, message, MessageRef).failure
    assert (failure.active_run_id, failure.active_run_status) == ("run_x", "requires_action")
    assert [c for c in service.calls if c[0] == "get_run"] == [("get_run", "thread_1", "run_x")]


def test_a_busy_thread_is_busy_although_its_run_cannot_be_seen(service):
    service.faults = {
        "create_message": errors.ThreadBusyError("busy", active_run_id="run_x"),
        "get_run": errors.UnavailableError("503"),
    }
    failure = run("create_message", MESSAGE, MessageRef).failure
    assert (failure.code, failure.active_run_id, failure.active_run_status) == ("thread_busy", "run_x", None)


def test_nothing_is_looked_at_where_no_run_is_named(service):
    service.faults = {"create_message": errors.ThreadBusyError("busy")}
    run("create_message", MESSAGE, MessageRef)
    assert [c[0] for c in service.calls] == ["find_message", "create_message"]


def test_attachments_and_parts_are_passed_on(service):
    attachment = MessageAttachment(file_id="file_1", tools=[AttachmentTool(type="file_search")])
    parts = [TextPart(text="hi")]
    message = NewMessage(content=parts, attachments=[attachment])
    run("create_message", msgspec.structs.replace(MESSAGE, message=message), MessageRef)
    assert service.posted("message") == [("create_message", "thread_1", parts, {}, STAMP, attachment)]


def test_messages_that_a_run_brings_along_are_posted_once(service):
    options = RunOptions(additional_messages=[AdditionalMessage(role="user", content="hi")], temperature=0)
    wanted = msgspec.structs.replace(NEW_RUN, options=options)
    service.runs = [msgspec.structs.replace(RUN, instance_id="other")]
    run("create_run", wanted, RunSnapshot)
    again = Stamp(instance_id=STAMP.instance_id, operation_id="op-1:run-1")
    service.runs = [msgspec.structs.replace(RUN, instance_id=STAMP.instance_id)]
    run("create_run", msgspec.structs.replace(wanted, effect=Effect(stamp=again)), RunSnapshot)
    first, second = (call[3] for call in service.posted("run"))
    assert [m["content"] for m in first["additional_messages"]] == ["hi"]
    assert second == {"temperature": 0}


@pytest.mark.parametrize("agent", ["asst_2", "", "ASST_1"])
def test_the_allow_list_holds_for_whoever_starts_the_orchestrator(service, environment, agent):
    environment.setenv("FOUNDRY_ALLOWED_AGENT_IDS", "asst_1")
    failure = run("create_run", msgspec.structs.replace(NEW_RUN, agent_id=agent), RunSnapshot).failure
    assert failure.code == "invalid_request"
    assert not failure.retryable
    assert service.calls == []
    assert run("create_run", NEW_RUN, RunSnapshot).value.run_id == "run_1"


def test_a_run_is_looked_at(service):
    assert run("get_run", REF, RunSnapshot).value == msgspec.structs.replace(RUN, looks=1)


COMPLETED = msgspec.structs.replace(RUN, state=RunState.COMPLETED, raw_status="completed")


def test_a_completed_run_brings_its_answer_along(service):
    service.run = COMPLETED
    assert run("get_run", REF, RunSnapshot).value.answer == ANSWER


def test_an_answer_that_the_run_shows_by_itself_is_asked_for_no_more(service):
    service.run = msgspec.structs.replace(COMPLETED, answer=ANSWER)
    assert run("get_run", REF, RunSnapshot).value.answer == ANSWER
    assert [c[0] for c in service.calls] == ["get_run"]
    others_may_write = msgspec.structs.replace(REF, message=PostedMessage(stamp=STAMP))
    assert run("get_run", others_may_write, RunSnapshot).value.answer == ANSWER
    assert [c[0] for c in service.calls][1:] == ["get_run", "get_answer"]


def test_an_answer_that_the_run_shows_by_itself_is_bounded(service):
    huge = AnswerMessage(id="msg_1", text="x", annotations=[{"type": "t", "text": "y" * 2_000_000}])
    service.run = msgspec.structs.replace(COMPLETED, answer=Answer(messages=[huge]))
    [message] = run("get_run", REF, RunSnapshot).value.answer.messages
    assert message.left_out == ["annotations"]


@pytest.mark.parametrize("state", [s for s in RunState if s is not RunState.COMPLETED])
def test_no_other_run_is_asked_for_an_answer(service, state):
    service.run = msgspec.structs.replace(RUN, state=state)
    assert run("get_run", REF, RunSnapshot).value == msgspec.structs.replace(service.run, looks=1)
    assert [c[0] for c in service.calls] == ["get_run"]


def test_a_completed_run_whose_answer_cannot_be_had_is_still_completed(service, caplog):
    service.run = COMPLETED
    service.faults = {"get_answer": errors.UnavailableError("503", summary="503")}
    with caplog.at_level(logging.INFO):
        assert run("get_run", REF, RunSnapshot).value == msgspec.structs.replace(COMPLETED, looks=1)
    assert '"code":"service_unavailable"' in caplog.text.replace(": ", ":")


def test_the_answer_is_fetched(service):
    assert run("get_response", REF, Answer).value.text == "blue"


def test_a_run_is_cancelled(service):
    wanted = CancelRun(runs_as=ME, thread_id="thread_1", run_id="run_1", effect=Effect(stamp=STAMP))
    assert run("cancel_run", wanted, CancelledRun).value.run.state is RunState.CANCELLING
    assert [c[0] for c in service.calls] == ["cancel_run"]


def test_a_run_of_which_only_the_stamp_is_known_is_found_and_cancelled(service):
    wanted = CancelRun(runs_as=ME, thread_id="thread_1", run_id=None, effect=Effect(stamp=STAMP))
    assert run("cancel_run", wanted, CancelledRun).value == CancelledRun(run=None)
    service.created["run", STAMP] = "run_7"
    assert run("cancel_run", wanted, CancelledRun).value.run.run_id == "run_7"


def test_a_message_that_no_run_answers_is_found_by_its_text_and_taken_back(service):
    effect = Effect(stamp=STAMP)
    wanted = CancelRun(
        runs_as=ME, thread_id="thread_1", run_id=None, effect=effect, message=NewMessage(content="hello"), started=False
    )
    assert run("cancel_run", wanted, CancelledRun).value == CancelledRun(run=None, message_stays=True)
    service.created["message", STAMP] = "msg_7"
    assert run("cancel_run", wanted, CancelledRun).value == CancelledRun(run=None)
    assert service.calls[-1] == ("take_back_message", "thread_1", "msg_7")
    assert "find_run" not in [c[0] for c in service.calls], "the runs of a thread that was not taken over are anybody's"


def test_a_message_that_may_still_show_itself_is_waited_for_before_it_counts_as_not_there(service):
    until = datetime.now(UTC) + timedelta(seconds=20)
    wanted = CancelRun(
        runs_as=ME,
        thread_id="thread_1",
        run_id=None,
        effect=Effect(stamp=STAMP, doubt_until=until),
        message=NewMessage(content="hello"),
        started=False,
    )
    assert run("cancel_run", wanted, CancelledRun).failure.code == "may_have_happened"
    service.created["message", STAMP] = "msg_7"
    assert run("cancel_run", wanted, CancelledRun).value == CancelledRun(run=None)


def test_an_answer_of_which_earlier_runs_have_written_a_part_is_asked_for_by_itself(service):
    service.run = msgspec.structs.replace(COMPLETED, answer=Answer(messages=[]))
    ref = msgspec.structs.replace(REF, earlier_runs=("run_0",))
    assert run("get_run", ref, RunSnapshot).value.answer == ANSWER
    assert service.earlier_runs == ("run_0",)
    assert run("get_run", REF, RunSnapshot).value.answer == Answer(messages=[])


def test_tool_outputs_are_passed_on(service):
    answer = ToolAnswer(tool_outputs=[ToolOutput(tool_call_id="c", output="42")])
    wanted = SubmitToolOutputs(
        runs_as=ME, thread_id="thread_1", run_id="run_1", answer=answer, agent_id="asst_1", effect=Effect(stamp=STAMP)
    )
    assert run("submit_tool_outputs", wanted, RunSnapshot).value == RUN
    assert service.calls == [("submit_tool_outputs", "thread_1", "run_1", answer, {})]


HEADERS = '{"server_label": "github", "headers": {"Authorization": "Bearer s3cr3t-of-github-0123456789"}}'
QUESTION = msgspec.structs.replace(
    RUN,
    state=RunState.REQUIRES_ACTION,
    pending_calls=(
        PendingCall(id="c1", kind="approval", name="t", server_label="github"),
        PendingCall(id="c2", kind="approval", name="t", server_label="other"),
    ),
)


def approve(*approvals):
    return SubmitToolOutputs(
        runs_as=ME,
        thread_id="thread_1",
        run_id="run_1",
        answer=ToolAnswer(approvals=list(approvals)),
        agent_id="asst_1",
        effect=Effect(stamp=STAMP),
    )


def test_headers_of_an_approval_come_from_the_setting(service, environment):
    environment.setenv("MCP_HEADERS_GITHUB", HEADERS)
    service.run = QUESTION
    wanted = approve(
        ToolApproval(tool_call_id="c1", approve=True, headers_ref="github"),
        ToolApproval(tool_call_id="c2", approve=True),
    )
    assert run("submit_tool_outputs", wanted, RunSnapshot).value == RUN
    assert service.calls == [
        ("get_run", "thread_1", "run_1"),
        (
            "submit_tool_outputs",
            "thread_1",
            "run_1",
            wanted.answer,
            {"c1": {"Authorization": "Bearer s3cr3t-of-github-0123456789"}},
        ),
    ]


@pytest.mark.parametrize(
    ("call", "setting", "said"),
    [
        ("c2", HEADERS, "holds headers for the server 'github', and the call c2 would reach 'other'"),
        ("c1", None, "MCP_HEADERS_GITHUB is not set"),
        ("c1", "Bearer s3cr3t-of-github-0123456789", "MCP_HEADERS_GITHUB is malformed"),
    ],
)
def test_headers_that_do_not_fit_are_never_sent(service, environment, caplog, call, setting, said):
    if setting:
        environment.setenv("MCP_HEADERS_GITHUB", setting)
    service.run = QUESTION
    wanted = approve(ToolApproval(tool_call_id=call, approve=True, headers_ref="GITHUB"))
    with caplog.at_level(logging.DEBUG):
        failure = run("submit_tool_outputs", wanted, RunSnapshot).failure
    assert (failure.code, failure.retryable) == ("answer_refused", False)
    assert said in failure.message
    assert "MCP_HEADERS_GITHUB" in failure.message
    assert "s3cr3t" not in repr(failure) + caplog.text
    assert service.calls == [("get_run", "thread_1", "run_1")]


def test_a_no_sends_no_headers(service, environment):
    environment.setenv("MCP_HEADERS_GITHUB", HEADERS)
    wanted = approve(ToolApproval(tool_call_id="c1", approve=False, headers_ref="GITHUB"))
    run("submit_tool_outputs", wanted, RunSnapshot)
    assert service.calls == [("submit_tool_outputs", "thread_1", "run_1", wanted.answer, {})]


def test_a_call_that_waits_no_longer_needs_no_headers(service):
    wanted = approve(ToolApproval(tool_call_id="c1", approve=True, headers_ref="NOT_SET"))
    assert run("submit_tool_outputs", wanted, RunSnapshot).value == RUN


def test_a_thread_is_deleted(service):
    wanted = DeleteThread(thread_id="thread_1", instance_id="i1")
    assert run("delete_thread", wanted, ThreadDeletion).value == ThreadDeletion(deleted=True)
    assert service.calls == [("delete_thread", "thread_1", "i1")]
    wanted = msgspec.structs.replace(wanted, thread_id="thread_2")
    assert run("delete_thread", wanted, ThreadDeletion).value == ThreadDeletion(deleted=False)


def test_a_policy_is_made_from_the_settings(environment):
    environment.setenv("FOUNDRY_DEFAULT_AGENT_ID", "asst_9")
    result = run("plan_run", PlanRun(agent_id=None, timeout_seconds=None), RunPolicy)
    assert (result.value.agent_id, result.value.timeout_seconds) == ("asst_9", 1800)


def test_a_policy_that_the_settings_do_not_allow_is_a_failure(environment):
    failure = run("plan_run", PlanRun(agent_id=None, timeout_seconds=10**9), RunPolicy).failure
    assert failure.code == "invalid_request"
    assert "agent_id" in failure.message
    assert "timeout_seconds" in failure.message


CALLS = [
    ("create_thread", CreateThread(runs_as=ME, stamp=STAMP)),
    ("create_message", MESSAGE),
    ("create_run", NEW_RUN),
    ("get_run", REF),
    ("get_response", REF),
    ("cancel_run", CancelRun(runs_as=ME, thread_id="thread_1", run_id="run_1", effect=Effect(stamp=STAMP))),
    (
        "submit_tool_outputs",
        SubmitToolOutputs(
            runs_as=ME,
            thread_id="thread_1",
            run_id="run_1",
            answer=ToolAnswer(),
            agent_id="asst_1",
            effect=Effect(stamp=STAMP),
        ),
    ),
    ("delete_thread", DeleteThread(thread_id="thread_1", instance_id="i1")),
]
METHOD_OF = {"get_response": "get_answer"}


@pytest.mark.parametrize(("name", "message"), CALLS)
def test_a_missing_setting_is_a_failure_that_names_it(environment, name, message):
    environment.delenv("FOUNDRY_PROJECT_ENDPOINT")
    failure = run(name, message, object).failure
    assert failure.code == "configuration_error"
    assert "FOUNDRY_PROJECT_ENDPOINT" in failure.message
    assert not failure.retryable


@pytest.mark.parametrize(("name", "message"), CALLS)
@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidInputError("no", code="content_filter"),
        errors.AuthenticationError("no"),
        errors.PermissionDeniedError("no"),
        errors.NotFoundError("no"),
        errors.RateLimitedError("no", retry_after_seconds=7),
        errors.UnavailableError("no", retry_after_seconds=0.5),
        errors.ConnectionFailedError("no"),
        errors.BadResponseError("no"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_every_expected_failure_is_data(service, name, message, error):
    service.faults = {METHOD_OF.get(name, name): error}
    failure = run(name, message, object).failure
    assert (failure.code, failure.message) == (error.code, "no")
    assert failure.retryable is error.retryable
    assert failure.retry_after_seconds == error.retry_after_seconds


@pytest.mark.parametrize(("name", "message"), CALLS)
def test_a_bug_is_no_expected_failure(service, name, message):
    service.faults = {METHOD_OF.get(name, name): KeyError("bug")}
    assert isinstance(raised_by(lambda: run(name, message, object)), KeyError)


@pytest.mark.parametrize(("name", "message"), CALLS)
def test_no_log_line_has_the_prompt_or_the_services_words(service, name, message, caplog):
    error = errors.InvalidInputError(f"POST answered 400: '{PROMPT}' was filtered", summary="POST answered 400")
    service.faults = {METHOD_OF.get(name, name): error}
    with caplog.at_level(logging.DEBUG):
        run(name, message, object)
        run(name, message, object)
    assert PROMPT not in caplog.text
    [line] = [m for m in caplog.messages if m.startswith("agent_run.foundry_error ")]
    assert json.loads(line.split(" ", 1)[1]) == {
        "activity": name,
        "code": "invalid_request",
        "message": "POST answered 400",
        "retryable": False,
    }


def test_an_instance_is_terminated_with_its_reason():
    terminated = []

    class Client:
        async def terminate(self, instance_id, reason):
            terminated.append((instance_id, reason))

    terminate = function("terminate_instance")
    terminate = getattr(terminate, "client_function", terminate)  # the SDK wraps what has a client
    payload = to_wire(TerminateInstance(instance_id="i", reason="cancelled"))
    result = json.loads(json.dumps(asyncio.run(terminate(payload=payload, client=Client()))))
    assert from_wire(ActivityResult[None], result) == ActivityResult(value=None, failure=None)
    assert terminated == [("i", "cancelled")]


def control(name, message, client, kind):
    """Call an activity that has a Durable client."""
    activity = getattr(function(name), "client_function", function(name))  # the SDK wraps what has a client
    return from_wire(ActivityResult[kind], json.loads(json.dumps(asyncio.run(activity(to_wire(message), client)))))


def test_a_termination_that_the_platform_did_not_take_is_to_be_repeated():
    class Client:
        async def terminate(self, instance_id, reason):
            raise RuntimeError("unexpected status code: 500")

    failure = control(
        "terminate_instance", TerminateInstance(instance_id="i", reason="r"), Client(), type(None)
    ).failure
    assert (failure.code, failure.retryable) == ("not_terminated", True)


@pytest.mark.parametrize(
    ("name", "message", "kind", "made"),
    [
        ("create_thread", CreateThread(runs_as=ME, stamp=STAMP), ThreadRef, "thread"),
        ("create_message", MESSAGE, MessageRef, "message"),
        ("create_run", NEW_RUN, RunSnapshot, "run"),
    ],
)
def test_nothing_is_created_once_the_runs_time_is_over(service, name, message, kind, made):
    """A host that dies gives its activities back, minutes later. What was created before is adopted all the same."""
    late = msgspec.structs.replace(message, until=datetime.now(UTC) - timedelta(minutes=5))
    result = run(name, late, kind)
    assert (result.failure.code, result.failure.retryable) == ("timeout", False)
    assert service.posted(made) == []
    run(name, msgspec.structs.replace(message, until=datetime.now(UTC) + timedelta(minutes=5)), kind)
    assert len(service.posted(made)) == 1
    if name == "create_thread":
        late = msgspec.structs.replace(late, repeated=True)
    assert run(name, late, kind).value is not None
