"""Documents of the store that nobody needs any more: those of old keys, and of conversations that nobody uses.

What an instance leaves behind in the line at its thread is passed over by the next one there. Where none comes, the
document stays until it is purged here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from time import monotonic
from typing import Any, Literal

from ownership import keys, threads
from store.documents import DocumentStore, Listed, StoreError

AT_ONCE = 8
BATCH = 200
START_NONE_AFTER_SECONDS = 180.0
"""As the purge of the history, beside which this goes on: some ten thousand documents a minute."""

UNUSED_FOR = timedelta(days=1)
"""Of a thread's document: whoever comes or goes there writes it."""

Outcome = Literal["deleted", "kept", "failed", "left"]
"""`left`: there was no time for it."""


def purge_documents(
    open_store: Callable[[], DocumentStore],
    has_ended: Callable[[str], bool],
    now: datetime,
    idempotency_days: int,
) -> dict[str, Any]:
    """Delete the documents of keys that were written so many days ago, and of threads all of whose instances have
    ended. Return how many `keys` and `threads` are gone, and how many documents `failed` or are `left`, which the next
    night tries again, with the last `error` where there was one. Blocks; raises nothing that the store does.
    """
    until = monotonic() + START_NONE_AFTER_SECONDS
    counts: dict[str, Any] = {"keys": 0, "threads": 0, "failed": 0, "left": 0}
    failures: list[str] = []
    try:
        store = open_store()
        unused = partial(threads.is_unused, store, has_ended=has_ended)
        for kind, written_before, may_go in (
            (keys.KIND, now - timedelta(days=idempotency_days), lambda _: True),
            (threads.KIND, now - UNUSED_FOR, unused),
        ):
            old = (document for document in store.listed(kind) if document.written < written_before)
            delete = partial(_delete, store, may_go, until, failures)
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="old-documents") as pool:
                while batch := list(islice(old, BATCH)):
                    outcomes = Counter(pool.map(delete, batch))
                    counts[kind] += outcomes["deleted"]
                    counts["failed"] += outcomes["failed"]
                    counts["left"] += outcomes["left"]
                    if outcomes["left"]:
                        break
    except StoreError as error:
        failures.append(error.message)
    return {**counts, "error": failures[-1]} if failures else counts


def _delete(
    store: DocumentStore, may_go: Callable[[Listed], bool], until: float, failures: list[str], document: Listed
) -> Outcome:
    if monotonic() >= until:
        return "left"
    try:
        # Whoever writes it meanwhile keeps it: what is deleted is the version that was listed.
        return "deleted" if may_go(document) and store.delete_listed(document) else "kept"
    except StoreError as error:
        failures.append(error.message)
        return "failed"
