"""Instances that failed because their worker died while the orchestrator ran: what they are taken for, and until when.

The platform ends such an instance as Failed for good, although the orchestration could go on (durable-protocol.md,
"Worker deaths"). The timer trigger `cancel_orphaned_runs` rewinds it once; until then its run counts as going on. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.codes import ErrorCode
from contracts.durable import OLDER_VERSION, ORCHESTRATOR_VERSION
from contracts.status import FINAL_STATUSES, read_custom_status

REWOUND_WITHIN = timedelta(minutes=12)
"""After its end. Two scans, and what they may take."""

RECOVERING_FOR = timedelta(minutes=15)
"""Longer than it may be rewound: what a caller is told to have ended stays so."""

NOT_BROUGHT_BACK = f"{ErrorCode.WORKER_DIED}: the instance did not go on after it was rewound"
"""Why such an instance is terminated."""

STANDS_STILL_AFTER = timedelta(minutes=10)
"""After its last write, and after its timer has come due."""

_WORKER_DIED = re.compile(
    r"(Orchestrator function '[^']*' failed: )?One or more errors occurred\..{0,1000}exited with code \d+", re.DOTALL
)
_NOT_DETERMINISTIC = "Non-Deterministic workflow detected"
"""What the platform says where the worker had died after an action was sent."""


def died_with_its_worker(payload: Mapping[str, Any]) -> bool:
    """Say whether the instance of this Durable status payload ended because its worker died in an episode.

    A text that the orchestrator raised itself begins with a code. An instance of a version that this code does not know
    may well be not deterministic.
    """
    custom, output = read_custom_status(payload.get("customStatus")), payload.get("output")
    if payload.get("runtimeStatus") != "Failed" or not isinstance(output, str):
        return False
    if custom is not None and custom.status in FINAL_STATUSES:
        return False  # the orchestrator itself has said how it ends
    ours = payload.get("version") in (None, "", OLDER_VERSION, ORCHESTRATOR_VERSION)
    return bool(_WORKER_DIED.match(output)) or (output.startswith(_NOT_DETERMINISTIC) and ours)


def is_recovering(payload: Mapping[str, Any], now: datetime, history_events: Any = None) -> bool:
    """Say whether the instance counts as going on, since it will be rewound, as far as its history tells."""
    died_lately = died_with_its_worker(payload) and now < ended_at(payload) + RECOVERING_FOR
    return died_lately and not is_beyond_help(history_events)


def may_be_rewound(payload: Mapping[str, Any], now: datetime) -> bool:
    """Say whether to rewind the instance, unless it is beyond help."""
    return died_with_its_worker(payload) and now < ended_at(payload) + REWOUND_WITHIN


def is_beyond_help(history_events: Any) -> bool:
    """Say whether no rewind is to come: there was one already, or it would fail again."""
    return was_rewound(history_events) or undecodable_event(history_events)


def ended_by_the_platform(payload: Mapping[str, Any]) -> bool:
    """Say whether the instance failed without the orchestrator's own word for it."""
    custom = read_custom_status(payload.get("customStatus"))
    return payload.get("runtimeStatus") == "Failed" and (custom is None or custom.status not in FINAL_STATUSES)


def undecodable_event(history_events: Any) -> bool:
    """Say whether an event was raised that the SDK takes for an encoded object (durable-protocol.md, rule 11): such an
    instance fails again after a rewind.
    """
    return any(
        event.get("EventType") == "EventRaised" and _has_markers(event.get("Input"))
        for event in _events(history_events)
    )


def _has_markers(given: Any) -> bool:
    pending = [given]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and "__class__" in item:
            try:
                pending.append(json.loads(item))
            except (ValueError, RecursionError):
                continue
        elif isinstance(item, Mapping):
            if {"__class__", "__module__", "__data__"} <= item.keys():
                return True
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False


def _events(history_events: Any) -> Iterator[Mapping[str, Any]]:
    events = history_events if isinstance(history_events, list) else []
    return (event for event in events if isinstance(event, Mapping))


def was_rewound(history_events: Any) -> bool:
    """Say whether the present generation was rewound already: each rewind leaves a generic event in its history."""
    return any(event.get("EventType") == "GenericEvent" for event in _events(history_events))


def may_stand_still(payload: Mapping[str, Any], now: datetime) -> bool:
    """Say whether the instance may be a rewound one that waits for what will never come; its history tells for sure
    (`waits_for_a_timer`).

    The platform drops what arrives at a Failed instance: a timer that came due, or an activity's result, between the
    failure and the rewind. Such an instance shows Pending, with a past, and is not written any more.
    """
    past = read_custom_status(payload.get("customStatus")) is not None or payload.get("output") is not None
    return payload.get("runtimeStatus") == "Pending" and past and now > ended_at(payload) + STANDS_STILL_AFTER


def waits_for_a_timer(history_events: Any, now: datetime) -> bool:
    """Say whether a timer is still to fire, or came due so lately that it may be on its way."""
    due = [event.get("FireAt") for event in _events(history_events) if event.get("EventType") == "TimerCreated"]
    return any(moment is not None and now < moment + STANDS_STILL_AFTER for moment in map(_moment, due))


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return None


def ended_at(payload: Mapping[str, Any]) -> datetime:
    """Return when the instance was last written."""
    return datetime.fromisoformat(str(payload["lastUpdatedTime"])).replace(tzinfo=UTC)
