"""A message of the user, as an item of a conversation (foundry-responses.md, section 1.2). Pure."""

from __future__ import annotations

from typing import Any

from contracts.activities import NewMessage
from contracts.messages import ContentPart, ImageUrlPart, TextPart
from foundry.fields import objects


def item_of(message: NewMessage) -> dict[str, Any]:
    """Return the message as it is sent. What has no counterpart here is refused before a run begins."""
    assert not message.attachments, "a conversation takes no attachments"
    content = message.content
    parts = content if isinstance(content, str) else [_part(part) for part in content]
    return {"type": "message", "role": "user", "content": parts}


def _part(part: ContentPart) -> dict[str, Any]:
    match part:
        case TextPart():
            return {"type": "input_text", "text": part.text}
        case ImageUrlPart():
            image = part.image_url
            return {"type": "input_image", "image_url": image.url, **({"detail": image.detail} if image.detail else {})}
        case _:
            raise AssertionError(f"a conversation takes no {type(part).__name__}")


def says(item: dict[str, Any], message: NewMessage) -> bool:
    """Say whether the item has the message's very content. The service turns a bare text into a part, and may add
    fields to parts.
    """
    return _content(item.get("content")) == _content(item_of(message)["content"])


def _content(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, str):
        return [("input_text", value)]
    return [(part.get("type"), part.get("text", part.get("image_url"))) for part in objects(value)]
