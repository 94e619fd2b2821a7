"""What the activities are given, and what they return."""

from __future__ import annotations

from typing import Generic

from msgspec import UNSET, UnsetType

from contracts.formats import Utc
from contracts.generations import Generation
from contracts.messages import ContentPart, MessageAttachment
from contracts.request import DeleteThreadWhen, IfThreadBusy, RunOptions
from contracts.runs import Effect, PostedMessage, RunSnapshot, Stamp, ToolAnswer
from contracts.wire import T, Wire


class Failure(Wire, frozen=True, kw_only=True):
    """An expected failure, as data: the orchestrator decides what follows from it."""

    code: str
    message: str
    retryable: bool = False
    retry_after_seconds: float | None = None
    active_run_id: str | None = None
    """With code `thread_busy`: the run that occupies the thread, where the service named it."""
    waiting_instance: str | None = None
    """With code `thread_busy`: the instance that owns the thread."""
    position: int | None = None
    """How many stand before this one in the thread's line, the owner among them."""
    active_run_status: str | None = None
    """With code `thread_busy`: what that run is doing, in the service's word, where it could be seen."""
    grace_seconds: float | None = None
    """For how long the request may still take effect, where that is longer than usual."""
    gone: bool = False
    """With code `not_found`: the service names the very thing that was looked for; else it may be found later."""
    summary: str | None = None
    """The message without the service's own words, which may quote the request; null where they are the same."""

    @property
    def loggable(self) -> str:
        """What may end an instance: the host logs that text."""
        return self.message if self.summary is None else self.summary


class ActivityResult(Wire, Generic[T], frozen=True, kw_only=True):
    """What every activity returns: a value or a failure."""

    value: T | None = None
    failure: Failure | None = None


class PlanRun(Wire, frozen=True, kw_only=True):
    """Input of `plan_run`, which returns a `RunPolicy`: what the settings say about a request that names no agent,
    say.
    """

    agent_id: str | None
    timeout_seconds: int | None
    delete_thread: DeleteThreadWhen | None = None


class Timed(Wire, frozen=True, kw_only=True):
    """Base of what is asked of Foundry."""

    generation: Generation = "classic"
    """Of the service that is asked."""
    until: Utc | None = None
    """When the orchestration's time is over: its requests end by then."""


class OnThread(Timed, frozen=True, kw_only=True):
    """Base of what is asked of Foundry about a thread."""

    runs_as: str
    """The instance that stands in the thread's line: the one that asks, as the platform knows it."""

    @property
    def watches(self) -> bool:
        """Whether the activity may stay for a while, so that a cancel has to be heard meanwhile."""
        return False


class Turn(Wire, frozen=True, kw_only=True):
    """How a thread that another instance owns is waited for."""

    if_busy: IfThreadBusy = "wait"
    replaces: str | None = None
    """The owner that was asked to cancel: nobody else is, who may have come later and replace this instance. Null: not
    yet.
    """
    stays: bool | UnsetType = UNSET
    """Whether the instance was seen near the front, so that it may stay until its turn comes. Left out where unset."""


class NewMessage(Wire, frozen=True, kw_only=True):
    """A message of the user that is to be posted."""

    content: str | list[ContentPart]
    metadata: dict[str, str] = {}
    attachments: list[MessageAttachment] = []


class CreateThread(OnThread, frozen=True, kw_only=True):
    """Input of `create_thread`; it returns a `ThreadRef`. `repeated`: an earlier attempt may have created it
    already.
    """

    stamp: Stamp
    repeated: bool = False
    message: NewMessage | None = None
    """The first message, where a new thread takes it along."""


class ThreadRef(Wire, frozen=True, kw_only=True):
    """A thread, with its message where that was taken along."""

    thread_id: str
    message_id: str | None = None


class CreateMessage(OnThread, frozen=True, kw_only=True):
    """Input of `create_message`; it returns a `MessageRef`."""

    thread_id: str
    message: NewMessage | None
    """Null where the run answers what stands on the thread: then the thread is only taken over."""
    stamp: Stamp
    turn: Turn = Turn()
    doubt_until: Utc | None = None
    """Until when an earlier post may still show itself, whose answer was lost; null: there is none."""
    run: CreateRun | UnsetType = UNSET
    """What the same activity goes on with, once the message is posted. Left out where unset: nothing."""

    @property
    def watches(self) -> bool:
        """Whether `create_message` may stay until its turn comes, or with the run."""
        return self.turn.stays is True or self.run is not UNSET


class MessageRef(Wire, frozen=True, kw_only=True):
    """A message on a thread; its id is null where there was none to be posted."""

    message_id: str | None
    known_runs: tuple[str, ...] = ()
    """Runs that were on the thread before, where not all of them can be told by a stamp."""
    run: ActivityResult[RunSnapshot] | None = None
    """What came of the run that was to be started at once; null: nothing was to be."""
    run_requested_at: Utc | None = None
    """When that was attempted."""


class Looking(OnThread, frozen=True, kw_only=True):
    """Base of what looks at a run, and brings a completed one's answer along."""

    message: PostedMessage | None = None
    """The message to be answered, on a thread to which others may have added theirs."""
    earlier_runs: tuple[str, ...] | UnsetType = UNSET
    """Runs that this one goes on behind, since their calls were answered, oldest first: what they wrote belongs to the
    answer. Left out where unset: there is none.
    """

    @property
    def watches(self) -> bool:
        """Whether the activity stays with the run for a while."""
        return True


class CreateRun(Looking, frozen=True, kw_only=True):
    """Input of `create_run`; it returns a `RunSnapshot`."""

    thread_id: str
    agent_id: str
    agent_version: str | None = None
    effect: Effect
    options: RunOptions = RunOptions()
    metadata: dict[str, str] = {}
    turn: Turn | None = None
    """Null where the instance owns the thread already: it has posted its message."""


class RunRef(Looking, frozen=True, kw_only=True):
    """Input of `get_run`, which returns a `RunSnapshot` (a completed run's with its answer, if that can be had), and of
    `get_response`, which returns an `Answer`.
    """

    thread_id: str
    run_id: str
    watch_from: float | None = None
    """How many seconds the run has worked, where `get_run` is to watch it; null: it is looked at once."""

    @property
    def watches(self) -> bool:
        """Whether `get_run` stays with the run for a while."""
        return self.watch_from is not None


class SubmitToolOutputs(Looking, frozen=True, kw_only=True):
    """Input of `submit_tool_outputs`; it returns a `RunSnapshot`."""

    thread_id: str
    run_id: str
    answer: ToolAnswer
    agent_id: str
    agent_version: str | None = None
    effect: Effect
    """Of the run that the answer starts, where it does."""
    metadata: dict[str, str] = {}


class CancelRun(OnThread, frozen=True, kw_only=True):
    """Input of `cancel_run`; it returns a `CancelledRun`.

    `run_id` is null where there may be a run, but the answer to `create_run` was lost: it is then looked for. Where an
    answer to tool calls may have started another one, that is looked for first.
    """

    thread_id: str
    run_id: str | None
    effect: Effect
    """Of the run that was asked for last."""
    answered: bool = False
    """It may be the answer to the calls of `run_id` that has started it."""
    message_id: str | None = None
    """The message that is taken back where there is no run."""
    message: NewMessage | UnsetType = UNSET
    """The same, where its id is not known, or where it is not known whether it was posted: it is found by its text."""
    started: bool | UnsetType = UNSET
    """False: there is no run, and the thread may not even have been taken over. Left out where unset, as the message:
    there may be one.
    """


class CancelledRun(Wire, frozen=True, kw_only=True):
    """The run as it is after the request to cancel it, which may have ended otherwise; null where there is no run."""

    run: RunSnapshot | None
    message_stays: bool = False
    """There is no run, and the message was not found."""


class DeleteThread(Timed, frozen=True, kw_only=True):
    """Input of `delete_thread`, which returns a `ThreadDeletion`. `instance_id`: who asks."""

    thread_id: str
    instance_id: str


class ThreadDeletion(Wire, frozen=True, kw_only=True):
    """Whether the thread is gone. It is left where this app has not created it, or somebody else uses it."""

    deleted: bool


class TerminateInstance(Wire, frozen=True, kw_only=True):
    """Input of `terminate_instance`; it returns no value."""

    instance_id: str
    reason: str
