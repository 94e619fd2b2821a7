"""What the activities do at the agent service, with the service and the settings that they are given.

The platform may run any of them twice, and a request may have taken effect although its answer was lost. So what is
created carries a stamp, and before creating, every activity looks for its stamp and adopts what is there. What a look
finds is decided where it is found (`foundry.service`), what follows from a failure by the orchestrator.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from activities.bounds import bounded_answer, bounded_run
from activities.locks import LockByName
from app_log import log_event
from contracts.activities import (
    CancelledRun,
    CancelRun,
    CreateMessage,
    CreateRun,
    CreateThread,
    MessageRef,
    RunRef,
    SubmitToolOutputs,
    ThreadRef,
    Timed,
)
from contracts.runs import Answer, RunSnapshot, RunState
from contracts.wire import to_wire
from foundry.errors import FoundryError, ThreadBusyError, ThreadInUseError, TimeIsOverError
from foundry.service import AgentService
from policy import policy_for
from settings import Settings

_log = logging.getLogger("agent_run.activities")


@dataclass(frozen=True)
class AgentCalls:
    """The calls of one activity. `locks` are by thread id, and those of the whole worker process."""

    service: AgentService
    settings: Settings
    locks: LockByName
    now: datetime
    """When the activity began, UTC."""

    def create_thread(self, wanted: CreateThread) -> ThreadRef:
        """Create the thread. A first one that nobody knows of stays behind empty, which is harmless."""
        known = self.service.find_thread(wanted.stamp) if wanted.repeated else None
        if known is None:
            self._in_time(wanted)
        return ThreadRef(thread_id=known or self.service.create_thread(wanted.stamp))

    def create_message(self, wanted: CreateMessage) -> MessageRef:
        """Post the message, unless it is there, or another one waits on the thread for its run."""
        with self.locks.of(wanted.thread_id) as held:
            if not held:
                raise ThreadInUseError(f"another message is being posted on thread {wanted.thread_id}")
            found = self.service.find_message(wanted.thread_id, wanted.stamp)
            if found.message_id is not None:
                return MessageRef(message_id=found.message_id)
            if waiting := found.comes_before(wanted.stamp.instance_id, ignored=wanted.ignore_instance):
                raise ThreadBusyError(
                    f"instance {waiting} has posted its message on thread {wanted.thread_id} and starts its run next",
                    waiting_instance=waiting,
                )
            self._in_time(wanted)
            created = self.service.create_message(
                wanted.thread_id, wanted.content, wanted.metadata, wanted.stamp, wanted.attachments
            )
        return MessageRef(message_id=created)

    def create_run(self, wanted: CreateRun) -> RunSnapshot:
        """Start the run, unless it is there."""
        # The agent is checked here too, since whoever holds the system key can start the orchestrator with an input of
        # his own making.
        policy_for(self.settings, agent_id=wanted.agent_id, timeout_seconds=None)
        if known := self.service.find_run(wanted.thread_id, wanted.stamp):
            return bounded_run(known)
        self._in_time(wanted)
        options: dict[str, Any] = to_wire(wanted.options)
        try:
            run = self.service.create_run(wanted.thread_id, wanted.agent_id, options, wanted.metadata, wanted.stamp)
        except ThreadBusyError:
            # It may be our own run that occupies the thread: one whose creation was on its way when we looked.
            known = self.service.find_run(wanted.thread_id, wanted.stamp)
            if known is None:
                raise
            run = known
        return bounded_run(run)

    def _in_time(self, wanted: Timed) -> None:
        """Raise an error where the orchestration's time is over: an activity may run long after it was asked for, since
        a host that dies gives it back. What was created before that is adopted all the same.
        """
        if wanted.until is not None and self.now >= wanted.until:
            raise TimeIsOverError("the run's time was over before this could be created")

    def get_run(self, ref: RunRef) -> RunSnapshot:
        """Look at the run; a completed one brings its answer along, so that nobody waits for one more activity."""
        run = bounded_run(self.service.get_run(ref.thread_id, ref.run_id))
        if run.state is not RunState.COMPLETED:
            return run
        try:
            return msgspec.structs.replace(run, answer=self.get_response(ref))
        except FoundryError as error:
            log_foundry_error("get_run", error)  # the look succeeded: the orchestrator asks for the answer by itself
            return run

    def get_response(self, ref: RunRef) -> Answer:
        """Fetch what the run's agent answered."""
        return bounded_answer(self.service.get_answer(ref.thread_id, ref.run_id, ref.message), ref.thread_id)

    def cancel_run(self, wanted: CancelRun) -> CancelledRun:
        """Cancel the run, if there is one."""
        run_id = wanted.run_id
        if run_id is None:
            known = self.service.find_run(wanted.thread_id, wanted.stamp)
            if known is None:
                return CancelledRun(run=None)
            run_id = known.run_id
        return CancelledRun(run=bounded_run(self.service.cancel_run(wanted.thread_id, run_id)))

    def submit_tool_outputs(self, wanted: SubmitToolOutputs) -> RunSnapshot:
        """Pass on the answer to the run's tool calls."""
        return bounded_run(self.service.submit_tool_outputs(wanted.thread_id, wanted.run_id, wanted.answer))


def log_foundry_error(activity: str, error: FoundryError) -> None:
    """Log what Foundry did to a call, without its words."""
    log_event(
        _log,
        "agent_run.foundry_error",
        activity=activity,
        code=error.code,
        message=error.summary,
        retryable=error.retryable,
    )
