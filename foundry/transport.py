"""One HTTP request to Foundry, and its JSON answer or a `FoundryError`. Retries nothing but a refused token, once.

Every thread of the worker has a session of its own, since `requests.Session` is not thread-safe; all of them take
their connections from one pool, which is.
"""

from __future__ import annotations

import copy
import math
import re
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, ReadTimeoutError

from contracts.formats import ID_PATTERN, LOOPBACK_HOSTS
from foundry import errors, responses
from foundry.bodies import MOST_BYTES, PIECE_BYTES, BodyTooLargeError, GarbledBodyError, read_body
from foundry.certificates import shown_certificates
from foundry.credential import TokenSource
from foundry.no_answer import Kind, why_no_answer
from timed_http import OneHostSession, TimedAdapter, deadline
from trace_context import current_trace

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 30.0
"""For one read, of which an answer may need many."""

REQUEST_SECONDS = 60.0
"""For a whole request. Without it an answer that drips would hold its activity for ever."""

MOST_CONNECTIONS = 64
"""More are opened than kept only if a worker has more threads than this."""

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "Content-Type": "application/json",
    "User-Agent": "durable-foundry-agents/1",
}


def path_id(value: str, what: str) -> str:
    """Return the id, checked, for use as one segment of a path."""
    if not re.fullmatch(ID_PATTERN, value):
        raise errors.InvalidInputError(f"the {what} id is malformed: it may have letters, digits, _ and -, at most 128")
    return value


class _Bearer(AuthBase):
    """Puts the token into the request. As `auth`, so that a .netrc of the machine cannot replace it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass(frozen=True)
class _Answer:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def _body_of(answer: requests.Response, at: float, most: int) -> bytes:
    """Return the whole body, inflated; raise `TimeoutError`, `GarbledBodyError` or `BodyTooLargeError`."""

    def in_time() -> Iterator[bytes]:
        for piece in answer.raw.stream(PIECE_BYTES, decode_content=False):
            if time.monotonic() >= at:
                raise TimeoutError
            yield piece

    try:
        return read_body(in_time(), answer.headers.get("content-encoding"), most)
    except ReadTimeoutError:
        raise TimeoutError from None
    except HTTPError:
        raise GarbledBodyError from None


class Transport:
    """Sends requests below one project's endpoint. Safe to use from several threads."""

    def __init__(
        self,
        endpoint: str,
        api_version: str | None,
        tokens: TokenSource,
        *,
        timeouts: tuple[float, float] = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
        adapter: HTTPAdapter | None = None,
        secrets: Collection[str] = (),
    ) -> None:
        """`timeouts` are for connecting and for each read, in seconds; `adapter` replaces the network in tests;
        `secrets` are texts that answers may quote, besides the token.
        """
        parts = urlsplit(endpoint)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK_HOSTS:
            raise errors.InvalidInputError("a bearer token is never sent over plain http: use an https:// endpoint")
        self._endpoint = endpoint.rstrip("/")
        self._api_version = api_version
        self._tokens = tokens
        self._timeouts = timeouts
        self._secrets = tuple(secrets)
        self._adapter = adapter or TimedAdapter(pool_connections=1, pool_maxsize=MOST_CONNECTIONS, max_retries=0)
        self._local = threading.local()
        self._request_seconds = REQUEST_SECONDS
        self._until = math.inf

    def within(self, seconds: float) -> Transport:
        """Return the same transport, all of whose requests together end within so many seconds from now."""
        limited = copy.copy(self)
        limited._until = time.monotonic() + seconds  # noqa: SLF001 - its own copy
        return limited

    def patient(self, seconds: float) -> Transport:
        """Return the same transport, whose requests may each take so many seconds, be it without a word."""
        other = copy.copy(self)
        other._timeouts, other._request_seconds = (self._timeouts[0], seconds), seconds  # noqa: SLF001 - its own copy
        return other

    def versioned(self, api_version: str | None) -> Transport:
        """Return the same transport, which asks for another version of the API, or for none."""
        other = copy.copy(self)
        other._api_version = api_version  # noqa: SLF001 - its own copy
        return other

    def get(self, path: str, **params: str | int) -> dict[str, Any]:
        """GET `path`; return the answer's JSON object."""
        return self._request("GET", path, params, None)

    def post(self, path: str, body: Mapping[str, Any] | None = None, **params: str) -> dict[str, Any]:
        """POST `body` as JSON; return the answer's JSON object."""
        return self._request("POST", path, params, body or {})

    def delete(self, path: str) -> None:
        """DELETE `path`. Any answer that is no refusal will do, an empty one too."""
        self._answer("DELETE", path, {}, None)

    def get_bytes(self, path: str, most: int) -> bytes:
        """GET `path`; return the answer's bytes, whatever they are; raise `OversizedAnswerError` beyond `most`."""
        return self._answer("GET", path, {}, None, accept="*/*", most=most)[0].body

    def _request(
        self, method: str, path: str, params: Mapping[str, str | int], body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        answer, tokens = self._answer(method, path, params, body)
        parsed = responses.parse_json(answer.body)
        if not isinstance(parsed, dict):
            raise responses.not_json(answer.status, answer.headers, answer.body, what=f"Foundry's {method} {path}")
        found: dict[str, Any] = responses.without_secrets(parsed, tokens)
        return found

    def _answer(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int],
        body: Mapping[str, Any] | None,
        *,
        accept: str = "application/json",
        most: int = MOST_BYTES,
    ) -> tuple[_Answer, list[str]]:
        """Return an answer that is no error, and what it must not quote: the tokens that were sent for it, say."""
        what = f"Foundry's {method} {path}"
        trace = current_trace()
        request = requests.Request(
            method,
            f"{self._endpoint}{path}",
            params={**params, **({"api-version": self._api_version} if self._api_version else {})},
            data=None if body is None else msgspec.json.encode(body),
            headers={**_HEADERS, "Accept": accept, **(trace.headers if trace else {})},
        )
        tokens = [self._tokens.token()]
        answer = self._send(request, tokens[0], what, most)
        if answer.status == 401:
            self._tokens.discard(tokens[0])
            tokens.append(self._tokens.token())
            if tokens[1] != tokens[0]:
                answer = self._send(request, tokens[1], what, most)
        if not 200 <= answer.status < 300:
            raise responses.error_of(
                answer.status, answer.headers, answer.body, what=what, secrets=[*tokens, *self._secrets], request=body
            )
        return answer, [*tokens, *self._secrets]

    def _send(self, request: requests.Request, token: str, what: str, most: int) -> _Answer:
        session = self._session()
        request.auth = _Bearer(token)
        at = min(time.monotonic() + self._request_seconds, self._until)
        left = at - time.monotonic()
        if left <= 0:
            raise errors.ConnectionFailedError(f"{what} was not sent: there is no time left for it")
        connect, read = self._timeouts
        prepared = session.prepare_request(request)
        settings = session.merge_environment_settings(prepared.url, {}, True, None, None)  # noqa: FBT003 - stream
        timeouts = (min(connect, left), min(read, left))
        try:
            with deadline(at), session.send(prepared, timeout=timeouts, allow_redirects=False, **settings) as answer:
                body = _body_of(answer, at, most)
        except BodyTooLargeError:
            raise errors.OversizedAnswerError(f"{what} answered with more than {most:,} bytes") from None
        except (OSError, GarbledBodyError) as error:  # which every exception of `requests` is
            raise self._no_answer(error, what, settings["proxies"]) from None
        return _Answer(answer.status_code, answer.headers, body)

    def _no_answer(self, error: Exception, what: str, proxies: Mapping[str, str]) -> Exception:
        """Return the error that the library's exception stands for; itself, where it is none of the network's."""
        expected = isinstance(error, requests.RequestException | TimeoutError | GarbledBodyError)
        why = why_no_answer(f"{type(error).__name__}: {error}", urlsplit(self._endpoint).hostname or "")
        told = f"{what} had no answer: "
        match why.kind:
            case Kind.CERTIFICATE:
                return errors.CertificateError(told + why.told(shown_certificates.at(self._endpoint, proxies)))
            case Kind.CERTIFICATE_BUNDLE:
                return errors.CertificateError(told + why.told())
            case Kind.PROXY:
                return errors.ProxyRefusedError(told + why.told())
            case _:
                return errors.ConnectionFailedError(told + why.told()) if expected else error

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            # Proxies of the environment are for the network, never for what we send to this machine in plain text.
            session = OneHostSession(self._adapter, trust_env=self._endpoint.startswith("https://"))
            self._local.session = session
        return session
