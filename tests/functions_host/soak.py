"""Kill test: ``python -m tests.functions_host.soak [--rounds 30] [--seed N]``.

Starts mixed load, kills the host with SIGKILL at a random moment, starts it again, round after round, until all
has ended; then every instance must be at its right end and no history inconsistent. The seed is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.functions_host.harness import ENDED, HostProcess

APP = Path(__file__).parent / "soak_app"
_CHAIN = 2 * sum(range(1, 5))
EXPECTED: dict[str, tuple[str, Any]] = {
    "chain": ("Completed", _CHAIN),
    "fan_out": ("Completed", sum(range(1, 9))),
    "timers": ("Completed", "fired"),
    "retries": ("Completed", "Activity function 'fails' fail"),
    "parent": ("Completed", [_CHAIN, 36, 36]),
    "generations": ("Completed", list(range(1, 13))),
    "events": ("Completed", [{"n": 0}, {"n": 1}, {"n": 2}]),
    "failing": ("Failed", "Orchestrator function 'failing' failed: as it should"),
}
SPEED = 20


def soak(rounds: int, seed: int, per_round: int = 8, *, report: Any = lambda _: None) -> Counter[str]:
    """Run the kill test; returns how many instances of each kind ended as they should. Raises AssertionError."""
    chance = random.Random(seed)
    started: dict[str, str] = {}
    with HostProcess(APP, args=("--clock-speed", str(SPEED), "--quiet")) as host:
        for number in range(rounds):
            moment = time.monotonic() + chance.uniform(0.05, 1.0)
            for name in chance.choices(sorted(EXPECTED), k=per_round):
                instance = f"{name}-{number}-{len(started)}"
                host.launch(name, instance)
                started[instance] = name
            while time.monotonic() < moment:
                _answer_questions(host, started, chance)
                time.sleep(0.02)
            host.kill()
            host.restart()
            report(f"round {number + 1}: {len(started)} started")
        _until_all_ended(host, started, chance)
        ends = Counter(_check(host, instance, name) for instance, name in started.items())
        _check_children(host, started)
    return ends


def _answer_questions(host: HostProcess, started: dict[str, str], chance: random.Random) -> None:
    """Answer what the instances ask for, now and then twice."""
    for instance in [i for i, name in started.items() if name == "events"]:
        status = host.status(instance)
        if status["runtimeStatus"] == "Running" and status["customStatus"]:
            event = status["customStatus"]["asks"]
            for _ in range(chance.choice((1, 1, 2))):
                # Gone, or asking the next question already: the answer was recorded.
                assert host.raise_event(instance, event, {"n": int(event[-1])}) in (202, 410)


def _until_all_ended(host: HostProcess, started: dict[str, str], chance: random.Random) -> None:
    deadline = time.monotonic() + 120
    open_ones = set(started)
    while open_ones:
        open_ones = {i for i in open_ones if host.status(i)["runtimeStatus"] not in ENDED}
        _answer_questions(host, {i: started[i] for i in open_ones}, chance)
        assert time.monotonic() < deadline, f"stuck: {sorted(open_ones)}"


def _check(host: HostProcess, instance: str, name: str) -> str:
    status = host.status(instance, "?showHistory=true&showHistoryOutput=true")
    found = status["runtimeStatus"], status["output"]
    assert found == EXPECTED[name], f"{instance}: {found}"
    events = status["historyEvents"]
    kinds = Counter(e["EventType"] for e in events)
    assert kinds["ExecutionStarted"] == kinds["ExecutionCompleted"] == 1, f"{instance}: {kinds}"
    # Scheduled events are merged into the one end they have; one left over has none, or an end has no start.
    assert kinds["TaskScheduled"] == kinds["SubOrchestrationInstanceCreated"] == 0, f"{instance}: {kinds}"
    ends = [e for e in events if e["EventType"].startswith(("Task", "SubOrchestration"))]
    assert all("ScheduledTime" in e for e in ends), f"{instance}: an end without a start"
    assert kinds["TimerFired"] <= kinds["TimerCreated"], f"{instance}: {kinds}"
    return name


def _check_children(host: HostProcess, started: dict[str, str]) -> None:
    """Every parent has exactly its three children, and all have ended."""
    children, token = [], None
    while True:
        headers = {"x-ms-continuation-token": token} if token else {}
        page = host.request("GET", f"{host.webhook}/instances", headers=headers)
        children += [s for s in page.json if s["instanceId"] not in started]
        token = page.headers.get("x-ms-continuation-token")
        if not token:
            break
    assert {s["runtimeStatus"] for s in children} <= {"Completed"}
    parents = sum(name == "parent" for name in started.values())
    assert len(children) == 3 * parents, f"{len(children)} children of {parents} parents"


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n")
    began = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):
        ends = soak(given.rounds, given.seed, report=lambda line: sys.stdout.write(f"{line}\n"))
        took = time.monotonic() - began
        sys.stdout.write(f"{sum(ends.values())} instances, all at their right end, after {given.rounds} kills ")
        sys.stdout.write(f"in {took:.0f} s: {dict(sorted(ends.items()))}\n")
        return 0
    return 130


if __name__ == "__main__":
    sys.exit(main())
