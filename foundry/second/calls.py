"""What waits for an answer, among the items of a response or of a conversation, and how it is answered or closed
(foundry-responses.md, section 3). Pure.

No field says whether a call is open: it is where no other item answers it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from contracts.runs import PendingCall, ToolAnswer
from foundry.asked import LONGEST_LABEL, NOTHING, is_call_id, json_text, plain_text, type_of, unsupported
from foundry.second.items import author_of

NOBODY_ANSWERED = "Nobody answered this call: the run was ended."
"""What the agent reads of a call that is closed."""

_FUNCTION, _APPROVAL, _CONSENT = "function_call", "mcp_approval_request", "oauth_consent_request"
_FUNCTION_ANSWER, _APPROVAL_ANSWER = "function_call_output", "mcp_approval_response"

_OF_THE_SERVICE = re.compile(
    r"(?:a2a|azure|bing|browser_automation|code_interpreter|connected_agent|deep_research|fabric|file_search"
    r"|image_generation|mcp_call|mcp_list|memory|microsoft_fabric|openapi|sharepoint|structured_outputs|web_search"
    r"|workflow)"
)
"""How the types begin of what the service does by itself: that is done when it is shown, and asks nobody."""

_LONGEST_LINK = 8000


@dataclass(frozen=True)
class Call:
    """An item that asks for something."""

    item: dict[str, Any]
    pending: PendingCall
    key: str | None
    """By what another item answers it; None where no item does."""

    @property
    def author(self) -> str | None:
        """The response that asks."""
        return author_of(self.item)


def calls_in(items: Iterable[dict[str, Any]]) -> list[Call]:
    """Return what asks for something among these items, answered or not."""
    return [call for item in items if (call := _call(item)) is not None]


def answered_in(items: Iterable[dict[str, Any]]) -> frozenset[str]:
    """Return the calls that are answered among these items, by their keys."""
    return frozenset(key for item in items if is_call_id(key := _answers(item)))


def closed_in(items: Iterable[dict[str, Any]]) -> frozenset[str]:
    """Return the calls that were closed among these items, by their keys: this app has answered in nobody's name."""
    return answered_in(item for item in items if NOBODY_ANSWERED in (item.get("reason"), _text(item.get("output"))))


def open_calls(items: list[dict[str, Any]]) -> list[Call]:
    """Return the calls among these items that keep anything else from being sent. A consent is given elsewhere, and
    keeps nothing waiting.
    """
    answered = answered_in(items)
    return [call for call in calls_in(items) if call.key is not None and call.key not in answered]


def pending_calls(output: list[dict[str, Any]]) -> tuple[PendingCall, ...]:
    """Return what a response asks with its output, and has not answered there itself."""
    answered = answered_in(output)
    return tuple(call.pending for call in calls_in(output) if call.key not in answered)


def _call(item: dict[str, Any]) -> Call | None:
    kind, call_id, item_id = type_of(item), item.get("call_id"), item.get("id")
    match kind:
        case "function_call" if is_call_id(call_id):
            return Call(item, PendingCall(id=call_id, kind="function", **_named(item)), call_id)
        case "mcp_approval_request" if is_call_id(item_id):
            label = plain_text(item.get("server_label"))[:LONGEST_LABEL]
            return Call(item, PendingCall(id=item_id, kind="approval", server_label=label, **_named(item)), item_id)
        case "oauth_consent_request" if is_call_id(item_id) and (link := _link(item.get("consent_link"))):
            label = plain_text(item.get("server_label"))[:LONGEST_LABEL]
            return Call(item, PendingCall(id=item_id, kind="consent", name=label, server_label=label, link=link), None)
        case _ if _waits(kind, item):
            key = call_id if is_call_id(call_id) else None
            return Call(item, unsupported({**item, "id": key} if key else item, kind), key)
        case _:
            return None


def _waits(kind: str, item: dict[str, Any]) -> bool:
    """Say whether an item of a type that is not known here clearly waits for somebody."""
    if kind == NOTHING or kind.endswith(("_output", "_response")) or _OF_THE_SERVICE.match(kind):
        return False
    return kind in {_FUNCTION, _APPROVAL, _CONSENT} or kind.endswith("_request") or is_call_id(item.get("call_id"))


def _named(item: dict[str, Any]) -> dict[str, str]:
    return {"name": plain_text(item.get("name")), "arguments": json_text(item.get("arguments"))}


def _link(value: Any) -> str:
    """Return the link where a browser can follow it; else an empty text."""
    if not isinstance(value, str) or len(value) > _LONGEST_LINK or not re.fullmatch(r"https?://[\x21-\x7e]+", value):
        return ""
    try:
        return value if urlsplit(value).hostname else ""
    except ValueError:
        return ""


def _answers(item: dict[str, Any]) -> Any:
    """Return the key of the call that the item answers, whatever stands there; None where it answers none."""
    kind = type_of(item)
    if kind == _APPROVAL_ANSWER:
        return item.get("approval_request_id")
    return item.get("call_id") if kind.endswith("_output") else None


def _text(output: Any) -> Any:
    """Return the text of an output, which the service may have turned into a part."""
    return output[0].get("text") if isinstance(output, list) and output and isinstance(output[0], dict) else output


def closing(call: Call) -> dict[str, Any]:
    """Return the item that closes an open call: an output, or a no, that says why."""
    kind = type_of(call.item)
    if kind == _APPROVAL:
        return {
            "type": _APPROVAL_ANSWER,
            "approval_request_id": call.key,
            "approve": False,
            "reason": NOBODY_ANSWERED,
        }
    own = _FUNCTION_ANSWER if kind == _FUNCTION else f"{kind}_output"
    return {"type": own, "call_id": call.key, "output": NOBODY_ANSWERED}


def answers_of(answer: ToolAnswer, consents: frozenset[str]) -> list[dict[str, Any]]:
    """Return the items that the caller's answer sends. A consent was given elsewhere: for its yes nothing is sent."""
    outputs = [{"type": _FUNCTION_ANSWER, "call_id": o.tool_call_id, "output": o.output} for o in answer.tool_outputs]
    approvals = [
        {"type": _APPROVAL_ANSWER, "approval_request_id": a.tool_call_id, "approve": a.approve}
        for a in answer.approvals
        if a.tool_call_id not in consents
    ]
    return [*outputs, *approvals]
