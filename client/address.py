"""Where the app is and what lets one in: `AGENT_RUNS_URL`, `AGENT_RUNS_KEY`, `AGENT_RUNS_TOKEN`. Pure.

Keys and tokens travel in headers alone. No message of this module holds one, nor a URL that could.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .errors import UsageError

URL, KEY, TOKEN = "AGENT_RUNS_URL", "AGENT_RUNS_KEY", "AGENT_RUNS_TOKEN"
"""The variables of the environment."""

LOCAL_URL = "http://localhost:7071"
"""Where `make start` listens."""

Token = str | Callable[[], str]


@dataclass(frozen=True, slots=True)
class Address:
    """The app's address, without `/api`, and the headers that every request carries."""

    url: str
    key: str | None = field(default=None, repr=False)
    token: Token | None = field(default=None, repr=False)

    def credentials(self) -> dict[str, str]:
        """Return the headers that let one in. A token that is a function is asked for every time."""
        headers = {"x-functions-key": self.key} if self.key else {}
        if self.token:
            token = self.token() if callable(self.token) else self.token
            headers["Authorization"] = f"Bearer {_visible(token, TOKEN)}"
        return headers


def address_of(url: str, key: str | None = None, token: Token | None = None) -> Address:
    """Return the address; raise `UsageError` where it cannot be used, or would show a key to others."""
    given = url.strip()
    parts = urlsplit(given)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise UsageError(f"{URL} has more than an address: no query, no fragment, no user; a key belongs into {KEY}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{URL} must begin with https:// (or http://, on this machine) and a host")
    key = _visible(key, KEY) if key and key.strip() else None
    token = _visible(token, TOKEN) if isinstance(token, str) and token.strip() else token or None
    if (key or token) and parts.scheme == "http" and not is_this_machine(parts.hostname):
        raise UsageError(f"{URL} begins with http://: a key or token is only sent over https:// to another machine")
    return Address(given.rstrip("/").removesuffix("/api"), key, token)


def address_in(environment: Mapping[str, str]) -> Address:
    """Return the address that the environment names, by default that of `make start`."""
    url, key, token = (environment.get(name, "").strip() or None for name in (URL, KEY, TOKEN))
    if url is None and (key or token):
        raise UsageError(f"{URL} is not set, but a key or token is: say which app it is for")
    return address_of(url or LOCAL_URL, key, token)


def is_this_machine(host: str) -> bool:
    """Say whether a host is a loopback address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _visible(secret: str, name: str) -> str:
    """Return the secret without blanks around it: files and copied texts end in line breaks."""
    if not re.fullmatch(r"[!-~]+", secret.strip()):
        raise UsageError(f"{name} has characters that no key or token has: blanks, line breaks or others")
    return secret.strip()
