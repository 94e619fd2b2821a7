"""What is in use by name, so that two activities of this worker do not act on one thread at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class LockByName:
    """Locks by name. Nobody waits for one: whoever did would keep a thread of the worker from everybody else's work."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: set[str] = set()

    @contextmanager
    def of(self, name: str) -> Iterator[bool]:
        """Hold the lock of this name; yields False, and holds nothing, where another thread holds it."""
        with self._guard:
            free = name not in self._held
            self._held.add(name)
        try:
            yield free
        finally:
            if free:
                with self._guard:
                    self._held.remove(name)
