"""Runs a function by hand: `POST /admin/functions/{name}` with `{"input": ...}`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from aiohttp import web
from azure.functions.http import HttpRequest

from local.functions_host import protocol
from local.functions_host.console import Console
from local.functions_host.invoker import Invoker
from local.functions_host.loader import Function
from local.functions_host.timers import TimerTriggers


class ByHand:
    """Starts functions without their trigger; whoever asked is not told how they end."""

    def __init__(self, invoker: Invoker, timers: TimerTriggers, console: Console) -> None:
        """Run through `invoker`, timer triggers through `timers`."""
        self._invoker = invoker
        self._timers = timers
        self._console = console
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, request: web.BaseRequest, function: Function) -> web.Response:
        """Start a function and answer 202; 400 for a body that is not `{"input": ...}`, or too deep."""
        try:
            document = json.loads(protocol.checked((await request.read()).decode() or "{}"))
            given = document.get("input")
        except (ValueError, AttributeError):
            return web.Response(status=400)
        task = asyncio.get_running_loop().create_task(self._guarded(function, self._start(function, given)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return web.Response(status=202)

    async def stop(self) -> None:
        """End what still runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _start(self, function: Function, given: Any) -> None:
        text = given if isinstance(given, str) else json.dumps(given)
        match function.trigger:
            case "timerTrigger":
                await self._timers.run(function)
            case "activityTrigger":
                await self._invoker.run_activity(function.durable_name, text, None)
            case "httpTrigger":
                body = b"" if given is None else text.encode()
                url = f"http://localhost/api/{function.name}"
                value = HttpRequest("POST", url, headers={}, params={}, route_params={}, body_type="bytes", body=body)
                await self._invoker.call(function, value)
            case _:
                raise ValueError("an orchestrator is started through the management API, not by hand")

    async def _guarded(self, function: Function, run: Coroutine[Any, Any, None]) -> None:
        try:
            await run
        except Exception as error:  # noqa: BLE001 - user code
            self._console.error(f"function '{function.name}', run by hand, failed", error)
        else:
            self._console.info(f"function '{function.name}' was run by hand")
