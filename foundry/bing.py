"""The page of a search with Bing, which is to be shown beside its results. Pure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

_LONGEST_URL = 8000


def bing_query_url(search: dict[str, Any]) -> str | None:
    """Return the page of bing.com that shows the search. What the service gives is the address of an API, which is of
    no use to people; Microsoft's documentation says to put www.bing.com in its place.
    """
    for name, value in search.items():
        if name.replace("_", "").lower() != "requesturl" or not isinstance(value, str):
            continue
        try:
            parts = urlsplit(value)
            host = parts.hostname or ""
        except ValueError:
            return None
        query = parse_qs(parts.query).get("q")
        if not query or not re.fullmatch(r"([a-z0-9-]+\.)*bing\.(com|microsoft\.com)", host):
            return None
        url = f"https://www.bing.com/search?q={quote_plus(query[0])}"
        return url if len(url) <= _LONGEST_URL else None
    return None
