"""Which instance an idempotency key stands for: a document per key, written before the instance is started.

So of any number of starts with one key, on any number of hosts, one wins, and the others learn its instance. A winner
may die before it has started the instance: until the document says that it was started, whoever asks finishes that.
"""

from __future__ import annotations

import logging
from datetime import datetime

import msgspec

from app_log import log_event
from contracts.wire import Wire, from_wire, to_wire
from store.documents import DocumentName, DocumentStore, StoreError

_log = logging.getLogger("agent_run.ownership")

KIND = "keys"


class KeyHolder(Wire, frozen=True, kw_only=True):
    """What a key stands for."""

    instance: str
    fingerprint: str
    """Of the request that the key was first used for."""
    created: datetime
    started: bool = False
    """The instance exists, or has existed: it may be purged by now, and is never started again."""


def document_of(key: str) -> DocumentName:
    """Return the name of the document of a key."""
    return DocumentName(KIND, key)


def claim(store: DocumentStore, key: str, mine: KeyHolder) -> KeyHolder:
    """Return what the key stands for: `mine` where it was free, or had been claimed for this very instance.

    Raises `StoreError`; the claim may have taken effect then, and counts when it is repeated.
    """
    name = document_of(key)
    for _ in range(3):  # the document of an old key may be purged in between
        if store.write(name, to_wire(mine), None) is not None:
            return mine
        if (found := store.read(name)) is not None:
            return _read(found.value)
    raise StoreError("the document of the key comes and goes")


def holder_of(store: DocumentStore, key: str) -> KeyHolder | None:
    """Return what the key stands for; None where it is free. Raises `StoreError`."""
    found = store.read(document_of(key))
    return None if found is None else _read(found.value)


def mark_started(store: DocumentStore, key: str, holder: KeyHolder) -> None:
    """Note that the instance exists. Where that does not succeed now, the next one who asks sees it."""
    name = document_of(key)
    try:
        found = store.read(name)
        if found is not None and _read(found.value) == holder:
            store.write(name, to_wire(msgspec.structs.replace(holder, started=True)), found.etag)
    except StoreError as error:
        log_event(_log, "agent_run.key_not_marked", instance_id=holder.instance, message=error.message)


def _read(value: dict[str, object]) -> KeyHolder:
    try:
        return from_wire(KeyHolder, value)
    except msgspec.ValidationError:
        raise StoreError("the document of the key is none of this app's: delete it", retryable=False) from None
