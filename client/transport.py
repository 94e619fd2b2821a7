"""One call to the app: sent again while that can help, and over within its time.

Every call may be repeated: a start has an idempotency key, and a cancel or an answer that comes twice counts once.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.auth import AuthBase

from .address import Address
from .errors import RefusedError, UnreachableError
from .patience import delay_before, will_pass, wished_delay

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
"""Beyond the time that the app was asked to hold an answer."""

MOST_BYTES = 64_000_000
_PIECE = 65_536

Notice = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no error; `body` is its JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def wish(self) -> float | None:
        """When to ask again, in seconds."""
        return wished_delay(self.headers.get("Retry-After"))


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    body: Any
    query: Mapping[str, str] | None
    headers: Mapping[str, str]
    hold: int


class _FinalError(UnreachableError):
    """Asking again does not help."""


class _Credentials(AuthBase):
    """Puts them on each request. As the session's own `auth` they keep `.netrc` out, too."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._address.credentials())
        return request


class Transport:
    """Calls the app. `notice` is told why a call takes longer; `adapter`, `pause` and `clock` are for tests."""

    def __init__(
        self,
        address: Address,
        *,
        notice: Notice | None = None,
        adapter: BaseAdapter | None = None,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._notice = notice or (lambda _text: None)
        self.pause = pause
        self.clock = clock
        self._session = requests.Session()
        self._session.auth = _Credentials(address)
        self._session.headers.update({"Accept": "application/json", "User-Agent": "agent-runs"})
        if adapter is not None:
            self._session.mount("http://", adapter)
            self._session.mount("https://", adapter)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        patience: float,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        hold: int = 0,
        passing: Collection[int] = (),
    ) -> Answer:
        """Return the answer to a request; ask again for `patience` seconds where that can help.

        With `hold` the app is asked to keep the answer back for so many seconds, until there is news. `passing` are
        further statuses that will pass, if the platform answers with them. Raises `RefusedError` or `UnreachableError`.
        """
        preferred = {"Prefer": f"wait={hold}"} if hold else {}
        request = _Request(method, path, body, query, {**(headers or {}), **preferred}, hold)
        give_up_at = self.clock() + patience
        for attempt in itertools.count():
            try:
                return self._once(request, give_up_at + hold)
            except RefusedError as error:
                problem: RefusedError | UnreachableError = error
                passes = will_pass(error.status, error.code) or (error.code is None and error.status in passing)
                wish = error.retry_after
            except UnreachableError as error:
                problem, passes, wish = error, not isinstance(error, _FinalError), None
            delay = delay_before(attempt, wish, random.random())  # noqa: S311 - spreads callers, hides nothing
            if not passes or self.clock() + delay > give_up_at:
                raise problem
            self._notice(f"{problem}; trying again in {delay:.1f} s")
            self.pause(delay)
        raise AssertionError("unreachable")

    def _once(self, request: _Request, until: float) -> Answer:
        left = max(until - self.clock(), 1.0)
        answer_seconds = min(READ_SECONDS + request.hold, left)
        try:
            with self._session.request(
                request.method,
                f"{self._address.url}/api/{request.path}",
                json=request.body,
                params=request.query,
                headers=request.headers,
                timeout=(min(CONNECT_SECONDS, left), answer_seconds),
                allow_redirects=False,  # the key goes to nobody else
                stream=True,
            ) as response:
                read = self._read(response, self.clock() + answer_seconds)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _unreachable(self._address.url, error) from None
        return _understood(response, read, self._address.url)

    def _read(self, response: requests.Response, until: float) -> bytes:
        """Read the body piece by piece, so that one that drips ends in time, and one without an end does too."""
        pieces: list[bytes] = []
        size = 0
        while piece := response.raw.read1(_PIECE, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > MOST_BYTES:
                raise _FinalError(f"the answer has more than {MOST_BYTES:,} bytes")
            if self.clock() > until:
                raise UnreachableError("the answer does not end")
        return b"".join(pieces)


def _unreachable(url: str, error: Exception) -> UnreachableError:
    """Say why there is no answer. The library's own words hold objects and addresses of memory."""
    match error:
        case requests.exceptions.SSLError():
            return _FinalError(f"the certificate of {url} is not trusted, or it speaks no TLS")
        case requests.exceptions.ProxyError():
            return UnreachableError(f"the proxy of the environment does not connect to {url}")
        case requests.exceptions.Timeout() | urllib3.exceptions.TimeoutError():
            return UnreachableError(f"no answer of {url} in time")
        case requests.exceptions.ConnectionError() | urllib3.exceptions.HTTPError():
            return UnreachableError(f"no connection to {url}, or it broke off")
        case requests.exceptions.ChunkedEncodingError() | requests.exceptions.ContentDecodingError():
            return UnreachableError(f"the answer of {url} broke off")
        case _:
            return _FinalError(f"{url} cannot be called: {type(error).__name__}")


def _understood(response: requests.Response, read: bytes, url: str) -> Answer:
    """Return the answer, or raise what it says is wrong."""
    status = response.status_code
    try:
        body = json.loads(read) if read.strip() else None
    except (ValueError, RecursionError):
        body = None
    if status < 300:
        if not isinstance(body, dict):
            raise _FinalError(f"what answers at {url} is not the app: status {status}, no JSON object")
        return Answer(status, response.headers, body)
    raise _refusal(status, body, url, wished_delay(response.headers.get("Retry-After")))


def _refusal(status: int, body: Any, url: str, wish: float | None) -> RefusedError:
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict) and isinstance(error.get("code"), str):
        listed = error.get("details")
        details = [
            f"{each.get('target')}: {each.get('message')}"
            for each in (listed if isinstance(listed, list) else [])
            if isinstance(each, dict)
        ]
        return RefusedError(status, error["code"], str(error.get("message", "")), details, wish)
    said = _PLATFORM_SAYS.get(status, "it gives no reason")
    return RefusedError(status, None, f"{url} answers {status}: {said}", retry_after=wish)


_PLATFORM_SAYS = {
    **dict.fromkeys((301, 302, 303, 307, 308), "it sends elsewhere: set AGENT_RUNS_URL to where, or sign in"),
    401: "the key or token is missing or wrong (AGENT_RUNS_KEY, AGENT_RUNS_TOKEN)",
    403: "the key or token does not open this app",
    404: "no such route: the address is wrong, the app is older, or it did not load",
    429: "too much at once",
    500: "its worker process is gone",
    502: "its gateway gets no answer",
    503: "its host is not running",
    504: "its gateway gets no answer in time",
}
