"""Who came first to a thread, and who was served first: from what the storage took and what Foundry holds. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.runs import METADATA_INSTANCE
from tests.store.troubled import Written


def arrived(written: Sequence[Written]) -> dict[str, list[str]]:
    """Return who came to each document, in the order in which the storage took their first write.

    Answers may overtake each other on their way, versions do not: each write names the one that it replaced.
    """
    order: defaultdict[str, list[str]] = defaultdict(list)
    following: dict[tuple[str, str | None], list[Written]] = defaultdict(list)
    for one in written:
        following[_name_of(one.path), one.replaced].append(one)
    for (path, replaced), firsts in list(following.items()):
        if replaced is not None:
            continue
        for first in firsts:
            now: Written | None = first
            while now is not None:
                order[path] += [i for i in now.value.get("line", []) if i not in order[path]]
                now = next(iter(following.get((path, now.made), [])), None) if now.made else None
    return dict(order)


def served(thread: Mapping[str, Any]) -> list[str]:
    """Return the instances whose messages are on the thread, oldest first."""
    stamps = [m["metadata"].get(METADATA_INSTANCE) for m in thread["messages"] if m["role"] == "user"]
    return [stamp for stamp in stamps if stamp is not None]


def in_order(thread: str, came: Sequence[str], was_served: Sequence[str]) -> list[str]:
    """Find that somebody was served before another one who had come before, or did not come at all."""
    wanted = [i for i in came if i in was_served]
    return [] if wanted == list(was_served) else [f"{thread}: came {wanted}, served {was_served}"]


def _name_of(path: str) -> str:
    """Return which document a request was about: kind and hash."""
    return "/".join(path.rsplit("/", 2)[1:])
