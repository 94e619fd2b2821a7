"""Whether a page of another site has had a browser send a request that changes something. Pure.

A browser sends such a request with the cookie that Entra gave it, and asks nobody, as long as a form could have sent it
too: without a JSON body, say a cancel with none. What no form can send, it sends to another site only where the
platform's CORS setting lets it. So JSON passes here whatever its origin is. Programs that are no browsers name none,
and have no session: with its cookie and without an origin, it is a browser of before 2020.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from http_api.urls import BadHostError, base_url
from settings import PublicAddress

_CHANGE_NOTHING = {"GET", "HEAD", "OPTIONS"}
_OWN_SITES = {"same-origin", "none"}
_JSON = re.compile(r"application/([A-Za-z0-9.-]+\+)?json[ \t]*(;|$)", re.IGNORECASE)
_SESSION = "appserviceauthsession"
_DEFAULT_PORT = re.compile(r"(?<=^http:)(//.*):80$|(?<=^https:)(//.*):443$")


def is_from_another_site(method: str, url: str, headers: Mapping[str, str], public: PublicAddress) -> bool:
    """Say whether to refuse a request with these headers, whose names are in small letters. Our own pages are those of
    the request's host, and of the address that a gateway gives the app.
    """
    if method.upper() in _CHANGE_NOTHING or _JSON.match(headers.get("content-type", "").strip()):
        return False
    site, origin = headers.get("sec-fetch-site", "").lower(), headers.get("origin")
    if not site and origin is None:
        return _SESSION in headers.get("cookie", "").lower()
    if site in _OWN_SITES:
        return False
    return origin is None or _origin_of(origin) not in _own_origins(url, headers, public)


def _own_origins(url: str, headers: Mapping[str, str], public: PublicAddress) -> set[str]:
    found = set()
    for address in (PublicAddress(), public):
        try:
            found.add(_origin_of(base_url(url, headers, address)))
        except BadHostError:
            continue  # a host that is none serves no page
    return found


def _origin_of(url: str) -> str:
    """Return scheme, host and port as browsers write them."""
    origin = "/".join(url.lower().split("/", 3)[:3])
    return _DEFAULT_PORT.sub(lambda found: found[1] or found[2], origin)
