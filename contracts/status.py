"""What is shown of a run: the custom status, which the orchestrator writes, and the status document, which callers read
(design.md, sections 3 and 4).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.generations import Generation
from contracts.outcome import Outcome
from contracts.runs import CallKind, PendingCall, RunState
from contracts.wire import Wire, from_wire

Status = Literal["Running", "Cancelling", "Success", "Failed", "Cancelled"]
FINAL_STATUSES = frozenset({"Success", "Failed", "Cancelled"})

RuntimeStatus = Literal[
    "Pending", "Running", "Suspended", "ContinuedAsNew", "Completed", "Failed", "Terminated", "Canceled"
]
"""The platform's words."""

RECOVERING = "recovering"
"""The step of an instance that died with its worker, and is brought back."""

Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class RunError(Wire, frozen=True, kw_only=True):
    """Why a run did not succeed."""

    code: Annotated[str, Meta(description="For programs, such as `timeout` or Foundry's `server_error`.")]
    message: Annotated[str, Meta(description="For people: what happened and, where something can be done, what.")]


class PendingToolCall(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """A tool call that waits for the caller: a `function` wants an output, an `approval` a yes or no, a `consent` a yes
    once the user has consented behind its `link`. Nobody can answer an `unsupported` one here: the run ends soon as
    `unsupported_action`.
    """

    id: Annotated[str, Meta(description="Goes into `tool_call_id` of the answer.")]
    kind: CallKind
    name: Annotated[
        str, Meta(description="Left out where many calls wait. The service's own word for an unsupported one.")
    ] = ""
    server_label: Annotated[str, Meta(description="Of an approval: the MCP server that would be called.")] = ""
    arguments: Annotated[str | UnsetType, Meta(description="JSON text, whole, or left out.")] = UNSET
    link: Annotated[str, Meta(description="Of a consent: where the user gives it.")] = ""


def shown_call(call: PendingCall) -> PendingToolCall:
    """Return the call as callers see it, whole."""
    return PendingToolCall(
        id=call.id,
        kind=call.kind,
        name=call.name,
        server_label=call.server_label,
        arguments=UNSET if call.arguments is None else call.arguments,
        link=call.link,
    )


class RequiredAction(Wire, frozen=True, kw_only=True):
    """The question that a run asks its caller."""

    event: Annotated[str, Meta(description="The external event that answers it; `toolOutputsPostUri` raises it.")]
    error: Annotated[str | None, Meta(description="Why the last answer was not taken.")] = None
    calls: tuple[PendingToolCall, ...]
    more: Annotated[int, Meta(description="How many calls did not fit.")] | UnsetType = UNSET
    truncated: (
        Annotated[
            bool,
            Meta(
                description="Arguments, names or calls are left out: `see` says where they are. `GET /runs/{id}` has "
                "them whole, unless Foundry cannot be asked now."
            ),
        ]
        | UnsetType
    ) = UNSET
    see: Annotated[str, Meta(description="Where the whole question is.")] | UnsetType = UNSET


class TakenAnswer(Wire, frozen=True, kw_only=True):
    """The last answer to a question that was accepted; of several callers' answers only the first one is."""

    event: Annotated[str, Meta(description="The external event that it answers.")]
    digest: Annotated[str, Meta(description="Tells the answer from another, without showing it.")]


class WaitingFor(Wire, frozen=True, kw_only=True):
    """Whom a run waits for, on a thread that another instance owns."""

    instance: Annotated[str, Meta(description="The instance that owns the thread.")]
    position: Annotated[
        int, Meta(description="How many come before this run, the owner among them: 1 is the next in turn.")
    ]


class CustomStatus(Wire, frozen=True, kw_only=True):
    """What the orchestrator shows of its progress; it survives failure and termination."""

    status: Status = "Running"
    step: Annotated[str, Meta(description="The activity that it works on, or `done`.")] = ""
    agent_id: str | None = None
    generation: Generation = "classic"
    agent_version: Annotated[str | None, Meta(description="Of a second-generation agent: the one that runs.")] = None
    thread_id: str | None = None
    message_posted: Annotated[bool, Meta(description="The user's message is on the thread.")] = False
    run_id: str | None = None
    run_requested: Annotated[bool, Meta(description="A run may exist, even if its id is not known.")] = False
    composite_run_id: str | None = None
    run_status: Annotated[str | None, Meta(description="Foundry's own word, such as `in_progress`.")] = None
    run_state: Annotated[RunState | None, Meta(description="The same for every generation of the service.")] = None
    polls: int = 0
    answered: Annotated[int, Meta(description="The last question that was answered.")] = 0
    answer_taken: TakenAnswer | None = None
    required_action: RequiredAction | None = None
    retrying: Annotated[str | None, Meta(description="Code of the failure after which it tries again.")] = None
    waiting_for: Annotated[WaitingFor | None, Meta(description="Its place at a thread that another one owns.")] = None
    error: RunError | None = None
    monitor_url: str | None = None
    trace_id: Annotated[str, Meta(description="The trace (W3C) that the run belongs to.")] | UnsetType = UNSET
    delete_thread: (
        Annotated[Literal["with_history"], Meta(description="The thread goes when the last run on it is purged.")]
        | UnsetType
    ) = UNSET


def read_custom_status(shown: Any) -> CustomStatus | None:
    """Return the custom status of an instance; None where it has none, or somebody else's."""
    try:
        return from_wire(CustomStatus, shown)
    except msgspec.ValidationError:
        return None


class StatusDocument(Wire, frozen=True, kw_only=True):
    """A run, flat: the Durable status without its input, and what callers look for by name."""

    name: Literal["agent_run"]
    instance_id: str = msgspec.field(name="instanceId")
    runtime_status: Annotated[RuntimeStatus, Meta(description="The platform's word for it.")] = msgspec.field(
        name="runtimeStatus"
    )
    custom_status: CustomStatus | None = msgspec.field(name="customStatus")
    output: Annotated[
        Outcome | str | None, Meta(description="The outcome of a successful run; else one line that says why it ended.")
    ]
    created_time: Moment = msgspec.field(name="createdTime")
    last_updated_time: Moment = msgspec.field(name="lastUpdatedTime")
    status: Annotated[
        Status,
        Meta(description="`Running`, or `Cancelling` once a cancel is acknowledged; then one of the others for good."),
    ]
    response: Annotated[str | None, Meta(description="The agent's answer, once `status` is `Success`.")]
    thread_id: Annotated[str | None, Meta(description="Send it with the next start to go on with the conversation.")]
    run_id: str | None
    composite_run_id: Annotated[str | None, Meta(description="`agent#{thread_id}#{run_id}`")]
    run_status: Annotated[str | None, Meta(description="Foundry's own word, such as `in_progress`.")]
    run_state: Annotated[RunState | None, Meta(description="The same for every generation of the service.")]
    step: Annotated[
        str | None,
        Meta(
            description="The orchestration's step. `recovering`: its worker process has died, and it is brought back "
            "within minutes; meanwhile the platform itself says Failed."
        ),
    ]
    agent_id: Annotated[
        str | None,
        Meta(description="What was asked for; where that is a classic agent's name, the id that it stands for."),
    ]
    generation: Annotated[
        Generation | None, Meta(description="Of the agent: `classic` (threads, runs) or `responses` (conversations).")
    ]
    agent_version: Annotated[
        str | None,
        Meta(description="Of a second-generation agent: the one that was its version when the run started."),
    ]
    monitor_url: Annotated[str | None, Meta(description="The Foundry account in the portal, where it is configured.")]
    trace_id: Annotated[
        str | None,
        Meta(
            description="The trace (W3C) that the run belongs to, the caller's if its start had a `traceparent`; null "
            "while it is not known."
        ),
    ]
    waiting_for: Annotated[
        WaitingFor | None, Meta(description="Whom the run waits for, on a thread that another one owns.")
    ]
    required_action: Annotated[
        RequiredAction | None, Meta(description="The question that the run waits for, if it asks one.")
    ]
    error: RunError | None

    @property
    def is_ended(self) -> bool:
        """Whether the run has ended."""
        return self.status in FINAL_STATUSES

    @property
    def is_cancelling(self) -> bool:
        """Whether the orchestrator has acknowledged a cancel."""
        shown = self.custom_status.status if self.custom_status else None
        return self.status == "Cancelling" or shown == "Cancelled"

    @property
    def is_recovering(self) -> bool:
        """Whether the instance died with its worker, and waits for being rewound."""
        return self.step == RECOVERING

    @property
    def takes_events(self) -> bool:
        """Whether an event raised now reaches the orchestrator.

        A rewound instance shows Pending until its next generation, yet has a past; a new one may lose events.
        """
        rewound = self.runtime_status == "Pending" and (self.custom_status is not None or self.output is not None)
        return self.runtime_status in {"Running", "Suspended"} or rewound
