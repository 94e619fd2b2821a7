"""What the activities do at the agent service, with the service and the settings that they are given.

The platform may run any of them twice, and a request may have taken effect although its answer was lost. So what is
created carries a stamp, and before creating, every activity looks for its stamp and adopts what is there. What a look
finds is decided where it is found (`foundry.service`), what follows from a failure by the orchestrator.

An instance owns its thread before it posts on it, and leaves when its run has ended (`ownership.threads`).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from activities.bounds import bounded_answer, bounded_run
from activities.turns import NotItsTurnError, OtherInstances, Ticket, Turns, former_run, is_done
from app_log import log_event
from contracts.activities import (
    CancelledRun,
    CancelRun,
    CreateMessage,
    CreateRun,
    CreateThread,
    DeleteThread,
    Looking,
    MessageRef,
    OnThread,
    RunRef,
    SubmitToolOutputs,
    ThreadDeletion,
    ThreadRef,
    Timed,
    Turn,
)
from contracts.agents import ResolvedAgent
from contracts.runs import Answer, Effect, RunSnapshot, RunState
from contracts.wire import to_wire
from foundry.errors import (
    AnswerRefusedError,
    FoundryError,
    MayHaveHappenedError,
    ThreadBusyError,
    TimeIsOverError,
)
from foundry.service import AgentService
from ownership.threads import is_wanted, leave_by, take_place
from policy import agent_errors
from settings import MCP_HEADERS, Settings, SettingsError, mcp_headers
from store.documents import DocumentStore, StoreError
from validation.field_errors import InvalidRequestError

_log = logging.getLogger("agent_run.activities")

BETWEEN_LOOKS_SECONDS = 2.5
"""While it is not known whether a request was carried out."""


@dataclass(frozen=True)
class AgentCalls:
    """The calls of one activity. `store` opens the store of who owns which thread; raises `StoreError`."""

    service: AgentService
    settings: Settings
    store: Callable[[], DocumentStore]
    now: datetime
    """When the activity began, UTC."""
    others: OtherInstances | None = None
    """For those who take their turn."""

    def create_thread(self, wanted: CreateThread) -> ThreadRef:
        """Create the thread, with its message where it takes that along, and stand first in its line, before anybody
        else learns of it. A first one that nobody knows of stays behind, which is harmless: no run is paid for.
        """
        known = self.service.find_thread(wanted.stamp) if wanted.repeated else None
        if known is None:
            self._in_time(wanted)
        thread = known or self.service.create_thread(wanted.stamp, wanted.message)
        take_place(self.store(), thread.thread_id, wanted.runs_as, lambda _: False, is_new=known is None)
        return thread

    def create_message(self, wanted: CreateMessage) -> MessageRef:
        """Take over the thread and post the message, unless it is there, once the instance owns the thread."""
        effect = None if wanted.run is msgspec.UNSET else wanted.run.effect
        ticket = self._take_turn(wanted.thread_id, wanted.runs_as, wanted.turn, effect)
        if ticket is None:
            assert wanted.message is not None, "nothing goes on without a message"
            return MessageRef(message_id=self.service.find_message(wanted.thread_id, wanted.message, wanted.stamp))
        known_runs = self.service.take_over(wanted.thread_id, wanted.stamp.instance_id, ticket.former)
        if wanted.message is None:
            return MessageRef(message_id=None, known_runs=known_runs)
        known = self.service.find_message(wanted.thread_id, wanted.message, wanted.stamp)
        if known is not None:
            return MessageRef(message_id=known, known_runs=known_runs)
        self._in_time(wanted)
        self._beyond_doubt(wanted.doubt_until)
        ticket.check()
        try:
            created = self.service.create_message(wanted.thread_id, wanted.message, wanted.stamp)
        except ThreadBusyError as error:
            raise self._told(error, wanted.thread_id) from None
        return MessageRef(message_id=created, known_runs=known_runs)

    def _beyond_doubt(self, until: datetime | None) -> None:
        """Raise an error while a request whose answer was lost may still show what it has done: sent again now, it
        would be done twice.
        """
        if until is not None and self.now < until:
            raise MayHaveHappenedError(
                "the answer to an earlier request was lost: what it may have done is looked for, before it is repeated",
                retry_after_seconds=min((until - self.now).total_seconds(), BETWEEN_LOOKS_SECONDS),
            )

    def _take_turn(self, thread_id: str, instance: str, turn: Turn, effect: Effect | None) -> Ticket | None:
        """Return the ticket; None where the instance has had its turn. Raises `NotItsTurnError`.

        `effect` tells the run that this activity starts. An earlier execution may have seen its end, and left the line
        to others: who does not wait would fail, or have the next one cancelled, although its own run is done.
        """
        assert self.others is not None, "whoever takes a turn can ask about the others"
        turns = Turns(self.store(), self.service, self.others)
        try:
            return turns.take(thread_id, instance, turn)
        except NotItsTurnError as busy:
            if turn.if_busy != "wait" and effect is not None and self._bears_stamp(thread_id, effect):
                return None
            turns.replace(busy.owner, instance, turn)
            raise

    def _bears_stamp(self, thread_id: str, effect: Effect) -> bool:
        return self.service.capabilities.stamps_all and self.service.find_run(thread_id, effect) is not None

    def _left(self, run: RunSnapshot, wanted: OnThread) -> RunSnapshot:
        """Leave the thread's line where the run has ended; return the run. That never fails the activity: whoever has
        ended is passed over.
        """
        if is_done(run):
            earlier = (wanted.earlier_runs or ()) if isinstance(wanted, Looking) else ()
            leave_by(self.store, run.thread_id, wanted.runs_as, former_run(self.service, run, self.now, earlier))
        return run

    def create_run(self, wanted: CreateRun) -> RunSnapshot:
        """Start the run, unless it is there."""
        # The agent is checked here too, since whoever holds the system key can start the orchestrator with an input of
        # his own making.
        _check_agent(self.settings, ResolvedAgent(wanted.agent_id, wanted.generation, wanted.agent_version))
        if wanted.turn is not None:
            self._take_turn(wanted.thread_id, wanted.runs_as, wanted.turn, wanted.effect)
        if known := self.service.find_run(wanted.thread_id, wanted.effect):
            return self._seen(known, wanted)
        self._in_time(wanted)
        self._beyond_doubt(wanted.effect.doubt_until)
        options: dict[str, Any] = to_wire(wanted.options)
        if "additional_messages" in options and self._has_run_before(wanted):
            del options["additional_messages"]
        try:
            run = self.service.create_run(
                wanted.thread_id,
                wanted.agent_id,
                options,
                wanted.metadata,
                wanted.effect.stamp,
                agent_version=wanted.agent_version,
            )
        except ThreadBusyError as error:
            # It may be our own run that occupies the thread: one whose creation was on its way when we looked.
            known = self.service.find_run(wanted.thread_id, wanted.effect)
            if known is None:
                raise self._told(self._may_be_ours(error, wanted.effect), wanted.thread_id) from None
            run = known
        return self._seen(run, wanted)

    def _may_be_ours(self, error: ThreadBusyError, effect: Effect) -> FoundryError:
        """Return what a busy thread means: behind a lost answer it is most likely our own run that works there, and
        shows itself in time.
        """
        if effect.doubt_until is None or self.service.capabilities.stamps_messages:
            return error
        return MayHaveHappenedError(error.message, summary=error.summary, retry_after_seconds=BETWEEN_LOOKS_SECONDS)

    def _seen(self, run: RunSnapshot, wanted: Looking) -> RunSnapshot:
        """Return what a look has shown, as it travels. The answer that some services show with the run is asked for by
        itself where it may be one to another message, or where earlier runs have written a part of it.
        """
        if run.answer is not None and (wanted.message is not None or wanted.earlier_runs):
            run = msgspec.structs.replace(run, answer=None)
        return self._left(bounded_run(run), wanted)

    def _has_run_before(self, wanted: CreateRun) -> bool:
        """Say whether the instance has had a run on the thread: one that failed for lack of quota has put its messages
        there all the same.
        """
        runs = self.service.list_runs(wanted.thread_id)
        return any(run.instance_id == wanted.effect.stamp.instance_id for run in runs)

    def _told(self, error: FoundryError, thread_id: str) -> FoundryError:
        """Return the error with what the run that occupies the thread is doing, if a look tells."""
        if isinstance(error, ThreadBusyError) and error.active_run_id is not None:
            with contextlib.suppress(FoundryError):  # the look is a favour: the thread is busy without it, too
                error.active_run_status = self.service.get_run(thread_id, error.active_run_id).raw_status
        return error

    def _in_time(self, wanted: Timed) -> None:
        """Raise an error where the orchestration's time is over: an activity may run long after it was asked for, since
        a host that dies gives it back. What was created before that is adopted all the same.
        """
        if wanted.until is not None and self.now >= wanted.until:
            raise TimeIsOverError("the run's time was over before this could be created")

    def get_run(self, ref: RunRef) -> RunSnapshot:
        """Look at the run; a completed one brings its answer along, so that nobody waits for one more activity."""
        seen = self._seen(self.service.get_run(ref.thread_id, ref.run_id), ref)
        run = msgspec.structs.replace(seen, looks=1)
        if run.state is not RunState.COMPLETED or run.answer is not None:
            return run
        try:
            return msgspec.structs.replace(run, answer=self.get_response(ref))
        except FoundryError as error:
            log_foundry_error("get_run", error)  # the look succeeded: the orchestrator asks for the answer by itself
            return run

    def get_response(self, ref: RunRef) -> Answer:
        """Fetch what the run's agent answered."""
        answer = self.service.get_answer(ref.thread_id, ref.run_id, ref.message, ref.earlier_runs or ())
        return bounded_answer(answer, ref.thread_id)

    def cancel_run(self, wanted: CancelRun) -> CancelledRun:
        """Stop the run, if there is one; else take back its message, which would wait for an answer for ever."""
        run_id = wanted.run_id
        if wanted.started is not False and (run_id is None or wanted.answered):
            known = self.service.find_run(wanted.thread_id, wanted.effect)
            run_id = known.run_id if known is not None else run_id
            if known is None:
                self._beyond_doubt(wanted.effect.doubt_until)
        if run_id is not None:
            run = self.service.cancel_run(wanted.thread_id, run_id)
            return CancelledRun(run=self._left(bounded_run(run), wanted))
        message_id = self._message_of(wanted)
        if message_id is not None:
            self.service.take_back_message(wanted.thread_id, message_id)
        return CancelledRun(run=None, message_stays=message_id is None and bool(wanted.message))

    def _message_of(self, wanted: CancelRun) -> str | None:
        """Return the id of the message that no run will answer, if it shows."""
        if wanted.message_id is not None or not wanted.message:
            return wanted.message_id
        found = self.service.find_message(wanted.thread_id, wanted.message, wanted.effect.stamp)
        if found is None:
            self._beyond_doubt(wanted.effect.doubt_until)
        return found

    def submit_tool_outputs(self, wanted: SubmitToolOutputs) -> RunSnapshot:
        """Pass on the answer to the run's tool calls."""
        run = self.service.submit_tool_outputs(
            wanted.thread_id,
            wanted.run_id,
            wanted.answer,
            self._headers_for(wanted),
            agent_id=wanted.agent_id,
            agent_version=wanted.agent_version,
            effect=wanted.effect,
            metadata=wanted.metadata,
        )
        return self._seen(run, wanted)

    def _headers_for(self, wanted: SubmitToolOutputs) -> dict[str, Mapping[str, str]]:
        """Return the headers that the approvals refer to, by the id of the call. They go to Foundry, and nowhere else:
        each only for the server that its setting names, whatever server the call would reach.
        """
        named = {a.tool_call_id: a.headers_ref for a in wanted.answer.approvals if a.approve and a.headers_ref}
        if not named:
            return {}
        pending = {call.id: call for call in self.service.get_run(wanted.thread_id, wanted.run_id).pending_calls}
        headers: dict[str, Mapping[str, str]] = {}
        for call_id, name in named.items():
            call = pending.get(call_id)
            if call is None:
                continue  # answered already, by an earlier attempt say: the service will tell
            try:
                held = mcp_headers(name)
            except SettingsError as error:
                raise AnswerRefusedError(str(error)) from None
            if held.server_label != call.server_label:
                raise AnswerRefusedError(
                    f"{MCP_HEADERS}{name.upper()} holds headers for the server '{held.server_label}', and the call "
                    f"{call_id} would reach '{call.server_label}': name the headers of that server",
                    summary=f"{MCP_HEADERS}{name.upper()} holds headers for another server than that of the call",
                )
            headers[call_id] = held.headers
        return headers

    def delete_thread(self, wanted: DeleteThread) -> ThreadDeletion:
        """Delete the thread, if it is the app's own and nobody else uses it, or waits for it."""
        if is_wanted(self.store(), wanted.thread_id, wanted.instance_id):
            return ThreadDeletion(deleted=False)
        return ThreadDeletion(deleted=self.service.delete_thread(wanted.thread_id, wanted.instance_id))


def _check_agent(settings: Settings, agent: ResolvedAgent) -> None:
    """Raise `InvalidRequestError` where the settings do not allow the agent."""
    if errors := agent_errors(settings, agent):
        raise InvalidRequestError(errors)


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


def log_store_error(activity: str, error: StoreError) -> None:
    """Log why the store, or the platform about another instance, could not be asked."""
    log_event(
        _log,
        "agent_run.store_error",
        activity=activity,
        code=error.code,
        message=error.message,
        retryable=error.retryable,
    )
