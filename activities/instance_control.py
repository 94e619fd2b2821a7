"""The activities that act on instances: ending one as Terminated, which user code cannot do by returning, and seeing
whether one still goes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import azure.durable_functions as df

from contracts.activities import ActivityResult, Failure, InstanceState, LookAtInstance, TerminateInstance
from contracts.codes import ErrorCode
from contracts.durable import ENDED_RUNTIME_STATUSES
from contracts.formats import INSTANCE_ID_PATTERN
from contracts.wire import from_wire, to_wire
from recovery import is_recovering

blueprint = df.Blueprint()


@blueprint.activity_trigger(input_name="payload")
@blueprint.durable_client_input(client_name="client")
async def look_at_instance(payload: dict, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """Say whether an instance of this task hub goes on (`LookAtInstance` to `InstanceState`).

    The id comes from a thread that others may write to.
    """
    instance_id = from_wire(LookAtInstance, payload).instance_id
    if not re.fullmatch(INSTANCE_ID_PATTERN, instance_id):
        return to_wire(ActivityResult(value=InstanceState(state="unknown")))
    try:
        status = await client.get_status(instance_id)
    except Exception as error:  # noqa: BLE001 - as below
        message = f"the platform did not say how the instance is ({type(error).__name__})"
        failure = Failure(code=ErrorCode.INSTANCE_NOT_SEEN, message=message, retryable=True)
        return to_wire(ActivityResult[InstanceState](failure=failure))
    return to_wire(ActivityResult(value=state_of(status.to_json() if status else None, datetime.now(UTC))))


def state_of(payload: Mapping[str, Any] | None, now: datetime) -> InstanceState:
    """Return whether the instance of this Durable status payload goes on; None is one that nobody knows. Pure.

    One that died with its worker will be rewound. Whether it was before is not asked: others only wait a little longer.
    """
    if payload is None:
        return InstanceState(state="unknown")
    ended = payload.get("runtimeStatus") in ENDED_RUNTIME_STATUSES and not is_recovering(payload, now)
    return InstanceState(state="ended" if ended else "active")


@blueprint.activity_trigger(input_name="payload")
@blueprint.durable_client_input(client_name="client")
async def terminate_instance(payload: dict, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """Terminate the instance (`TerminateInstance` to a result without a value); its output becomes the reason.

    Repeating it does no harm. The orchestrator sees the result where the termination itself takes longer.
    """
    wanted = from_wire(TerminateInstance, payload)
    try:
        await client.terminate(wanted.instance_id, wanted.reason)
    except Exception as error:  # noqa: BLE001 - the SDK raises bare exceptions, and the host a 500 now and then
        message = f"the platform did not take the termination ({type(error).__name__})"
        failure = Failure(code=ErrorCode.NOT_TERMINATED, message=message, retryable=True)
        return to_wire(ActivityResult[None](failure=failure))
    return to_wire(ActivityResult[None]())
