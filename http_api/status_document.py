"""Makes the flat status document of one instance (design.md, section 4). Pure.

A caller that maps top-level properties to output parameters, as Polysync does, finds them by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

import recovery
from contracts.codes import ErrorCode
from contracts.outcome import Outcome
from contracts.runs import composite_run_id
from contracts.status import RECOVERING, CustomStatus, RunError, Status, StatusDocument, read_custom_status
from contracts.wire import from_wire

STATUS_BY_RUNTIME_STATUS: dict[str, Status] = {
    "Pending": "Running",
    "Running": "Running",
    "ContinuedAsNew": "Running",
    "Suspended": "Running",
    "Completed": "Success",
    "Failed": "Failed",
    "Terminated": "Cancelled",
    "Canceled": "Cancelled",
}

_LONGEST_FOREIGN_OUTPUT = 500
_WORKER_DIED = RunError(
    code=ErrorCode.WORKER_DIED,
    message="the worker process died while the orchestration ran, and it could not be brought back; its Foundry run "
    "was stopped. Start again, with a new idempotency key",
)
_UNDECODABLE_EVENT = RunError(
    code=ErrorCode.UNDECODABLE_EVENT,
    message="somebody raised an event with the keys __class__, __module__ and __data__, which the Durable SDK takes "
    "for code: that ends the instance. Its Foundry run is stopped. Start again, with a new idempotency key",
)
_FAILURE = re.compile(r"Orchestrator function '[^']*' failed: (?:(?P<code>\w{1,64}): )?(?P<message>.*)", re.DOTALL)


def status_document(
    durable: Mapping[str, Any], now: datetime, history: Any = None, monitor_url: str | None = None
) -> StatusDocument:
    """Return the document for the Durable status payload, as of `now` (UTC).

    `history` is needed where the platform itself has ended the instance (`recovery.ended_by_the_platform`);
    `monitor_url` is shown where the custom status had no room for the run's own.

    `input` is left out: it holds the user's message. So is what a failure that is not the orchestrator's own says after
    its first line: a stack trace.
    """
    custom = read_custom_status(durable.get("customStatus"))
    shown = custom or CustomStatus()
    died = recovery.died_with_its_worker(durable) or durable.get("output") == recovery.NOT_BROUGHT_BACK
    undecodable = recovery.undecodable_event(history)
    recovering = recovery.is_recovering(durable, now, history)
    status = _status(durable, shown, recovering=recovering)
    output = _output(durable.get("output"), status)
    outcome = output if isinstance(output, Outcome) else None
    found = outcome or shown
    return StatusDocument(
        name=cast("Any", durable.get("name")),
        instance_id=cast("Any", durable.get("instanceId")),
        runtime_status=cast("Any", durable.get("runtimeStatus")),
        custom_status=custom,
        output=output,
        created_time=cast("Any", durable.get("createdTime")),
        last_updated_time=cast("Any", durable.get("lastUpdatedTime")),
        status=status,
        response=outcome.response if outcome else None,
        thread_id=found.thread_id,
        run_id=found.run_id,
        composite_run_id=found.composite_run_id or _composite(found.thread_id, found.run_id),
        run_status=found.run_status,
        run_state=shown.run_state,
        step=RECOVERING if recovering else (shown.step or None),
        agent_id=found.agent_id,
        generation=found.generation if outcome or custom else None,
        agent_version=found.agent_version,
        monitor_url=found.monitor_url or (monitor_url if found is shown else None),
        trace_id=shown.trace_id or None,
        required_action=shown.required_action if status == "Running" else None,
        waiting_for=shown.waiting_for if status == "Running" else None,
        error=_UNDECODABLE_EVENT if undecodable and status == "Failed" else _error(status, shown, output, died=died),
    )


def status_of(durable: Mapping[str, Any], now: datetime, history: Any = None) -> Status:
    """Return the status that the document would say."""
    shown = read_custom_status(durable.get("customStatus")) or CustomStatus()
    return _status(durable, shown, recovering=recovery.is_recovering(durable, now, history))


def _composite(thread_id: str | None, run_id: str | None) -> str | None:
    return composite_run_id(thread_id, run_id) if thread_id and run_id else None


def _status(durable: Mapping[str, Any], shown: CustomStatus, *, recovering: bool) -> Status:
    status = "Running" if recovering else STATUS_BY_RUNTIME_STATUS.get(str(durable.get("runtimeStatus")), "Running")
    if status == "Cancelled" and durable.get("output") == recovery.NOT_BROUGHT_BACK:
        return "Failed"  # nobody has cancelled it
    return "Cancelling" if status == "Running" and shown.status == "Cancelling" else status


def _output(output: Any, status: Status) -> Any:
    if status == "Success":
        try:
            return from_wire(Outcome, output)
        except msgspec.ValidationError:
            return output
    if not isinstance(output, str):
        return output
    found = _FAILURE.match(output)
    return output if found and found["code"] else output.split("\n", 1)[0][:_LONGEST_FOREIGN_OUTPUT]


def _error(status: Status, shown: CustomStatus, output: Any, *, died: bool) -> RunError | None:
    if status == "Cancelled":
        message = output if isinstance(output, str) else "the instance was terminated"
        return RunError(code=ErrorCode.CANCELLED, message=message)
    if status != "Failed":
        return None
    if died:
        return _WORKER_DIED
    text = output if isinstance(output, str) else "the instance failed"
    found = _FAILURE.fullmatch(text)
    if shown.error and (found is None or shown.error.code == found["code"]):
        # It holds Foundry's own words, which are kept out of the output since the host logs that.
        return shown.error
    if found:
        return RunError(code=found["code"] or ErrorCode.FAILED, message=found["message"].strip())
    return RunError(code=ErrorCode.FAILED, message=text)
