"""The race: `python -m tests.ownership.race [--seed N] [--threads 200] [--keys 300]`. Exits 1 with what it found.

Two processes do the app's activities against one Azurite and one Foundry emulator: several starts on each thread at the
same moment, several starts with each key. The storage loses requests and answers, Foundry too, there is latency between
a look and the post that follows, now and then a process is killed, and instances end without a word. In the end nobody
has had another one's answer, nothing is doubled or stuck, there were never two owners at once, and each thread's runs
are in the order in which their instances first stood in the line.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.foundry_emulator import FoundryEmulator
from ownership.threads import document_of
from store.connection import StorageAccount, open_store
from tests.faults.caller import post_thread
from tests.faults.checks import doubled, messages_of, runs_of
from tests.ownership.arrivals import arrived, in_order, served
from tests.ownership.platform import Platform
from tests.store.azurite import ROOT, azurite
from tests.store.troubled import Trouble, TroubledStorage

PROCESSES = ("first", "second")
HUB = "race"
TROUBLE = Trouble(lost=0.01, unheard=0.03, busy=0.01, latency=0.02)
LATENCY = 0.3
"""Seconds between a look at a thread's messages and what follows from it: in half of the cases."""

SPEED = 20.0
BACK_AFTER = 0.5
"""Seconds until what a dead process had taken is done by another one."""

CALLERS = 3
"""With each key."""


@dataclass
class Race:
    """One race; a context manager."""

    seed: int
    threads: int
    starts: int = 5
    keys: int = 0
    kills: int = 2
    silent: float = 0.05
    """So many of the instances are terminated, or purged, between two of their steps."""
    in_flight: bool = False
    """They are so while an activity of theirs posts something: what nobody can prevent, and `answer_mismatch` tells."""
    replacing: float = 0.05
    """So many want to replace whoever owns their thread."""
    patience: float = 600
    figures: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        with self._stack as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="race-")))
            connection = stack.enter_context(azurite(folder / "azurite"))
            self.storage = stack.enter_context(TroubledStorage(connection, TROUBLE, self.seed))
            self._store = open_store(StorageAccount(connection_string=connection, hub=HUB))
            self._store.check()
            self.emulator = stack.enter_context(FoundryEmulator(clock_speed=SPEED))
            self.platform = Platform.create(folder / "platform.db")
            self._file = folder / "platform.db"
            self._running: dict[str, subprocess.Popen[bytes]] = {}
            stack.callback(self._kill_all)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def run(self) -> list[str]:
        """Run it; return what was wrong."""
        self._disturb_foundry()
        began = time.time()
        self._plan(began + 2)
        for name in PROCESSES:
            self._start(name)
        self._until_all_have_ended()
        self.figures["seconds"] = round(time.time() - began)
        return self._findings()

    def _plan(self, at: float) -> None:
        """Let the starts of one thread, or with one key, come at the same moment."""
        chance = random.Random(self.seed)
        for n in range(self.threads):
            thread = post_thread(self.emulator.endpoint)
            for i in range(self.starts):
                name = f"race-{self.seed}-{n}-{i}"
                replaces = chance.random() < self.replacing
                due = at + n * 0.02 + chance.random() * 0.01
                self.platform.add(name, thread, f"message {name}", due, replaces=replaces)
        for n in range(self.keys):
            for caller in range(CALLERS):
                self.platform.add_keyed(f"key-{self.seed}-{n}", caller, at + n * 0.02)

    def _disturb_foundry(self) -> None:
        rules: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
            ("list_messages", "delay", {"effect": "first", "seconds": LATENCY, "probability": 0.5}),
            ("create_message", "reset", {"effect": "first", "probability": 0.03}),
            ("create_run", "reset", {"effect": "first", "probability": 0.03}),
            ("create_message", "status", {"status": 503, "probability": 0.02}),
            ("get_run", "reset", {"probability": 0.02}),
        )
        for n, (operation, kind, rule) in enumerate(rules):
            self.emulator.faults.add(kind, operation=operation, times=None, seed=self.seed + n, **rule)

    def _start(self, name: str) -> None:
        environment = {
            **{n: v for n, v in os.environ.items() if not n.startswith(("FOUNDRY_", "AzureWebJobsStorage"))},
            "AzureWebJobsStorage": self.storage.connection_string,
            "TASKHUB_NAME": HUB,
            "FOUNDRY_PROJECT_ENDPOINT": self.emulator.endpoint,
            "FOUNDRY_ACCESS_TOKEN": "any-token-for-the-emulator",
        }
        command = [sys.executable, "-m", "tests.ownership.worker", str(self._file), name]
        self._running[name] = subprocess.Popen(command, cwd=ROOT, env=environment)

    def _kill(self, name: str) -> int:
        process = self._running.pop(name)
        process.kill()
        process.wait(30)
        return self.platform.give_back(name, BACK_AFTER)

    def _kill_all(self) -> None:
        for name in list(self._running):
            self._kill(name)

    def _until_all_have_ended(self) -> None:
        """Kill processes and end instances while there is something left to do, at moments that the seed chooses."""
        chance = random.Random(self.seed + 1)
        total = self.threads * self.starts
        kill_at = sorted(chance.uniform(0.1, 0.8) for _ in range(self.kills))
        silent_at = sorted(chance.uniform(0.05, 0.9) for _ in range(round(total * self.silent)))
        gave_back, give_up_at = 0, time.monotonic() + self.patience
        while time.monotonic() < give_up_at and self._left():
            done = 1 - self._left() / (total + self.keys * CALLERS)
            while silent_at and done >= silent_at[0]:
                silent_at.pop(0)
                self._end_one_without_a_word(chance)
            if kill_at and done >= kill_at[0]:
                kill_at.pop(0)
                name = chance.choice(PROCESSES)
                gave_back += self._kill(name)
                self._start(name)
            time.sleep(0.02)
        self.figures["kills"] = self.kills - len(kill_at)
        self.figures["steps cut off by kills"] = gave_back

    def _left(self) -> int:
        [(active,)] = self.platform.rows("SELECT count(*) FROM instances WHERE state = 'active'")
        [(keyed,)] = self.platform.rows("SELECT count(*) FROM keyed WHERE instance IS NULL")
        return int(active) + int(keyed)

    def _end_one_without_a_word(self, chance: random.Random) -> None:
        state = chance.choice(["terminated", "purged"])
        ended = self.platform.end_one_without_a_word(chance, state, in_flight=self.in_flight)
        if ended is not None and ended[1] is not None:
            # As the orphan scan does. A moment later, so that others meet its run.
            threading.Timer(0.3, self._stop_run, [ended[1]]).start()

    def _stop_run(self, run: str) -> None:
        try:
            self.emulator.cancel_run(run)
        except ValueError:
            self.figures["terminated, but had ended"] = self.figures.get("terminated, but had ended", 0) + 1

    # --- what it came to ---

    def _findings(self) -> list[str]:
        ledger = self.emulator.ledger()
        instances = self.platform.rows("SELECT id, thread, message, state, step, answer, replaces FROM instances")
        found = [text for (text,) in self.platform.rows("SELECT text FROM findings")]
        found += doubled(ledger.threads)
        patient: defaultdict[str, set[str]] = defaultdict(set)
        for instance, thread, message, state, step, answer, replaces in instances:
            if not replaces:
                patient[thread].add(instance)
            found += one_ended(ledger.threads, instance, message, state, step, answer)
        arrivals = arrived(self.storage.written)
        for thread, its in patient.items():
            came = [i for i in arrivals.get(document_of(thread).path, []) if i in its]
            found += in_order(thread, came, [i for i in served(ledger.threads[thread]) if i in its])
        found += self._left_behind()
        found += self._keys()
        refused = [e for e in ledger.of("create_message") if e.service_status == 400]
        self.figures |= {
            "ends": dict(Counter(state for _, _, _, state, *_ in instances)),
            "refused by Foundry as busy": len(refused),
            "storage": dict(self.storage.happened),
            "steps": self.platform.rows("SELECT sum(tries) FROM instances")[0][0],
            "Foundry requests": len(ledger.requests),
        }
        return found

    def _left_behind(self) -> list[str]:
        """Find documents that still name somebody who goes on; those of ended instances go at night."""
        documents = list(self._store.listed("threads"))
        self.figures["documents left of ended instances"] = len(documents)
        return [] if not self._left() else [f"{self._left()} are stuck"]

    def _keys(self) -> list[str]:
        told: defaultdict[str, set[str]] = defaultdict(set)
        for key, instance in self.platform.rows("SELECT key, instance FROM keyed"):
            told[key].add(instance)
        begun: defaultdict[str, set[str]] = defaultdict(set)
        for instance, key in self.platform.rows("SELECT instance, key FROM started"):
            begun[key].add(instance)
        self.figures["keys"] = len(told)
        return [f"{k}: told {t}, started {begun[k]}" for k, t in told.items() if len(t) != 1 or t != begun[k]]


Threads = Mapping[str, Mapping[str, Any]]


def one_ended(threads: Threads, instance: str, message: str, state: str, step: str, answer: str | None) -> list[str]:
    """Return what is wrong with an instance in the end."""
    posted, made = len(messages_of(threads, instance)), len(runs_of(threads, instance))
    if state == "active":
        return [f"{instance} is stuck at {step}"]
    if state in ("terminated", "purged", "cancelled") and posted <= 1 and made <= 1:
        return []
    if state != "completed":
        return [f"{instance} ended as {state}"]
    found = [] if (posted, made) == (1, 1) else [f"{instance}: {posted} messages, {made} runs"]
    if f'You wrote: "{message}"' not in (answer or ""):
        found.append(f"{instance}: answer_mismatch: {answer!r} to {message!r}")
    return found


def main() -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--threads", type=int, default=200)
    parser.add_argument("--keys", type=int, default=300)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--in-flight", action="store_true", help="terminate instances whose activity posts just now")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with Race(given.seed, given.threads, keys=given.keys, kills=given.kills, in_flight=given.in_flight) as race:
        found = race.run()
    for name, figure in race.figures.items():
        print(f"{name}: {figure}")
    for finding in found:
        print(f"FOUND {finding}")
    print(f"{len(found)} findings")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
