"""The absolute URLs of the app's answers, as a caller of this request can reach them. Pure.

They are below an origin, and a prefix that a gateway may put before our paths. `PUBLIC_BASE_URL` says both, or a
gateway does under a host name that the settings trust; else the origin is the request's own. Our URLs carry no key: a
caller sends the one it has, as a header.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from contracts.formats import PATH_PREFIX_PATTERN
from settings import PublicAddress

_HOST = r"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?"
_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")
_ROUTES = re.compile(r"/(run_agent|agents/[^/]+/runs|runs(/[^/]+(/\w+)?)?)/?$", re.IGNORECASE)
_SCHEMES = {"http": 80, "https": 443}
_LONGEST_HEADER = 2_000
"""No gateway writes more, and nobody shall have us read more."""
_FORWARDED_PAIR = re.compile(r'(?:^|;)[ \t]*([A-Za-z]+)=("[^"\\]*"|[^;," \t]*)[ \t]*(?=;|$)')


class BadHostError(ValueError):
    """The request's `Host` header is no host, so that no URL of ours can be made."""


def base_url(request_url: str, headers: Mapping[str, str], public: PublicAddress) -> str:
    """Return the origin, and the prefix of a gateway, below which callers reach the app. Raises `BadHostError`."""
    return public_base(request_url, headers, public) or _own_origin(request_url)


def public_base(request_url: str, headers: Mapping[str, str], public: PublicAddress) -> str | None:
    """Return the same as the settings say it, or a gateway that they trust; None where neither does."""
    if public.base_url is not None:
        return public.base_url
    given = {name.lower(): value for name, value in headers.items() if len(value) <= _LONGEST_HEADER}
    for host, port, scheme in _forwarded(given, request_url.partition("://")[0]) if public.trusted_hosts else ():
        if host.lower() in public.trusted_hosts:
            return f"{scheme}://{host.lower()}{_shown_port(port, scheme)}{_forwarded_prefix(given)}"
    return None


def own_urls(request_url: str, instance_id: str, *, base: str | None = None, query: str = "") -> dict[str, str]:
    """Return `runUri`, `cancelPostUri`, `toolOutputsPostUri` and `retryPostUri` of the instance, below `base` (the
    request's own origin where it is not given) and the route prefix of the request; `query` goes to the run. Raises
    `BadHostError`.
    """
    prefix = _ROUTES.sub("", path_of(request_url))
    run = f"{base or _own_origin(request_url)}{prefix}/runs/{quote(instance_id, safe='')}"
    return {
        "runUri": f"{run}?{query}" if query else run,
        "cancelPostUri": f"{run}/cancel",
        "toolOutputsPostUri": f"{run}/tool_outputs",
        "retryPostUri": f"{run}/retry",
    }


def durable_urls(payload: Mapping[str, str], base: str, *, query: str = "") -> dict[str, str]:
    """Return the platform's URLs of an instance below `base`; `query` goes to the one that tells the status."""
    urls = {name: _ORIGIN.sub(lambda _: base, url, count=1) for name, url in payload.items()}
    if query:
        urls["statusQueryGetUri"] += f"&{query}" if "?" in urls["statusQueryGetUri"] else f"?{query}"
    return urls


def path_of(url: str) -> str:
    """Return the path of an absolute URL, whatever its host is."""
    return re.split("[?#]", _ORIGIN.sub("", url, count=1), maxsplit=1)[0]


def _own_origin(request_url: str) -> str:
    origin = _ORIGIN.match(request_url)
    if origin is None or not re.fullmatch(_HOST, origin[2]):
        raise BadHostError
    return origin[0]


def _forwarded(given: Mapping[str, str], own_scheme: str) -> Iterator[tuple[str, int | None, str]]:
    """Yield host, port and scheme that gateways say they were called by, the outermost first: RFC 7239, then what most
    gateways send, then what Application Gateway sends.
    """
    scheme = _first_scheme(given.get("x-forwarded-proto", "")) or own_scheme
    for element in given.get("forwarded", "").split(","):
        pairs = {name.lower(): value.strip('"') for name, value in _FORWARDED_PAIR.findall(element.strip())}
        yield from _authority(pairs.get("host", ""), None, _first_scheme(pairs.get("proto", "")) or scheme)
    port = given.get("x-forwarded-port", "").partition(",")[0].strip()
    for name in ("x-forwarded-host", "x-original-host"):
        for host in given.get(name, "").split(","):
            yield from _authority(host.strip(), port, scheme)


def _first_scheme(text: str) -> str:
    first = text.partition(",")[0].strip().lower()
    return first if first in _SCHEMES else ""


def _authority(text: str, port: str | None, scheme: str) -> Iterator[tuple[str, int | None, str]]:
    """Yield the parts of `host` or `host:port`, where it is one; `port` counts where it has none itself."""
    found = re.fullmatch(r"([A-Za-z0-9.-]+)(?::([0-9]{1,5}))?", text)
    if found is None:
        return
    # 80 and 443 are said by gateways of a hop that is not the caller's: the scheme tells as much.
    beside = int(port) if port and re.fullmatch("[0-9]{1,5}", port) and port not in ("80", "443") else None
    number = int(found[2]) if found[2] else beside
    if number is None or 0 < number < 65_536:
        yield found[1], number, scheme


def _shown_port(port: int | None, scheme: str) -> str:
    return "" if port is None or port == _SCHEMES.get(scheme) else f":{port}"


def _forwarded_prefix(given: Mapping[str, str]) -> str:
    """Return the prefix that gateways have taken off the path, the outermost first; empty where it is none."""
    parts = [part.strip().rstrip("/") for part in given.get("x-forwarded-prefix", "").split(",")]
    prefix = "".join(parts)
    return prefix if re.fullmatch(PATH_PREFIX_PATTERN, prefix) else ""
