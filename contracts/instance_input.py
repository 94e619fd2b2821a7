"""The orchestrator's input: made by whoever starts it, or by the generation before. Written and read here only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.request import AgentRunRequest, RunPolicy
from contracts.wire import to_wire


@dataclass(frozen=True)
class InstanceInput:
    """What an instance was given, as plain JSON; each part is null where it is not there.

    Our routes give request and policy, an earlier generation its progress, a start over the Durable webhook the bare
    request.
    """

    request: Any = None
    policy: Mapping[str, Any] | None = None
    progress: Mapping[str, Any] | None = None

    def known(self, name: str) -> Any:
        """Return a field that request and progress have in common."""
        for part in (self.progress, self.request):
            if isinstance(part, Mapping) and part.get(name) is not None:
                return part[name]
        return None

    @property
    def fixed_policy(self) -> Mapping[str, Any]:
        """What the settings said when it started; empty where the orchestrator has to ask for that itself."""
        policy = self.policy or (self.progress or {}).get("policy")
        return policy if isinstance(policy, Mapping) else {}

    @property
    def delete_thread(self) -> Any:
        """When its thread is to be deleted; null where only the settings say."""
        return self.fixed_policy.get("delete_thread") or self.known("delete_thread")


def start_input(request: AgentRunRequest, policy: RunPolicy) -> dict[str, Any]:
    """Return the input for a request whose policy the starter has made already."""
    return {"request": to_wire(request), "policy": to_wire(policy)}


def continued_input(progress: msgspec.Struct) -> dict[str, Any]:
    """Return the input of the next generation, which goes on from this progress."""
    return {"progress": msgspec.to_builtins(progress)}


def read_instance_input(given: Any) -> InstanceInput:
    """Return what an instance was given. The Python client's inputs arrive as JSON text, of text now and then."""
    while isinstance(given, str):
        try:
            given = msgspec.json.decode(given)
        except (msgspec.DecodeError, RecursionError):
            given = None
    match given:
        case {"progress": dict(progress), **rest} if not rest:
            return InstanceInput(progress=progress)
        case {"request": dict(request), "policy": dict(policy), **rest} if not rest:
            return InstanceInput(request=request, policy=policy)
        case _:
            return InstanceInput(request=given)
