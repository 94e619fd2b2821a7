"""The flat status document of one instance (design.md, section 4). Pure.

A caller that maps top-level properties to output parameters, as Polysync does, finds them by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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
_FAILURE = re.compile(r"Orchestrator function '[^']*' failed: (?:(?P<code>\w{1,64}): )?(?P<message>.*)", re.DOTALL)


def is_ended(document: Mapping[str, Any]) -> bool:
    """Say whether the instance of this status document has ended."""
    return document["status"] not in ("Running", "Cancelling")


def is_cancelling(document: Mapping[str, Any]) -> bool:
    """Say whether the orchestrator has acknowledged a cancel."""
    return document["status"] == "Cancelling" or object_of(document["customStatus"]).get("status") == "Cancelled"


def status_document(durable: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document for the Durable status payload. `input` is left out: it holds the user's message."""
    status = STATUS_BY_RUNTIME_STATUS.get(str(durable.get("runtimeStatus")), "Running")
    custom, output = object_of(durable.get("customStatus")), durable.get("output")
    outcome = object_of(output)
    shown = custom.get("status")
    document: dict[str, Any] = {name: durable.get(name) for name in _FROM_DURABLE}
    document["status"] = shown if status == "Running" and shown == "Cancelling" else status
    document["response"] = outcome.get("response") if status == "Success" else None
    for name in _FROM_RUN:
        document[name] = outcome.get(name, custom.get(name)) if status == "Success" else custom.get(name)
    document["required_action"] = custom.get("required_action") if status == "Running" else None
    document["error"] = _error(status, custom, output)
    return document


def _error(status: str, custom: Mapping[str, Any], output: Any) -> dict[str, str] | None:
    if status == "Cancelled":
        return {"code": "cancelled", "message": output if isinstance(output, str) else "the instance was terminated"}
    if status != "Failed":
        return None
    text = output if isinstance(output, str) else "the instance failed"
    shown = object_of(custom.get("error"))
    found = _FAILURE.fullmatch(text)
    if found and not (shown.get("message") and shown.get("code") == found["code"]):
        return {"code": found["code"] or "failed", "message": found["message"].strip()}
    # The custom status holds Foundry's own words, which are kept out of the output since the host logs that.
    return {"code": str(shown.get("code") or "failed"), "message": str(shown.get("message") or text)}


def object_of(value: Any) -> Mapping[str, Any]:
    """Return the value where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}
