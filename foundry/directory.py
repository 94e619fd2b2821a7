"""Which agent a caller means: by id, or by a name that only one agent of the project has.

What a worker has learnt it knows for some minutes, so that a start costs no request more; Foundry has the last word.
"""

from __future__ import annotations

import difflib
import re
import threading
import time
from collections.abc import Callable, Sequence

from contracts.runs import AgentSummary
from foundry.errors import AmbiguousAgentError, NotFoundError, UnknownAgentError
from foundry.service import AgentService

KNOWN_SECONDS = 600.0
LISTED_SECONDS = 60.0
_MOST_KNOWN = 10_000
_MOST_NAMED = 3
_AGENT_ID = re.compile(r"asst_[A-Za-z0-9_-]+")


def is_agent_id(given: str) -> bool:
    """Say whether this is an agent's id, not its name."""
    return _AGENT_ID.fullmatch(given) is not None


class AgentDirectory:
    """The agents that this worker has heard of. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, float] = {}
        """Until when an id counts as that of an agent."""
        self._listed: tuple[float, list[AgentSummary]] | None = None

    def resolve(self, service: AgentService, given: str, may_run: Callable[[str], bool]) -> str:
        """Return the agent's id. Agents that the caller may not run, which is said of their ids, are none.

        Blocks; raises `UnknownAgentError`, `AmbiguousAgentError`, or as the service does.
        """
        if not is_agent_id(given):
            return _by_name(given, self._agents(service, may_run))
        if self._known.get(given, 0.0) > self._clock():
            return given
        try:
            service.get_agent(given)
        except NotFoundError:
            raise UnknownAgentError(_unknown(given, self._agents(service, may_run))) from None
        self._learn([given])
        return given

    def _agents(self, service: AgentService, may_run: Callable[[str], bool]) -> list[AgentSummary]:
        return [agent for agent in self._list(service) if may_run(agent.id)]

    def _list(self, service: AgentService) -> list[AgentSummary]:
        if self._listed is None or self._listed[0] <= self._clock():
            agents = list(service.list_agents())
            self._listed = self._clock() + LISTED_SECONDS, agents
            self._learn([agent.id for agent in agents])
        return self._listed[1]

    def _learn(self, ids: list[str]) -> None:
        with self._lock:
            if len(self._known) + len(ids) > _MOST_KNOWN:
                self._known.clear()
            self._known.update(dict.fromkeys(ids, self._clock() + KNOWN_SECONDS))


def _by_name(name: str, agents: Sequence[AgentSummary]) -> str:
    found = [agent.id for agent in agents if agent.name == name]
    if len(found) > 1:
        raise AmbiguousAgentError(f"{len(found)} agents have the name {name!r}: name one by its id, {_some(found)}")
    if not found:
        raise UnknownAgentError(_unknown(name, agents))
    return found[0]


def _unknown(given: str, agents: Sequence[AgentSummary]) -> str:
    names = [agent.name for agent in agents if agent.name] + [agent.id for agent in agents]
    near = difflib.get_close_matches(given, names, n=_MOST_NAMED, cutoff=0.6)
    hint = f": did you mean {_some(near)}?" if near else ". GET /api/agents lists them"
    return f"there is no agent {given!r} in this project{hint}"


def _some(names: list[str]) -> str:
    return " or ".join(names[:_MOST_NAMED])
