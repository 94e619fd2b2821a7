"""HTTP whose answers end in time, and that does not ask the environment again and again: what `requests` lacks.

Its read timeout is per read, so an answer that drips a byte every few seconds never ends, headers included. Here every
read of an answer also has what is left of the request's own deadline.
"""

from __future__ import annotations

import http.client
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_present = threading.local()


@contextmanager
def deadline(at: float) -> Iterator[None]:
    """Let the answers that this thread asks for inside of it end by then (`time.monotonic`): a read beyond it raises
    `TimeoutError`.
    """
    before = getattr(_present, "deadline", None)
    _present.deadline = at
    try:
        yield
    finally:
        _present.deadline = before


class _TimedReads(io.RawIOBase):
    """The raw stream of an answer; each read waits no longer than the deadline allows."""

    def __init__(self, raw: Any, sock: Any, until: float) -> None:
        self._raw = raw
        self._sock = sock
        self._per_read = sock.gettimeout()
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer has not ended in time")
        self._sock.settimeout(left if self._per_read is None else min(left, self._per_read))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        until = getattr(_present, "deadline", None)
        if until is not None:
            self.fp: Any = io.BufferedReader(_TimedReads(self.fp.detach(), sock, until))


class _TimedHTTPConnection(HTTPConnection):
    response_class = _TimedResponse


class _TimedHTTPSConnection(HTTPSConnection):
    response_class = _TimedResponse


class _TimedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _TimedHTTPConnection


class _TimedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _TimedHTTPSConnection


_POOLS = {"http": _TimedHTTPPool, "https": _TimedHTTPSPool}


class TimedAdapter(HTTPAdapter):
    """Heeds the `deadline` of the thread that sends."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools' connections timed ones."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make those of a proxy timed ones, too."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class OneHostSession(requests.Session):
    """A session whose requests all go to one host, by this adapter.

    `requests` reads proxies and certificates from the environment for every request, which takes half of what a small
    request takes. Here they are read for the first one. A .netrc is left alone: it would replace the credentials.
    """

    def __init__(self, adapter: HTTPAdapter, *, trust_env: bool = True) -> None:
        super().__init__()
        self.trust_env = trust_env
        self.auth = _as_it_is
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        self._of_environment: dict[Any, Any] = {}

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Return what the first request with these settings has found."""
        asked = (tuple((proxies or {}).items()), stream, verify, cert)
        if asked not in self._of_environment:
            self._of_environment[asked] = super().merge_environment_settings(url, proxies, stream, verify, cert)
        found = self._of_environment[asked]
        return {**found, "proxies": dict(found["proxies"])}


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
