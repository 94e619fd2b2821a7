"""What the unit tests drive the Foundry client with: a scripted network, a scripted source of tokens."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import requests
from hypothesis import settings
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from contracts.runs import Stamp
from foundry.classic import ClassicAgentService
from foundry.transport import Transport

ENDPOINT = "https://account.services.ai.azure.com/api/projects/p"
STAMP = Stamp(instance_id="instance-1", operation_id="op-1:run-0")
PROMPT = "the secret prompt"

no_deadline = settings(deadline=None, max_examples=80)
"""Every property test uses this: how long an example takes is nobody's business here."""


def reply(status: int = 200, body: Any = b"", headers: dict[str, str] | None = None) -> tuple[int, bytes, dict]:
    """Return a scripted answer; a body that is no bytes is sent as JSON."""
    return status, body if isinstance(body, bytes) else json.dumps(body).encode(), headers or {}


class ScriptedNetwork(HTTPAdapter):
    """Answers requests with the items of a script: an answer, an exception, or a function of the request."""

    def __init__(self, *script: Any) -> None:
        super().__init__()
        self.script = list(script)
        self.requests: list[requests.PreparedRequest] = []
        self.options: list[dict[str, Any]] = []

    def send(self, request, **options):
        self.requests.append(request)
        self.options.append(options)
        item = self.script.pop(0)
        if callable(item) and not isinstance(item, type):
            item = item(request)
        if isinstance(item, Exception):
            raise item
        status, body, headers = item
        raw = HTTPResponse(io.BytesIO(body), headers=headers, status=status, preload_content=False)
        return self.build_response(request, raw)

    @property
    def paths(self) -> list[str]:
        """Method and path of every request, below the project's endpoint, without the query."""
        return [f"{r.method} {r.url.split('?')[0].removeprefix(ENDPOINT)}" for r in self.requests]


class Tokens:
    """Hands out tokens one after the other; goes on to the next once one is discarded."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens) or ["token-1"]
        self.discarded: list[str] = []

    def token(self) -> str:
        return self._tokens[0]

    def discard(self, token: str) -> None:
        self.discarded.append(token)
        if len(self._tokens) > 1:
            self._tokens.pop(0)


def transport_of(*script: Any, tokens: Any = None, endpoint: str = ENDPOINT) -> tuple[Transport, ScriptedNetwork]:
    """Return a transport on a scripted network."""
    network = ScriptedNetwork(*script)
    return Transport(endpoint, "v1", tokens or Tokens(), adapter=network), network


def service_of(*script: Any) -> tuple[ClassicAgentService, ScriptedNetwork]:
    """Return the classic service on a scripted network."""
    transport, network = transport_of(*script)
    return ClassicAgentService(transport), network


def raised_by(action: Callable[[], Any]) -> BaseException | None:
    """Return what the action raises, or None."""
    try:
        action()
    except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
        return error
    return None
