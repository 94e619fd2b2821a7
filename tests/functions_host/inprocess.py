"""The engine without HTTP and processes: orchestrators and activities as plain functions, crashes at will."""

from __future__ import annotations

import asyncio
import io
import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Self

import azure.durable_functions as df

from local.functions_host import protocol
from local.functions_host.clock import Clock
from local.functions_host.console import Console
from local.functions_host.engine import Engine
from local.functions_host.episode import Effects, EngineOptions
from local.functions_host.hooks import Hooks
from local.functions_host.lint import Finding, lint, lint_answers, stall, unread
from local.functions_host.operations import Operations
from local.functions_host.protocol import Event
from local.functions_host.speedup import install_fast_timestamps
from local.functions_host.store import Instance, Store
from local.functions_host.tracing import Trace

install_fast_timestamps()


class PlainFunctions:
    """Orchestrators run through the real SDK, activities are called as they are, all on the event loop."""

    def __init__(self, orchestrators: Mapping[str, Any], activities: Mapping[str, Callable[..., Any]]) -> None:
        self._handles = {name: df.Orchestrator.create(code) for name, code in orchestrators.items()}
        self._activities = activities
        self.traces: list[Trace | None] = []

    @property
    def activities(self) -> set[str]:
        return set(self._activities)

    @property
    def orchestrators(self) -> set[str]:
        return set(self._handles)

    async def run_orchestrator(self, name: str, context: str) -> str:
        await asyncio.sleep(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the SDK warns of early events
            return str(self._handles[name](context))

    async def run_activity(self, name: str, data: str | None, trace: Trace | None) -> str:
        await asyncio.sleep(0)
        self.traces.append(trace)
        result = self._activities[name](json.loads(data or "null"))
        if asyncio.iscoroutine(result):
            result = await result
        return json.dumps(result)


class Hub:
    """A task hub in memory. Use it as an async context manager; ``crash`` loses everything but the store."""

    def __init__(
        self,
        orchestrators: Mapping[str, Any],
        activities: Mapping[str, Callable[..., Any]] | None = None,
        *,
        store: Store | None = None,
        speed: float = 500,
        hooks: Hooks | None = None,
        exact: bool = False,
        clock: Clock | None = None,
        traces: bool = False,
    ) -> None:
        self.functions = PlainFunctions(orchestrators, activities or {})
        self.store = store or Store(":memory:")
        self.findings: list[Finding] = []
        self.finished: list[Any] = []
        self.clock = clock or Clock(speed=speed)
        self.log = io.StringIO()
        self._console = Console(stream=self.log)
        self._hooks = hooks or Hooks()
        self._options = EngineOptions(exact_timers=exact, traces=traces)
        self._begin()

    def _begin(self) -> None:
        self.engine = Engine(
            self.store,
            self.functions,
            clock=self.clock,
            console=self._console,
            options=self._options,
            hooks=self._hooks,
            observe=self._observe,
        )
        self.operations = Operations(self.engine)

    def _observe(self, effects: Effects) -> None:
        for answered in effects.answered:
            self.findings += lint_answers(answered.before, answered.after, raised=answered.raised)
        self.findings += [stall(waiting_for) for *_, waiting_for in effects.stalled]
        self.findings += [unread() for _ in effects.unread]
        for finished in effects.finished:
            self.finished.append(finished)
            self.findings += lint(finished)

    async def __aenter__(self) -> Self:
        self.engine.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.engine.stop(grace=0)
        self.store.close()

    async def crash(self) -> None:
        """End everything at its next await, as a kill does between two transactions, and start again."""
        await self.engine.stop(grace=0)
        self._begin()
        self.engine.start()

    def start(self, name: str, instance_id: str, value: Any = None) -> None:
        self.operations.start(name, instance_id, json.dumps(value), None)

    def raise_event(self, instance_id: str, name: str, value: Any = None) -> None:
        self.operations.raise_event(instance_id, name, json.dumps(value))

    def row(self, instance_id: str) -> Instance:
        row = self.store.instance(instance_id)
        assert row is not None
        return row

    def history(self, instance_id: str) -> list[Event]:
        return [protocol.event_from_text(text) for text in self.store.history(instance_id)]

    async def until(self, instance_id: str, condition: Callable[[Instance], bool]) -> Instance:
        """Wait for a condition; real seconds."""
        async with asyncio.timeout(30):
            while not condition(self.row(instance_id)):  # noqa: ASYNC110 - another process would poll as well
                await asyncio.sleep(0.001)
        return self.row(instance_id)

    async def until_ended(self, instance_id: str) -> Instance:
        return await self.until(instance_id, lambda row: row.ended)

    async def until_running(self, instance_id: str) -> Instance:
        return await self.until(instance_id, lambda row: row.status == "Running")

    async def run(self, name: str, value: Any = None, instance_id: str = "one") -> Any:
        """Run an orchestration to its end; returns its output."""
        self.start(name, instance_id, value)
        row = await self.until_ended(instance_id)
        return json.loads(row.output or "null")
