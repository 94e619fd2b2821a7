"""The flat status document of one instance (design.md, section 4). Pure.

A caller that maps top-level properties to output parameters, as Polysync does, finds them by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import recovery
from contracts.codes import ErrorCode

STATUS_BY_RUNTIME_STATUS = {
    "Pending": "Running",
    "Running": "Running",
    "ContinuedAsNew": "Running",
    "Suspended": "Running",
    "Completed": "Success",
    "Failed": "Failed",
    "Terminated": "Cancelled",
    "Canceled": "Cancelled",
}

_FROM_DURABLE = ("name", "instanceId", "runtimeStatus", "customStatus", "output", "createdTime", "lastUpdatedTime")
_FROM_RUN = ("thread_id", "run_id", "composite_run_id", "run_status", "agent_id", "monitor_url")
RECOVERING = "recovering"
_LONGEST_FOREIGN_OUTPUT = 500
_WORKER_DIED = {
    "code": ErrorCode.WORKER_DIED,
    "message": "the worker process died while the orchestration ran, and it could not be brought back; its Foundry run "
    "was stopped. Start again, with a new idempotency key",
}
_FAILURE = re.compile(r"Orchestrator function '[^']*' failed: (?:(?P<code>\w{1,64}): )?(?P<message>.*)", re.DOTALL)


def is_ended(document: Mapping[str, Any]) -> bool:
    """Say whether the instance of this status document has ended."""
    return document["status"] not in ("Running", "Cancelling")


def is_cancelling(document: Mapping[str, Any]) -> bool:
    """Say whether the orchestrator has acknowledged a cancel."""
    return document["status"] == "Cancelling" or object_of(document["customStatus"]).get("status") == "Cancelled"


def is_recovering(document: Mapping[str, Any]) -> bool:
    """Say whether the instance died with its worker and waits for being rewound."""
    return bool(document["step"] == RECOVERING)


def takes_events(document: Mapping[str, Any]) -> bool:
    """Say whether an event raised now reaches the orchestrator."""
    return document["runtimeStatus"] in ("Running", "Suspended") or recovery.is_rewound_and_waits(document)


def status_document(durable: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the document for the Durable status payload, as of `now` (UTC).

    `input` is left out: it holds the user's message. So is what a failure that is not the orchestrator's own says after
    its first line: a stack trace.
    """
    died = recovery.died_with_its_worker(durable)
    recovering = recovery.is_recovering(durable, now)
    status = "Running" if recovering else STATUS_BY_RUNTIME_STATUS.get(str(durable.get("runtimeStatus")), "Running")
    custom, output = object_of(durable.get("customStatus")), durable.get("output")
    outcome = object_of(output)
    shown = custom.get("status")
    document: dict[str, Any] = {name: durable.get(name) for name in _FROM_DURABLE}
    if status != "Success" and isinstance(output, str):
        document["output"] = output if _FAILURE.match(output) else output.split("\n", 1)[0][:_LONGEST_FOREIGN_OUTPUT]
    document["status"] = shown if status == "Running" and shown == "Cancelling" else status
    document["step"] = RECOVERING if recovering else custom.get("step")
    document["response"] = outcome.get("response") if status == "Success" else None
    for name in _FROM_RUN:
        document[name] = outcome.get(name, custom.get(name)) if status == "Success" else custom.get(name)
    document["required_action"] = custom.get("required_action") if status == "Running" else None
    document["error"] = _WORKER_DIED if died and not recovering else _error(status, custom, document["output"])
    return document


def _error(status: str, custom: Mapping[str, Any], output: Any) -> dict[str, str] | None:
    if status == "Cancelled":
        return {
            "code": ErrorCode.CANCELLED,
            "message": output if isinstance(output, str) else "the instance was terminated",
        }
    if status != "Failed":
        return None
    text = output if isinstance(output, str) else "the instance failed"
    shown = object_of(custom.get("error"))
    found = _FAILURE.fullmatch(text)
    if found and not (shown.get("message") and shown.get("code") == found["code"]):
        return {"code": found["code"] or ErrorCode.FAILED, "message": found["message"].strip()}
    # The custom status holds Foundry's own words, which are kept out of the output since the host logs that.
    return {"code": str(shown.get("code") or ErrorCode.FAILED), "message": str(shown.get("message") or text)}


def object_of(value: Any) -> Mapping[str, Any]:
    """Return the value where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}
