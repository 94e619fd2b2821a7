"""What watches change: the app with them and without beside the SDK's loop, runs alone and twenty at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from benchmarks.machine import commit
from benchmarks.numbers import p95
from benchmarks.options import Options
from benchmarks.report import Cell, Check, Figure, Table
from benchmarks.stage import AppHost, Emulator, SdkLoops, sdk_loops, together

ALONE = {0.3: 12, 1.0: 12, 3.0: 11, 10.0: 5, 30.0: 3}
"""How many runs of about that duration, one after the other. Each duration is up to 15 % off, so that no schedule is
favoured by whole seconds.
"""

AT_ONCE = 20
OFF = 0.15
AFTERWARDS = 3.0
"""Longer than an answer takes on any side: nobody is asked meanwhile, which would cost processor time."""

WITH, WITHOUT, BEFORE, SDK = "the app", "the app without watches", "the app before", "SDK's 1 s loop"
SHORT = 10.0


@dataclass(frozen=True)
class Side:
    """What one side took for runs of one duration: of each its lag, the time since its POST, and its looks."""

    lags: list[float]
    outcomes: list[float]
    looks: list[int]
    cpu_per_run: float


def measure(options: Options) -> Figure:
    """All three sides at the same time, one duration after the other."""
    chance = options.random("watches")
    alone = options.pick({0.3: 2, 1.0: 1}, ALONE)
    crowds = options.pick({0.3: 4}, dict.fromkeys(ALONE, AT_ONCE))
    rows: list[list[Cell]] = []
    checks: list[Check] = []
    before = BEFORE if options.before else WITHOUT
    plans = [*((d, n, 1) for d, n in alone.items()), *((d, n, n) for d, n in crowds.items())]
    wanted = [(near, at_once, _durations(chance, near, runs)) for near, runs, at_once in plans]
    with (
        Emulator((0.0, *(d for _, _, durations in wanted for d in durations))) as emulator,
        AppHost(emulator) as watching,
        AppHost(emulator, watches=bool(options.before), before=options.before) as looking,
    ):
        for host in (watching, looking):
            host.start(0.0)  # warm
            host.until_completed(1, patience=30)
        hosts = {WITH: watching, before: looking}
        done = 1
        for near, at_once, durations in wanted:
            sides = _sides(emulator, hosts, durations, at_once, done)
            done += len(durations)
            rows += [[near, at_once, name, *_row(side, sides[SDK])] for name, side in sides.items()]
            checks += _checks(near, at_once, sides, before)
            options.say(f"{near:g} s, {at_once} at once: {median(sides[WITH].lags):.2f} s of lag")
    return Figure(
        "Watches: with them, without, and the SDK's loop",
        Table(
            ("duration [s]", "at once", "", "lag p50 [s]", "lag p95 [s]", "looks a run", "POST to outcome p50 [s]",
             "... to the SDK's", "processor per run [ms]"),
            rows,
        ),
        checks,
        [
            f"Durations are up to {OFF:.0%} off, all sides get the same, at the same time, on one emulator.",
            f"{_described(options)} A lag is counted as in `lag_measured`.",
            "Half of the time between two looks is the lag: 1.3 looks a second are 0.385 s.",
        ],
    )  # fmt: skip


def _described(options: Options) -> str:
    if options.before is None:
        return "Without watches: `FOUNDRY_MAX_LOOKS_PER_SECOND` is 0."
    return f"Before: app and local host at commit {commit(options.before)}."


def _durations(chance: random.Random, near: float, runs: int) -> list[float]:
    return [round(near * chance.uniform(1 - OFF, 1 + OFF), 3) for _ in range(runs)]


def _sides(
    emulator: Emulator, hosts: dict[str, AppHost], durations: list[float], at_once: int, done: int
) -> dict[str, Side]:
    pause = max(durations) + AFTERWARDS
    after = [0.0 if at_once > 1 else n * pause for n in range(len(durations))]
    emulator.reset()
    found: dict[str, list[tuple[str, float]]] = {name: [] for name in hosts}
    used = {name: host.cpu() for name, host in hosts.items()}
    with sdk_loops(emulator, list(zip(after, durations, strict=True)), threads=at_once) as loops:
        loops.go()
        together(*(_starter(host, after, durations, found[name]) for name, host in hosts.items()))
        time.sleep(pause)
        spent = {name: (host.cpu() - used[name]) / len(durations) for name, host in hosts.items()}
        for host in hosts.values():
            host.until_completed(done + len(durations), patience=120, every=0.5)
        theirs = _of_the_sdk(emulator, loops, durations)
        created, looks = emulator.run_starts(), emulator.looks()
    sides = {}
    for name, host in hosts.items():
        ends = host.ends([instance for instance, _ in found[name]])
        runs = [(ends[instance], posted) for instance, posted in found[name]]
        sides[name] = Side(
            [end.at - created[end.run_id] - d for (end, _), d in zip(runs, durations, strict=True)],
            [end.at - posted for end, posted in runs],
            [looks.get(end.run_id, 0) for end, _ in runs],
            spent[name],
        )
    return {**sides, SDK: theirs}


def _starter(
    host: AppHost, after: list[float], durations: list[float], found: list[tuple[str, float]]
) -> Callable[[], None]:
    def start() -> None:
        began = time.monotonic()
        for pause, duration in zip(after, durations, strict=True):
            time.sleep(max(0.0, began + pause - time.monotonic()))
            posted = time.monotonic()
            found.append((host.start(duration), posted))

    return start


def _of_the_sdk(emulator: Emulator, loops: SdkLoops, durations: list[float]) -> Side:
    result = loops.result()
    created, looks = emulator.run_starts(), emulator.looks()
    runs = list(zip(result.runs, durations, strict=True))
    return Side(
        [run.ended - created[run.run_id] - d for run, d in runs],
        [run.ended - run.began for run, _ in runs],
        [looks.get(run.run_id, 0) for run, _ in runs],
        result.cpu_seconds / len(runs),
    )


def _row(side: Side, sdk: Side) -> list[Cell]:
    looks = sum(side.looks) / len(side.looks)
    ratio = median(side.outcomes) / median(sdk.outcomes)
    return [median(side.lags), p95(side.lags), looks, median(side.outcomes), ratio, 1000 * side.cpu_per_run]


def _checks(near: float, at_once: int, sides: dict[str, Side], compared: str) -> list[Check]:
    what = f"runs of {near:g} s, " + ("alone" if at_once == 1 else f"{at_once} at once")
    app, before, sdk = (sides[name] for name in (WITH, compared, SDK))
    limit = (0.3 if at_once == 1 else 0.5) if near <= SHORT else 0.05 * near
    checks = [Check(f"{what}: lag p50", median(app.lags), limit, "s")]
    if near <= SHORT:
        checks += [
            Check(f"{what}: lag p95", p95(app.lags), 1.0, "s"),
            Check(f"{what}: processor time to that of {compared}", app.cpu_per_run / before.cpu_per_run, 0.6),
        ]
    if near >= 1:
        ratio = median(app.outcomes) / median(sdk.outcomes)
        checks.append(Check(f"{what}: POST to outcome, ratio to the SDK's", ratio, 1.0))
    if near >= 2:
        checks.append(Check(f"{what}: looks to those of the SDK's loop", sum(app.looks) / sum(sdk.looks), 1.3))
    return checks
