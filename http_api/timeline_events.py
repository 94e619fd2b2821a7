"""What callers read of a run's timeline: `GET /api/runs/{instance_id}/events`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from contracts.status import Moment, RunError, Status
from contracts.wire import Wire

Kind = Literal[
    "earlier", "step", "looks", "question", "answer", "cancel", "suspended", "rewound", "ended"
]  # fmt: skip

State = Literal["running", "retrying", "done", "failed", "interrupted"]


class Attempt(Wire, frozen=True, kw_only=True):
    """One try at a step: one activity of the platform."""

    started: Moment
    ended: Annotated[Moment | None, Meta(description="Null: nobody has heard of its end (yet).")]
    error: Annotated[RunError | None, Meta(description="Why it failed, in the app's own words.")]


class TimelineEvent(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened. What a kind does not have is left out."""

    id: Annotated[
        str, Meta(description="The same for as long as the event exists. It may come again, with more in it.")
    ]
    kind: Kind
    started: Moment
    ended: Annotated[Moment | None, Meta(description="The same as `started` where it took no time; null: it goes on.")]
    duration_seconds: Annotated[float | None, Meta(description="Null while it goes on.")]
    state: Annotated[
        State,
        Meta(
            description="`retrying`: an attempt failed, and another one follows. `interrupted`: it was not waited for."
        ),
    ]
    step: Annotated[str | UnsetType, Meta(description="Of a `step`: its name, as in the status document.")] = UNSET
    attempts: Annotated[
        list[Attempt] | UnsetType, Meta(description="Of a `step`: all of them; of `looks`: those that failed.")
    ] = UNSET
    tries: Annotated[
        int | UnsetType, Meta(description="Of a `step`: how many attempts, where not all of them are told.")
    ] = UNSET
    looks: Annotated[int | UnsetType, Meta(description="How often the run was looked at in Foundry.")] = UNSET
    runs: Annotated[int | UnsetType, Meta(description="Of `earlier`: how many runs were started in Foundry.")] = UNSET
    questions: Annotated[int | UnsetType, Meta(description="Of `earlier`: how many were asked.")] = UNSET
    event: Annotated[
        str | UnsetType, Meta(description="Of a `question` or an `answer`: the question's external event.")
    ] = UNSET
    calls: Annotated[int | UnsetType, Meta(description="Of a `question`: how many tool calls wait.")] = UNSET
    continued: Annotated[bool | UnsetType, Meta(description="It began earlier than `started`.")] = UNSET
    reason: Annotated[str | UnsetType, Meta(description="Of a `cancel`: what its caller said.")] = UNSET
    status: Annotated[Status | UnsetType, Meta(description="Of `ended`: how.")] = UNSET
    code: Annotated[str | UnsetType, Meta(description="Of `ended`: the code of the error, if it is one.")] = UNSET


class RunTimeline(Wire, frozen=True, kw_only=True):
    """What happened in a run so far."""

    status: Status
    step: Annotated[str | None, Meta(description="The orchestration's step, as in the status document.")]
    events: Annotated[list[TimelineEvent], Meta(description="In the order in which they began.")]
    next: Annotated[str, Meta(description="Give it as `after`, and you get what is new or has changed since.")]
