"""Follows the pages of a list (foundry-api.md, section 1.2), and builds the paths of what is listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from foundry.classic.fields import items_of
from foundry.transport import path_id

PAGE = 100

Params = dict[str, str | int]


def pages(
    read: Callable[[Params], dict[str, Any]], params: Params, most: int
) -> Iterator[tuple[list[dict[str, Any]], bool]]:
    """Yield the items of each page, and whether another one follows; at most so many pages.

    `read` returns the page for the parameters, which it may change for those to come. A page that is empty, is the
    last, or does not lead on, ends the list.
    """
    cursors: set[str] = set()
    for _ in range(most):
        page = read(params)
        items = items_of(page)
        cursor = page.get("last_id") or (items[-1].get("id") if items else None)
        if not items or not page.get("has_more") or not isinstance(cursor, str) or cursor in cursors:
            yield items, False
            return
        yield items, True
        cursors.add(cursor)
        params["after"] = cursor


def thread_path(thread_id: str) -> str:
    """Return the path of a thread; raise `InvalidInputError` where the id is none."""
    return f"/threads/{path_id(thread_id, 'thread')}"


def run_path(thread_id: str, run_id: str) -> str:
    """Return the path of a run; raise `InvalidInputError` where an id is none."""
    return f"{thread_path(thread_id)}/runs/{path_id(run_id, 'run')}"
