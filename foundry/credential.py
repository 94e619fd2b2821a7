"""Entra tokens for Foundry: one per process, renewed shortly before they expire.

The credential is made at the first token (`app_identity`), not when the app loads.
"""

from __future__ import annotations

import copy
import os
import re
import threading
import time
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

from app_identity import PUBLIC_AUTHORITY, app_credential, authority_for
from contracts.codes import ErrorCode
from foundry.certificates import shown_certificates
from foundry.errors import (
    AuthenticationError,
    CertificateError,
    ConnectionFailedError,
    FoundryError,
    ProxyRefusedError,
)
from foundry.no_answer import Kind, why_no_answer
from foundry.quotes import without_credentials

SCOPE = "https://ai.azure.com/.default"
"""Of the public cloud."""
_RENEW_BEFORE_SECONDS = 300
_RENEW_AGAIN_SECONDS = 30
_STILL_VALID_SECONDS = 30

_REFUSED = re.compile(r"\) 400,")
"""How the library reports that the identity endpoint knows no such identity. All else may pass."""
_MISLEADING = " App Service managed identity configuration not found in environment."
"""The library's preface to every failure of the endpoint, although it has found it."""
_NOT_CONFIGURED = re.compile(
    r"not (fully )?configured|unavailable|incomplete|not (be )?(found|installed|available|supported)|no accounts"
    r"|Credential(: none)?\Z",
    re.IGNORECASE,
)
"""How it reports a credential that it could not even try."""
_LIBRARY = re.compile(r"Pool\(host=|HTTPSConnection\(|Max retries exceeded|\[Errno |\[SSL|Connection aborted")
"""What the text of a failure of the network has, whoever tells it."""
_LONGEST_REASON = 500


class TokenSource(Protocol):
    """Where bearer tokens come from. Safe to use from several threads."""

    def token(self) -> str:
        """Return a token that is valid now; raise `AuthenticationError` where there is none."""
        ...

    def discard(self, token: str) -> None:
        """Forget this token: the service refused it."""
        ...


class FixedToken:
    """A ready token from the settings, for local work. It cannot be renewed."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        """Return the token."""
        return self._token

    def discard(self, token: str) -> None:
        """Keep it: there is no other."""


class EntraToken:
    """Tokens of the identity that the app runs as (managed identity on Azure, `az login` on a developer's machine)."""

    def __init__(
        self,
        client_id: str | None = None,
        scope: str = SCOPE,
        *,
        acquire: Callable[[], tuple[str, float]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`acquire` returns a token and when it expires (Unix seconds); by default `DefaultAzureCredential` does."""
        self._client_id = client_id
        self._scope = scope
        self._acquire = acquire or self._acquire_from_entra
        self._clock = clock
        self._credential: object | None = None
        self._cached: tuple[str, float] | None = None
        self._had_one = False
        self._attempts = 0
        self._failure: tuple[FoundryError, float] | None = None
        """Of the last attempt, and when."""
        self._lock = threading.Lock()

    def token(self) -> str:
        """Return the cached token, or a new one where it expires within five minutes.

        One thread renews it while the others use the one that is still valid. Where there is none they wait, and share
        the outcome. A renewal that failed is tried again half a minute later, for as long as the token serves.
        """
        now, attempts, cached, failure = self._clock(), self._attempts, self._cached, self._failure
        left = cached[1] - now if cached else 0.0
        if cached and left >= _RENEW_BEFORE_SECONDS:
            return cached[0]
        serves = cached[0] if cached and left > _STILL_VALID_SECONDS else None
        just_failed = failure is not None and now < failure[1] + _RENEW_AGAIN_SECONDS
        if serves and (just_failed or self._lock.locked()):
            return serves
        with self._lock:
            if self._attempts == attempts or (self._cached is None and self._failure is None):
                self._renew()  # else another thread has, while we waited
            if self._failure is None:
                assert self._cached is not None
                return self._cached[0]
            error = self._failure[0]
        if serves:
            return serves
        raise copy.copy(error)  # each thread its own traceback

    def _renew(self) -> None:
        try:
            self._cached = self._acquire()
        except FoundryError as error:
            error.before_token = True
            self._failure = error, self._clock()
        else:
            self._failure, self._had_one = None, True
        self._attempts += 1

    def discard(self, token: str) -> None:
        """Forget this token, unless another thread has renewed it already."""
        with self._lock:
            if self._cached and self._cached[0] == token:
                self._cached = None
                self._credential = None  # it caches tokens itself, and would give out the refused one again

    def _acquire_from_entra(self) -> tuple[str, float]:
        from azure.core.exceptions import (  # noqa: PLC0415 - see the module's docstring
            AzureError,
            ServiceRequestError,
            ServiceResponseError,
        )

        try:
            if self._credential is None:
                self._credential = app_credential(self._client_id, self._scope)
            got = self._credential.get_token(self._scope)  # type: ignore[attr-defined]
        except (AzureError, ValueError) as error:
            unreachable = isinstance(error, ServiceRequestError | ServiceResponseError)
            raise self._failure_of(str(error), unreachable=unreachable) from None
        return got.token, float(got.expires_on)

    def _failure_of(self, text: str, *, unreachable: bool) -> FoundryError:
        reason = reason_of(text)
        url = _asked(text, self._scope)
        why = why_no_answer(text, urlsplit(url).hostname or "", "AZURE_AUTHORITY_HOST")
        asked_by = re.match(r"\w{1,60}Credential: ", reason)
        told = "no Entra token now: "
        named = told + (asked_by[0] if asked_by else "")
        match why.kind:
            case Kind.CERTIFICATE:
                return CertificateError(named + why.told(shown_certificates.at(url, get_environ_proxies(url))))
            case Kind.CERTIFICATE_BUNDLE:
                return CertificateError(named + why.told())
            case Kind.PROXY:
                return ProxyRefusedError(named + why.told())
            case Kind.NETWORK if _LIBRARY.search(text):
                return ConnectionFailedError(named + why.told(), code=ErrorCode.TOKEN_UNAVAILABLE)
        if unreachable or self._had_one or (_on_azure() and not _REFUSED.search(reason)):
            return ConnectionFailedError(told + reason, code=ErrorCode.TOKEN_UNAVAILABLE)
        return AuthenticationError(
            f"no Entra token for {self._scope}: {reason.rstrip('.')}. On Azure give the app a managed identity and set "
            "AZURE_CLIENT_ID; on a developer's machine run 'az login' or set FOUNDRY_ACCESS_TOKEN",
            code=ErrorCode.NO_TOKEN,
        )


def scope_for(endpoint: str, wanted: str = "") -> str:
    """Return the scope that was set, or that of the endpoint's cloud: a gateway's name does not tell it, and counts as
    the public one's.
    """
    cloud = re.fullmatch(r".+\.services\.ai\.azure\.(com|us|cn)", urlsplit(endpoint).hostname or "")
    return wanted or f"https://ai.azure.{cloud[1] if cloud else 'com'}/.default"


def reason_of(text: str) -> str:
    """Return what an exception of `DefaultAzureCredential` says, in one line.

    The library lists every credential that it tried, one to a line, below a line that says no more than that. On Azure
    only the managed identity counts, elsewhere those that could have given a token: the others are not configured.
    """
    lines = [line.strip() for line in text.strip().split("\n")]
    identity = [line for line in lines if line.startswith("ManagedIdentityCredential:")]
    if identity and _on_azure():
        chosen = identity[:1]
    else:
        tried = [line for line in _attempts(text) if not _NOT_CONFIGURED.search(line)]
        chosen = tried or lines[:1]
    secret = os.environ.get("IDENTITY_HEADER")
    shown = " ".join("; ".join(chosen).split()).replace(_MISLEADING, "")
    return without_credentials(shown.replace(secret, "<secret>") if secret else shown)[:_LONGEST_REASON]


def _attempts(text: str) -> list[str]:
    """Return what every credential said, which may have several lines."""
    listed = text.partition("Attempted credentials:")[2].partition("\nTo mitigate this issue")[0]
    return [attempt.strip() for attempt in listed.split("\n\t") if attempt.strip()]


def _asked(text: str, scope: str) -> str:
    """Return the URL of who was asked for a token. Only some failures name the host."""
    if named := re.search(r"HTTPS?Connection(?:Pool)?\(host='([\w.-]{1,253})', port=(\d{1,5})", text):
        return f"https://{named[1]}:{named[2]}"
    if _on_azure():
        return os.environ["IDENTITY_ENDPOINT"]
    authority = os.environ.get("AZURE_AUTHORITY_HOST") or authority_for(scope).get("authority", PUBLIC_AUTHORITY)
    return authority if "://" in authority else f"https://{authority}"


def _on_azure() -> bool:
    """Whether the platform has given the app an identity: it then says where tokens are to be had."""
    return "IDENTITY_ENDPOINT" in os.environ
