"""The absolute URLs of our own routes, as a caller of this request can reach them. Pure.

They carry no key: a caller sends the one it has, as a header.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

_HOST = r"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?"
_ROUTES = re.compile(r"/(run_agent|agents/[^/]+/runs|runs/[^/]+(/\w+)?)/?$", re.IGNORECASE)


class BadHostError(ValueError):
    """The request's `Host` header is no host, so that no URL of ours can be made."""


def own_urls(request_url: str, instance_id: str) -> dict[str, str]:
    """Return `runUri`, `cancelPostUri` and `toolOutputsPostUri` of the instance, below the same origin and route
    prefix as the request. Raises `BadHostError`.
    """
    try:
        parts = urlsplit(request_url)
    except ValueError:
        raise BadHostError from None
    if not re.fullmatch(_HOST, parts.netloc):
        raise BadHostError
    prefix = _ROUTES.sub("", parts.path)
    run = f"{parts.scheme}://{parts.netloc}{prefix}/runs/{quote(instance_id, safe='')}"
    return {"runUri": run, "cancelPostUri": f"{run}/cancel", "toolOutputsPostUri": f"{run}/tool_outputs"}
