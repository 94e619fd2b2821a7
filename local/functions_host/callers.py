"""Who may call this host: this machine's own programs, and no web page but those that it serves itself, or whose origin
local.settings.json names.

A page on the internet can have the developer's browser send requests here, under a name of the page's own that leads to
127.0.0.1 (DNS rebinding), or across origins. Without keys such a request would start a paid run, or read prompts.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from multidict import MultiMapping

from local.functions_host.cors import Cors

_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::([0-9]{1,5}))?")
_OWN_SITES = {"same-origin", "none"}  # `none`: typed into the browser, or a bookmark


def refusal(headers: MultiMapping[str], port: int, cors: Cors | None = None) -> str | None:
    """Say in one line why a request with these headers is refused; None for one that may be answered.

    A `Host` without a port passes: no browser leaves out a port that is not 80.
    """
    hosts = headers.getall("Host", [])
    if not hosts or not all(_is_own(host, port, default=port) for host in hosts):
        return f"The Host header does not name this machine and port {port}: ask for localhost:{port}."
    origins = headers.getall("Origin", [])
    if origins and cors is not None and all(map(cors.allows, origins)):
        return None
    if not all(_is_own_origin(origin, port) for origin in origins):
        return "The Origin header is another one's: a web page must not use this host (Host.CORS names who may)."
    if not _OWN_SITES.issuperset(headers.getall("Sec-Fetch-Site", [])):
        return "The Sec-Fetch-Site header says that a page of another origin asks: a web page must not use this host."
    return None


def _is_own_origin(origin: str, port: int) -> bool:
    scheme, _, authority = origin.partition("://")
    return scheme == "http" and _is_own(authority, port, default=80)


def _is_own(authority: str, port: int, *, default: int) -> bool:
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return False
    address, name, given = match.groups()
    return int(given or default) == port and _is_loopback(address or name)


def _is_loopback(name: str) -> bool:
    if name.lower() == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
