"""The life of a run, as the pure function that it is."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.foundry_emulator.runs import Happened, Submission, look
from local.foundry_emulator.scripts import TERMINAL, Call, End, FirstRuns, OnCancel, Phase, Script

CREATED = 1000.0
WAITS = Phase(calls=(Call(name="f"),))


def happened(*phases, submissions=(), cancel_at=None, forced=None, **script):
    return Happened(
        Script(phases=phases, **script),
        CREATED,
        tuple(Submission(at) for at in submissions),
        cancel_at,
        forced,
    )


def test_phases_follow_one_another_to_the_end():
    run = happened(Phase(status="queued", seconds=1), Phase(seconds=2))
    assert [look(run, CREATED + at).status for at in (0, 0.99, 1, 2.99, 3, 1e6)] == [
        "queued",
        "queued",
        "in_progress",
        "in_progress",
        "completed",
        "completed",
    ]
    done = look(run, CREATED + 99)
    assert (done.started_at, done.ended_at) == (CREATED + 1, CREATED + 3)


def test_no_phases_at_all_complete_at_once():
    assert look(happened(), CREATED).status == "completed"


def test_a_tool_call_waits_for_its_own_answer():
    run = happened(WAITS, Phase(seconds=1), WAITS, submissions=(CREATED + 5,))
    assert look(run, CREATED + 4.9).status == "requires_action"
    assert look(run, CREATED + 5.5).status == "in_progress"
    assert look(run, CREATED + 6).pending.round == 1
    answered = happened(WAITS, Phase(seconds=1), WAITS, submissions=(CREATED + 5, CREATED + 8))
    assert look(answered, CREATED + 8).status == "completed"


def test_expiry_ends_what_is_not_ended():
    for run in (happened(WAITS), happened(Phase(seconds=None)), happened(Phase(seconds=601))):
        assert look(run, CREATED + 599.9).status != "expired"
        assert look(run, CREATED + 600).status == "expired"
        assert look(run, CREATED + 600).ended_at == CREATED + 600


def test_cancelling_becomes_cancelled():
    run = happened(Phase(seconds=None), cancel_at=CREATED + 10, on_cancel=OnCancel(seconds=2))
    assert [look(run, CREATED + at).status for at in (9, 10, 11.9, 12)] == [
        "in_progress",
        "cancelling",
        "cancelling",
        "cancelled",
    ]


def test_stuck_cancelling_ends_by_expiry_only():
    run = happened(Phase(seconds=None), cancel_at=CREATED + 10, on_cancel=OnCancel(seconds=None))
    assert look(run, CREATED + 599).status == "cancelling"
    assert look(run, CREATED + 600).status == "expired"


def test_a_cancel_request_can_come_too_late():
    run = happened(Phase(seconds=None), cancel_at=CREATED + 1, on_cancel=OnCancel(seconds=1, end="completed"))
    assert look(run, CREATED + 2).status == "completed"


def test_an_end_from_outside_wins_at_once():
    end = End(status="failed", code="c", message="m")
    run = happened(Phase(seconds=5), forced=(CREATED + 2, end))
    assert look(run, CREATED + 1).status == "in_progress"
    after = look(run, CREATED + 2)
    assert (after.status, after.end, after.lived[-1].ended_at) == ("failed", end, CREATED + 2)


def test_first_runs_go_otherwise():
    end = End(status="failed", code="rate_limit_exceeded", message="Try again in 7 seconds.")
    script = Script(first_runs=FirstRuns(count=2, end=end))
    assert [script.for_run(earlier).end.status for earlier in range(4)] == [
        "failed",
        "failed",
        "completed",
        "completed",
    ]


seconds = st.floats(0, 700)
timed = st.builds(Phase, status=st.sampled_from(["queued", "in_progress", "weird_new"]), seconds=st.none() | seconds)
scripts = st.builds(
    Script,
    phases=st.lists(timed | st.just(WAITS), max_size=5).map(tuple),
    end=st.sampled_from([End(), End(status="cancelled"), End(status="expired"), End(status="incomplete", reason="r")]),
    on_cancel=st.builds(OnCancel, seconds=st.none() | seconds, end=st.sampled_from(["cancelled", "completed"])),
    expires_after_seconds=st.floats(1, 600),
)


@given(
    script=scripts,
    answers=st.lists(seconds, max_size=4).map(sorted),
    cancel=st.none() | seconds,
    times=st.lists(seconds, min_size=2, max_size=12).map(sorted),
)
def test_whatever_happens_a_run_ends_once_and_stays_so(script, answers, cancel, times):
    submissions = tuple(Submission(CREATED + at) for at in answers)
    run = Happened(script, CREATED, submissions, None if cancel is None else CREATED + cancel)
    ended = None
    for at in times:
        now = look(run, CREATED + at)
        if ended is not None:
            assert now == ended
        elif now.is_terminal:
            ended = now
            assert now.ended_at <= CREATED + at
        else:
            assert now.ended_at is None
            assert now.status not in TERMINAL
        begun = [lived.began_at for lived in now.lived]
        assert begun == sorted(begun)
        assert all(lived.ended_at is not None for lived in now.lived[:-1])
    final = look(run, math.nextafter(run.expires_at, math.inf))
    assert final.is_terminal
    assert final.ended_at <= run.expires_at


@pytest.mark.parametrize(
    ("phase", "complaint"),
    [
        ({}, "needs `seconds`"),
        ({"status": "completed", "seconds": 1}, "cannot be 'completed'"),
        ({"status": "requires_action", "seconds": 1}, "cannot be 'requires_action'"),
        ({"calls": [{"name": "f"}], "seconds": 1}, "that the service answers itself"),
        ({"calls": [{"name": "f", "type": "azure_function"}]}, "azure_function calls need `seconds`"),
        ({"calls": [{"name": "f"}, {"name": "g", "type": "mcp"}]}, "of one type"),
        ({"calls": [{"name": "f"}], "action": None}, "`calls` or an `action`"),
        ({"seconds": -1}, "`float` >= 0"),
        ({"seconds": 1, "secconds": 2}, "unknown field `secconds`"),
    ],
)
def test_a_phase_that_makes_no_sense_is_refused(phase, complaint):
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.convert(phase, Phase)
