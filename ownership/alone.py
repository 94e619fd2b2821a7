"""What this worker has last seen of lines in which an instance stands alone: it leaves those without a look at them.

A hint, no more. A document is deleted by its version: where anybody has come since, or where another worker has seen
the instance's place, it is read after all.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from store.documents import DocumentStore

MOST = 10_000
"""Lines that are remembered; the oldest ones are forgotten."""

_versions: WeakKeyDictionary[DocumentStore, dict[tuple[str, str], str]] = WeakKeyDictionary()


def saw_alone(store: DocumentStore, thread_id: str, instance: str, version: str) -> None:
    """Remember the version of the thread's document in which the instance stands alone."""
    seen = _versions.setdefault(store, {})
    seen[thread_id, instance] = version
    while len(seen) > MOST:
        seen.pop(next(iter(seen)), None)


def take_version(store: DocumentStore, thread_id: str, instance: str) -> str | None:
    """Return that version, and forget it; None where there is none."""
    return _versions.get(store, {}).pop((thread_id, instance), None)
