"""Lists in pages, as both generations of the service cut them."""

import re
from collections.abc import Mapping
from typing import Any

from local.foundry_emulator import bodies
from local.foundry_emulator.errors import invalid

Json = dict[str, Any]


def page(query: Mapping[str, str], items: list[Json]) -> Json:
    """Cut one page out of `items`, which come oldest first. An empty page has `last_id` null."""
    raw_limit = query.get("limit", "20")
    if not re.fullmatch(r"-?\d{1,9}", raw_limit):
        raise invalid(
            f"Invalid type for 'limit': expected an integer, but got {raw_limit[:50]!r} instead.",
            param="limit",
            code="invalid_type",
        )
    limit = bodies.integer(1)(int(raw_limit), "limit")
    bodies.number(1, 100)(limit, "limit")
    if bodies.one_of("asc", "desc")(query.get("order", "desc"), "order") == "desc":
        items.reverse()
    items = items[_cursor(items, query, "after", default=-1) + 1 :]
    before = _cursor(items, query, "before", default=len(items))
    backwards = bool(query.get("before"))
    items = items[:before]
    shown = items[-limit:] if backwards else items[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > limit,
    }


def _cursor(items: list[Json], query: Mapping[str, str], name: str, *, default: int) -> int:
    wanted = query.get(name)
    if not wanted:
        return default
    for index, item in enumerate(items):
        if item["id"] == wanted:
            return index
    raise invalid(
        f"Invalid '{name}': no object with id '{wanted[:100]}' in this list.",
        param=name,
        code="invalid_value",
    )
