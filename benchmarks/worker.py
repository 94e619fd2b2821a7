"""The app as the Python worker has it, without a host: real orchestrator and activities, real HTTP, virtual timers.

Meant for a process of its own (`worker_process`): the processor time it finds is the app's and the Durable SDK's alone.
On Azure the host beside the worker is a .NET process; the local host that stands in for it is left out here.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import inspect
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import function_app
from benchmarks.machine import memory_mb
from benchmarks.meter import Meter
from benchmarks.stage import BenchmarkError
from tests.orchestrator.scripted_foundry import ORCHESTRATOR
from tests.orchestrator.simulation import Simulation


@dataclass
class Spent:
    """Processor seconds, and how often."""

    episodes: int = 0
    episode_seconds: float = 0.0
    activities: int = 0
    activity_seconds: float = 0.0

    def to_json(self) -> dict[str, float]:
        """Show it as JSON types."""
        return asdict(self)


class Worker:
    """Runs orchestrations one after the other and counts what they cost."""

    def __init__(self) -> None:
        self.spent = Spent()
        self._left = 0
        self._loop = asyncio.new_event_loop()
        self._functions = {f.get_function_name(): f.get_user_function() for f in function_app.app.get_functions()}

    def run(self, agent_id: str, *, polls: int, instance_id: str) -> None:
        """Run to the end. Unless no look is wanted, the agent does not end by itself: the last look finds it ended."""
        self._left = polls
        names = ("create_thread", "create_message", "create_run", "get_run", "get_response")
        activities = {name: self._activity(name) for name in names}
        # Activities create nothing after the run's time, which they compare with the real clock.
        start = datetime.now(UTC).replace(microsecond=0)
        simulation = Simulation(ORCHESTRATOR, activities, instance_id=instance_id, start=start)
        simulation.handle = meter = Meter(simulation.handle)
        request = {"user_message": "How long does this take?", "agent_id": agent_id}
        policy = {"agent_id": agent_id, "timeout_seconds": 86_400}
        ended = simulation.run({"request": request, "policy": policy})
        if ended.status != "Completed":
            raise BenchmarkError(f"the run ended as {ended.status}: {ended.output}")
        self.spent.episodes += meter.episodes
        self.spent.episode_seconds += meter.seconds

    def _activity(self, name: str) -> Callable[[Any, float], Any]:
        function = self._functions[name]

        def act(payload: Any, seconds: float) -> Any:
            del seconds
            if name == "get_run":
                self._left -= 1
                if self._left == 0:
                    _end_run(payload["run_id"])
            began = time.process_time()  # what blocks is in a thread beside the loop's
            result = json.loads(json.dumps(self._result_of(function, payload)))  # as the worker hands it over
            self.spent.activity_seconds += time.process_time() - began
            self.spent.activities += 1
            if result["failure"]:
                raise BenchmarkError(f"{name} failed: {result['failure']}")
            return result

        return act

    def _result_of(self, function: Callable[..., Any], payload: Any) -> Any:
        """Return what the activity returns. It is called in no trace, and nobody else is on the thread, so the Durable
        client is never asked.
        """
        given = {"context": None} | ({"client": None} if hasattr(function, "client_function") else {})
        result = getattr(function, "client_function", function)(payload=payload, **given)
        return self._loop.run_until_complete(result) if inspect.iscoroutine(result) else result


def _end_run(run_id: str) -> None:
    """Have the emulator complete a run."""
    connection = http.client.HTTPConnection(urlsplit(os.environ["FOUNDRY_PROJECT_ENDPOINT"]).netloc, timeout=30)
    connection.request("POST", f"/_emulator/runs/{run_id}/end", json.dumps({"status": "completed"}))
    answer = connection.getresponse()
    connection.close()
    if answer.status != 200:
        raise BenchmarkError(f"the emulator does not end the run {run_id}: {answer.status}")


def memory_now() -> float:
    """Return the resident memory after a collection."""
    gc.collect()
    return memory_mb() or 0.0
