"""Hostile mode: everything the real host may do happens often, from a seed.

Each behaviour was seen on the real host (`durable-protocol.md`), there rarely and never when one looks. They can
be named alone: `--hostile 7:repeat-activity,lost-pending-event`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

from local.functions_host.clock import Clock
from local.functions_host.console import Console
from local.functions_host.errors import HostError
from local.functions_host.hooks import Death, Fate, Hooks
from local.functions_host.protocol import Event, Kind
from local.functions_host.store import Instance, Work

# The storage queue's visibility timeout of five minutes, a sixtieth of it.
HELD_BACK_SECONDS = 5.0
NEAR_THE_END_SECONDS = 5.0

BEHAVIOURS = {
    "repeat-activity": "an activity runs twice, its first result is lost after its effect",
    "dead-worker": "an activity fails with the text of a dead worker, before or after its effect",
    "dead-worker-episode": "the worker dies in an orchestrator's episode, which fails that instance for good",
    "lost-pending-event": "an event to a Pending instance is answered 202 and lost; starts take a while",
    "repeat-event": "an event arrives twice",
    "hold-messages": "messages are held back as by the queue's visibility timeout",
    "fail-near-end": "raise and terminate on an instance that has just ended answer 500",
    "step-after-termination": "the step after an activity terminated its own instance is really executed",
    "double-start": "of two parallel starts of one id both answer 202 and the second replaces the first",
    "restart": "the process restarts between any two steps",
}
# These only where they are named: the app does not come through them yet.
NOT_BY_DEFAULT = frozenset({"dead-worker-episode"})
_CHANCES = {
    "repeat-activity": 0.3,
    "dead-worker": 0.2,
    "dead-worker-episode": 0.05,
    "lost-pending-event": 0.6,
    "repeat-event": 0.5,
    "hold-messages": 0.1,
    "fail-near-end": 0.7,
    "step-after-termination": 0.8,
    "double-start": 0.8,
    "restart": 0.02,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A seed and the behaviours it drives."""

    seed: str
    names: frozenset[str]
    explicit: bool

    def __str__(self) -> str:
        return f"{self.seed}:{','.join(sorted(self.names))}"


def parse_plan(text: str) -> Plan:
    """Parse `SEED` or `SEED:name,name`; raises HostError for a name that does not exist."""
    seed, colon, names = text.partition(":")
    chosen = frozenset(n.strip() for n in names.split(",") if n.strip())
    unknown = chosen - BEHAVIOURS.keys()
    if unknown or not seed or (colon and not chosen):
        listed = "\n".join(f"  {name}: {what}" for name, what in BEHAVIOURS.items())
        raise HostError(f"--hostile {text!r} is not SEED or SEED:name,name with names of\n{listed}")
    return Plan(seed, chosen or frozenset(BEHAVIOURS.keys() - NOT_BY_DEFAULT), explicit=bool(chosen))


class Hostility(Hooks):
    """Decides when to misbehave, and says so on the console."""

    def __init__(
        self,
        plan: Plan,
        *,
        clock: Clock,
        console: Console,
        restarts: int,
        restart: Callable[[Collection[str]], None],
        died: Collection[str] = (),
    ) -> None:
        """Drive from the plan's seed; `restarts` varies it after each restart. `restart` does not return, and is given
        what the next process has to be told as `died`.
        """
        self._random = random.Random(f"{plan.seed}/{restarts}")  # noqa: S311 - a seeded game, not cryptography
        self._seed = plan.seed
        self._names = plan.names
        self._clock = clock
        self._console = console
        self._restart = restart
        self._died = set(died)

    def _hits(self, name: str, what: str = "", chance: random.Random | None = None) -> bool:
        if name not in self._names or (chance or self._random).random() >= _CHANCES[name]:
            return False
        self._console.info(f"hostile {name} {what}".rstrip())
        return True

    def message_delay(self, event: Event) -> float:
        """Hold messages back; starts too where events to Pending instances are to be lost."""
        what = f"{event.kind.name} {event.name or event.instance_id or ''}"
        if self._hits("hold-messages", what):
            return HELD_BACK_SECONDS
        if event.kind is Kind.EXECUTION_STARTED and "lost-pending-event" in self._names:
            return self._random.uniform(0.0, 1.5)
        return 0.0

    def activity_fate(self, work: Work) -> Fate:
        """Run an activity twice, or let its worker die: decided once, whatever restarts meanwhile. Else restarts would
        favour deaths, which are noted at once, and make one activity die again and again: the third death ends the real
        host, and no activity comes back before minutes have passed (durable-protocol.md, rule 10).
        """
        what = f"{work.name} '{work.instance_id}'"
        chance = random.Random(f"{self._seed}/{work.seq}")  # noqa: S311 - as above
        if self._hits("dead-worker", what, chance):
            return chance.choice((Fate.WORKER_DIES_BEFORE, Fate.WORKER_DIES_AFTER))
        return Fate.RUNS_TWICE if self._hits("repeat-activity", what, chance) else Fate.RUNS

    def episode_death(self, row: Instance) -> Death:
        """Let the worker die while an orchestrator runs; of one instance once, so that one rewind heals it."""
        spared = row.instance_id in self._died or _rewound(row)
        if not spared and self._hits("dead-worker-episode", f"'{row.instance_id}'"):
            self._died.add(row.instance_id)
            return self._random.choice((Death.STATUS_LOST, Death.STATUS_KEPT))
        return Death.NONE

    def loses_event(self, row: Instance) -> bool:
        """Lose events to instances whose start is still under way."""
        return _starting(row) and self._hits("lost-pending-event", f"'{row.instance_id}'")

    def repeats_event(self, row: Instance) -> bool:
        """Deliver events twice."""
        return self._hits("repeat-event", f"'{row.instance_id}'")

    def holds_termination(self, row: Instance) -> bool:
        """Let the code run past a self-termination."""
        return self._hits("step-after-termination", f"'{row.instance_id}'")

    def fails_request(self, row: Instance) -> bool:
        """Break instead of answering 410, shortly after the end."""
        near = self._clock.timestamp() - row.updated < NEAR_THE_END_SECONDS
        return near and self._hits("fail-near-end", f"'{row.instance_id}'")

    def overlooks(self, row: Instance) -> bool:
        """Let a second start in while the first is fresh."""
        fresh = _starting(row) or self._clock.timestamp() - row.created < 1.0
        return fresh and self._hits("double-start", f"'{row.instance_id}'")

    def committed(self) -> None:
        """Restart the process as a crash does."""
        if self._hits("restart"):
            self._restart(self._died)


def _starting(row: Instance) -> bool:
    """Whether an instance has not begun."""
    return row.status == "Pending" and not _rewound(row)


def _rewound(row: Instance) -> bool:
    """Whether an instance was rewound: it shows Pending too, but with its old output."""
    return row.status == "Pending" and row.output is not None
