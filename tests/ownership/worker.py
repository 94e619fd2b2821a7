"""One host's worker process in the race: `python -m tests.ownership.worker FILE NAME`. It works until it is killed.

The environment names the storage account and the Foundry project, as it does for the app. Each step of an instance is
one of the app's activities, called as the orchestrator calls it, and each start with a key is what the HTTP function
does. What Durable is to them, is the file (`platform`).
"""

from __future__ import annotations

import asyncio
import inspect
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ownership.threads
from contracts.activities import (
    ActivityResult,
    CancelledRun,
    CancelRun,
    CreateMessage,
    CreateRun,
    Failure,
    MessageRef,
    NewMessage,
    RunRef,
    Turn,
)
from contracts.runs import Answer, Effect, FormerRun, PostedMessage, RunSnapshot, RunState, Stamp
from contracts.status import CustomStatus
from contracts.wire import from_wire, to_wire
from ownership.line import Place
from store.documents import DocumentStore, StoreError
from tests.e2e.world import agent
from tests.ownership.platform import Platform, Work

THREADS = 24
LONGEST_PAUSE = 0.6
LOOK_SECONDS = 0.1
RESULTS_LOST = 0.03
"""So many results of activities do not get to the platform, which has them done again."""


class ShownInstance:
    """What the Durable client says of an instance."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self._payload = payload

    def to_json(self) -> dict[str, Any]:
        return self._payload


class Client:
    """The Durable client, as far as activities and starts use it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def get_status(self, instance_id: str) -> ShownInstance | None:
        shown = await asyncio.to_thread(self._platform.shown, instance_id)
        if shown is None:
            return None
        runtime_status, thread, run, cancelling = shown
        custom = CustomStatus(status="Cancelling" if cancelling else "Running", thread_id=thread, run_id=run)
        return ShownInstance({"runtimeStatus": runtime_status, "customStatus": to_wire(custom), "output": None})

    async def raise_event(self, instance_id: str, event: str, data: Any) -> None:
        assert event == "cancel", (event, data)
        await asyncio.to_thread(self._platform.cancel, instance_id)


def watched(platform: Platform) -> None:
    """Note who is told that he owns a thread, and who leaves it, before the activities are loaded."""
    take_place, leave = ownership.threads.take_place, ownership.threads.leave

    def take(
        store: DocumentStore,
        thread: str,
        instance: str,
        has_ended: Callable[[str], bool],
        *,
        is_done: Callable[[str], bool] = lambda _: False,
        **how: Any,
    ) -> Place:
        def done(owner: str) -> bool:
            if found := is_done(owner):
                platform.owns_no_more(thread, owner)
            return found

        place = take_place(store, thread, instance, has_ended, is_done=done, **how)
        if place.is_owner:
            platform.owns(thread, instance)
        return place

    def go(store: DocumentStore, thread: str, instance: str, run: FormerRun | None = None) -> None:
        platform.owns_no_more(thread, instance)
        leave(store, thread, instance, run)

    ownership.threads.take_place, ownership.threads.leave = take, go


class WorkerProcess:
    """Does steps of instances and starts with keys."""

    def __init__(self, platform: Platform, name: str) -> None:
        self.platform = platform
        self.name = name
        self.client = Client(platform)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        watched(platform)
        from activities import foundry_calls
        from http_api import keyed_starts

        self._calls, self._keyed = foundry_calls, keyed_starts

    def work(self) -> None:
        """Do what is due, one thing after the other."""
        while True:
            if work := self.platform.take(self.name):
                getattr(self, work.step)(work)
            elif keyed := self.platform.take_keyed(self.name):
                self.start(*keyed)
            else:
                time.sleep(0.02)

    def call(self, activity: str, wanted: Any, kind: Any) -> Any:
        """Run an activity as the worker does; return its value or its failure."""
        function = getattr(self._calls, activity)._function.get_user_function()
        function = getattr(function, "client_function", function)
        named = {"client": self.client, "context": None}
        given = {name: value for name, value in named.items() if name in inspect.signature(function).parameters}
        wire = function(payload=to_wire(wanted), **given)
        if inspect.isawaitable(wire):
            wire = asyncio.run_coroutine_threadsafe(_awaited(wire), self.loop).result()
        result = from_wire(ActivityResult[kind], wire)
        return result.value if result.failure is None else result.failure

    def go_on(self, work: Work, step: str, *, run: str | None = None, seconds: float = 0.0) -> None:
        """Tell the platform what is next, which may not hear of it."""
        lost = random.random() < RESULTS_LOST
        self.platform.go_on(work, work.step if lost else step, run=None if lost else run, seconds=seconds)

    def again(self, work: Work, failure: Failure) -> None:
        """Do what the orchestrator does about a failure: try again later what passes."""
        if failure.retryable or failure.code == "thread_busy":
            self.platform.go_on(work, work.step, seconds=(0.3 + random.random()) * LONGEST_PAUSE)
        else:
            self.platform.find(f"{work.instance} failed: {failure.code} {failure.message}")
            self.platform.end(work.instance, "failed")

    def create_message(self, work: Work) -> None:
        turn = Turn(if_busy="replace" if work.replaces else "wait")
        wanted = CreateMessage(
            thread_id=work.thread,
            message=NewMessage(content=work.message),
            stamp=_stamp(work, "message"),
            runs_as=work.instance,
            turn=turn,
        )
        match self.call("create_message", wanted, MessageRef):
            case Failure() as failure:
                self.again(work, failure)
            case _:
                self.go_on(work, "create_run")

    def create_run(self, work: Work) -> None:
        wanted = CreateRun(
            thread_id=work.thread, agent_id=agent("history"), effect=_effect(work), runs_as=work.instance
        )
        match self.call("create_run", wanted, RunSnapshot):
            case RunSnapshot() as run:
                self.go_on(work, "get_run", run=run.run_id, seconds=LOOK_SECONDS)
            case failure:
                self.again(work, failure)

    def get_run(self, work: Work) -> None:
        match self.call("get_run", _run_of(work), RunSnapshot):
            case RunSnapshot(state=RunState.COMPLETED, answer=None):
                self.go_on(work, "get_response")
            case RunSnapshot(state=RunState.COMPLETED, answer=answer) if answer is not None:
                self.end(work, "completed", answer)
            case RunSnapshot(state=state) if state.is_ended:
                self.end(work, state)
            case RunSnapshot():
                self.go_on(work, "get_run", seconds=LOOK_SECONDS)
            case failure:
                self.again(work, failure)

    def get_response(self, work: Work) -> None:
        match self.call("get_response", _run_of(work), Answer):
            case Answer() as answer:
                self.end(work, "completed", answer)
            case failure:
                self.again(work, failure)

    def cancel_run(self, work: Work) -> None:
        """Do what the orchestrator does once it has heard of a cancel: the run is stopped, a completed one counts."""
        wanted = CancelRun(thread_id=work.thread, run_id=work.run, effect=_effect(work), runs_as=work.instance)
        match self.call("cancel_run", wanted, CancelledRun):
            case CancelledRun(run=None):
                self.end(work, "cancelled")
            case CancelledRun(run=run) if run.state is RunState.COMPLETED:
                self.go_on(work, "get_response", run=run.run_id)
            case CancelledRun(run=run) if run.state.is_ended:
                self.end(work, "cancelled")
            case CancelledRun(run=run):
                self.go_on(work, "get_run", run=run.run_id, seconds=LOOK_SECONDS)
            case failure:
                self.again(work, failure)

    def end(self, work: Work, state: str, answer: Answer | None = None) -> None:
        """End the instance, unless the platform does not hear of it."""
        if random.random() < RESULTS_LOST:
            self.platform.go_on(work, work.step)
        else:
            if answer is not None and answer.of_another_message:
                self.platform.find(f"{work.instance}: answer_mismatch")
            self.platform.end(work.instance, state, answer.text if answer else None)

    def start(self, key: str, caller: int) -> None:
        """Start the instance of a key, as the HTTP function does; a 503 is asked again."""

        async def start_new(instance: str) -> None:
            await asyncio.to_thread(self.platform.start, key, instance)

        keyed = self._keyed
        started = keyed.start_by_key(self.client, keyed.StartKey(key, f"of {key}"), start_new)  # type: ignore[arg-type]
        try:
            instance = asyncio.run_coroutine_threadsafe(started, self.loop).result()
        except StoreError:
            self.platform.answer_keyed(key, caller, None, seconds=random.random() * LONGEST_PAUSE)
        else:
            self.platform.answer_keyed(key, caller, instance)


async def _awaited(result: Any) -> Any:
    return await result


def _effect(work: Work) -> Effect:
    return Effect(stamp=_stamp(work, "run-0"))


def _stamp(work: Work, operation: str) -> Stamp:
    return Stamp(instance_id=work.instance, operation_id=f"{work.instance}:{operation}")


def _run_of(work: Work) -> RunRef:
    assert work.run is not None
    return RunRef(
        thread_id=work.thread,
        run_id=work.run,
        message=PostedMessage(stamp=_stamp(work, "message")),
        runs_as=work.instance,
    )


def main() -> None:
    """Work until killed."""
    process = WorkerProcess(Platform(Path(sys.argv[1])), sys.argv[2])

    def work() -> None:
        try:
            process.work()
        except BaseException as error:
            process.platform.find(f"a worker's thread died: {type(error).__name__}: {error}")
            raise

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
