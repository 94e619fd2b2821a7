"""Whose certificate is shown under a host's name, where it is not trusted: that tells which proxy stands between.

A second handshake that verifies nothing, and over which nothing is sent: it ends before any request, and its socket is
closed. The first message of a handshake has the host's name, and a proxy gets what it always gets.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

from requests.utils import select_proxy

_SECONDS = 3.0
_LOOK_AGAIN_SECONDS = 60.0
_MOST_HOSTS = 100
_LONGEST_NAME = 150


def shown_at(url: str, proxies: Mapping[str, str]) -> str:
    """Return for whom the certificate is that the URL's host shows, and who issued it; "" where that cannot be seen."""
    parts = urlsplit(url)
    if not parts.hostname:
        return ""
    proxy = select_proxy(url, dict(proxies))
    try:
        der = _handshake(parts.hostname, parts.port or 443, proxy)
        return _described(der) if der else ""
    except (OSError, http.client.HTTPException, ValueError):  # what there is to say is said by the first handshake
        return ""


def _handshake(host: str, port: int, proxy: str | None) -> bytes | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    through = urlsplit(proxy) if proxy else None
    if through is not None and through.scheme != "http":
        return None  # the standard library speaks to plain proxies only
    at = (through.hostname or "", through.port or 80) if through else (host, port)
    connection = http.client.HTTPSConnection(*at, timeout=_SECONDS, context=context)
    with contextlib.closing(connection):
        if through is not None:
            connection.set_tunnel(host, port, headers=_credentials(through.username, through.password))
        connection.connect()
        shown: bytes | None = connection.sock.getpeercert(binary_form=True)
        return shown


def _credentials(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _described(der: bytes) -> str:
    from cryptography import x509  # noqa: PLC0415 - costs a tenth of a second, and azure-identity brings it

    certificate = x509.load_der_x509_certificate(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = names.get_values_for_type(x509.DNSName)[:3]
    except x509.ExtensionNotFound:
        hosts = []
    subject = _name(certificate.subject.rfc4514_string()) or "nobody"
    until = certificate.not_valid_after_utc
    return (
        f"the certificate shown is that of {subject}"
        + (f" for {_name(', '.join(hosts))}" if hosts else "")
        + f", issued by {_name(certificate.issuer.rfc4514_string()) or 'nobody'}, valid until {until:%Y-%m-%d}"
    )


def _name(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST_NAME]


class ShownCertificates:
    """Looks at a host's certificate at most once a minute. Safe to use from several threads."""

    def __init__(
        self,
        look: Callable[[str, Mapping[str, str]], str] = shown_at,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, str]] = {}

    def at(self, url: str, proxies: Mapping[str, str]) -> str:
        """Return what `shown_at` says, or said within the last minute. Nobody waits for another one's look."""
        parts = urlsplit(url)
        key = f"{parts.hostname}:{parts.port}"
        with self._lock:
            known = self._seen.get(key)
            if known is not None and self._clock() < known[0] + _LOOK_AGAIN_SECONDS:
                return known[1]
            if len(self._seen) >= _MOST_HOSTS:
                self._seen.clear()
            self._seen[key] = self._clock(), known[1] if known else ""
        shown = self._look(url, proxies)
        with self._lock:
            self._seen[key] = self._clock(), shown
        return shown


shown_certificates = ShownCertificates()
"""Those that this process has seen."""
