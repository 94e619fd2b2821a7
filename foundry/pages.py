"""Follows the pages of a list, which both generations cut alike (foundry-api.md, section 1.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from foundry import errors
from foundry.fields import items_of
from foundry.transport import Transport

PAGE = 100
_SMALL_PAGE = 10

Params = dict[str, str | int]

_FEWER = 10
"""So many times fewer items are asked for where a page is too large to be read."""


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


def sized_page(transport: Transport, path: str, params: Params) -> dict[str, Any]:
    """Return a page; a smaller one, from then on, where a hundred items are too large to be read: messages may have a
    megabyte each.
    """
    try:
        return transport.get(path, **params)
    except errors.OversizedAnswerError:
        if params["limit"] == _SMALL_PAGE:
            raise
        params["limit"] = _SMALL_PAGE
        return transport.get(path, **params)


def page_that_fits(transport: Transport, path: str, params: Params) -> dict[str, Any]:
    """Return a page, of as few items as it takes to be read; `params` stay as they are."""
    while True:
        try:
            return transport.get(path, **params)
        except errors.OversizedAnswerError:
            if params["limit"] == 1:
                raise
            params = {**params, "limit": max(1, int(params["limit"]) // _FEWER)}
