"""Which runs a caller means: the filters of the list of runs and of the cancel of many. Pure.

The platform knows its own statuses and a window of creation; the rest is looked at here, run by run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.ids import ThreadId
from contracts.request import PolicyAgent
from contracts.status import StatusDocument
from contracts.wire import from_wire
from http_api.query_parameters import parameter
from task_hub import Selection
from validation.field_errors import FieldError
from validation.misfits import misfits

STATUSES: Mapping[str, tuple[str, ...]] = {
    "Running": ("Pending", "Running", "ContinuedAsNew", "Suspended", "Failed"),
    "Success": ("Completed",),
    "Failed": ("Failed", "Terminated"),
    "Cancelled": ("Terminated", "Canceled"),
}
"""The platform's words under which a run of this status may stand. Failed may be Running, since it is brought back, and
Terminated may be Failed, since it could not be (`recovery`).
"""

FILTERS = ("status", "agent_id", "thread_id", "created_from", "created_to", "needs_answer")

EARLIEST, LATEST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""No run is older, and none will be younger: a moment beyond counts as one of these."""

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?([Zz]|[+-]\d{2}:?\d{2})")
_SPACE_FOR_PLUS = re.compile(r" (?=\d{2}:?\d{2}\Z)")
"""What a plus becomes in a query where nobody has escaped it."""


@dataclass(frozen=True, kw_only=True)
class RunFilters:
    """What a run has to be; None and an empty set ask for nothing."""

    statuses: frozenset[str] = frozenset()
    agent_id: str | None = None
    thread_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    needs_answer: bool | None = None

    @property
    def are_the_platforms(self) -> bool:
        """Whether the platform looks at all of them."""
        return self == RunFilters(
            statuses=self.statuses & {"Success"}, created_from=self.created_from, created_to=self.created_to
        )

    def selection(self) -> Selection:
        """Return what the platform is asked for: all runs that match, and others."""
        statuses = {"Running"} if self.needs_answer else self.statuses or STATUSES.keys()
        words = dict.fromkeys(word for status in STATUSES if status in statuses for word in STATUSES[status])
        everything = statuses == STATUSES.keys()
        return Selection(
            statuses=() if everything else tuple(words), created_from=self.created_from, created_to=self.created_to
        )

    def match(self, document: StatusDocument) -> bool:
        """Say whether the run is one of them, as far as the platform does not look."""
        status = "Running" if document.status == "Cancelling" else document.status
        return (
            (not self.statuses or status in self.statuses)
            and self.agent_id in (None, document.agent_id)
            and self.thread_id in (None, document.thread_id)
            and self.needs_answer in (None, needs_answer(document))
        )


def needs_answer(document: StatusDocument) -> bool:
    """Say whether the run asks something that somebody can answer."""
    asked = document.required_action
    return asked is not None and any(call.kind != "unsupported" for call in asked.calls)


def filters_of_query(query: Mapping[str, str]) -> tuple[RunFilters, list[FieldError]]:
    """Return the filters of a query, and everything that is wrong with them."""
    given: dict[str, Any] = {name: value for name in FILTERS if (value := parameter(query, name)) is not None}
    word = str(given.get("needs_answer", "")).lower()
    if word in ("true", "false"):
        given["needs_answer"] = word == "true"
    for name in ("created_from", "created_to"):
        if name in given:
            given[name] = _SPACE_FOR_PLUS.sub("+", given[name])
    return read_filters(given)


def read_filters(given: Mapping[str, Any]) -> tuple[RunFilters, list[FieldError]]:
    """Return the filters among these fields, and everything that is wrong with them; null asks for nothing."""
    errors: list[FieldError] = []
    fields: dict[str, Any] = {}
    for name in FILTERS:
        if given.get(name) is None:
            continue
        value, problems = _READERS[name](name, given[name])
        errors += problems
        fields["statuses" if name == "status" else name] = value
    if errors:
        return RunFilters(), errors
    filters = RunFilters(**fields)
    if filters.created_from and filters.created_to and filters.created_from > filters.created_to:
        return filters, [_invalid("created_to", "must not be before created_from")]
    return filters, []


def _statuses(name: str, value: Any) -> tuple[frozenset[str], list[FieldError]]:
    words = value if isinstance(value, list) else str(value).split(",") if isinstance(value, str) else [None]
    found = frozenset(word.strip() if isinstance(word, str) else "" for word in words)
    if found and found <= STATUSES.keys():
        return found, []
    return found, [_invalid(name, f"must be one or more of {', '.join(STATUSES)}, separated by commas")]


def _id(kind: Any) -> Any:
    def read(name: str, value: Any) -> tuple[Any, list[FieldError]]:
        try:
            return from_wire(kind, value), []
        except msgspec.ValidationError:
            return None, misfits(kind, value, name)

    return read


def _moment(name: str, value: Any) -> tuple[datetime, list[FieldError]]:
    wrong = [_invalid(name, "must be a moment in ISO 8601 with its time zone, such as 2026-11-26T15:00:00Z")]
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return EARLIEST, wrong
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        return EARLIEST, wrong
    return min(max(moment, EARLIEST), LATEST).astimezone(UTC), []


def _truth(name: str, value: Any) -> tuple[bool, list[FieldError]]:
    return value is True, [] if isinstance(value, bool) else [_invalid(name, "must be true or false")]


_READERS: Mapping[str, Any] = {
    "status": _statuses,
    "agent_id": _id(PolicyAgent),
    "thread_id": _id(ThreadId),
    "created_from": _moment,
    "created_to": _moment,
    "needs_answer": _truth,
}


def _invalid(target: str, message: str) -> FieldError:
    return FieldError(code=ErrorCode.INVALID, message=message, target=target)
