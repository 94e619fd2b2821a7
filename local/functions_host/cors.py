"""Which other origins' web pages may use this host: `Host.CORS` of local.settings.json, as `func start` honours it.

What such a page is told is what ASP.NET's middleware tells with any header and any method allowed. A page of an origin
that is not named is refused (`callers`), where `func` would run its request and only keep the answer from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from multidict import MultiMapping

ANY = "*"


@dataclass(frozen=True, slots=True)
class Cors:
    """The origins whose pages may use this host; `credentials` says whether their cookies and the like may come."""

    origins: frozenset[str] = frozenset()
    credentials: bool = False

    def allows(self, origin: str) -> bool:
        """Say whether pages of this origin may use the host."""
        return ANY in self.origins or origin in self.origins

    def preflight(self, request: web.BaseRequest) -> web.Response | None:
        """Answer the question of a browser whether a request may be sent; None for any other request."""
        headers = request.headers
        method = headers.get("Access-Control-Request-Method")
        if request.method != "OPTIONS" or method is None or not self.allows(headers.get("Origin", "")):
            return None
        answer = web.Response(status=204, headers={"Access-Control-Allow-Methods": method})
        if asked := headers.get("Access-Control-Request-Headers"):
            answer.headers["Access-Control-Allow-Headers"] = asked
        return answer

    def tell(self, request_headers: MultiMapping[str], answer: web.StreamResponse) -> None:
        """Let the page read the answer, where the request came from one of an origin that is named."""
        origin = request_headers.get("Origin")
        if origin is None or not self.allows(origin):
            return
        answer.headers["Access-Control-Allow-Origin"] = ANY if ANY in self.origins else origin
        if ANY not in self.origins:
            answer.headers.add("Vary", "Origin")
        if self.credentials:
            answer.headers["Access-Control-Allow-Credentials"] = "true"
