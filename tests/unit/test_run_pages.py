"""Runs newest first, each once, from a platform that lists by id."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http_api.instance_ids import RANDOM_BYTES, instance_id, started_ms
from http_api.run_cursor import Cursor, decoded, encoded
from http_api.run_entries import MatchingRuns
from http_api.run_filters import RunFilters
from http_api.run_pages import MOST_PAGES, Pages, RunPage, beginning
from tests.unit.run_hub import NOW, ListedHub, row
from tests.unit.scripted import no_deadline

EVERYTHING = RunFilters()


def ours(ago: float, chance: int = 0, **fields: Any) -> dict[str, Any]:
    """A run that this app started so many seconds ago."""
    moment = NOW - timedelta(seconds=ago)
    random = chance.to_bytes(RANDOM_BYTES, "big")
    return row(instance_id(int(moment.timestamp() * 1000), random), **{"created": moment, **fields})


def others(given_id: str, ago: float, **fields: Any) -> dict[str, Any]:
    """A run under an id that its caller chose."""
    return row(given_id, NOW - timedelta(seconds=ago), **fields)


def read(hub: ListedHub, limit: int, at: Cursor | None = None, filters: RunFilters = EVERYTHING) -> RunPage:
    pages = Pages(hub, filters, MatchingRuns(hub, filters, NOW), lambda i: f"https://app.example/api/runs/{i}")
    return asyncio.run(pages.read(at or beginning(filters, NOW), limit))


def ids(page: RunPage) -> list[str]:
    return [run.instance_id for run in page.runs]


def all_pages(hub: ListedHub, limit: int, filters: RunFilters = EVERYTHING) -> list[list[str]]:
    """Page to the end, the cursor through its text each time."""
    found, at = [], None
    for _ in range(10_000):
        before = len(hub.asked)
        page = read(hub, limit, at, filters)
        assert len(page.runs) <= limit
        assert len(hub.asked) - before <= MOST_PAGES
        found.append(ids(page))
        if page.cursor is None:
            return found
        at = decoded(encoded(page.cursor, filters), filters)
    raise AssertionError("the list has no end")


def newest_first(rows: list[dict[str, Any]]) -> list[str]:
    def order(each: dict[str, Any]) -> tuple[int, str]:
        created = int(datetime.fromisoformat(each["createdTime"]).timestamp()) * 1000
        started = started_ms(each["instanceId"])
        return -(created if started is None else started), each["instanceId"]

    return [each["instanceId"] for each in sorted(rows, key=order)]


def test_the_first_page_is_two_requests_for_no_more_rows_than_it_shows() -> None:
    hub = ListedHub(*(ours(n) for n in range(500)))
    page = read(hub, 20)
    assert ids(page) == newest_first(hub.rows)[:20]
    (of_ours, top), (of_others, _) = hub.asked
    assert (of_ours.prefix, top) == ("fe", 20)
    assert of_others.created_from is not None
    assert NOW - of_others.created_from < timedelta(seconds=22)
    assert page.cursor is not None


@pytest.mark.parametrize(
    "given_id", ["0a" * 16, "A-1", "fe" + "0" * 30, "feature", "ff" * 16, "order-1", "zz", "fe5de8"]
)
def test_an_id_that_sorts_anywhere_comes_in_at_its_time(given_id: str) -> None:
    hub = ListedHub(*(ours(10 * n + 5) for n in range(10)), others(given_id, 40))
    assert [run for page in all_pages(hub, 3) for run in page] == newest_first(hub.rows)
    assert newest_first(hub.rows)[4] == given_id


def test_a_hub_without_any_of_ours_is_listed_too() -> None:
    hub = ListedHub(*(others(f"{n:032x}", ago=(n * 7) % 50 * 60) for n in range(50)))
    assert [run for page in all_pages(hub, 8) for run in page] == newest_first(hub.rows)


def test_what_starts_between_two_pages_changes_nothing_of_the_rest() -> None:
    hub = ListedHub(*(ours(10 * n + 5) for n in range(10)), others("order-1", 42))
    expected = newest_first(hub.rows)
    first = read(hub, 4)
    hub.rows += [ours(1), others("aaa", 1)]
    hub.rows = [r for r in hub.rows if r["instanceId"] != expected[1]]  # purged
    second = read(hub, 20, first.cursor)
    assert ids(first) + ids(second) == expected


def test_a_long_run_stands_where_it_was_started() -> None:
    hub = ListedHub(ours(10), ours(1000, created=NOW), ours(20))
    assert ids(read(hub, 20)) == [r["instanceId"] for r in (hub.rows[0], hub.rows[2], hub.rows[1])]


def test_a_window_narrows_the_prefix_and_loses_no_long_run() -> None:
    long_run = ours(86_400 * 20, created=NOW - timedelta(minutes=1))
    hub = ListedHub(ours(30), ours(60 * 60 * 5), long_run)
    filters = replace(EVERYTHING, created_from=NOW - timedelta(hours=1), created_to=NOW)
    assert set(ids(read(hub, 20, filters=filters))) == {hub.rows[0]["instanceId"], long_run["instanceId"]}
    assert len(hub.asked[0][0].prefix) > 4
    assert not long_run["instanceId"].startswith(hub.asked[0][0].prefix)


def test_what_the_platform_cannot_filter_costs_five_of_its_pages_a_call() -> None:
    wanted = ours(9_000, customStatus={"status": "Success", "thread_id": "thread_rare"})
    hub = ListedHub(*(ours(n) for n in range(9_000)), wanted, reads=10**6)
    filters = replace(EVERYTHING, thread_id="thread_rare")
    pages = all_pages(hub, 20, filters)
    assert pages[0] == []
    assert [run for page in pages for run in page] == [wanted["instanceId"]]
    assert len(pages) == 5


def test_runs_of_other_orchestrators_and_ids_that_no_route_finds_are_left_out() -> None:
    hub = ListedHub(others("mine", 5), others("another", 1, name="other_app"), others("a b", 2), others("x" * 101, 3))
    assert ids(read(hub, 20)) == ["mine"]


def test_a_limit_that_is_met_by_the_last_run_ends_the_list() -> None:
    hub = ListedHub(*(ours(n) for n in range(4)))
    page = read(hub, 4)
    assert (len(page.runs), page.cursor) == (4, None)


def test_more_others_than_can_be_read_at_once_come_all_the_same() -> None:
    hub = ListedHub(*(ours(10 * n) for n in range(10)), *(others(f"o{n:03}", n / 4) for n in range(300)), reads=40)
    found = [run for page in all_pages(hub, 7) for run in page]
    assert len(found) == 310
    assert set(found) == {r["instanceId"] for r in hub.rows}


MINUTES = st.integers(0, 200)
STATUSES = st.sampled_from(["Running", "Completed", "Failed", "Terminated"])
OURS = st.builds(lambda m, c, s: ours(60 * m, c, status=s), MINUTES, st.integers(0, 10**6), STATUSES)
ANY_ID = st.text("abcdef0123456789zZ_-.:", min_size=1, max_size=6).filter(lambda t: t.strip("."))
OTHERS = st.builds(lambda i, m, s: others(i, 60 * m, status=s), ANY_ID, MINUTES, STATUSES)
FILTERS = st.builds(
    lambda statuses, ago: replace(
        EVERYTHING, statuses=statuses, created_from=None if ago is None else NOW - timedelta(minutes=ago)
    ),
    st.frozensets(st.sampled_from(["Running", "Success", "Failed", "Cancelled"])),
    st.none() | MINUTES,
)
SHOWN = {"Running": "Running", "Completed": "Success", "Failed": "Failed", "Terminated": "Cancelled"}


def wanted(hub: ListedHub, filters: RunFilters) -> list[dict[str, Any]]:
    since = filters.created_from
    return [
        each
        for each in hub.rows
        if (not filters.statuses or SHOWN[each["runtimeStatus"]] in filters.statuses)
        and (since is None or datetime.fromisoformat(each["createdTime"]) >= since)
    ]


@given(
    st.lists(OURS | OTHERS, max_size=40, unique_by=lambda r: r["instanceId"]),
    FILTERS,
    st.integers(1, 12),
    st.integers(1, 30) | st.just(1000),
)
@no_deadline
def test_every_run_that_matches_comes_once(
    rows: list[dict[str, Any]], filters: RunFilters, limit: int, reads: int
) -> None:
    hub = ListedHub(*rows, reads=reads)
    found = [run for page in all_pages(hub, limit, filters) for run in page]
    expected = newest_first(wanted(hub, filters))
    assert sorted(found) == sorted(expected)
    if reads == 1000:  # what is created in a stretch is read at once
        assert found == expected
