"""What of a question and of a failure fits into the custom status: whole or absent, never cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.activities import Failure
from contracts.runs import PendingCall, RunState, composite_run_id
from contracts.status import CustomStatus, TakenAnswer
from contracts.wire import to_wire
from orchestrators.question import Question
from orchestrators.shown_status import LARGEST_CUSTOM_STATUS, shortened, with_error, with_question
from tests.unit.scripted import no_deadline

THREAD, RUN = "thread_NttKYbqrtkykLPUKHShBkqnp", "run_k0wyjiCmrPRZCjQFGjrhJ7Nb"
INSTANCE = "e5f0f4e948084bf6afb829230aae66ee"
SEE = f"GET /api/runs/{INSTANCE}"
STATUS = CustomStatus(
    step="get_run",
    agent_id="asst_history00000000000000000",
    thread_id=THREAD,
    run_id=RUN,
    run_requested=True,
    composite_run_id=composite_run_id(THREAD, RUN),
    run_status="requires_action",
    run_state=RunState.REQUIRES_ACTION,
)
SQL = "SELECT " + ", ".join(f"column_{n}" for n in range(18)) + " FROM t"


def call(number=0, kind="function", name="run_sql", arguments="{}", **more):
    identifier = f"call_{number:024d}"
    return PendingCall(id=identifier, kind=kind, name=name, arguments=arguments, **more)


def shown(*calls, status=STATUS, error=None, instance_id=INSTANCE):
    question = Question(number=3, calls=calls, error=error)
    custom = to_wire(with_question(status, question, instance_id))
    assert len(json.dumps(custom)) <= LARGEST_CUSTOM_STATUS
    return custom["required_action"]


def as_arguments(**arguments):
    return json.dumps(arguments)


@pytest.mark.parametrize(
    "calls",
    [
        [call(arguments=as_arguments(query=SQL))],
        [call(arguments=json.dumps({"query": "数" * 52}, ensure_ascii=False))],
        [call(name="f" * 300)],
        [call(n, arguments=as_arguments(x="y" * 40)) for n in range(5)],
        [call(kind="approval", name="create_issue", server_label="github")],
        [call(kind="consent", name="graph", arguments="", link="https://login.contoso.com/consent?x=1")],
    ],
    ids=["sql", "chinese", "long-name", "five", "approval", "consent"],
)
def test_a_question_that_fits_is_shown_whole(calls):
    action = shown(*calls)
    assert [c["arguments"] for c in action["calls"]] == [c.arguments for c in calls]
    assert [c["name"] for c in action["calls"]] == [c.name for c in calls]
    assert [c.get("server_label", "") for c in action["calls"]] == [c.server_label for c in calls]
    assert [c.get("link", "") for c in action["calls"]] == [c.link for c in calls]
    assert not {"truncated", "see", "more"} & set(action)
    assert action["event"] == "tool_outputs_3"


def test_a_link_that_does_not_fit_is_left_out_and_never_cut():
    action = shown(call(kind="consent", arguments="", link="https://login.contoso.com/" + "x" * 2000))
    assert "link" not in action["calls"][0]
    assert (action["truncated"], action["see"]) == (True, SEE)


@pytest.mark.parametrize(
    ("count", "arguments", "left_out"),
    [
        (8, "x" * 110, {"arguments"}),
        (12, "x" * 110, {"arguments"}),
        (20, "x" * 110, {"arguments", "name"}),
        (200, "x" * 110, {"arguments", "name", "calls"}),
        (1, "x" * 5_000, {"arguments"}),
        (1, None, {"arguments"}),
    ],
)
def test_what_does_not_fit_is_left_out_and_never_cut(count, arguments, left_out):
    action = shown(*(call(n, arguments=arguments) for n in range(count)))
    assert (action["truncated"], action["see"]) == (True, SEE)
    assert len(action["calls"]) + action.get("more", 0) == count
    assert ("calls" in left_out) == ("more" in action)
    assert action["calls"]
    for each in action["calls"]:
        assert "arguments" not in each
        assert each.get("name") == (None if "name" in left_out else "run_sql")


def test_a_name_that_was_left_out_before_is_said_to_be_missing():  # `activities.bounds` has no room for some
    action = shown(call(name=""))
    assert (action["truncated"], action["calls"][0].get("name")) == (True, None)


def test_the_question_takes_the_room_of_what_callers_are_told_elsewhere():
    status = CustomStatus(**{**as_fields(STATUS), "monitor_url": "https://portal.azure.com/#@/resource/" + "x" * 600})
    calls = [call(arguments=as_arguments(query=SQL), name="f" * 500)]
    custom = with_question(status, Question(number=1, calls=tuple(calls)), INSTANCE)
    assert custom.required_action.calls[0].arguments == calls[0].arguments
    assert (custom.monitor_url, custom.composite_run_id) == (None, None)
    small = with_question(status, Question(number=1, calls=(call(),)), INSTANCE)
    assert (small.monitor_url, small.composite_run_id) == (status.monitor_url, status.composite_run_id)


def as_fields(status):
    return {name: getattr(status, name) for name in status.__struct_fields__}


def test_why_an_answer_was_not_taken_comes_before_the_calls():
    why = "Foundry refuses the answer: " + "too long " * 90
    action = shown(*(call(n) for n in range(20)), error=why)
    assert action["error"] == why
    assert action["more"] > 0


def test_calls_that_nobody_can_answer_are_shown_first_where_not_all_fit():
    odd = call(199, kind="unsupported", name="computer_use_preview")
    action = shown(*(call(n) for n in range(199)), odd)
    assert action["calls"][0] == {"id": odd.id, "kind": "unsupported"}


def test_an_instance_that_our_routes_do_not_find_is_not_named():
    action = shown(call(arguments=None), instance_id="a/b")
    assert action["see"] == "the run in Foundry"


def test_a_failure_is_shown_whole_where_there_is_room():
    message = "the run says: " + "x" * 900
    error = with_error(STATUS, Failure(code="server_error", message=message)).error
    assert (error.code, error.message) == ("server_error", message)
    long = with_error(STATUS, Failure(code="server_error", message="数" * 900))
    assert long.error.message.endswith("…")
    assert len(long.error.message) > 200
    assert len(json.dumps(to_wire(long))) <= LARGEST_CUSTOM_STATUS
    ended = CustomStatus(**{**as_fields(STATUS), "run_state": RunState.FAILED})
    cut = with_error(ended, Failure(code="server_error", message="数" * 900))
    assert cut.error.message.endswith("数… (cut: the run in Foundry says all of it)")
    assert len(json.dumps(to_wire(cut))) <= LARGEST_CUSTOM_STATUS


WIDEST = CustomStatus(
    status="Cancelling",
    step="submit_tool_outputs",
    agent_id="a" * 128,
    thread_id="t" * 128,
    message_posted=True,
    run_id="r" * 128,
    run_requested=True,
    composite_run_id=composite_run_id("t" * 128, "r" * 128),
    run_status="\U0001f600" * 64,
    run_state=RunState.REQUIRES_ACTION,
    polls=100_000,
    answered=100_000,
    answer_taken=TakenAnswer(event="tool_outputs_100000", digest="0" * 16),
    retrying="x" * 64,
    monitor_url="m" * 700,
)


@no_deadline
@given(
    st.sampled_from([STATUS, WIDEST]),
    st.lists(
        st.builds(
            PendingCall,
            id=st.text("a", min_size=1, max_size=128),
            kind=st.sampled_from(["function", "approval", "unsupported"]),
            name=st.text(max_size=300),
            arguments=st.none() | st.text(max_size=500),
            server_label=st.text(max_size=100),
        ),
        max_size=30,
    ),
    st.none() | st.text(max_size=1000) | st.just("\U0001f600" * 1000),
    st.text("i", min_size=1, max_size=100),
)
def test_whatever_is_asked_fits_and_nothing_of_a_call_is_cut(status, calls, error, instance_id):
    custom = with_question(status, Question(number=100_000, calls=tuple(calls), error=error), instance_id)
    assert len(json.dumps(to_wire(custom))) <= LARGEST_CUSTOM_STATUS
    if not calls:
        return
    action, asked = custom.required_action, {(c.id, c.kind, c.name, c.arguments, c.server_label) for c in calls}
    left_out = action.more or 0
    assert len(action.calls) + left_out == len(calls)
    for c in action.calls:
        assert any(
            (c.id, c.kind) == whole[:2] and c.name in ("", whole[2]) and c.server_label in ("", whole[4])
            and (not isinstance(c.arguments, str) or c.arguments == whole[3])
            for whole in asked
        )  # fmt: skip
    is_whole = not left_out and all(isinstance(c.arguments, str) and c.name for c in action.calls)
    assert (action.truncated is True) != is_whole


@no_deadline
@given(st.sampled_from([STATUS, WIDEST]), st.text(max_size=3000), st.text("c", max_size=300))
def test_whatever_failed_fits(status, message, code):
    custom = with_error(status, Failure(code=code, message=message))
    assert len(json.dumps(to_wire(custom))) <= LARGEST_CUSTOM_STATUS
    kept = custom.error.message.removesuffix("…")
    assert message.startswith(kept)


@given(st.text(max_size=60), st.integers(-5, 60))
def test_a_shortened_text_has_at_most_so_many_bytes(text, most):
    short = shortened(text, most)
    assert not short or len(json.dumps(short)) <= most
    assert short == text or text.startswith(short.removesuffix("…"))
