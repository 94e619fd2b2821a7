"""What a store of documents is. A lost race is a value: only what the storage or the network does is an error."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from contracts.codes import ErrorCode


class StoreError(Exception):
    """The store cannot be used now; the message says what to do, and holds no key. `retryable`: it may pass."""

    code = ErrorCode.STORE_UNAVAILABLE

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable


@dataclass(frozen=True)
class DocumentName:
    """Names a document. What it is called after, such as a thread or a caller's key, does not show in the storage."""

    kind: str
    """Documents of one kind can be listed: small letters."""
    of: str

    @property
    def path(self) -> str:
        """Where it is stored, below the task hub."""
        return f"{self.kind}/{hashlib.sha256(self.of.encode()).hexdigest()}.json"


class Found(NamedTuple):
    """A document as it is now, and the version to write or delete it by."""

    value: dict[str, Any]
    etag: str


class Listed(NamedTuple):
    """A document in a list: where it is stored, its version, and when it was written last (UTC)."""

    path: str
    etag: str
    written: datetime


class DocumentStore(Protocol):
    """Documents by name. Every method raises `StoreError` only, and ends within seconds.

    A write whose answer was lost may have taken effect: so a document says who wrote what is in it, and whoever has
    lost a race, or had an error, reads it again before anything else.
    """

    def read(self, name: DocumentName) -> Found | None:
        """Return the document; None where there is none."""
        ...

    def write(self, name: DocumentName, value: dict[str, Any], etag: str | None) -> str | None:
        """Replace this version of the document, or create it (None: there must be none); return its new version.

        None: the race is lost, the document is another one by now.
        """
        ...

    def delete(self, name: DocumentName, etag: str) -> bool:
        """Delete this version of the document. False: it is another one by now, or gone."""
        ...

    def listed(self, kind: str) -> Iterator[Listed]:
        """Yield all documents of a kind, page by page."""
        ...

    def read_listed(self, document: Listed) -> Found | None:
        """Return a document that was listed, as it is now; None where it is gone."""
        ...

    def delete_listed(self, document: Listed) -> bool:
        """Delete a document that was listed, as `delete` does."""
        ...

    def check(self) -> None:
        """Ask the storage for something small; return if it answers."""
        ...
