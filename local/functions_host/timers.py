"""Timer triggers: run functions on their schedule, never twice at the same time, and remember when they ran."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta

from azure.functions import meta

from local.functions_host import bindings, cron
from local.functions_host.clock import Clock, iso
from local.functions_host.console import Console
from local.functions_host.invoker import Invoker
from local.functions_host.loader import Function
from local.functions_host.store import Store


class TimerTriggers:
    """The timer-triggered functions of an app."""

    def __init__(
        self, functions: list[Function], invoker: Invoker, store: Store, *, clock: Clock, console: Console
    ) -> None:
        """Prepare; `start` begins to run them."""
        self._functions = functions
        self._invoker = invoker
        self._store = store
        self._clock = clock
        self._console = console
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Run every function at its times from now on."""
        self._tasks = [asyncio.get_running_loop().create_task(self._keep(f)) for f in self._functions]

    async def stop(self) -> None:
        """Stop. A run that is under way is not waited for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, function: Function) -> None:
        schedule = cron.parse(function.schedule)
        first = schedule.after(self._clock.now())
        # Schedules below a minute are not monitored, as on Azure.
        monitored = function.use_monitor and schedule.after(first) - first >= timedelta(minutes=1)
        last, due = (self._store.schedule(function.name) or (None, None)) if monitored else (None, None)
        missed = due is not None and due < self._clock.timestamp()
        if missed or function.run_on_startup:
            last = await self._run(function, schedule, last, past_due=missed)
        next_due = schedule.after(self._clock.now())
        while True:
            if monitored:
                with self._store.transaction():
                    self._store.save_schedule(function.name, last, next_due.timestamp())
            await asyncio.sleep(self._clock.real_until(next_due.timestamp()))
            last = await self._run(function, schedule, last, past_due=False)
            next_due = schedule.after(max(next_due, self._clock.now()))

    async def _run(self, function: Function, schedule: cron.Schedule, last: float | None, *, past_due: bool) -> float:
        began = self._clock.timestamp()
        await self.run(function, last=last, due=schedule.after(self._clock.now()), past_due=past_due)
        return began

    async def run(
        self,
        function: Function,
        *,
        last: float | None = None,
        due: datetime | None = None,
        past_due: bool = False,
    ) -> None:
        """Run a function once; its failure is on the console and changes nothing else."""
        began = time.perf_counter()
        before = datetime.fromtimestamp(last or 0, UTC)
        status = {"Last": iso(before), "Next": iso(due or before), "LastUpdated": iso(before)}
        document = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
        failed = False
        try:
            datum = meta.Datum(json.dumps(document), "json")
            value = bindings.converter("timerTrigger").decode(datum, trigger_metadata=None)
            await self._invoker.call(function, value)
        except Exception as error:  # noqa: BLE001 - user code
            failed = True
            self._console.error(f"function '{function.name}' failed", error)
        self._console.timer(function.name, time.perf_counter() - began, past_due=past_due, failed=failed)
