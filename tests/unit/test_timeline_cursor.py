"""A caller who hands cursors back is told everything, and nothing twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from http_api.timeline_cursor import CURSOR_PATTERN, MOST_DIGESTS, Known
from http_api.timeline_events import TimelineEvent
from tests.unit.scripted import no_deadline
from tests.unit.test_timeline import NAMES
from tests.unit.timelines import at, events_of, prefixes


def event(number: int, version: int = 0) -> TimelineEvent:
    return TimelineEvent(
        id=f"step.{number}", kind="step", started=at(number), ended=at(version), duration_seconds=None, state="done"
    )


class Caller:
    """Keeps what it is told, by id, and the last cursor. `hangs_up_after` so many events of an answer."""

    def __init__(self) -> None:
        self.cursor = ""
        self.kept: dict[str, TimelineEvent] = {}
        self.told: list[TimelineEvent] = []

    def asks(self, events: Sequence[TimelineEvent], hangs_up_after: int = 10**6) -> int:
        for count, news in enumerate(Known(events, self.cursor).learn()):
            if count == hangs_up_after:
                return count
            assert re.fullmatch(CURSOR_PATTERN, news.cursor)
            self.told.append(news.event)
            self.kept[news.event.id] = news.event
            self.cursor = news.cursor
        return 0


def ids(events: Iterable[TimelineEvent]) -> list[str]:
    return [each.id for each in events]


@pytest.mark.parametrize("name", NAMES)
def test_who_asks_after_every_episode_is_told_each_change_once(name: str) -> None:
    caller = Caller()
    for payload in prefixes(name):
        events = events_of(payload)
        caller.asks(events)
        assert {each.id: each for each in events}.items() <= caller.kept.items()
        told = len(caller.told)
        caller.asks(events)
        assert len(caller.told) == told
    assert len({msgspec.json.encode(each) for each in caller.told}) == len(caller.told)


changes = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 3)), max_size=150)


@no_deadline
@given(steps=st.lists(st.tuples(changes, st.integers(0, 140)), max_size=6))
def test_nothing_is_lost_whatever_comes_changes_and_is_taken_back(
    steps: list[tuple[list[tuple[int, int]], int]],
) -> None:
    caller = Caller()
    for change, hangs_up_after in steps:
        events = [event(number, version) for number, version in sorted(dict(change).items())]
        caller.asks(events, hangs_up_after)
        caller.asks(events)
        assert {each.id: each for each in events}.items() <= caller.kept.items()
        told = len(caller.told)
        caller.asks(events)
        assert len(caller.told) == told


def test_an_event_that_is_heard_of_late_is_told() -> None:
    caller = Caller()
    caller.asks([event(1), event(3)])
    caller.asks([event(1), event(2), event(3)])
    assert ids(caller.told) == ["step.1", "step.3", "step.2"]


def test_a_long_timeline_has_a_short_cursor() -> None:
    caller, events = Caller(), [event(n) for n in range(5000)]
    caller.asks(events)
    assert len(caller.cursor) < 13 * MOST_DIGESTS + 30
    caller.asks([*events, event(5000)])
    assert ids(caller.told[5000:]) == ["step.5000"]


def test_a_change_among_the_first_of_many_is_told() -> None:
    caller, events = Caller(), [event(n) for n in range(200)]
    caller.asks(events)
    changed = [*events[:3], event(3, version=1), *events[4:]]
    caller.asks(changed)
    assert changed[3] in caller.told[200:]


@pytest.mark.parametrize("cursor", ["nonsense", "~", "5.aaaaaaaaaaaa", "1.", "~" + "a" * 12, "9" * 5000, "\u00e9\n"])
def test_a_cursor_that_fits_nothing_begins_at_the_beginning(cursor: str) -> None:
    assert ids(news.event for news in Known([event(1), event(2)], cursor).learn()) == ["step.1", "step.2"]
