"""Runs HTTP-triggered functions: from the request to `func.HttpRequest` and back, as the real host does it.

Whatever goes wrong in a function is an empty 500; the console says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie
from typing import Any

from aiohttp import web
from azure.functions.http import HttpRequest

from local.functions_host import bindings
from local.functions_host.console import Console
from local.functions_host.invoker import Invoker
from local.functions_host.keys import Keys, given_key
from local.functions_host.loader import Function
from local.functions_host.routing import Router

BODY_LIMIT = 100 * 1024 * 1024
_REPLACED = {"server", "date", "content-length", "transfer-encoding", "connection", "content-type"}
# Which keys open which level. `none` opens anonymous functions only.
_OPENS = {
    "anonymous": {"none", "function", "host", "system", "master"},
    "function": {"function", "host", "master"},
    "admin": {"master"},
}


@dataclass(frozen=True, slots=True)
class Limits:
    """`maxConcurrentRequests` and `maxOutstandingRequests` of host.json; not positive is without limit."""

    concurrent: int = -1
    outstanding: int = -1


class HttpHost:
    """Answers requests below the route prefix."""

    def __init__(
        self,
        functions: Iterable[Function],
        prefix: str,
        invoker: Invoker,
        *,
        console: Console,
        keys: Keys | None,
        limits: Limits,
    ) -> None:
        """Route to `functions`; `keys` is None where no key is asked for."""
        self._router = Router([(f.route, f) for f in functions if f.route is not None])
        self._prefix = [p.lower() for p in prefix.split("/") if p]
        self._invoker = invoker
        self._console = console
        self._keys = keys
        self._outstanding = 0
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.concurrent) if limits.concurrent > 0 else None

    async def handle(self, request: web.BaseRequest, path: str) -> web.Response:
        """Answer a request; `path` is the encoded path."""
        began = time.perf_counter()
        function, parameters = self._find(request.method, path)
        if function is None:
            response = web.Response(status=404)
        elif not self._allowed(request, function):
            response = web.Response(status=401)
        elif 0 < self._limits.outstanding <= self._outstanding:
            response = web.Response(status=429, headers={"X-FUNCTION-SCALEOUT": "1"})
        else:
            self._outstanding += 1
            try:
                async with self._slots or contextlib.nullcontext():
                    response = await self._run(request, function, parameters)
            finally:
                self._outstanding -= 1
        name = function.name if function else ""
        self._console.request(request.method, path, response.status, time.perf_counter() - began, name)
        return response

    def _find(self, method: str, path: str) -> tuple[Function | None, dict[str, str]]:
        parts = path.lstrip("/").split("/", len(self._prefix))
        head, rest = parts[: len(self._prefix)], parts[len(self._prefix) :]
        if path.startswith("//") or [p.lower() for p in head] != self._prefix or not rest:
            return None, {}
        for function, parameters in self._router.find(rest[0]):
            if not function.methods or method in function.methods:
                return function, parameters
        return None, {}

    def _allowed(self, request: web.BaseRequest, function: Function) -> bool:
        if self._keys is None:
            return True
        code = _merged(request.query.items()).get("code")
        level = self._keys.level(given_key(request.headers, code))
        return level in _OPENS.get(function.auth_level, set())

    async def _run(self, request: web.BaseRequest, function: Function, parameters: dict[str, str]) -> web.Response:
        if (request.content_length or 0) > BODY_LIMIT:
            response = web.Response(status=500)
            response.force_close()
            return response
        try:
            value = await _to_function(request, parameters)
            return _from_function(await self._invoker.call(function, value))
        except Exception as error:  # noqa: BLE001 - user code, and what it returned
            self._console.error(f"function '{function.name}' failed", error)
            return web.Response(status=500)


async def _to_function(request: web.BaseRequest, parameters: dict[str, str]) -> HttpRequest:
    body = await request.read()
    if request.headers.get("Transfer-Encoding", "").lower() == "chunked":
        body = b""  # the real host loses it [M]
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key, text = name.lower(), _valid(value)
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return HttpRequest(
        method=request.method,
        url=f"{request.scheme}://{request.host}{request.raw_path}",
        headers=headers,
        params=_merged(request.query.items()),
        route_params=parameters,
        body_type="bytes",
        body=body,
    )


def _valid(header: str) -> str:
    """Replace what is no UTF-8, which aiohttp passes on as halves of surrogates: the worker is given valid text."""
    return header.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _merged(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Query parameters as functions see them: repeats joined, names merged regardless of case, empty ones gone."""
    names: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in query:
        if value:
            key = names.setdefault(name.lower(), name)
            values.setdefault(key, []).append(value)
    return {name: ",".join(found) for name, found in values.items()}


def _from_function(result: Any) -> web.Response:
    """Turn what a function returned into an answer; raises for what the worker cannot encode."""
    converter = bindings.converter("http")
    if isinstance(result, str):
        return web.Response(text=result, content_type="text/plain", charset="utf-8")
    datum = converter.encode(result, expected_type=None)
    value = datum.value
    headers = {name: field.value for name, field in value["headers"].items()}
    for name, text in headers.items():
        if re.search(r"[\r\n\x00]|[^\x20-\x7e\t]", f"{name}{text}"):
            raise ValueError(f"the header {name!r} holds a line break or a character beyond ASCII")
    kept = [(n, t) for n, t in headers.items() if n.lower() not in _REPLACED]
    content = {n.lower(): t for n, t in headers.items()}.get("content-type")
    if content:
        kept.append(("Content-Type", content))
    response = web.Response(body=value["body"].value, status=int(value["status_code"].value), headers=kept)
    for cookie in value["cookies"] or ():
        _add_cookies(response, cookie)
    return response


def _add_cookies(response: web.Response, cookie: SimpleCookie) -> None:
    morsel: Morsel[str]
    for morsel in cookie.values():
        response.headers.add("Set-Cookie", morsel.OutputString())
