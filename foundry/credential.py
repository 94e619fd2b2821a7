"""Entra tokens for Foundry: one per process, renewed shortly before they expire.

`azure.identity` costs more than 100 ms to import, so it is imported at the first token, not when the app loads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from foundry.errors import AuthenticationError, ConnectionFailedError, FoundryError

SCOPE = "https://ai.azure.com/.default"
_RENEW_BEFORE_SECONDS = 300
_STILL_VALID_SECONDS = 30


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
        *,
        acquire: Callable[[], tuple[str, float]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`acquire` returns a token and when it expires (Unix seconds); by default `DefaultAzureCredential` does."""
        self._client_id = client_id
        self._acquire = acquire or self._acquire_from_entra
        self._clock = clock
        self._credential: object | None = None
        self._cached: tuple[str, float] | None = None
        self._lock = threading.Lock()

    def token(self) -> str:
        """Return the cached token, or a new one where it expires within five minutes.

        Where it cannot be renewed, one that is still valid serves on.
        """
        with self._lock:
            left = self._cached[1] - self._clock() if self._cached else 0.0
            if self._cached is None or left < _RENEW_BEFORE_SECONDS:
                try:
                    self._cached = self._acquire()
                except FoundryError:
                    if self._cached is None or left <= _STILL_VALID_SECONDS:
                        raise
            return self._cached[0]

    def discard(self, token: str) -> None:
        """Forget this token, unless another thread has renewed it already."""
        with self._lock:
            if self._cached and self._cached[0] == token:
                self._cached = None
                self._credential = None  # it caches tokens itself, and would give out the refused one again

    def _acquire_from_entra(self) -> tuple[str, float]:
        from azure.core.exceptions import (  # noqa: PLC0415 - see the module's docstring
            AzureError,
            HttpResponseError,
            ServiceRequestError,
            ServiceResponseError,
        )
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415

        try:
            if self._credential is None:
                self._credential = DefaultAzureCredential(
                    managed_identity_client_id=self._client_id, exclude_interactive_browser_credential=True
                )
            got = self._credential.get_token(SCOPE)  # type: ignore[attr-defined]
        except (AzureError, ValueError) as error:
            # The library lists every credential it tried, over many lines; its first line tells enough.
            reason = str(error).strip().split("\n", 1)[0][:300]
            passing = isinstance(error, ServiceRequestError | ServiceResponseError)
            if isinstance(error, HttpResponseError) and (error.status_code or 0) >= 429:
                passing = True
            if passing:
                raise ConnectionFailedError(f"no Entra token now: {reason}", code="token_unavailable") from None
            raise AuthenticationError(
                f"no Entra token for {SCOPE}: {reason}. On Azure give the app a managed identity and set "
                "AZURE_CLIENT_ID; on a developer's machine run 'az login' or set FOUNDRY_ACCESS_TOKEN",
                code="no_token",
            ) from None
        return got.token, float(got.expires_on)
