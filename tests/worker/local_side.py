"""The local host's own parts: its loader, its invoker, and what its HTTP server makes of a function's answer."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from azure.functions import meta
from azure.functions.http import HttpRequest

from local.functions_host import bindings, protocol
from local.functions_host.errors import AppError
from local.functions_host.http import _from_function
from local.functions_host.invoker import Invoker
from local.functions_host.loader import Function, load_app
from local.functions_host.tracing import trace_of
from tests.worker.texts import as_bytes, as_text

Json = dict[str, Any]


class LocalSide:
    """Our side."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._client = ""
        self._functions: dict[str, Function] = {}
        self._invoker: Invoker

    async def index(self) -> Json:
        try:
            app = load_app(self._root)
        except AppError as error:
            return {"error": str(error)}
        self._invoker = Invoker(app, self._root, lambda: self._client)
        self._functions = {f.name: f for f in app.functions}
        return {"functions": {f.name: list(f.bindings) for f in app.functions}}

    async def invoke(self, name: str, kind: str, given: Any, client: str, trace: str) -> Json:
        self._client = client
        function = self._functions[name]
        assert function.trigger == kind
        try:
            return {"result": await self._call(function, given, trace)}
        except Exception as error:  # noqa: BLE001 - whatever a function raises
            return {"error": protocol.worker_failure(error).split("\nStack: ")[0]}

    async def _call(self, function: Function, given: Any, trace: str) -> Any:
        match function.trigger:
            case "httpTrigger":
                return _result(await self._invoker.call(function, _request(given)))
            case "activityTrigger":
                return json.loads(
                    await self._invoker.run_activity(
                        function.name, given, trace_of({"traceparent": trace}) if trace else None
                    )
                )
            case "orchestrationTrigger":
                return json.loads(await self._invoker.run_orchestrator(function.name, given))
            case _:
                timer = bindings.converter(function.trigger).decode(meta.Datum(given, "json"), trigger_metadata=None)
                return await self._invoker.call(function, timer)


def _request(given: Json) -> HttpRequest:
    return HttpRequest(
        given["method"],
        given["url"],
        headers=given["headers"],
        params=given["query"],
        route_params=given["params"],
        body_type="bytes",
        body=as_bytes(given["body"]),
    )


def _result(returned: Any) -> Json:
    response = _from_function(returned)
    headers = {name.lower(): text for name, text in response.headers.items()}
    body = response.body
    assert body is None or isinstance(body, bytes)
    return {
        "status": response.status,
        "headers": {n: t for n, t in headers.items() if n not in {"content-length", "set-cookie"}},
        "cookies": [c for text in response.headers.getall("Set-Cookie", []) for c in _cookies(text)],
        "body": as_text(body or b""),
    }


def _cookies(text: str) -> list[list[Any]]:
    return [[m.key, m.value, m["path"], bool(m["httponly"])] for m in SimpleCookie(text).values()]
