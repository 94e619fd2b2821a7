"""What a run waits for (foundry-api.md, section 1.3): calls for our caller, or something that nobody here can answer.
Nothing that is asked vanishes, or nobody would know why the run stands still. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from contracts.runs import CallKind, PendingCall
from foundry.classic.fields import obj
from foundry.harmless import harmless

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

_CALL_ID = re.compile(r"[\x21-\x7e]{1,256}")
"""An id of a call never enters a path: it goes back as it came."""

_LONGEST_TYPE = 64
_LONGEST_LABEL = 256
_LONGEST_UNSUPPORTED = 16_000
"""Characters of what nobody can answer; it is shown for people."""

NOTHING = "null"
"""Stands for an action, or a type, that is none."""


def pending_calls(action: Any) -> Iterator[PendingCall]:
    """Yield what the action asks. Nothing where all of it is the service's own business."""
    asked = [(name, action[name]) for name in _ACTIONS if name in action] if isinstance(action, dict) else []
    kind = _type_of(action)
    if not asked or kind not in (*_ACTIONS, NOTHING):
        if kind not in HOSTED_TOOLS:
            yield _unsupported(action, kind)
        return
    for name, body in asked:
        calls = obj(body).get("tool_calls")
        if not isinstance(calls, list) or not calls:
            yield _unsupported(action, name)
            continue
        for call in calls:
            if _type_of(call) not in HOSTED_TOOLS:
                yield _call(call, *_ACTIONS[name])


def _call(call: Any, kind: CallKind, known_type: str, telling: str) -> PendingCall:
    given = _type_of(call)
    if given == NOTHING and telling in obj(call):
        given = known_type
    call_id = obj(call).get("id")
    if given != known_type or not isinstance(call_id, str) or not _CALL_ID.fullmatch(call_id):
        return _unsupported(call, given)
    function = obj(call.get("function")) or call
    return PendingCall(
        id=call_id,
        kind=kind,
        name=_text(function.get("name")),
        arguments=_json(function.get("arguments")),
        server_label=_text(call.get("server_label"))[:_LONGEST_LABEL] if kind == "approval" else "",
    )


def _unsupported(asked: Any, kind: str) -> PendingCall:
    call_id = obj(asked).get("id")
    shown = json.dumps(harmless(asked), ensure_ascii=False)
    return PendingCall(
        id=call_id if isinstance(call_id, str) and _CALL_ID.fullmatch(call_id) else kind,
        kind="unsupported",
        name=kind,
        arguments=shown if len(shown) <= _LONGEST_UNSUPPORTED else None,
    )


def _type_of(asked: Any) -> str:
    kind = obj(asked).get("type")
    return " ".join(kind.split())[:_LONGEST_TYPE] or NOTHING if isinstance(kind, str) else NOTHING


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _json(arguments: Any) -> str:
    """Return the arguments as JSON text, which is what they are on the wire, as a rule."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return json.dumps(harmless(arguments), ensure_ascii=False)
