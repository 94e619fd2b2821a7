"""What a run waits for (foundry-api.md, section 1.3): calls for our caller, or something that nobody here can answer.
Nothing that is asked vanishes, or nobody would know why the run stands still. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.runs import CallKind, PendingCall
from foundry.asked import LONGEST_LABEL, NOTHING, is_call_id, json_text, plain_text, type_of, unsupported
from foundry.fields import obj

HOSTED_TOOLS = frozenset(
    {"azure_ai_search", "azure_function", "bing_custom_search", "bing_grounding", "browser_automation"}
    | {"code_interpreter", "connected_agent", "deep_research", "fabric_dataagent", "file_search", "microsoft_fabric"}
    | {"openapi", "sharepoint_grounding"}
)
"""Types of calls that the service answers itself, sooner or later (foundry-api.md, section 1.3)."""

_ACTIONS: dict[str, tuple[CallKind, str, str]] = {
    "submit_tool_outputs": ("function", "function", "function"),
    "submit_tool_approval": ("approval", "mcp", "server_label"),
}
"""What we know to answer: the kind of a call, its type, and the field that tells it where it names no type."""


def pending_calls(action: Any) -> Iterator[PendingCall]:
    """Yield what the action asks. Nothing where all of it is the service's own business."""
    asked = [(name, action[name]) for name in _ACTIONS if name in action] if isinstance(action, dict) else []
    kind = type_of(action)
    if not asked or kind not in (*_ACTIONS, NOTHING):
        if kind not in HOSTED_TOOLS:
            yield unsupported(action, kind)
        return
    for name, body in asked:
        calls = obj(body).get("tool_calls")
        if not isinstance(calls, list) or not calls:
            yield unsupported(action, name)
            continue
        for call in calls:
            if type_of(call) not in HOSTED_TOOLS:
                yield _call(call, *_ACTIONS[name])


def _call(call: Any, kind: CallKind, known_type: str, telling: str) -> PendingCall:
    given = type_of(call)
    if given == NOTHING and telling in obj(call):
        given = known_type
    call_id = obj(call).get("id")
    if given != known_type or not is_call_id(call_id):
        return unsupported(call, given)
    function = obj(call.get("function")) or call
    return PendingCall(
        id=call_id,
        kind=kind,
        name=plain_text(function.get("name")),
        arguments=json_text(function.get("arguments")),
        server_label=plain_text(call.get("server_label"))[:LONGEST_LABEL] if kind == "approval" else "",
    )
