"""What replaying costs over the number of looks, with and without continue-as-new."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from benchmarks.meter import Meter
from benchmarks.options import Options
from benchmarks.report import Cell, Chart, Check, Figure, Line, Table
from orchestrators import steps
from tests.orchestrator.scripted_foundry import ScriptedFoundry

NEVER = 10**9


def measure(options: Options) -> Figure:
    """Time the SDK's executor over all episodes of one orchestration in virtual time."""
    sizes = options.pick((25, 100), (25, 100, 400))
    rounds = options.pick(1, 2)
    today = steps.TIMERS_PER_GENERATION
    costs = {n: median([replay_seconds(n, timers_per_generation=today)[0] for _ in range(rounds)]) for n in sizes}
    options.say(f"with continue-as-new: {costs}")
    most = max(sizes)
    # Quadratic: four times the looks take sixteen times as long, so this side stops earlier.
    unrenewed = {
        n: replay_seconds(n, timers_per_generation=NEVER)[0] for n in options.pick((25, 50), (25, 50, 100, 200))
    }
    options.say(f"without: {unrenewed}")
    by_length = {}
    for length in options.pick((5, today), (3, 5, 8, 10, 15, today, 30)):
        by_length[length] = replay_seconds(60, timers_per_generation=length)
    rows: list[list[Cell]] = [
        [f"{n} looks", cost / costs[25], cost / n / (costs[25] / 25), unrenewed.get(n, 0) / cost or None]
        for n, cost in sorted(costs.items())
    ]
    rows += [
        [f"60 looks, a generation of {length} timers", seconds / by_length[today][0], None, None]
        for length, (seconds, _) in sorted(by_length.items())
    ]
    episodes = {str(length): count for length, (_, count) in sorted(by_length.items())}
    return Figure(
        "Replay cost",
        Table(("", "cost (25 looks = 1; 60: today = 1)", "cost per look", "without continue-as-new / with"), rows),
        [Check(f"cost({most}) / cost({most // 4})", costs[most] / costs[most // 4], 4.5)],
        [
            f"Generations end after {today} timers. Episodes for 60 looks by that length: {episodes}.",
            (f"Without continue-as-new: cost({max(unrenewed)}) / cost({max(unrenewed) // 2}) = "
            f"{unrenewed[max(unrenewed)] / unrenewed[max(unrenewed) // 2]:.1f} for twice the looks."),
        ],
        data={
            "seconds": {str(n): c for n, c in sorted(costs.items())},
            "seconds_without": {str(n): c for n, c in sorted(unrenewed.items())},
            "seconds_for_60_by_generation_length": {str(n): c for n, (c, _) in sorted(by_length.items())},
        },
        charts={
            "replay": Chart(
                "Processor time of all episodes", "looks at the run", "relative to 25 looks",
                [
                    Line("the app", [(n, c / costs[25]) for n, c in sorted(costs.items())]),
                    Line("without continue-as-new", [(n, c / costs[25]) for n, c in sorted(unrenewed.items())]),
                ],
                log_x=True, log_y=True,
            ),
            "generation_length": Chart(
                "Replay cost of 60 looks by the length of a generation", "timers per generation", "relative to today",
                [Line("60 looks", [(n, c / by_length[today][0]) for n, (c, _) in sorted(by_length.items())])],
            ),
        },
    )  # fmt: skip


def replay_seconds(polls: int, *, timers_per_generation: int) -> tuple[float, int]:
    """Return the processor seconds of all episodes of a run that takes so many looks, and how many they were."""
    goes_on = {"state": "active", "raw_status": "in_progress"}
    snapshot = {"value": {"run_id": "run_1", "thread_id": "thread_1", **goes_on}, "failure": None}
    foundry = ScriptedFoundry({0: "active", 0.001: "completed"}, get_run=[snapshot] * (polls - 1))
    simulation = foundry.simulate(activity_seconds=0.02)
    meter = Meter(simulation.handle)
    simulation.handle = meter
    with _generations_of(timers_per_generation):
        request, policy = {"user_message": "hello"}, {"agent_id": "asst_1", "timeout_seconds": 86_400}
        ended = simulation.run({"request": request, "policy": policy})
    looked = len(foundry.called("get_run"))
    if ended.status != "Completed" or looked != polls:
        raise RuntimeError(f"{looked} looks, ended as {ended.status}: {ended.output}")
    return meter.seconds, ended.episodes


@contextmanager
def _generations_of(timers: int) -> Iterator[None]:
    before = steps.TIMERS_PER_GENERATION
    steps.TIMERS_PER_GENERATION = timers
    try:
        yield
    finally:
        steps.TIMERS_PER_GENERATION = before
