"""What stands on a thread, page by page (foundry-api.md, sections 1.2 and 1.4)."""

from __future__ import annotations

from typing import Any

from contracts.conversation import MessagePage, ThreadMessage
from foundry.answers import message_of
from foundry.classic.paths import thread_path
from foundry.fields import id_of, is_id, items_of, moment_of, optional, word
from foundry.pages import Params, page_that_fits
from foundry.transport import Transport, path_id


def message_page(transport: Transport, thread_id: str, limit: int, before: str | None) -> MessagePage:
    """Return the newest messages before one, or of all; at most so many, fewer where they are large."""
    params: Params = {"limit": limit, "order": "desc"}
    if before is not None:
        params["after"] = path_id(before, "message")  # newest first, what comes after is older
    page = page_that_fits(transport, f"{thread_path(thread_id)}/messages", params)
    items = items_of(page)
    older = id_of(items[-1], "id") if items and page.get("has_more") else None
    return MessagePage([_message(item) for item in reversed(items)], older)


def _message(item: dict[str, Any]) -> ThreadMessage:
    said = message_of(item)
    run_id = optional(item, "run_id")
    return ThreadMessage(
        id=said.id,
        role=word(item.get("role")) or "unknown",
        created_at=moment_of(item.get("created_at")),
        run_id=run_id if is_id(run_id) else None,
        agent_id=(optional(item, "assistant_id") or "")[:256] or None,
        text=said.text,
        refusal=said.refusal,
        annotations=said.annotations,
        attachments=said.attachments,
        not_understood=said.not_understood,
        incomplete=said.incomplete,
    )
