"""Many orchestrations at once on one model with little quota, in one virtual time."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

from tests.orchestrator.scripted_foundry import ScriptedFoundry
from tests.orchestrator.simulation import START, Ended, Simulation


class Quota:
    """A model that takes so many runs within so many seconds; to the others it names that time."""

    def __init__(self, runs: int, seconds: float) -> None:
        self.runs, self.seconds = runs, seconds
        self._taken: deque[datetime] = deque()

    def states(self, now: datetime) -> dict[float, Any]:
        """Return what becomes of a run that begins now."""
        while self._taken and now - self._taken[0] >= timedelta(seconds=self.seconds):
            self._taken.popleft()
        if len(self._taken) < self.runs:
            self._taken.append(now)
            return {0: "active", 2: "completed"}
        limited = {
            "state": "failed",
            "error_code": "rate_limit_exceeded",
            "error_message": f"Rate limit is exceeded. Try again in {self.seconds:.0f} seconds.",
            "rate_limited": True,
            "retry_after_seconds": self.seconds,
        }
        return {0: "active", 1: limited}


class OneOfMany(ScriptedFoundry):
    """The service as one of the orchestrations sees it: the quota is everybody's."""

    def __init__(self, quota: Quota) -> None:
        super().__init__()
        self.quota = quota

    def create_run(self, payload: Any, seconds: float) -> Any:
        self.states = self.quota.states(self.simulation.now)
        return super().create_run(payload, seconds)


def crowd(count: int, quota: Quota, *, timeout: int = 600) -> list[tuple[OneOfMany, Ended]]:
    """Start so many at once and play them to their ends, whatever comes first being the first to happen."""
    foundries = [OneOfMany(quota) for _ in range(count)]
    ended: dict[int, Ended] = {}
    plays: list[Generator[datetime, None, Ended]] = []
    for number, foundry in enumerate(foundries):
        simulation: Simulation = foundry.simulate(instance_id=f"nightly-{number:03d}")
        plays.append(simulation.play(foundry.given(timeout=timeout)))
    queue = [(START, number) for number in range(count)]
    while queue:
        _, number = heapq.heappop(queue)
        try:
            heapq.heappush(queue, (next(plays[number]), number))
        except StopIteration as stop:
            ended[number] = stop.value
    return [(foundry, ended[number]) for number, foundry in enumerate(foundries)]


def main() -> None:
    """Print what becomes of crowds of several sizes."""
    for count, quota in ((20, (3, 6)), (100, (3, 6)), (250, (3, 6)), (500, (3, 6)), (20, (3, 60)), (20, (1, 20))):
        played = crowd(count, Quota(*quota))
        done = [(len(foundry.runs), ended.seconds) for foundry, ended in played if ended.status == "Completed"]
        runs = sorted(len(foundry.runs) for foundry, _ in played)
        print(  # noqa: T201 - figures for people
            f"{count} starts, {quota[0]} runs in {quota[1]} s: {len(done)} done, the last after "
            f"{max((s for _, s in done), default=0):.0f} s; runs each: mean {sum(runs) / count:.1f}, most {runs[-1]}"
        )


if __name__ == "__main__":
    main()
