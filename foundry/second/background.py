"""Which agents run only while somebody waits for them: the service says so when it is asked, and that is remembered
(foundry-responses.md, section 6).
"""

from __future__ import annotations

import threading
from collections import OrderedDict

_MOST_KNOWN = 1000


class ForegroundAgents:
    """Agents, in one version each, that refuse to run in the background. Safe to use from several threads."""

    def __init__(self, most: int = _MOST_KNOWN) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._most = most

    def add(self, agent: str) -> None:
        """Remember the agent; forget the oldest one where there are too many."""
        with self._lock:
            self._known[agent] = None
            self._known.move_to_end(agent)
            if len(self._known) > self._most:
                self._known.popitem(last=False)

    def __contains__(self, agent: str) -> bool:
        with self._lock:
            return agent in self._known
