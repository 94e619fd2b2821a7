"""What the items of a conversation say (foundry-responses.md, section 2.3). Pure.

They carry no metadata and no time: only which response made one, where a response did.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from foundry.fields import is_id, obj


def author_of(item: dict[str, Any]) -> str | None:
    """Return the response that made the item; None of what users said and tools returned."""
    found = obj(item.get("created_by")).get("response_id") or item.get("response_id")
    return found if is_id(found) else None


def authors_in(items: Iterable[dict[str, Any]]) -> list[str]:
    """Return the responses that made these items, each once, in the order of the items."""
    return list(dict.fromkeys(author for item in items if (author := author_of(item))))


def is_message(item: dict[str, Any]) -> bool:
    """Say whether the item is a message, whoever's it is."""
    return item.get("type") == "message"


def is_of_user(item: dict[str, Any]) -> bool:
    """Say whether the item is a message that a user wrote."""
    return is_message(item) and item.get("role") == "user" and author_of(item) is None


def is_of_agent(item: dict[str, Any]) -> bool:
    """Say whether an agent made the item."""
    return author_of(item) is not None or (is_message(item) and item.get("role") == "assistant")
