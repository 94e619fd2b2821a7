"""Where the host can be made to misbehave on purpose; without `--hostile` it never does."""

from __future__ import annotations

from enum import Enum, auto

from local.functions_host.protocol import Event
from local.functions_host.store import Instance, Work


class Fate(Enum):
    """What becomes of an activity."""

    RUNS = auto()
    RUNS_TWICE = auto()  # its first result is lost after its effect
    WORKER_DIES_BEFORE = auto()
    WORKER_DIES_AFTER = auto()


class Death(Enum):
    """Whether the worker dies while an orchestrator's episode runs, and what becomes of the custom status then."""

    NONE = auto()
    STATUS_LOST = auto()
    STATUS_KEPT = auto()


class Hooks:
    """The well-behaved host. `hostile` overrides these."""

    def message_delay(self, event: Event) -> float:  # noqa: ARG002
        """Host seconds for which a message is held back."""
        return 0.0

    def activity_fate(self, work: Work) -> Fate:  # noqa: ARG002
        """What becomes of an activity that is about to run."""
        return Fate.RUNS

    def episode_death(self, row: Instance) -> Death:  # noqa: ARG002
        """Whether the worker dies in an episode that is about to run."""
        return Death.NONE

    def loses_event(self, row: Instance) -> bool:  # noqa: ARG002
        """Whether an event is accepted and lost."""
        return False

    def repeats_event(self, row: Instance) -> bool:  # noqa: ARG002
        """Whether an event arrives twice."""
        return False

    def holds_termination(self, row: Instance) -> bool:  # noqa: ARG002
        """Whether a termination asked for by an activity waits for that activity's result."""
        return False

    def fails_request(self, row: Instance) -> bool:  # noqa: ARG002
        """Whether raising an event at, or terminating, an ended instance breaks instead of telling so."""
        return False

    def overlooks(self, row: Instance) -> bool:  # noqa: ARG002
        """Whether a start does not see that this instance is in use."""
        return False

    def committed(self) -> None:
        """Called after every step that was written to the database."""
