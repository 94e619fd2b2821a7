"""What the routes for many runs take and answer: no text of a caller or a model, but reasons and errors."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from contracts.generations import Generation
from contracts.ids import ThreadId
from contracts.request import MAX_REASON_CHARACTERS, PolicyAgent
from contracts.runs import CallKind, RunState
from contracts.status import Moment, RunError, RuntimeStatus, Status, WaitingFor
from contracts.wire import Wire
from http_api.messages import Uri

LISTED, MOST_LISTED = 20, 100
"""How many runs a list shows where nothing else is asked for, and at most."""


class OpenQuestion(Wire, frozen=True, kw_only=True):
    """That a run asks something, and of which kind: `runUri` has the question."""

    event: Annotated[str, Meta(description="Another one for every question.")]
    kinds: Annotated[list[CallKind], Meta(description="Of the calls that wait.")]
    calls: Annotated[int, Meta(description="How many wait.")]


class RunEntry(Wire, frozen=True, kw_only=True):
    """A run in a list: its status document without request, question and answer."""

    instance_id: str = field(name="instanceId")
    run_uri: Annotated[Uri, Meta(description="GET answers with the status document.")] = field(name="runUri")
    runtime_status: Annotated[RuntimeStatus, Meta(description="The platform's word for it.")] = field(
        name="runtimeStatus"
    )
    created_time: Annotated[Moment, Meta(description="The platform's; it moves with long runs.")] = field(
        name="createdTime"
    )
    last_updated_time: Moment = field(name="lastUpdatedTime")
    status: Status
    step: str | None
    agent_id: str | None
    generation: Generation | None
    agent_version: str | None
    thread_id: str | None
    run_id: str | None
    composite_run_id: str | None
    run_status: str | None
    run_state: RunState | None
    monitor_url: str | None
    trace_id: str | None
    needs_answer: Annotated[bool, Meta(description="The run waits for an answer that somebody can give.")]
    required_action: OpenQuestion | None
    waiting_for: WaitingFor | None
    error: RunError | None


class RunList(Wire, frozen=True, kw_only=True):
    """A part of the runs, newest first."""

    runs: list[RunEntry]
    next_cursor: Annotated[str | None, Meta(description="Of the next part; null: there is none.")]
    partial: Annotated[
        bool, Meta(description="There are fewer runs here than asked for, although there may be more: go on.")
    ]


class StatusCounts(Wire, frozen=True, kw_only=True, rename="pascal"):
    """How many runs of each status were created in a window."""

    running: int
    success: int
    failed: int
    cancelled: int
    complete: Annotated[bool, Meta(description="False: there are more runs than were looked at.")] = field(
        name="complete"
    )


class RunCounts(Wire, frozen=True, kw_only=True):
    """How many runs there are of each status, by when they were created."""

    last_hour: StatusCounts
    last_day: StatusCounts
    last_week: StatusCounts


class BulkCancelRequest(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which of the runs that go on are to be cancelled, and why: filters, or `all`."""

    reason: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_REASON_CHARACTERS,
            pattern=r"\S",
            description="Stands first in the `output` of the runs.",
            examples=["The tenant has left."],
        ),
    ]
    all: Annotated[bool | None, Meta(description="Every run that goes on; not beside filters.")] = None
    status: Annotated[
        Literal["Running"] | list[Literal["Running"]] | None, Meta(description="No other can be cancelled.")
    ] = None
    agent_id: PolicyAgent | None = None
    thread_id: ThreadId | None = None
    created_from: Moment | None = None
    created_to: Moment | None = None
    needs_answer: bool | None = None


class BulkCancelled(Wire, frozen=True, kw_only=True):
    """What became of the runs that go on and match."""

    matched: Annotated[int, Meta(description="How many were found and gone for.")]
    cancelled: Annotated[int, Meta(description="How many have taken the cancel.")]
    already_ended: Annotated[int, Meta(description="How many have ended meanwhile, or are ending.")]
    failed: Annotated[list[str], Meta(description="Instances that have not taken it yet: ask again.")]
    more: Annotated[bool, Meta(description="There may be more that match: ask again.")]
