"""What unit tests share."""

from __future__ import annotations

import pytest

from http_api import stored
from tests.store.memory import MemoryStore


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """The store of the HTTP functions, in memory."""
    store = MemoryStore()
    monkeypatch.setattr(stored, "document_store", lambda: store)
    return store
