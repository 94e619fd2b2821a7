"""The line of instances at a conversation. Whoever stands in front owns it. Pure.

An instance takes its place when it first asks, and keeps it until it leaves, or has ended and comes to the front.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from contracts.runs import FormerRun


@dataclass(frozen=True)
class Place:
    """Where an instance stands, or would stand: at position 0 it owns the conversation, which else `owner` does."""

    position: int
    owner: str
    is_alone: bool = False
    """Nobody else stands in the line."""
    former: FormerRun | None = None
    """What the last owner has left, where that is noted."""

    @property
    def is_owner(self) -> bool:
        """Whether it owns the conversation."""
        return self.position == 0


def joined(
    line: Iterable[str], instance: str, *, ended: Collection[str], next_in_turn: bool = False, waits: bool = True
) -> list[str]:
    """Return the line with the instance in it, and without those in front that have ended.

    `next_in_turn` lets a newcomer stand right behind the owner. One that does not wait joins only where nobody else is.
    """
    kept = without_ended_in_front(line, instance, ended)
    if instance in kept or (kept and not waits):
        return kept
    return [kept[0], instance, *kept[1:]] if next_in_turn and kept else [*kept, instance]


def left(line: Iterable[str], instance: str) -> list[str]:
    """Return the line without the instance."""
    return [other for other in line if other != instance]


def place_of(line: list[str], instance: str) -> Place:
    """Return where the instance stands in the line, or would stand at its end."""
    position = line.index(instance) if instance in line else len(line)
    return Place(position, line[0], is_alone=line == [instance])


def without_ended_in_front(line: Iterable[str], instance: str, ended: Collection[str]) -> list[str]:
    """Return the line from the first on that has not ended, or is the one who asks: it goes on, since it asks."""
    kept = list(line)
    while kept and kept[0] != instance and kept[0] in ended:
        kept.pop(0)
    return kept


def to_look_at(line: Iterable[str], instance: str, looked: Callable[[str], bool]) -> str | None:
    """Return whom to look at next: the first in front of the instance of whom nothing is known; None where enough is
    known. `looked` says whether one has been found to have ended.
    """
    for other in line:
        if other == instance:
            return None
        if not looked(other):
            return other
    return None
