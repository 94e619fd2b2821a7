"""What a response did, from its output (foundry-responses.md, section 2.3). Pure."""

from __future__ import annotations

from typing import Any

from contracts.steps import RunStep, RunSteps, StepCall
from foundry.bing import bing_query_url
from foundry.fields import is_id, label_of, objects, optional, word
from foundry.second.items import is_message

_MOST_STEPS = 1000


def run_steps(output: list[dict[str, Any]], run_id: str) -> RunSteps:
    """Return the items as steps, oldest first: a thousand at most. They carry no time."""
    steps = [_step(item, number) for number, item in enumerate(output[:_MOST_STEPS])]
    return RunSteps(run_id=run_id, steps=steps, truncated=len(output) > _MOST_STEPS)


def _step(item: dict[str, Any], number: int) -> RunStep:
    kind, item_id = word(item.get("type")) or "unknown", item.get("id")
    return RunStep(
        id=item_id if is_id(item_id) else f"item_{number}",
        type=kind,
        status=word(item.get("status")) or "completed",
        created_at=None,
        completed_at=None,
        error=None,
        message_id=item_id if is_message(item) and is_id(item_id) else None,
        tool_calls=[_call(item, kind)] if kind.endswith(("_call", "_request")) else [],
    )


def _call(item: dict[str, Any], kind: str) -> StepCall:
    call_id = item.get("call_id") or item.get("id")
    name = kind.removesuffix("_call")
    return StepCall(
        id=call_id if is_id(call_id) else None,
        type=name,
        name=label_of(item, "name"),
        server_label=label_of(item, "server_label"),
        query_url=bing_query_url(item) if name.startswith("bing_") else None,
        file_ids=files_of(item),
    )


def files_of(item: dict[str, Any]) -> list[str]:
    """Return the ids of the files that the item's code made."""
    found = (optional(output, "file_id") for output in objects(item.get("outputs")))
    return list(dict.fromkeys(file_id for file_id in found if is_id(file_id) and file_id))
