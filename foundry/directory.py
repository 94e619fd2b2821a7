"""Which agent a caller means: a classic agent by its id, or by a name that only one of them has; one of the second
generation by its name, with or without a version. A name that both generations know is the second one's.

What a worker has learnt it knows for a while, so that a start costs no request more; Foundry has the last word. Where
one generation is switched off, or retired, the other one goes on.
"""

from __future__ import annotations

import difflib
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from contracts.agents import ResolvedAgent, allows, runnable
from contracts.formats import ID_PATTERN, VERSION_PATTERN
from contracts.generations import Generation
from contracts.runs import AgentSummary
from foundry.errors import AgentDisabledError, AmbiguousAgentError, FoundryError, NotFoundError, UnknownAgentError
from foundry.service import AgentService

KNOWN_SECONDS = 600.0
"""What never changes: that there is an agent of this id, or this version of it."""
LISTED_SECONDS = 60.0
NAMED_SECONDS = 10.0
"""Which version is a name's newest: whoever has published one, and starts a run by hand, gets that."""
_MOST_KNOWN = 10_000
_MOST_NAMED = 3
_AGENT_ID = re.compile(r"asst_[A-Za-z0-9_-]+")
_SECOND = re.compile(rf"({ID_PATTERN})(?::({VERSION_PATTERN}))?")

Services = Mapping[Generation, AgentService]
"""Of the generations that the app speaks to."""
Allowed = Collection[str] | None
"""Agents that callers may run; None: all of them. The others are none, for callers."""


def is_agent_id(given: str) -> bool:
    """Say whether this is a classic agent's id, not a name."""
    return _AGENT_ID.fullmatch(given) is not None


def complete(given: str) -> ResolvedAgent | None:
    """Return the agent that is named so that nobody has to be asked: a classic one by its id, or a version of one of
    the second generation.
    """
    if is_agent_id(given):
        return ResolvedAgent(given)
    named = _SECOND.fullmatch(given)
    return ResolvedAgent(given, "responses", named[2]) if named and named[2] else None


@dataclass(frozen=True)
class _Known:
    """What a text means until then; None: no agent of the second generation."""

    until: float
    agent: ResolvedAgent | None


class AgentDirectory:
    """The agents that this worker has heard of. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._listed: dict[Generation, tuple[float, list[AgentSummary]]] = {}

    def resolve(self, services: Services, given: str, allowed: Allowed) -> ResolvedAgent:
        """Return the agent that is meant.

        Blocks; raises `UnknownAgentError`, `AmbiguousAgentError`, `AgentDisabledError`, or as the services do.
        """
        if is_agent_id(given):
            return self._by_id(services, given, allowed)
        refusal = None
        try:
            found = self._of_second(services, given, allowed)
        except FoundryError as error:
            if error.retryable:
                raise  # it may have an agent of this name, which comes first
            found, refusal = None, error
        if found is not None and allows(allowed, found.agent_id, found.version):
            return found
        return self._by_name(services, given, allowed, refusal)

    def _by_id(self, services: Services, given: str, allowed: Allowed) -> ResolvedAgent:
        meant = ResolvedAgent(given)
        classic = services.get("classic")
        if classic is None or self._known_as(given) is not None:
            return meant  # where classic agents are switched off, the settings refuse it
        try:
            classic.get_agent(given)
        except NotFoundError:
            raise UnknownAgentError(_unknown(given, self._agents(services, "classic", allowed))) from None
        self._learn({given: meant}, KNOWN_SECONDS)
        return meant

    def _of_second(self, services: Services, given: str, allowed: Allowed) -> ResolvedAgent | None:
        """Return the agent of the second generation that has this name, in the version that is named or is its newest;
        None where there is none.
        """
        second, named = services.get("responses"), _SECOND.fullmatch(given)
        if second is None or named is None:
            return None
        if (known := self._known_as(given)) is not None:
            return known.agent
        try:
            agent = second.get_agent(given)
        except NotFoundError:
            self._learn({given: None}, NAMED_SECONDS)
            return None
        found = ResolvedAgent(given, "responses", named[2] or agent.version)
        if agent.enabled:
            self._learn({given: found}, KNOWN_SECONDS if named[2] else NAMED_SECONDS)
        elif allows(allowed, given, found.version):
            raise AgentDisabledError(f"the agent {named[1]!r} is disabled: enable it in Foundry, or name another one")
        return found

    def _by_name(self, services: Services, given: str, allowed: Allowed, refusal: FoundryError | None) -> ResolvedAgent:
        """Return the classic agent that has this name. `refusal`: why it is not known whether another one has it."""
        try:
            agents = self._agents(services, "classic", allowed)
        except FoundryError as error:
            if refusal is not None or "responses" not in services or error.retryable:
                raise
            agents = []  # classic agents are no more, and the other generation has none of this name
        found = [agent.id for agent in agents if agent.name == given]
        if len(found) > 1:
            raise AmbiguousAgentError(
                f"{len(found)} agents have the name {given!r}: name one by its id, {_some(found)}"
            )
        if found:
            return ResolvedAgent(found[0])
        if refusal is not None:
            raise refusal
        raise UnknownAgentError(_unknown(given, [*self._resembling(services, allowed), *agents]))

    def _resembling(self, services: Services, allowed: Allowed) -> list[AgentSummary]:
        """Return agents of the second generation that may be meant: a favour, without which there is none all the
        same.
        """
        try:
            return self._agents(services, "responses", allowed)
        except FoundryError:
            return []

    def _agents(self, services: Services, generation: Generation, allowed: Allowed) -> list[AgentSummary]:
        service = services.get(generation)
        return [] if service is None else list(runnable(allowed, self._list(service, generation)))

    def _list(self, service: AgentService, generation: Generation) -> list[AgentSummary]:
        until, listed = self._listed.get(generation, (0.0, []))
        if until <= self._clock():
            listed = list(service.list_agents())
            self._listed[generation] = self._clock() + LISTED_SECONDS, listed
            if generation == "classic":
                self._learn({agent.id: ResolvedAgent(agent.id) for agent in listed}, KNOWN_SECONDS)
        return listed

    def _known_as(self, given: str) -> _Known | None:
        known = self._known.get(given)
        return known if known is not None and known.until > self._clock() else None

    def _learn(self, agents: Mapping[str, ResolvedAgent | None], seconds: float) -> None:
        with self._lock:
            if len(self._known) + len(agents) > _MOST_KNOWN:
                self._known.clear()
            until = self._clock() + seconds
            self._known.update({given: _Known(until, agent) for given, agent in agents.items()})


def _unknown(given: str, agents: Sequence[AgentSummary]) -> str:
    names = list(dict.fromkeys(_names(agents)))
    near = difflib.get_close_matches(given, names, n=_MOST_NAMED, cutoff=0.6)
    hint = f": did you mean {_some(near)}?" if near else ". GET /api/agents lists them"
    return f"there is no agent {given!r} in this project{hint}"


def _names(agents: Sequence[AgentSummary]) -> Iterator[str]:
    """Yield what the agents may be called: of the second generation the id is the name."""
    yield from (agent.name for agent in agents if agent.name and agent.generation == "classic")
    yield from (agent.id for agent in agents)


def _some(names: list[str]) -> str:
    return " or ".join(names[:_MOST_NAMED])
