"""Reads runs newest first from a platform that lists by id, ascending, and by nothing else.

1. Ids that this app makes sort newest first: as many of those as a page has room for come in one request, by the prefix
   that they have in common. The oldest of them ends a *stretch* of time.
2. Ids that others chose sort anywhere. Those that were created in the stretch are asked for by that, and come in at
   their time.
3. A call reads a few pages of the platform. What is left over stands in the cursor: which stretch, and from where on.
   Where so many others stand in one stretch that they do not come at once, they come behind it, in the order of their
   ids: then every run is still there, once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import msgspec

from http_api.instance_ids import prefix_of_window, started_ms
from http_api.run_cursor import Cursor, Place, Point
from http_api.run_entries import Hub, MatchingRuns, entry_of
from http_api.run_filters import EARLIEST, RunFilters
from http_api.run_messages import RunEntry
from task_hub import PAGE, Page, Selection

MOST_PAGES = 5
"""Of the platform, in one call."""

OURS_AT_MOST = 2
"""Of these; the others of the same stretch fit into the rest."""

READING_SECONDS = 20.0
"""After which a call asks for no further page."""

_CLOCKS_DIFFER = timedelta(days=1)
_A_SECOND = timedelta(seconds=1)
"""The platform shows whole ones."""


@dataclass(frozen=True)
class RunPage:
    """Runs, newest first, and where the list goes on, if it does."""

    runs: list[RunEntry]
    cursor: Cursor | None


@dataclass
class Budget:
    """What a call may still read."""

    pages: int = MOST_PAGES
    until: float = field(default_factory=lambda: monotonic() + READING_SECONDS)

    def is_spent(self, kept: int = 0) -> bool:
        """Say whether no further page is to be asked for, with so many kept for others."""
        return self.pages <= kept or monotonic() >= self.until


@dataclass(frozen=True)
class _Found:
    point: Point
    entry: RunEntry
    token: str
    """Of the platform's page that it stands on."""


@dataclass(frozen=True)
class _Read:
    """What was found in a list of the platform, and where that goes on; `place` None: nowhere."""

    found: list[_Found]
    place: Place | None
    last: Point | None = None
    """Of ours: the one up to which all are known."""


def beginning(filters: RunFilters, now: datetime) -> Cursor:
    """Return where a list begins."""
    since, until = filters.created_from or EARLIEST, filters.created_to or now + _CLOCKS_DIFFER
    return Cursor(prefix=prefix_of_window(_ms(since), _ms(until)), ours=Place())


class Pages:
    """The runs that match, page by page."""

    def __init__(self, hub: Hub, filters: RunFilters, runs: MatchingRuns, uri_of: Callable[[str], str]) -> None:
        self._hub = hub
        self._filters = filters
        self._runs = runs
        self._uri_of = uri_of

    async def read(self, at: Cursor, limit: int) -> RunPage:
        """Return the page of at most so many runs that begins there."""
        budget = Budget()
        if at.others is not None:
            others = await self._others(at, at.others, at.bottom, limit, budget)
            return _rest_of_stretch(at, others, limit)
        ours = await self._ours(at, limit, budget)
        bottom = ours.last if ours.place else None
        if ours.place and bottom is None:  # a page without any of ours: no stretch has begun
            return RunPage([], _changed(at, ours=ours.place))
        others = await self._others(at, Place(), bottom, None, budget)
        if others.place is None:
            return _whole_stretch(at, ours, others, limit)
        return _begun_stretch(at, ours, others, limit)

    async def _ours(self, at: Cursor, limit: int, budget: Budget) -> _Read:
        """Read ids that this app made until there are enough."""
        if at.ours is None:
            return _Read([], None)
        token, found, last = at.ours.token, list[_Found](), None
        top = limit if self._filters.are_the_platforms else PAGE
        selection = replace(self._filters.selection(), prefix=at.prefix)
        while True:
            budget.pages -= 1
            page = await self._hub.page(selection, token, top)
            for number, row in enumerate(page.rows):
                instance_id = str(row.get("instanceId"))
                if instance_id <= at.ours.after or (point := _our_point(instance_id, at.prefix)) is None:
                    continue
                last = point
                if (run := await self._found(row, point, token)) is None:
                    continue
                found.append(run)
                if len(found) == limit:
                    return _Read(found, _behind(page, number, token), last)
            if not page.token or page.token == token:
                return _Read(found, None, last)
            token = page.token
            if budget.is_spent(MOST_PAGES - OURS_AT_MOST):
                return _Read(found, Place(token=token, after=last.instance_id if last else at.ours.after), last)

    async def _others(self, at: Cursor, place: Place, bottom: Point | None, limit: int | None, budget: Budget) -> _Read:
        """Read ids that others chose in the stretch down to `bottom`, until there are enough."""
        token, after, found = place.token, place.after, list[_Found]()
        selection = self._of_stretch(at.top, bottom)
        while True:
            if budget.is_spent():
                return _Read(found, Place(token=token, after=after))
            budget.pages -= 1
            page = await self._hub.page(selection, token)
            for number, row in enumerate(page.rows):
                instance_id = str(row.get("instanceId"))
                if instance_id <= after or _our_point(instance_id, at.prefix) is not None:
                    continue
                point = Point(left=-_created_ms(row), instance_id=instance_id)
                if (at.top is not None and point <= at.top) or (bottom is not None and point > bottom):
                    continue
                if (run := await self._found(row, point, token)) is None:
                    continue
                found.append(run)
                if len(found) == limit:
                    return _Read(found, _behind(page, number, token))
            if not page.token or page.token == token:
                return _Read(found, None)
            token = page.token

    def _of_stretch(self, top: Point | None, bottom: Point | None) -> Selection:
        selection = self._filters.selection()
        since, until = selection.created_from, selection.created_to
        if bottom is not None:
            since = max(since or EARLIEST, _moment(bottom) - _A_SECOND)
        if top is not None:
            until = min(until or datetime.max.replace(tzinfo=UTC), _moment(top) + _A_SECOND)
        return replace(selection, created_from=since, created_to=until)

    async def _found(self, row: dict[str, Any], point: Point, token: str) -> _Found | None:
        document = await self._runs.document(row)
        return None if document is None else _Found(point, entry_of(document, self._uri_of), token)


def _whole_stretch(at: Cursor, ours: _Read, others: _Read, limit: int) -> RunPage:
    """Return the page where all runs of the stretch are known: the newest of them, in their order."""
    merged = sorted([*ours.found, *others.found], key=lambda run: run.point)
    sent = merged[:limit]
    if len(merged) <= limit:
        end = Cursor(prefix=at.prefix, ours=ours.place, top=ours.last) if ours.place else None
        return RunPage([run.entry for run in sent], end)
    last = sent[-1].point
    unsent = next((run for run in ours.found if run.point > last), None)
    place = ours.place
    if unsent is not None:
        before = [run.point.instance_id for run in ours.found if run.point <= last]
        after = before[-1] if before else at.ours.after if at.ours else ""
        place = Place(token=unsent.token, after=after)
    return RunPage([run.entry for run in sent], Cursor(prefix=at.prefix, ours=place, top=last))


def _begun_stretch(at: Cursor, ours: _Read, others: _Read, limit: int) -> RunPage:
    """Return the page where more others stand in the stretch than were read: those come next, by their ids."""
    room = limit - len(ours.found)
    sent, unsent = others.found[:room], others.found[room:]
    place = others.place or Place()
    if unsent:
        place = Place(token=unsent[0].token, after=sent[-1].point.instance_id if sent else "")
    cursor = Cursor(
        prefix=at.prefix, ours=ours.place, top=at.top, others=place, bottom=ours.last if ours.place else None
    )
    return RunPage(_in_order([*ours.found, *sent]), cursor)


def _rest_of_stretch(at: Cursor, others: _Read, limit: int) -> RunPage:
    """Return the next page of others in a stretch; behind it the list goes on as usual."""
    if others.place is not None:
        return RunPage(_in_order(others.found[:limit]), _changed(at, others=others.place))
    end = Cursor(prefix=at.prefix, ours=at.ours, top=at.bottom) if at.ours is not None else None
    return RunPage(_in_order(others.found), end)


def _in_order(found: list[_Found]) -> list[RunEntry]:
    return [run.entry for run in sorted(found, key=lambda run: run.point)]


def _changed(at: Cursor, **changes: Any) -> Cursor:
    """Return the cursor with some places changed."""
    return msgspec.structs.replace(at, **changes)


def _behind(page: Page, number: int, token: str) -> Place | None:
    """Return the place behind a row of the platform's page; None where the list ends there."""
    after = str(page.rows[number].get("instanceId"))
    if number + 1 < len(page.rows):
        return Place(token=token, after=after)
    return Place(token=page.token, after=after) if page.token else None


def _our_point(instance_id: str, prefix: str) -> Point | None:
    """Return where an id stands that this app made in the window; one from outside counts as any other."""
    ms = started_ms(instance_id) if instance_id.startswith(prefix) else None
    return None if ms is None else Point(left=-ms, instance_id=instance_id)


def _created_ms(row: dict[str, Any]) -> int:
    return _ms(datetime.fromisoformat(str(row["createdTime"])).replace(tzinfo=UTC))


def _moment(point: Point) -> datetime:
    return datetime.fromtimestamp(-point.left // 1000, UTC)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
