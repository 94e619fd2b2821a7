"""Cancelling what an instance left behind. Not an activity: the timer trigger that calls it has no orchestration."""

from __future__ import annotations

from contracts import RunState
from foundry.connection import agent_service
from settings import load_settings

_STOPPABLE = {RunState.ACTIVE, RunState.REQUIRES_ACTION}


def cancel_runs_of_instance(thread_id: str, instance_id: str) -> int:
    """Cancel the active runs on the thread that carry the instance's stamp; return how many. Blocks; raises
    `FoundryError`.
    """
    service = agent_service(load_settings())
    left = [r for r in service.list_runs(thread_id) if r.instance_id == instance_id[:512] and r.state in _STOPPABLE]
    for run in left:
        service.cancel_run(thread_id, run.run_id)
    return len(left)
