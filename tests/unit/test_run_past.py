"""What a generation hands on of the past: the same as if no history had been dropped, and never too much."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from contracts.past import MOST_ENTRIES, Dropped, Past, Pause
from contracts.wire import from_wire
from run_past import (
    FIRST_STEPS,
    MOST_BYTES,
    Call,
    Happened,
    Raised,
    completed,
    crashed,
    handed_on,
    is_asked,
    moment_of,
    tell,
)
from tests.unit.scripted import PROMPT, no_deadline
from tests.unit.timelines import NOW

FIRST = ("create_thread", "create_message", "create_run")
LOST = {"code": "connection_failed", "message": PROMPT, "summary": None}


def did(activity: str, begin: float, *, seconds: float = 0.5, failure: Any = None, **value: Any) -> Call:
    result = {"value": None if failure else value, "failure": failure}
    (call,) = completed(activity, after(begin), after(begin + seconds), result)
    return call


def after(seconds: float) -> Any:
    return NOW + timedelta(seconds=seconds)


def asks(*ids: str) -> dict[str, Any]:
    return {"state": "requires_action", "pending_calls": [{"id": i} for i in ids]}


def generation(calls: Sequence[Call] = (), raised: Sequence[Raised] = (), **more: Any) -> Happened:
    return Happened(calls=calls, raised=raised, **{"pauses": [], "rewinds": [], **more})


def after_generations(*generations: Happened) -> Past:
    """The past as the last of several generations hands it on, through JSON each time."""
    past = Past()
    for each in generations:
        tell(past, each)
        past = from_wire(Past, json.loads(json.dumps(msgspec.to_builtins(handed_on(past)))))
    return past


def rounds(count: int) -> Iterator[Happened]:
    """A run that asks for the output of a tool again and again: each round is a generation."""
    yield generation([did(name, n) for n, name in enumerate(FIRST)])
    for n in range(1, count + 1):
        begin = 60.0 * n
        yield generation(
            [
                did("get_run", begin, state="active", looks=4),
                did("get_run", begin + 5, looks=1, **asks(f"call_{n}")),
                did("submit_tool_outputs", begin + 31, failure=LOST),
                did("submit_tool_outputs", begin + 33, state="active", looks=2),
            ],
            [Raised(f"tool_outputs_{n}", after(begin + 30), question=n)],
        )


def size(past: Past) -> int:
    return len(msgspec.json.encode(past))


def entries(past: Past) -> int:
    return sum(len(e) for e in (past.stretches, past.questions, past.answers, past.pauses, past.rewinds))


def test_looks_are_a_number_with_a_first_and_a_last() -> None:
    past = after_generations(*(generation([did("get_run", 60.0 * n + 7 * k) for k in range(8)]) for n in range(20)))
    [looks] = past.stretches
    assert (looks.count, looks.looks, len(looks.tries)) == (160, 160, 1)
    assert moment_of(looks.at) == NOW
    assert moment_of(looks.at + looks.tries[0].after) == after(60 * 19 + 49)
    assert size(past) < 150


def test_what_is_waited_for_for_hours_stays_one_entry() -> None:
    waits = [generation([did("create_message", 60.0 * n + k, failure=LOST) for k in range(8)]) for n in range(50)]
    past = after_generations(*waits, generation([did("create_message", 9000)]))
    [step] = past.stretches
    assert (step.count, [one.code for one in step.tries]) == (401, ["connection_failed", None])
    assert PROMPT not in msgspec.json.encode(past).decode()


def test_the_past_is_bounded_and_its_sum_is_kept() -> None:
    past = after_generations(*rounds(200))
    assert size(past) <= MOST_BYTES
    assert entries(past) <= MOST_ENTRIES
    assert past.dropped is not None
    assert tuple(s.name for s in past.stretches[:FIRST_STEPS]) == (*FIRST, "get_run")
    assert sum(s.looks for s in past.stretches) + past.dropped.looks == 200 * 7
    assert len(past.questions) + past.dropped.questions == 200
    assert past.questions[-1].number == 200
    assert past.dropped.at + past.dropped.took <= past.questions[-1].at


def test_ten_rounds_are_told_one_by_one_although_each_has_failures() -> None:
    past = after_generations(*rounds(10))
    assert past.dropped is None
    assert [q.number for q in past.questions] == [a.number for a in past.answers] == list(range(1, 11))


def test_what_is_told_as_a_sum_keeps_its_beginning_while_it_grows() -> None:
    dropped = [d for n in range(10, 60) if (d := after_generations(*rounds(n)).dropped) is not None]
    assert len({d.at for d in dropped}) == 1
    ends = [d.took for d in dropped]
    assert ends == sorted(ends)
    assert ends[0] < ends[-1]


def test_runs_that_are_told_as_a_sum_are_counted() -> None:
    tries = [did(name, 10 * n + k) for n in range(100) for k, name in enumerate(("create_run", "get_run"))]
    past = after_generations(*(generation(tries[n : n + 8]) for n in range(0, len(tries), 8)))
    assert past.dropped is not None
    assert past.dropped.runs + sum(s.name == "create_run" for s in past.stretches) == 100


def test_an_answer_that_came_as_a_generation_ended_counts_once() -> None:
    answer = Raised("tool_outputs_1", after(9), question=1)
    asked = did("get_run", 1, **asks("a"))
    past = after_generations(
        generation([asked], [answer]),
        generation(
            [did("get_run", 10, **asks("a")), did("submit_tool_outputs", 12, state="active")],
            [Raised(answer.name, after(11), question=1)],
        ),
    )
    assert len(past.answers) == len(past.questions) == 1


def test_clocks_that_disagree_make_no_negative_duration() -> None:
    backwards = [did("get_run", 5, seconds=-2), did("get_run", 3)]
    past = after_generations(generation(backwards, pauses=[(after(4), after(3))]))
    assert past.pauses == [Pause(at=past.stretches[0].at - 1_000_000, took=0)]
    assert [(one.after, one.took) for one in past.stretches[0].tries] == [(0, 500_000)]


def test_suspensions_and_rewinds_are_handed_on_and_of_many_the_last() -> None:
    many = [after(n) for n in range(100)]
    past = after_generations(generation(pauses=[(at, at + timedelta(seconds=1)) for at in many], rewinds=many))
    assert entries(past) <= MOST_ENTRIES
    assert moment_of(past.rewinds[-1]) == many[-1]
    assert moment_of(past.pauses[-1].at) == many[-1]
    assert past.dropped is not None
    assert past.dropped == Dropped(at=past.dropped.at, took=past.dropped.took)


def test_a_worker_that_died_is_a_failure_of_its_step() -> None:
    died = crashed("create_run", after(1), after(2), "x exited with code 137 (0x89)")
    past = after_generations(generation([died]), generation([crashed("create_run", after(3), after(4), PROMPT)]))
    [step] = past.stretches
    assert (step.count, step.tries[0].code) == (2, "activity_failed")


def test_calls_that_are_asked_for_again_later_are_another_question() -> None:
    asked = did("get_run", 1, **asks("a"))
    works = did("get_run", 3, state="active")
    past = after_generations(generation([asked, works]), generation([did("get_run", 5, **asks("a"))]))
    assert [question.took is None for question in past.questions] == [False, True]


def test_a_question_that_was_refused_is_asked_anew_where_the_answer_came() -> None:
    past = Past()
    tell(past, generation([did("get_run", 1, **asks("a"))], [Raised("tool_outputs_1", after(4), question=1)]))
    is_asked(past, 2)
    first, second = past.questions
    assert (first.number, second.number, second.at, second.took) == (1, 2, first.at + (first.took or 0), None)


steps = st.lists(
    st.tuples(
        st.sampled_from([*FIRST, "get_run", "get_run", "submit_tool_outputs", "answer"]),
        st.sampled_from([{"state": "active", "looks": 3}, asks("a"), asks("b", "c"), LOST]),
    ),
    max_size=14,
)


@no_deadline
@given(steps=steps, cuts=st.sets(st.integers(0, 14), max_size=4))
def test_wherever_generations_end_the_past_is_the_same(steps: list[tuple[str, Any]], cuts: set[int]) -> None:
    calls, raised = [], []
    for n, (name, what) in enumerate(steps):
        if name == "answer":
            raised.append(Raised(f"tool_outputs_{n + 1}", after(n), question=n + 1))
        else:
            calls.append(did(name, n, failure=LOST) if what is LOST else did(name, n, **what))
    ends = [-1, *sorted(cuts), 99]
    cut = [
        generation(
            [c for c in calls if after(a) <= c.started < after(b)], [r for r in raised if after(a) <= r.at < after(b)]
        )
        for a, b in pairwise(ends)
    ]
    assert after_generations(*cut) == after_generations(generation(calls, raised))
