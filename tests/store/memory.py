"""A store in memory whose writes can be lost, or lose their answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from store.documents import DocumentName, Found, Listed, StoreError


class MemoryStore:
    """`DocumentStore`. `faults` says what becomes of the next requests: `None` is nothing, `"lost"` that the request
    does not get there, `"unheard"` that its answer does not come back, `"overtaken"` that `overtaker` acts just before.
    """

    def __init__(self) -> None:
        self.documents: dict[str, tuple[str, str]] = {}
        self.faults: list[str | None] = []
        self.overtaker: Callable[[], None] = lambda: None
        self.requests = 0
        self._versions = 0
        self.written: dict[str, datetime] = {}
        """When, by its path."""

    def read(self, name: DocumentName) -> Found | None:
        """Return the document."""
        self._begin()
        found = self.documents.get(name.path)
        return None if found is None else Found(json.loads(found[0]), found[1])

    def write(self, name: DocumentName, value: dict[str, Any], etag: str | None) -> str | None:
        """Write it, if this is its version."""
        unheard = self._begin()
        if (self.documents.get(name.path) or (None, None))[1] != etag:
            return None
        self._versions += 1
        self.documents[name.path] = (json.dumps(value), str(self._versions))
        self.written[name.path] = datetime.now(UTC)
        self._end(unheard)
        return str(self._versions)

    def delete(self, name: DocumentName, etag: str) -> bool:
        """Delete it, if this is its version."""
        unheard = self._begin()
        if (self.documents.get(name.path) or (None, None))[1] != etag:
            return False
        del self.documents[name.path]
        self._end(unheard)
        return True

    def check(self) -> None:
        """Answer."""
        self._begin()

    def listed(self, kind: str) -> Iterator[Listed]:
        """Yield all of a kind."""
        self._begin()
        for path, (_, etag) in sorted(self.documents.items()):
            if path.startswith(f"{kind}/"):
                yield Listed(path, etag, self.written[path])

    def read_listed(self, document: Listed) -> Found | None:
        """Return it."""
        self._begin()
        found = self.documents.get(document.path)
        return None if found is None else Found(json.loads(found[0]), found[1])

    def delete_listed(self, document: Listed) -> bool:
        """Delete it."""
        self._begin()
        found = self.documents.get(document.path)
        if found is None or found[1] != document.etag:
            return False
        del self.documents[document.path]
        return True

    def _begin(self) -> bool:
        self.requests += 1
        fault = self.faults.pop(0) if self.faults else None
        if fault == "lost":
            raise StoreError("away")
        if fault == "overtaken":
            rest, self.faults = self.faults, []
            self.overtaker()
            self.faults = rest
        return fault == "unheard"

    def _end(self, unheard: bool) -> None:
        if unheard:
            raise StoreError("no answer")
