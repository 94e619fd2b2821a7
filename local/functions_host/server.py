"""Puts the parts together behind one loopback port."""

from __future__ import annotations

import asyncio
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from local.functions_host import protocol
from local.functions_host.admin import Admin
from local.functions_host.byhand import ByHand
from local.functions_host.callers import refusal
from local.functions_host.clock import Clock
from local.functions_host.console import Console
from local.functions_host.cors import Cors
from local.functions_host.engine import Engine
from local.functions_host.episode import EngineOptions
from local.functions_host.errors import HostError
from local.functions_host.hooks import Hooks
from local.functions_host.http import HttpHost, Limits
from local.functions_host.inspector import Inspector
from local.functions_host.invoker import Invoker
from local.functions_host.keys import Keys, given_key
from local.functions_host.loader import App
from local.functions_host.management import Management
from local.functions_host.operations import Operations
from local.functions_host.protocol import ClientBinding
from local.functions_host.settings import HostConfig
from local.functions_host.store import Store
from local.functions_host.timers import TimerTriggers
from local.functions_host.versions import VersionRule

HOST = "127.0.0.1"
WEBHOOK = "/runtime/webhooks/durabletask"
DRAIN_SECONDS = 10.0  # for requests and activities under way when the host is told to stop
URL_LIMIT = 8 * 1024
HEADER_LIMIT = 32 * 1024
# Which keys open the host's own APIs. The second set knows the key but not the right: 403 instead of 401.
_SYSTEM = ({"system", "master"}, {"host"})
_ADMIN = ({"master"}, {"host"})


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How a host is run."""

    app_root: Path
    exact_timers: bool = False
    auth: bool = False
    cors: Cors = field(default_factory=Cors)


def listen(port: int) -> socket.socket:
    """Open the port (0: a free one) on this machine's own address; raises HostError where that is not possible."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise HostError(
            f"port {port} cannot be opened ({error.strerror or error}): stop what uses it or give another --port "
            "(0 takes a free one)"
        ) from error


class Host:
    """A running host."""

    def __init__(
        self,
        options: HostOptions,
        config: HostConfig,
        app: App,
        *,
        listening: socket.socket,
        store: Store,
        clock: Clock,
        console: Console,
        keys: Keys,
        hooks: Hooks,
    ) -> None:
        """Wire the parts; `start` begins to answer on the `listening` socket, `stop` closes it."""
        self._options = options
        self._config = config
        self._console = console
        self._keys = keys
        self._rpc_path = f"/{secrets.token_hex(16)}/"
        self._listening = listening
        self._port: int = listening.getsockname()[1]
        self._url = f"http://{HOST}:{self._port}"
        self._invoker = Invoker(
            app,
            options.app_root,
            lambda: protocol.client_binding(self._binding(self.url)),
            timeout=config.function_timeout,
        )
        self._inspector = Inspector(app, console)
        self.engine = Engine(
            store,
            self._invoker,
            clock=clock,
            console=console,
            options=EngineOptions(
                exact_timers=options.exact_timers,
                max_orchestrators=config.max_orchestrators,
                max_activities=config.max_activities,
                versions=VersionRule(config.default_version, config.version_match, config.version_failure),
                traces=config.traces,
            ),
            hooks=hooks,
            observe=self._inspector.observe,
        )
        self._management = Management(Operations(self.engine, app.disabled("orchestrationTrigger")), clock)
        http_functions = app.of("httpTrigger").values()
        limits = Limits(config.max_concurrent_requests, config.max_outstanding_requests)
        self._http = HttpHost(
            http_functions,
            config.route_prefix,
            self._invoker,
            console=console,
            keys=keys if options.auth else None,
            limits=limits,
        )
        timers = list(app.of("timerTrigger").values())
        self._timers = TimerTriggers(timers, self._invoker, store, clock=clock, console=console)
        self._by_hand = ByHand(self._invoker, self._timers, console)
        self._admin = Admin(app, config.route_prefix, self._by_hand)
        self._app = app
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """Where the host listens."""
        return self._url

    async def start(self) -> None:
        """Answer requests, then take up the work in the database."""
        # Longer lines than are allowed must reach the handler, which answers them as the real host does.
        server = web.Server(
            self._handle,
            max_line_size=4 * URL_LIMIT,
            max_field_size=4 * HEADER_LIMIT,
            access_log=None,
            auto_decompress=False,
            request_factory=_request,
        )
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=DRAIN_SECONDS)
        await self._runner.setup()
        await web.SockSite(self._runner, self._listening).start()
        self._inspector.start()
        self.engine.start()
        self._timers.start()

    async def stop(self) -> None:
        """Close the port, let what runs end for a while, then leave."""
        if self._runner is not None:
            for site in list(self._runner.sites):
                await site.stop()
        await self._timers.stop()
        await self._by_hand.stop()
        await self.engine.stop(grace=DRAIN_SECONDS)
        if self._runner is not None:
            await self._runner.cleanup()
        await self._invoker.close(grace=2)

    def _binding(self, base: str) -> ClientBinding:
        return ClientBinding(
            base_url=base,
            rpc_url=f"{self.url}{self._rpc_path}",
            hub=self._config.hub,
            connection=self._config.connection,
            code=self._keys.system,
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        cors = self._options.cors
        foreign = refusal(request.headers, self._port, cors)
        if foreign:
            self._console.warn(f"refused {request.method} {path!a}: {foreign}")
            return web.Response(status=403, text=f"{foreign}\n")
        answer = cors.preflight(request) or await self._answer(request, path)
        cors.tell(request.headers, answer)
        return answer

    async def _answer(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        lower = path.lower()
        if len(request.raw_path) > URL_LIMIT:
            return web.Response(status=414)
        if sum(len(k) + len(v) for k, v in request.raw_headers) > HEADER_LIMIT:
            return web.Response(status=431)
        if "%00" in path:
            return web.Response(status=400)
        if path.startswith(self._rpc_path):
            return await self._management.handle(request, path.removeprefix(self._rpc_path), self._binding(self.url))
        if self._app.state == "Error" and not lower.startswith("/admin/host/"):
            return web.Response(text="Function host is not running.", status=503)
        if lower == WEBHOOK or lower.startswith(WEBHOOK + "/"):
            refused = self._refused(request, *_SYSTEM)
            base = f"{request.scheme}://{request.host}"
            return refused or await self._management.handle(request, path[len(WEBHOOK) :], self._binding(base))
        if lower == "/admin" or lower.startswith("/admin/"):
            open_to_all = lower.rstrip("/") == "/admin/host/ping"
            refused = None if open_to_all else self._refused(request, *_ADMIN)
            return refused or await self._admin.handle(request, lower.removeprefix("/admin"))
        return await self._http.handle(request, path)

    def _refused(self, request: web.BaseRequest, opens: set[str], knows: set[str]) -> web.Response | None:
        if not self._options.auth:
            return None
        level = self._keys.level(given_key(request.headers, request.query.get("code")))
        if level in opens:
            return None
        if level in knows:
            return web.Response(status=403)
        return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})


def _request(message: Any, payload: Any, protocol_: Any, writer: Any, task: Any) -> web.BaseRequest:
    """Make requests that take a body of any size: the limits are the host's own."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol_, writer, task, loop, client_max_size=0)
