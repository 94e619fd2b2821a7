"""Activities for the simulation: a Foundry service whose run goes through states by the clock of the simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from look_schedule import WATCH_SECONDS, next_look
from orchestrators import agent_run as module
from tests.orchestrator.simulation import ActivityCrashError, Ended, Simulation, Takes

ORCHESTRATOR = module.agent_run._function._func.orchestrator_function

DEAD_WORKER = "Activity function 'x' failed:  \"/usr/bin/python3 worker.py\" exited with code 137 (0x89) "

State = str | dict[str, Any]


def ok(value: Any) -> dict[str, Any]:
    return {"value": value, "failure": None}


def failure(code: str, *, message: str = "no", retryable: bool = False, **more: Any) -> dict[str, Any]:
    return {"value": None, "failure": {"code": code, "message": message, "retryable": retryable, **more}}


def down(**more: Any) -> dict[str, Any]:
    return failure("service_unavailable", retryable=True, **more)


NO_ANSWER: dict[str, Any] = {"messages": []}


def said(text: str, **more: Any) -> dict[str, Any]:
    """Return an answer of one message."""
    return {"messages": [{"id": "msg_a", "text": text}], **more}


def call(id_: str, name: str = "get_weather", kind: str = "function") -> dict[str, Any]:
    return {"id": id_, "kind": kind, "name": name, "arguments": "{}"}


class ScriptedFoundry:
    """`states` maps seconds since the run's start to the state it has from then on; overrides replace an activity's
    answers.

    An override is a list of answers (or exceptions) given one after the other before the normal behaviour resumes. A
    look at a completed run brings the answer along, unless `get_response` is overridden; with `list_lags` it finds
    none. With `watches` the activities stay with the run as the real ones do.
    """

    def __init__(self, states: dict[float, State] | None = None, **overrides: list[Any]) -> None:
        self.states = states or {0: "active", 3: "completed"}
        self.overrides = {name: list(answers) for name, answers in overrides.items()}
        self.runs: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self.threads = 0
        self.submitted: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.cancel_takes = 2.0
        self.list_lags = False
        self.watches = False
        self.looked_at: list[float] = []
        """When the run was looked at, in seconds since the start."""
        self.after_answer: dict[float, State] = {0: "active", 2: "completed"}
        self.simulation: Simulation
        self.acted: list[tuple[str, Any]] = []
        """What was done, and what it was given: an activity may go on with what another one does, too."""
        self._cancelled_at: float | None = None

    def simulate(self, request: dict[str, Any] | None = None, **options: Any) -> Simulation:
        """Return a simulation of one orchestration."""
        names = (
            "plan_run", "create_thread", "create_message", "create_run", "get_run", "get_response", "cancel_run",
            "submit_tool_outputs", "delete_thread", "terminate_instance",
        )  # fmt: skip
        activities = {name: self._activity(name) for name in names}
        self.simulation = Simulation(ORCHESTRATOR, activities, **options)
        return self.simulation

    def run(
        self,
        request: dict[str, Any] | None = None,
        *,
        timeout: int = 600,
        events: list[tuple[Any, ...]] = [],  # noqa: B006
        policy: dict[str, Any] | None = None,
        **options: Any,
    ) -> Ended:
        """Run one orchestration to its end."""
        simulation = self.simulate(**options)
        for event in events:
            simulation.raise_event(*event)
        return simulation.run(self.given(request, timeout=timeout, policy=policy))

    @staticmethod
    def given(
        request: dict[str, Any] | None = None, *, timeout: int = 600, policy: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the input of a start; a field that is None is left out."""
        wanted = {"user_message": "hello", **(request or {})}
        return {
            "request": {k: v for k, v in wanted.items() if v is not None},
            "policy": {"agent_id": "asst_1", "timeout_seconds": timeout, **(policy or {})},
        }

    def called(self, name: str) -> list[Any]:
        """Return what the activity was given each time, be it by another activity that went on with it."""
        return [payload for called, payload in self.acted if called == name]

    def _activity(self, name: str) -> Callable[[Any, float], Any]:
        return lambda payload, seconds: self._acts(name, payload, seconds)

    def _acts(self, name: str, payload: Any, seconds: float) -> Any:
        self.acted.append((name, payload))
        queued = self.overrides.get(name)
        if queued:
            answer = queued.pop(0)
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                return answer(payload, seconds) if callable(answer) else answer
        return getattr(self, name)(payload, seconds)

    def plan_run(self, payload: Any, seconds: float) -> Any:
        return ok(
            {"agent_id": payload["agent_id"] or "asst_default", "timeout_seconds": payload["timeout_seconds"] or 600}
        )

    def create_thread(self, payload: Any, seconds: float) -> Any:
        self.threads += 1
        return ok({"thread_id": f"thread_{self.threads}"})

    def create_message(self, payload: Any, seconds: float) -> Any:
        if payload["stamp"] not in self.messages:
            self.messages.append(payload["stamp"])
        posted = {"message_id": f"msg_{len(self.messages)}"}
        if "run" not in payload:
            return ok(posted)
        started = self._acts("create_run", payload["run"], seconds)
        result, stayed = (started.answer, started.seconds) if isinstance(started, Takes) else (started, 0.0)
        if isinstance(result, Exception):
            return started
        at = self.simulation.now.isoformat()
        return Takes(ok({**posted, "run": result, "run_requested_at": at}), stayed)

    def create_run(self, payload: Any, seconds: float) -> Any:
        known = next((r for r in self.runs if r["stamp"] == payload["effect"]["stamp"]), None)
        if known is None:
            known = {
                "id": f"run_{len(self.runs) + 1}",
                "stamp": payload["effect"]["stamp"],
                "at": seconds,
                "states": self.states,
            }
            self.runs.append(known)
            self._cancelled_at = None
        return self._watched(known, self._snapshot(known, seconds, payload["thread_id"]), seconds, 0.0)

    def get_run(self, payload: Any, seconds: float) -> Any:
        run = next(r for r in self.runs if r["id"] == payload["run_id"])
        return self._watched(run, self._look(run, seconds, payload["thread_id"]), seconds, payload["watch_from"])

    def _look(self, run: dict[str, Any], seconds: float, thread_id: str) -> dict[str, Any]:
        self.looked_at.append(seconds)
        snapshot = self._snapshot(run, seconds, thread_id)
        if snapshot["state"] == "completed" and not self.overrides.get("get_response"):
            snapshot["answer"] = NO_ANSWER if self.list_lags else self._answer({"run_id": run["id"]})
        return {**snapshot, "looks": 1}

    def _watched(self, run: dict[str, Any], seen: dict[str, Any], seconds: float, age: float | None) -> Any:
        """Return the answer of an activity that goes on looking as the schedule says."""
        looked, looks = 0.0, seen.get("looks", 0)
        while self.watches and age is not None and seen["state"] in ("active", "cancelling"):
            due = looked + next_look(age + looked)
            if due > WATCH_SECONDS:
                break
            looked, looks = due, looks + 1
            seen = self._look(run, seconds + looked, seen["thread_id"])
        return Takes(ok({**seen, "looks": looks}), looked)

    def get_response(self, payload: Any, seconds: float) -> Any:
        return ok(self._answer(payload))

    def _answer(self, payload: Any) -> dict[str, Any]:
        return said(f"answer of {payload['run_id']}")

    def submit_tool_outputs(self, payload: Any, seconds: float) -> Any:
        self.submitted.append(payload["answer"])
        run = next(r for r in self.runs if r["id"] == payload["run_id"])
        run["at"], run["states"] = seconds, self.after_answer
        return self._watched(run, self._snapshot(run, seconds, payload["thread_id"]), seconds, 0.0)

    def cancel_run(self, payload: Any, seconds: float) -> Any:
        run = next(
            (r for r in self.runs if payload["run_id"] in (None, r["id"]) and r["stamp"] == payload["effect"]["stamp"]),
            None,
        )
        if run is None:
            return ok({"run": None})
        if self._cancelled_at is None:
            self._cancelled_at = seconds
        return ok({"run": self._snapshot(run, seconds, payload["thread_id"])})

    def delete_thread(self, payload: Any, seconds: float) -> Any:
        self.deleted.append(payload["thread_id"])
        return ok({"deleted": True})

    def terminate_instance(self, payload: Any, seconds: float) -> Any:
        self.simulation.terminate(payload["reason"])
        return ok(None)

    def _snapshot(self, run: dict[str, Any], seconds: float, thread_id: str) -> dict[str, Any]:
        age = seconds - run["at"]
        state = next(s for at, s in sorted(run["states"].items(), reverse=True) if age >= at)
        shown: dict[str, Any] = {"state": state} if isinstance(state, str) else dict(state)
        if self._cancelled_at is not None and shown["state"] in ("active", "requires_action", "cancelling"):
            done = seconds - self._cancelled_at >= self.cancel_takes
            shown = {"state": "cancelled" if done else "cancelling"}
        return {"run_id": run["id"], "thread_id": thread_id, "raw_status": shown["state"], **shown}


__all__ = [
    "DEAD_WORKER",
    "NO_ANSWER",
    "ActivityCrashError",
    "ScriptedFoundry",
    "call",
    "down",
    "failure",
    "ok",
    "said",
]
