"""`cancel_orphaned_runs`: heals instances that died with their worker, and stops the Foundry runs of all others that
can no longer do it themselves.

Where a caller uses the Durable `terminatePostUri`, no user code runs any more; an instance may also fail with its run
still active, because Foundry refused to stop it, because its worker died in the middle of an episode, or because the
SDK could not decode an event. Such an instance is rewound once if its worker's death is the reason (`recovery`), else
its run is stopped: thread and run stand in the custom status, in the input, or in the history. Only runs that carry the
instance's stamp are touched. Then it leaves its place at the thread, so that nobody waits for what does not go on.

A hanging Foundry takes half a minute for each request, and a function that exceeds `functionTimeout` (host.json, five
minutes) costs its worker everything in flight: so a few are looked at at once, each step has its limit, and what is
left over comes first in the next scan.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, TypeVar

import azure.durable_functions as df
import azure.functions as func

import host_clock
from app_log import log_event
from contracts.durable import ORCHESTRATOR
from contracts.status import read_custom_status
from maintenance.left_behind import cancel_runs_of, leave_threads_of, traces_of
from recovery import (
    NOT_BROUGHT_BACK,
    died_with_its_worker,
    ended_at,
    is_beyond_help,
    may_be_rewound,
    may_stand_still,
    waits_for_a_timer,
)
from settings import orphan_scan_schedule
from task_hub import RewindUnsupportedError, TaskHub

blueprint = df.Blueprint()
_log = logging.getLogger("agent_run.maintenance")

LOOK_BACK = {("Terminated",): timedelta(hours=3), ("Failed", "Pending"): timedelta(days=6)}
"""By the creation of the instance's generation. Of what was terminated lately a run can be active only if it was asked
for lately: Foundry expires it ten minutes after its creation. What fails or was rewound may have waited for days in its
generation, suspended or for as long as Foundry said.
"""

SETTLED_AFTER = timedelta(minutes=10)
"""A run may still be on its way to Foundry when its instance ends, so a clean look soon after the end is not enough."""

AT_ONCE = 4
"""asyncio's threads are five on a machine with one core."""

LISTING_SECONDS = 150.0
"""Some twenty thousand instances take 13 seconds (measured on the real host)."""

START_NONE_AFTER_SECONDS = 180.0
LOOK_SECONDS = 90.0
"""A look makes up to three requests of half a minute. With the limit above a scan ends before `functionTimeout`."""

STILL_FOR = timedelta(minutes=4)
"""Between the two looks that end an instance which does not go on."""

_MOST_REMEMBERED = 10_000

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Suspect:
    """An instance that has ended without saying that nothing is left."""

    instance_id: str
    ended_at: datetime
    payload: Mapping[str, Any]
    """Its Durable status, without input and history."""
    thread_id: str | None
    """Null where the custom status names none: its input or its history may."""

    @property
    def named(self) -> dict[str, str]:
        """What log events call it by: its id, and its trace where that is known."""
        custom = read_custom_status(self.payload.get("customStatus"))
        trace = {"trace_id": custom.trace_id} if custom is not None and custom.trace_id else {}
        return {"instance_id": self.instance_id, **trace}

    @property
    def generation(self) -> tuple[str, str]:
        """What tells it from an earlier generation, created at another time (durable-protocol.md, rule 15)."""
        return self.instance_id, str(self.payload.get("createdTime"))

    @property
    def end(self) -> tuple[str, ...]:
        """What tells this end from another one: of an instance that was started again, or rewound by hand."""
        return *self.generation, str(self.payload.get("lastUpdatedTime"))


class Finding(enum.Enum):
    """What became of a suspect."""

    REWOUND = "rewound"
    CANCELLED = "cancelled"
    NOTHING = "nothing"
    GOES_ON = "goes on"
    FAILED = "failed"


class Memory:
    """What scans tell the next one: which instances have left nothing, whose turn it is, what was rewound. Lost with
    the worker, which costs another look at each.
    """

    def __init__(self) -> None:
        self.rewinds_nothing = False
        """The storage provider knows no rewind."""
        self._still: dict[tuple[str, ...], datetime] = {}
        self._rewound: dict[tuple[str, str], None] = {}
        self._settled: dict[tuple[str, ...], None] = {}
        self._looks: dict[str, int] = {}
        self._look = 0

    def settle(self, suspect: Suspect) -> None:
        """Ask Foundry about this end of the instance no more."""
        _remembered(self._settled, suspect.end, None)

    def stood_still_before(self, suspect: Suspect, now: datetime) -> bool:
        """Say whether the instance was in just this state minutes ago; remember that it is. What comes late, since the
        app itself was down, has then arrived.
        """
        return now - _remembered(self._still, suspect.end, now) >= STILL_FOR

    def rewound(self, suspect: Suspect) -> None:
        """Remember that the instance had the one rewind of its present generation."""
        _remembered(self._rewound, suspect.generation, None)

    def may_rewind(self, suspect: Suspect) -> bool:
        """Say whether the instance is still to be rewound, as far as this worker knows."""
        return not self.rewinds_nothing and suspect.generation not in self._rewound

    def looking_at(self, instance_id: str) -> None:
        """Remember that the instance has had its turn."""
        self._look += 1
        self._looks[instance_id] = self._look

    def in_turn(self, suspects: Iterable[Suspect]) -> list[Suspect]:
        """Return those that are not settled: never looked at first, the first ended of them before the others, then
        by the last look. So whatever a scan leaves over comes first in the next one, and those that fail again and
        again keep nobody waiting.
        """
        left = [s for s in suspects if s.end not in self._settled]
        self._looks = {s.instance_id: self._looks[s.instance_id] for s in left if s.instance_id in self._looks}
        return sorted(left, key=lambda s: (self._looks.get(s.instance_id, 0), s.ended_at))


def _remembered(known: dict[_Key, _Value], key: _Key, value: _Value) -> _Value:
    """Return what is known of the key, else remember this; forget the oldest where there are too many."""
    found = known.setdefault(key, value)
    if len(known) > _MOST_REMEMBERED:
        del known[next(iter(known))]
    return found


_memory = Memory()


@blueprint.timer_trigger(arg_name="timer", schedule=orphan_scan_schedule())
@blueprint.durable_client_input(client_name="client")
async def cancel_orphaned_runs(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:  # noqa: ARG001
    """Look for orphaned runs and cancel them; one failure keeps none of the others from being cancelled."""
    await scan(TaskHub(client), _memory)


async def scan(hub: TaskHub, memory: Memory) -> dict[str, int]:
    """Scan once; return, and log in one line, how many instances were looked at, rewound, and had runs cancelled, how
    many looks failed, and how many instances are left for the next scan.
    """
    counts = {"scanned": 0, "rewound": 0, "cancelled": 0, "failed": 0, "left": 0}
    now, began = host_clock.now(), monotonic()
    try:
        suspects = await asyncio.wait_for(_suspects(hub, now), LISTING_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever keeps us from listing, the next scan tries again
        log_event(_log, "agent_run.orphans", level=logging.ERROR, **counts, error=type(error).__name__)
        return counts
    waiting = deque(memory.in_turn(suspects))

    async def look_at_one_after_the_other() -> None:
        while waiting and monotonic() - began < START_NONE_AFTER_SECONDS:
            suspect = waiting.popleft()
            memory.looking_at(suspect.instance_id)
            counts["scanned"] += 1
            finding, cancelled = await _look_at(hub, suspect, memory)
            counts["rewound"] += finding is Finding.REWOUND
            counts["failed"] += finding is Finding.FAILED
            counts["cancelled"] += cancelled
            if finding is Finding.NOTHING and suspect.ended_at < now - SETTLED_AFTER:
                memory.settle(suspect)

    await asyncio.gather(*(look_at_one_after_the_other() for _ in range(AT_ONCE)))
    counts["left"] = len(waiting)
    level = logging.WARNING if counts["failed"] or counts["left"] else logging.INFO
    log_event(_log, "agent_run.orphans", level=level, **counts)
    return counts


async def _suspects(hub: TaskHub, now: datetime) -> list[Suspect]:
    found: dict[str, Suspect] = {}  # a listing may show an instance twice, which changes while its pages are read
    for statuses, look_back in LOOK_BACK.items():
        pages = hub.pages(created_from=now - look_back, created_to=now + timedelta(days=1), statuses=statuses)
        async for page in pages:
            found.update((s.instance_id, s) for row in page if (s := suspect_of(row, now)) is not None)
    return list(found.values())


async def _look_at(hub: TaskHub, suspect: Suspect, memory: Memory) -> tuple[Finding, int]:
    """Heal the instance or stop its runs; return what was found, and how many runs were cancelled."""
    try:
        return await asyncio.wait_for(_heal_or_stop(hub, suspect, memory), LOOK_SECONDS)
    except Exception as error:  # noqa: BLE001 - one bad thread must not keep the others' runs alive
        log_event(
            _log,
            "agent_run.orphan_not_cancelled",
            level=logging.WARNING,
            thread_id=suspect.thread_id,
            error=getattr(error, "code", type(error).__name__),
            **suspect.named,
        )
        return Finding.FAILED, 0


async def _heal_or_stop(hub: TaskHub, suspect: Suspect, memory: Memory) -> tuple[Finding, int]:
    now = host_clock.now()
    whole = await hub.whole(suspect.instance_id)
    history = whole.get("historyEvents")
    if may_stand_still(suspect.payload, now):
        if waits_for_a_timer(history, now) or not memory.stood_still_before(suspect, now):
            return Finding.GOES_ON, 0
        await hub.terminate(suspect.instance_id, NOT_BROUGHT_BACK)
        log_event(_log, "agent_run.not_rewound", level=logging.ERROR, error="stands still", **suspect.named)
    elif _is_to_be_rewound(suspect, history, memory, now) and await _rewind(hub, suspect, memory):
        return Finding.REWOUND, 0
    traces = traces_of({"instanceId": suspect.instance_id, **whole})
    if suspect.thread_id is not None:
        traces = replace(traces, thread_ids=(suspect.thread_id,), made_one=False)
    # Foundry is called in a thread: its client blocks, and this function shares the loop with all others.
    cancelled = await asyncio.to_thread(cancel_runs_of, traces)
    await asyncio.to_thread(leave_threads_of, suspect.instance_id, traces)
    return (Finding.CANCELLED if cancelled else Finding.NOTHING), cancelled


def _is_to_be_rewound(suspect: Suspect, history: Any, memory: Memory, now: datetime) -> bool:
    return may_be_rewound(suspect.payload, now) and memory.may_rewind(suspect) and not is_beyond_help(history)


async def _rewind(hub: TaskHub, suspect: Suspect, memory: Memory) -> bool:
    instance_id = suspect.instance_id
    try:
        rewound = await hub.rewind(instance_id, "the worker process died")
    except RewindUnsupportedError:
        memory.rewinds_nothing = True
        log_event(_log, "agent_run.not_rewound", level=logging.ERROR, error="unsupported", **suspect.named)
        return False
    memory.rewound(suspect)
    if rewound:
        log_event(_log, "agent_run.rewound", level=logging.WARNING, **suspect.named)
    return rewound


def suspect_of(payload: Mapping[str, Any], now: datetime) -> Suspect | None:
    """Return what an instance may have left behind, from its Durable status payload; None if nothing."""
    if payload.get("name") != ORCHESTRATOR:
        return None
    custom = read_custom_status(payload.get("customStatus"))
    if payload.get("runtimeStatus") == "Pending":
        if not may_stand_still(payload, now):
            return None
    elif custom is not None and not died_with_its_worker(payload):
        # The step that the custom status shows, and the one after it, may have been executed although the instance was
        # terminated. Behind the thread that is the message, with its run.
        started = custom.run_requested or custom.step in {"create_thread", "create_message", "create_run"}
        ended = custom.run_state is not None and custom.run_state.is_ended
        if not started or ended:
            return None
    return Suspect(
        instance_id=str(payload["instanceId"]),
        ended_at=ended_at(payload),
        payload=payload,
        thread_id=custom.thread_id if custom else None,
    )
