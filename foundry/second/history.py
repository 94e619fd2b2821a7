"""What was said in a conversation, page by page (foundry-responses.md, sections 1.2 and 2.3)."""

from __future__ import annotations

from typing import Any

from contracts.conversation import MessagePage, ThreadMessage
from foundry.answers import message_of
from foundry.fields import id_of, items_of, obj, optional, word
from foundry.pages import Params, page_that_fits
from foundry.second.items import author_of, is_message
from foundry.second.paths import items_path
from foundry.transport import Transport, path_id


def message_page(transport: Transport, thread_id: str, limit: int, before: str | None) -> MessagePage:
    """Return the messages among the newest items before one, or of all; at most so many items. Calls of tools and what
    else is no message are passed over, so a page may hold fewer.
    """
    params: Params = {"limit": limit, "order": "desc"}
    if before is not None:
        params["after"] = path_id(before, "item")
    page = page_that_fits(transport, items_path(thread_id), params)
    items = items_of(page)
    older = id_of(items[-1], "id") if items and page.get("has_more") else None
    return MessagePage([_message(item) for item in reversed(items) if is_message(item)], older)


def _message(item: dict[str, Any]) -> ThreadMessage:
    said = message_of(item)
    return ThreadMessage(
        id=said.id,
        role=word(item.get("role")) or "unknown",
        created_at=None,  # items carry no time
        run_id=author_of(item),
        agent_id=(optional(obj(obj(item.get("created_by")).get("agent")), "name") or "")[:256] or None,
        text=said.text,
        refusal=said.refusal,
        annotations=said.annotations,
        attachments=said.attachments,
        not_understood=said.not_understood,
        incomplete=said.incomplete,
    )
