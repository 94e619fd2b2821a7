"""The host's own API: ping, status, and the functions it has, which importers of functions read."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from local.functions_host import protocol
from local.functions_host.byhand import ByHand
from local.functions_host.loader import App, Function

VERSION = "local"


class Admin:
    """Answers requests below `/admin`."""

    def __init__(self, app: App, prefix: str, by_hand: ByHand) -> None:
        """Describe `app`, whose routes sit below `prefix`."""
        self._app = app
        self._by_hand = by_hand
        self._prefix = prefix

    async def handle(self, request: web.BaseRequest, path: str) -> web.Response:
        """Answer a request; `path` is what follows `/admin`, lower-case."""
        base = f"{request.scheme}://{request.host}"
        match request.method, path.strip("/").split("/"):
            case "GET" | "POST", ["host", "ping"]:
                return web.Response(status=200)
            case "GET", ["host", "status"]:
                return _json({"id": "local", "state": self._app.state, "version": VERSION, "extensionBundle": None})
            case "GET", ["functions"]:
                return _json([self._describe(f, base) for f in self._app.functions])
            case "GET", ["functions", name]:
                function = self._named(name)
                return _json(self._describe(function, base)) if function else web.Response(status=404)
            case "POST", ["functions", name]:
                function = self._named(name)
                return await self._by_hand.run(request, function) if function else web.Response(status=404)
            case _:
                return web.Response(status=404)

    def _named(self, name: str) -> Function | None:
        return next((f for f in self._app.functions if f.name.lower() == name), None)

    def _describe(self, function: Function, base: str) -> dict[str, Any]:
        prefix = f"/{self._prefix}" if self._prefix else ""
        template = f"{base}{prefix}/{function.route.template}" if function.route else None
        return {
            "name": function.name,
            "script_href": None,
            "href": f"{base}/admin/functions/{function.name}",
            "invoke_url_template": template,
            "language": "python",
            "isDisabled": function.disabled,
            "config": {
                "name": function.name,
                "scriptFile": "function_app.py",
                "language": "python",
                "bindings": list(function.bindings),
            },
        }


def _json(value: Any) -> web.Response:
    return web.Response(text=protocol.dumps(value), content_type="application/json", charset="utf-8")
