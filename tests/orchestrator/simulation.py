"""Drives an orchestrator through the Durable SDK's own `Orchestrator`, in virtual time, with activities that are
functions.

It plays the extension's part just far enough for one orchestration (durable-protocol.md): it makes the history, fires
timers, delivers events, continues as new, and holds the end back while tasks are open. After every episode it replays
the whole history once more and demands the same answer, and that the actions of the episode before are a prefix of
the new ones.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.durable_functions.orchestrator import Orchestrator

START = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
LABEL = "\n\n$OutOfProcData$:"
MOST_EPISODES = 5_000
HOST = json.loads((Path(__file__).resolve().parents[2] / "host.json").read_text(encoding="utf-8"))
VERSION: str = HOST["extensions"]["durableTask"]["defaultVersion"]


class ActivityCrashError(Exception):
    """An activity that raises this fails as the platform reports it; the text is the platform's."""


@dataclass
class Takes:
    """What an activity answers after so many seconds more than others take."""

    answer: Any
    seconds: float


@dataclass
class Call:
    """One execution of an activity."""

    name: str
    payload: Any
    at: float
    """Seconds since the start."""


@dataclass
class Ended:
    """How the orchestration ended. `status` is Completed, Failed, Terminated, or Stuck if it waits for nothing that
    comes.
    """

    status: str
    output: Any
    custom_status: Any
    seconds: float
    generations: int
    episodes: int
    timers: list[tuple[float, float]] = field(default_factory=list)
    """When each timer was made, and its delay; those that were cancelled are left out."""
    cancelled_timers: int = 0
    custom_statuses: list[Any] = field(default_factory=list)
    shown_at: list[float] = field(default_factory=list)
    """When each custom status was shown first."""
    histories: list[dict[str, Any]] = field(default_factory=list)
    """The last orchestrator input of every generation."""


class Simulation:
    """One orchestration of `generator` with `activities`, a function of the payload (and the seconds so far) for each
    name.
    """

    def __init__(
        self,
        generator: Callable[..., Any],
        activities: dict[str, Callable[[Any, float], Any]],
        *,
        exact_timers: bool = False,
        activity_seconds: float = 0.1,
        instance_id: str = "i1",
        version: str = VERSION,
        termination_lags: bool = False,
        start: datetime = START,
    ) -> None:
        """With `termination_lags` a termination arrives only when nothing else is left to happen."""
        self.handle = Orchestrator.create(generator)
        self.activities = activities
        self.exact_timers = exact_timers
        self.activity_seconds = activity_seconds
        self.instance_id = instance_id
        self.version = version
        self.termination_lags = termination_lags
        self.calls: list[Call] = []
        self.events: list[tuple[float, str, Any]] = []
        self.start = self.now = start
        self.terminated: str | None = None
        self._timers: dict[int, tuple[float, float]] = {}

    def raise_event(self, at: float, name: str, data: Any = None) -> None:
        """Deliver an event `at` seconds after the start."""
        self.events.append((at, name, data))

    def seconds(self) -> float:
        return (self.now - self.start).total_seconds()

    def terminate(self, reason: str) -> None:
        """What the activity `terminate_instance` asks the platform for."""
        self.terminated = reason

    def run(self, given: Any) -> Ended:
        """Run to the end and say how it ended."""
        course = self.play(given)
        while True:
            try:
                next(course)
            except StopIteration as stop:
                ended: Ended = stop.value
                return ended

    def play(self, given: Any) -> Generator[datetime, None, Ended]:
        """Run to the end; yield the moment of whatever happens next, before it does, so that several may take turns."""
        ended = Ended("Running", None, None, 0, 0, 0)
        while True:
            ended.generations += 1
            again = yield from self._generation(given, ended)
            ended.seconds = self.seconds()
            if again is None:
                return ended
            given = again[0]

    def _generation(self, given: Any, ended: Ended) -> Generator[datetime, None, tuple[Any] | None]:
        history: list[dict[str, Any]] = []
        queue: list[tuple[datetime, int, dict[str, Any]]] = []
        open_ids: set[int] = set()
        self._timers = {}
        answer: dict[str, Any] = {"actions": [[]]}
        sequence = 0
        new: list[dict[str, Any]] = [
            {"EventType": 0, "Name": "agent_run", "Version": self.version, "Input": json.dumps(given), "Tags": None}
        ]
        while True:
            ended.episodes += 1
            assert ended.episodes < MOST_EPISODES, "the orchestration does not end"
            history.append(self._event({"EventType": 12}))
            history += [self._event(e) for e in new]
            before, (answer, error) = answer, self._episode(history, given, ended)
            taken = before["actions"][0]
            leaves, known = list(_leaves(answer["actions"][0])), len(list(_leaves(taken)))
            assert [_kind(a) for a in leaves[:known]] == [_kind(a) for a in _leaves(taken)], "earlier actions changed"
            for index, action in enumerate(a for a in leaves if a["actionType"] in (0, 5)):
                if action["actionType"] == 5 and action.get("isCanceled") and index in open_ids:
                    open_ids.discard(index)
                    queue = self._cancelled(index, queue, ended)
                if index >= sequence:
                    sequence = index + 1
                    open_ids.add(index)
                    history.append(self._event({**self._schedule(index, action, queue, ended), "EventId": index}))
            if "customStatus" in answer and answer["customStatus"] is not None:
                status_size = len(json.dumps(answer["customStatus"]).encode("utf-16-le")) // 2
                assert status_size < 2048, f"custom status of {status_size} UTF-16 units"
                if not ended.custom_statuses or ended.custom_statuses[-1] != answer["customStatus"]:
                    ended.custom_statuses.append(answer["customStatus"])
                    ended.shown_at.append(self.seconds())
                ended.custom_status = answer["customStatus"]
            history.append(self._event({"EventType": 13}))
            done = error is not None or answer["isDone"]
            assert not (done and open_ids), "the end is held back by a task that is open"
            ended.histories[ended.generations - 1 :] = [self._input(history, given)]
            if done and error is not None:
                ended.status, ended.output = "Failed", f"Orchestrator function 'agent_run' failed: {error}"
                return None
            if done:
                renewed = [a for a in leaves if a["actionType"] == 4]
                if renewed:
                    assert not any(e["EventType"] == 15 for e in new), "continued as new in an event's episode"
                    return (
                        json.loads(renewed[0]["input"])
                        if isinstance(renewed[0]["input"], str)
                        else renewed[0]["input"],
                    )
                ended.status, ended.output = "Completed", answer.get("output")
                return None
            if self.terminated is not None and not (self.termination_lags and queue):
                ended.status, ended.output = "Terminated", self.terminated
                return None
            yield self._next_moment(queue)
            new = self._next(queue, open_ids)
            if not new:
                ended.status = "Stuck"
                return None

    def _episode(self, history: list[Any], given: Any, ended: Ended) -> tuple[dict[str, Any], str | None]:
        text = json.dumps(self._input(history, given))
        first = self.answer(text)
        assert self.answer(text) == first, "a replay answered differently"
        return first

    def answer(self, text: str) -> tuple[dict[str, Any], str | None]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the SDK warns of every event that nobody waits for
            try:
                return json.loads(self.handle(text)), None
            except Exception as error:
                if LABEL not in str(error):
                    raise
                message, state = str(error).split(LABEL, 1)
                return json.loads(state), message

    def _input(self, history: list[Any], given: Any) -> dict[str, Any]:
        return {
            "history": list(history),
            "input": json.dumps(given),
            "instanceId": self.instance_id,
            "isReplaying": False,
            "parentInstanceId": None,
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 3,
            "maximumShortTimerDuration": "6.00:00:00",
            "longRunningTimerIntervalDuration": "3.00:00:00",
            "defaultHttpAsyncRequestSleepTimeMillseconds": 30000,
        }

    def _event(self, event: dict[str, Any]) -> dict[str, Any]:
        stamp = self.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"EventId": -1, "IsPlayed": False, "Timestamp": stamp, **event}

    def _cancelled(self, index: int, queue: list[Any], ended: Ended) -> list[Any]:
        """Return the queue without the timer."""
        ended.timers.remove(self._timers.pop(index))
        ended.cancelled_timers += 1
        return [q for q in queue if q[2].get("TimerId") != index]

    def _schedule(self, index: int, action: dict[str, Any], queue: list[Any], ended: Ended) -> dict[str, Any]:
        if action["actionType"] == 5:
            delay = (datetime.fromisoformat(action["fireAt"]) - self.now).total_seconds()
            self._timers[index] = (self.seconds(), delay)
            ended.timers.append(self._timers[index])
            really = delay if self.exact_timers else int(delay) + 0.1
            queue.append(
                (
                    self.now + timedelta(seconds=really),
                    index,
                    {"EventType": 11, "TimerId": index, "FireAt": action["fireAt"]},
                )
            )
            return {"EventType": 10, "FireAt": action["fireAt"]}
        event, seconds = self._run_activity(index, action)
        queue.append((self.now + timedelta(seconds=self.activity_seconds + seconds), index, event))
        return {"EventType": 4, "Name": action["functionName"], "Version": None, "Input": action["input"]}

    def _run_activity(self, index: int, action: dict[str, Any]) -> tuple[dict[str, Any], float]:
        name = action["functionName"]
        payload = json.loads(action["input"])
        self.calls.append(Call(name, payload, self.seconds()))
        try:
            result = self.activities[name](payload, self.seconds())
        except ActivityCrashError as crash:
            result = crash
        answer, seconds = (result.answer, result.seconds) if isinstance(result, Takes) else (result, 0.0)
        if isinstance(answer, ActivityCrashError):
            failed = {"EventType": 6, "TaskScheduledId": index, "Reason": str(answer)}
            return {**failed, "Details": '{"$type":"System.Exception"}'}, seconds
        return {"EventType": 5, "TaskScheduledId": index, "Result": json.dumps(answer)}, seconds

    def _next_moment(self, queue: list[Any]) -> datetime:
        events = (self.start + timedelta(seconds=at) for at, *_ in self.events)
        return max(self.now, min((*events, *(moment for moment, *_ in queue)), default=self.now))

    def _next(self, queue: list[Any], open_ids: set[int]) -> list[dict[str, Any]]:
        """Advance the clock to what happens next."""
        queue.sort(key=lambda q: (q[0], q[1]))
        self.events.sort(key=lambda e: e[0])
        event_at = self.start + timedelta(seconds=self.events[0][0]) if self.events else None
        if event_at is not None and (not queue or event_at <= queue[0][0]):
            _, name, data = self.events.pop(0)
            self.now = max(self.now, event_at)
            return [{"EventType": 15, "Name": name, "Input": json.dumps(data)}]
        if not queue:
            return []
        moment, index, event = queue.pop(0)
        open_ids.discard(index)
        self.now = max(self.now, moment)
        return [event]


def _leaves(actions: list[dict[str, Any]]) -> Any:
    for action in actions:
        if "compoundActions" in action:
            yield from _leaves(action["compoundActions"])
        else:
            yield action


def _kind(action: dict[str, Any]) -> tuple[Any, ...]:
    return action["actionType"], action.get("functionName"), action.get("externalEventName"), action.get("fireAt")
