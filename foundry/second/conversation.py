"""The requests for what a conversation holds: items and responses (foundry-responses.md, sections 1.2 and 1.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from foundry.errors import NotFoundError
from foundry.pages import PAGE, Params, pages, sized_page
from foundry.second.paths import RESPONSES, items_path, response_path
from foundry.transport import Transport, path_id


def newest(transport: Transport, path: str, most_pages: int = 1, **filters: str) -> Iterator[dict[str, Any]]:
    """Yield what a list holds, newest first, at most so many pages of it."""
    params: Params = {"limit": PAGE, "order": "desc", **filters}
    for items, _ in pages(lambda asked: sized_page(transport, path, asked), params, most_pages):
        yield from items


def newest_items(transport: Transport, thread_id: str) -> list[dict[str, Any]]:
    """Return the newest hundred items, newest first. Only calls of the newest response can be open in a conversation
    that works, and what a lost request has added stands at its end: more pages would cost a long one dearly.
    """
    return list(newest(transport, items_path(thread_id)))


def newest_responses(transport: Transport, thread_id: str) -> list[dict[str, Any]]:
    """Return the newest hundred responses, newest first as a rule."""
    return list(newest(transport, RESPONSES, conversation_id=path_id(thread_id, "conversation")))


def response_if_there(transport: Transport, run_id: str) -> dict[str, Any] | None:
    """Return the response; None where the service says that there is none."""
    try:
        return transport.get(response_path(run_id))
    except NotFoundError as error:
        if not error.names_it:
            raise
        return None
