"""Kills the local host exactly before it writes one step down.

The host's whole state is one SQLite file, so a trigger in it can refuse a single write. The host then stands before
that write, trying in vain, until it is killed: no race, and nothing of the host is patched. The file is the host's
alone while it runs, so it has to be killed for a trigger to be put in or taken out, too.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tests.e2e.world import World
from tests.faults.caller import Caller

_REFUSED = "the crash point was reached"


@dataclass(frozen=True)
class CrashPoint:
    """A write that is refused: SQL of a trigger on the tables of `local/functions_host/store.py`."""

    name: str
    before: str
    when: str

    def __str__(self) -> str:
        return self.name


def result_unrecorded(activity: str) -> CrashPoint:
    """The activity has returned, and its result is not in the instance's inbox yet: it will run again."""
    return CrashPoint(f"result-of-{activity}-unrecorded", "DELETE ON work", f"OLD.name = '{activity}'")


def episode_unrecorded(activity: str) -> CrashPoint:
    """The orchestrator has seen the activity's result, and what it made of it is not recorded: it will replay."""
    return CrashPoint(
        f"episode-after-{activity}-unrecorded",
        "INSERT ON history",
        # 5 is `Kind.TASK_COMPLETED`; only the event that scheduled the task tells the activity's name.
        "json_extract(NEW.event, '$.EventType') = 5 AND EXISTS (SELECT 1 FROM history"
        f" WHERE instance_id = NEW.instance_id AND json_extract(event, '$.Name') = '{activity}'"
        " AND json_extract(event, '$.EventId') = json_extract(NEW.event, '$.TaskScheduledId'))",
    )


CONTINUE_AS_NEW = CrashPoint(
    "continue-as-new-unrecorded",
    "INSERT ON instances",
    "NEW.execution_id <> (SELECT execution_id FROM instances WHERE instance_id = NEW.instance_id)",
)
"""A generation has asked for the next one, and the history is still the old one's."""


class Crashes:
    """Kills a world's host at points that are named one after the other."""

    def __init__(self, world: World, caller: Caller) -> None:
        self._world = world
        self._caller = caller
        self._mark = 0
        self.generations: set[str] = set()
        """Execution ids that were found in the file."""

    def arm(self, point: CrashPoint | None) -> None:
        """Kill the host and start it again, to be stopped at `point`; None: nowhere."""
        self._world.host.kill()
        with sqlite3.connect(self._world.host.db) as db:
            db.execute("DROP TRIGGER IF EXISTS crash_point")
            self.generations |= {row[0] for row in db.execute("SELECT execution_id FROM instances")}
            if point is not None:
                db.execute(
                    f"CREATE TRIGGER crash_point BEFORE {point.before} WHEN {point.when} "
                    f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
                )
        db.close()
        self._mark = len(self._world.host.log)
        self._world.host.restart()

    def at(self, point: CrashPoint, then: CrashPoint | None = None) -> None:
        """Kill the host that stands at `point`, which is armed; the next one stops at `then`."""
        self._caller.until_true(lambda: _REFUSED in self._world.host.log[self._mark :])
        self.arm(then)
