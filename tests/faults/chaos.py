"""Chaos: `python -m tests.faults.chaos [--generation responses] [--seed N] [--runs 600]`, `--hostile-seeds N`, or
`--crowd N`. Exits 1 with what it found.

Hundreds of concurrent runs, most of them on threads that they share, many started by several callers at once with one
key, meet random faults of Foundry and of the storage, kills of the host, cancels, terminations from outside and tool
calls, from a printed seed. In the end the ledger must be right: every key has one run, every start one end, no message
or run is doubled, nothing is active, no cancel and no tool's output was lost, every answer belongs to its message, and
on each thread those who waited were served in the order of their arrival. With `--hostile-seeds` the behaviours of
`behaviours.py` run on a hostile host instead, once for each seed; with `--crowd` many starts wait there for one thread.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, get_args

from contracts.generations import CAPABILITIES
from local.blob_storage.endpoint import BlobEndpoint
from tests.e2e.generations import of_generation, operation, present
from tests.e2e.world import World
from tests.faults.behaviours import SCAN, SPEED, all_at_once, crowds_a_thread
from tests.faults.caller import Caller, new_thread
from tests.faults.checks import Started, all_findings, out_of_order
from tests.faults.held import poisoned
from tests.store.troubled import Away, Trouble, TroubledStorage

CROWD_SPEED = 20.0
STORM_SPEED = 8.0
"""Hundreds of runs at once take a while, and Foundry's runs must not expire meanwhile."""

AT_ONCE = 200
LOOKS_PER_SECOND = 60.0
"""Of all callers together, so that the looks leave the host time for the runs."""

AGENTS = (
    "history",
    "instant",
    "slow",
    "laggingList",
    "rateLimitedOnce",
    "forever",
    "fails",
    "unknownStatus",
    "slowCancel",
    "twoToolRounds",
    "mcpApproval",
)
ENDS_ONLY_BY_FORCE = {"forever", "slowCancel"}
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 500, "effect": "first"},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "2"}},
    {"kind": "reset", "effect": "none"},
    {"kind": "reset", "effect": "first"},
    {"kind": "html", "effect": "first"},
    {"kind": "cut_body"},
    {"kind": "truncated_json"},
    {"kind": "empty_body", "effect": "first"},
)
FAULTY = [
    "create_thread",
    "create_message",
    "create_run",
    "get_run",
    "list_messages",
    "list_runs",
    "cancel_run",
    "list_threads",
    "submit_tool_outputs",
]
HOST = {**SCAN, "PYTHON_THREADPOOL_THREAD_COUNT": "24"}
STORAGE = Trouble(lost=0.01, unheard=0.03, busy=0.01, latency=0.02)
SHARED = 0.7
"""So many of the starts are on a thread that others use."""

TURNS = ("wait", "wait", "wait", "wait", "fail")
ROUGH_TURNS = ("wait", "wait", "replace", "replace", "fail")
"""On every third of the shared threads: nobody there is safe."""

CALLERS = (1, 1, 2, 3)
"""How many start one run with its key, at the same moment."""


@dataclass(frozen=True)
class Plan:
    """What becomes of one start, as the seed wants it."""

    number: int
    seed: int
    thread: str | None
    turn: str
    """What it wants where its thread is busy."""


@dataclass
class Chaos:
    """One storm over one world, whose storage can be disturbed."""

    world: World
    storage: TroubledStorage
    seed: int
    runs: int
    kills: int
    ended: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    starts: list[Started] = field(default_factory=list)

    def __post_init__(self) -> None:
        at_once = min(AT_ONCE, self.runs)
        self._caller = Caller(self.world, patience=180, look_seconds=max(0.1, at_once / LOOKS_PER_SECOND))
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._under_way = 0
        self.most_at_once = 0

    def run(self) -> list[str]:
        """Run the storm; return what was wrong in the end."""
        chance = random.Random(self.seed)
        shared = [new_thread(self.world) for _ in range(max(1, self.runs // 20))]
        for index, (name, rule) in enumerate((n, r) for n in FAULTY for r in FAULTS):
            self.world.emulator.faults.add(
                operation=operation(name), times=None, probability=0.02, seed=index + self.seed, **rule
            )
        plans = [self._plan(n, chance, shared) for n in range(self.runs)]
        self._replaced = {plan.thread for plan in plans if plan.turn == "replace"}
        disturber = threading.Thread(target=self._disturb, args=(chance.randrange(2**32),))
        watcher = threading.Thread(target=self._show)
        disturber.start()
        watcher.start()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._one, plans))
        self._over.set()
        disturber.join()
        watcher.join()
        self.world.emulator.faults.clear()
        self._wait_for_the_orphans()
        threads = self._caller.threads()
        found = [
            *self.findings,
            *all_findings(threads, self.starts),
            *poisoned(threads),
            *out_of_order(threads, self.starts, self.storage.written),
        ]
        return [finding + self._log_about(finding) for finding in found]

    def _plan(self, number: int, chance: random.Random, shared: list[str]) -> Plan:
        thread = chance.choice(shared) if chance.random() < SHARED else None
        turns = ROUGH_TURNS if thread in shared[::3] else TURNS
        return Plan(number, chance.randrange(2**32), thread, chance.choice(turns) if thread else "wait")

    def _log_about(self, finding: str) -> str:
        """Return the last lines of the host's log on the instance that a finding names."""
        named = next((s.instance_id for s in self.starts if s.instance_id in finding), None)
        lines = [line for line in self.world.host.log.splitlines() if named and named in line and "GET" not in line]
        return "".join(f"\n    {line}" for line in lines[-25:])

    def _one(self, plan: Plan) -> None:
        chance = random.Random(plan.seed)
        name, message = chance.choice(AGENTS), f"chaos-{self.seed}-{plan.number}"
        try:
            instance_id = self._start(name, message, plan, chance)
            if instance_id is None:
                with self._lock:
                    self.ended["refused at once"] += 1
                return
            fate = "cancel" if name in ENDS_ONLY_BY_FORCE or chance.random() < 0.15 else ""
            fate = "terminate" if chance.random() < 0.05 else fate
            self._count(+1)
            accepted = False
            if fate:
                time.sleep(chance.random())
                accepted = self._act(fate, instance_id)
            document = self._caller.answer_until_ended(instance_id)
        except AssertionError as error:
            thread = self._caller.threads().get(plan.thread or "")
            self.findings.append(f"{message} ({name}): {error}; its thread: {thread}")
            return
        self._count(-1)
        with self._lock:
            self.ended[document["status"]] += 1
            self.starts.append(
                Started(
                    instance_id,
                    name,
                    message,
                    document,
                    # A cancel that is sent again, because its first answer was lost, may find the run cancelled: 409.
                    cancel_accepted=fate == "cancel" and (accepted or document["status"] == "Cancelled"),
                    terminated=fate == "terminate",
                    turn=plan.turn,
                    replaceable=plan.thread in self._replaced,
                )
            )

    def _start(self, name: str, message: str, plan: Plan, chance: random.Random) -> str | None:
        """Start a run, by as many callers at once as chance wants; return what they all were told. None: all were
        refused, since the thread was busy.
        """
        fields = {"thread_id": plan.thread, "if_thread_busy": plan.turn} if plan.thread else {}
        callers = 1 if plan.turn == "fail" else chance.choice(CALLERS)

        def start(_: int) -> str | None:
            return self._caller.start_unless_busy(name, message, timeout_seconds=3600, **fields)

        with ThreadPoolExecutor(callers) as pool:
            told = set(pool.map(start, range(callers)))
        assert len(told) == 1, f"one key, {callers} callers, told {told}"
        return told.pop()

    def _count(self, change: int) -> None:
        with self._lock:
            self._under_way += change
            self.most_at_once = max(self.most_at_once, self._under_way)

    def _act(self, fate: str, instance_id: str) -> bool:
        if fate == "cancel":
            return self._caller.cancel(instance_id).status == 202
        return self._caller.terminate(instance_id).status == 202

    def _disturb(self, seed: int) -> None:
        """Kill the host now and then, and start it again; let the storage be away for moments."""
        chance = random.Random(seed)
        for _ in range(self.kills):
            if self._over.wait(1 + 2 * chance.random()):
                return
            self.storage.go_away(chance.choice(get_args(Away)))
            self._over.wait(0.5 + 2 * chance.random())
            self.storage.come_back()
            if self._over.wait(1 + 2 * chance.random()):
                return
            self.world.host.kill()
            self.world.host.restart()

    def _show(self) -> None:
        began = time.monotonic()
        while not self._over.wait(5):
            done = sum(self.ended.values())
            print(f"  {time.monotonic() - began:4.0f} s  {done}/{self.runs} ended: {dict(self.ended)}", flush=True)

    def _wait_for_the_orphans(self) -> None:
        """Give `cancel_orphaned_runs` the time of a few scans for what was terminated from outside."""
        active = {"queued", "in_progress", "requires_action", "cancelling"}
        give_up_at = time.monotonic() + 30
        while time.monotonic() < give_up_at:
            threads = self._caller.threads()
            runs = (run for thread in threads.values() for run in thread["runs"])
            if not any(run["status"] in active for run in runs) and not [*poisoned(threads)]:
                return
            time.sleep(0.3)


def storm(seed: int, runs: int, kills: int, speed: float = STORM_SPEED) -> list[str]:
    """Run one storm; return what it found. The storage outlives the host, as Azure's does."""
    with BlobEndpoint(account="chaos") as account, TroubledStorage(account.connection_string, STORAGE, seed) as storage:
        env = {**HOST, "AzureWebJobsStorage": storage.connection_string}
        with World(speed=speed, env=env) as world:
            chaos = Chaos(world, storage, seed, runs, kills)
            found = chaos.run()
            happened = f"{runs} runs, at most {chaos.most_at_once} at once, {kills} kills, ends {dict(chaos.ended)}"
            print(f"seed {seed}: {happened}, {len(found)} findings", flush=True)
            print(f"  storage: {dict(storage.happened)}", flush=True)
            return found


def hostile(seeds: range) -> list[str]:
    """Run all behaviours on a hostile host, once for each seed, timers in turn as on each backend."""
    found: list[str] = []
    for seed in seeds:
        timers = ("azure-storage", "exact")[seed % 2]
        with World(speed=SPEED, args=["--hostile", str(seed), "--timers", timers], env=SCAN) as world:
            wrong = all_at_once(Caller(world), f"hostile-{seed}")
        print(f"hostile seed {seed}, timers {timers}: {len(wrong)} findings", flush=True)
        found += wrong
    return found


def crowd(seed: int, starts: int) -> list[str]:
    """Crowd one thread on a hostile host; timers as `hostile` has them."""
    args = ["--hostile", str(seed), "--timers", ("azure-storage", "exact")[seed % 2]]
    with World(speed=CROWD_SPEED, args=args, env=SCAN) as world:
        began = time.monotonic()
        found = list(crowds_a_thread(Caller(world, patience=300), f"crowd-{seed}", starts))
        took = time.monotonic() - began
        happened = f"{starts} starts on one thread, {took:.0f} s, {len(found)} findings"
        print(f"hostile seed {seed}: {happened}", flush=True)
        return [*found, world.host.log[-3000:]] if found else []


def main() -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generation", choices=list(CAPABILITIES), default=present())
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--runs", type=int, default=600)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument(
        "--hostile-seeds", type=int, metavar="N", help="hostile hosts with N seeds instead, from --seed on"
    )
    parser.add_argument("--crowd", type=int, metavar="N", help="N starts on one thread of a hostile host instead")
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.generation}", flush=True)
    with of_generation(given.generation):
        if given.crowd:
            found = crowd(given.seed, given.crowd)
        elif given.hostile_seeds:
            found = hostile(range(given.seed, given.seed + given.hostile_seeds))
        else:
            found = storm(given.seed, given.runs, given.kills)
    for finding in found:
        print(f"FOUND {finding}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
