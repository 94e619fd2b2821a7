"""The activity that acts on its own instance: ending it as Terminated, which user code cannot do by returning."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from contracts.activities import ActivityResult, Failure, TerminateInstance
from contracts.codes import ErrorCode
from contracts.wire import from_wire, to_wire

blueprint = df.Blueprint()


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
