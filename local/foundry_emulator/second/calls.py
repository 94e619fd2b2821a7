"""Open calls: no field tells them, they follow from the items of a conversation."""

from collections.abc import Iterable
from typing import Any

from local.foundry_emulator.second.items import text_of

Json = dict[str, Any]

CONSENT = "oauth_consent_request"
_BY_ID = ("mcp_approval_request", CONSENT)


def key_of_call(item: Json) -> str | None:
    """Return by what an answer names this call; None where the item is no call."""
    if item["type"] in _BY_ID:
        return str(item["id"])
    return str(item["call_id"]) if "call_id" in item and not _is_output(item) else None


def key_of_answer(item: Json) -> str | None:
    """Return the call that this item answers; None where it answers none."""
    if item["type"] == "mcp_approval_response":
        return str(item["approval_request_id"])
    return str(item["call_id"]) if _is_output(item) else None


def _is_output(item: Json) -> bool:
    return str(item["type"]).endswith("_output") and "call_id" in item


def calls_in(items: Iterable[Json]) -> dict[str, Json]:
    """Return the calls among these items by their keys."""
    return {key: item for item in items if (key := key_of_call(item)) is not None}


def answers_in(items: Iterable[Json]) -> dict[str, Json]:
    """Return the first answer to each call among these items."""
    found: dict[str, Json] = {}
    for item in items:
        key = key_of_answer(item)
        if key is not None:
            found.setdefault(key, item)
    return found


def open_calls(items: Iterable[Json]) -> list[Json]:
    """Return the calls that nobody has answered. A consent waits for nobody: the user gives it elsewhere."""
    items = list(items)
    answered = answers_in(items)
    return [call for key, call in calls_in(items).items() if key not in answered and call["type"] != CONSENT]


def value_of(answer: Json | None) -> Any:
    """Return what an answer says: a text, or whether something is approved. A consent without an answer is given."""
    if answer is None:
        return True
    return bool(answer["approve"]) if answer["type"] == "mcp_approval_response" else text_of(answer)
