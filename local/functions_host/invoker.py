"""Calls functions as the Python worker does: sync ones in a thread pool, async ones on one loop in its own thread.

The loop is apart from the host's own, so that an async function that blocks stalls its kind, as on Azure, but never
the status API. It is one loop because the Durable SDK keeps one HTTP session for the whole process.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.functions import meta

from local.functions_host import bindings
from local.functions_host.episode import DisabledActivityError
from local.functions_host.loader import App, Function
from local.functions_host.tracing import Trace, shown


class FunctionTimeoutError(Exception):
    """A function ran longer than functionTimeout."""


class InvocationContext(func.Context):
    """The `context` parameter of a function."""

    def __init__(self, function: Function, app_root: Path, trace: Trace | None = None) -> None:
        """Make a context with a new invocation id."""
        self._trace = trace
        self._invocation_id = str(uuid.uuid4())
        self._function = function
        self._app_root = app_root
        self._local = threading.local()

    @property
    def invocation_id(self) -> str:
        """Id of this call."""
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        """Where user threads put the invocation id for their logs."""
        return self._local

    @property
    def function_name(self) -> str:
        """Name of the function."""
        return self._function.name

    @property
    def function_directory(self) -> str:
        """Where the function's script is."""
        return str(self._app_root)

    @property
    def trace_context(self) -> Any:
        """Of an activity: a span of its instance's trace. Without Application Insights others have none."""
        return shown(self._trace)

    @property
    def retry_context(self) -> Any:
        """No retry policies of triggers locally."""
        return None


class Invoker:
    """Runs the functions of an app. Use it from the host's event loop."""

    def __init__(
        self, app: App, app_root: Path, client_binding: Callable[[], str], timeout: float | None = None
    ) -> None:
        """Start the pool and the loop; `client_binding` gives the text of a durable client binding.

        `timeout` is host.json's functionTimeout in real seconds, None without.
        """
        self._timeout = timeout
        self._app_root = app_root
        self._client_binding = client_binding
        self._orchestrators = app.of("orchestrationTrigger")
        self._activities = app.of("activityTrigger")
        self._disabled = app.disabled("activityTrigger")
        self._pool = ThreadPoolExecutor(thread_count(), thread_name_prefix="function")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="async-functions", daemon=True)
        self._thread.start()

    @property
    def activities(self) -> set[str]:
        """Names of the registered activities, disabled ones too."""
        return {*self._activities, *self._disabled}

    @property
    def orchestrators(self) -> set[str]:
        """Names of the registered orchestrators."""
        return set(self._orchestrators)

    async def run_orchestrator(self, name: str, context: str) -> str:
        """Run an episode on its JSON text."""
        handle = self._orchestrators[name].call
        result = await self._in_pool(functools.partial(handle, context))
        return str(result)

    async def run_activity(self, name: str, data: str | None, trace: Trace | None) -> str:
        """Run an activity on JSON text; returns JSON text. Raises DisabledActivityError."""
        if name in self._disabled:
            raise DisabledActivityError(name)
        function = self._activities[name]
        converter = bindings.converter("activityTrigger")
        datum = meta.Datum("null" if data is None else data, "json")
        value = converter.decode(datum, trigger_metadata=None)
        result = await self.call(function, value, trace)
        return str(converter.encode(result, expected_type=None).value)

    async def call(self, function: Function, trigger_value: Any, trace: Trace | None = None) -> Any:
        """Call a function with its trigger's value and whatever other bindings it has."""
        arguments: dict[str, Any] = {function.trigger_name: trigger_value}
        arguments |= {name: self._client_binding() for name in function.client_names}
        if function.wants_context:
            arguments["context"] = InvocationContext(function, self._app_root, trace)
        if function.is_async:
            running = self._on_loop(function.call(**arguments))
        else:
            running = self._in_pool(functools.partial(function.call, **arguments))
        try:
            async with asyncio.timeout(self._timeout) as limit:
                return await running
        except TimeoutError as error:
            if not limit.expired():
                raise
            # The real host kills the worker. A thread cannot be killed: what it still does happens unseen.
            raise FunctionTimeoutError(
                f"Timeout value of {timedelta(seconds=self._timeout or 0)} was exceeded by function: "
                f"Functions.{function.name}"
            ) from error

    async def close(self, grace: float) -> None:
        """End pool and loop. Threads still in user code after `grace` seconds are left to the process's end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        closing = asyncio.run_coroutine_threadsafe(_end_loop(), self._loop)
        try:
            await asyncio.wait_for(asyncio.wrap_future(closing), grace)
        except TimeoutError:
            return  # user code blocks the loop; the thread is a daemon
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, grace)
        if not self._thread.is_alive():
            self._loop.close()

    async def _in_pool(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def _on_loop(self, awaitable: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await awaitable

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), self._loop))


async def _end_loop() -> None:
    """Cancel what runs on the functions' loop and close the Durable SDK's HTTP session."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    http_utils: Any = sys.modules.get("azure.durable_functions.models.utils.http_utils")
    if http_utils is not None:  # an app may not use Durable at all
        await http_utils._close_session()  # noqa: SLF001 - the SDK has no public way to close it
    await asyncio.get_running_loop().shutdown_default_executor()


def thread_count() -> int:
    """Size of the pool: `PYTHON_THREADPOOL_THREAD_COUNT`, or the worker's default."""
    text = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    if text.isdigit() and 1 <= int(text) <= 1024:
        return int(text)
    return min(32, (os.cpu_count() or 1) + 4)
