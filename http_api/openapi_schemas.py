"""The answers of this API as types, for its OpenAPI description only: the code that answers builds plain JSON.

They are held to the running app by `tests/openapi`, with no field more and no field less. What callers send, and the
parts of answers that are contracts already, come from `contracts`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.outcome import Outcome
from contracts.runs import AgentSummary
from contracts.wire import Wire
from validation.field_errors import FieldError

Status = Literal["Running", "Cancelling", "Success", "Failed", "Cancelled"]
RuntimeStatus = Literal[
    "Pending", "Running", "Suspended", "ContinuedAsNew", "Completed", "Failed", "Terminated", "Canceled"
]
Uri = Annotated[str, Meta(extra_json_schema={"format": "uri"})]


class RunError(Wire, frozen=True, kw_only=True):
    """Why a run did not succeed."""

    code: Annotated[str, Meta(description="For programs, such as `timeout` or Foundry's `server_error`.")]
    message: Annotated[str, Meta(description="For people: what happened and, where something can be done, what.")]


class PendingToolCall(Wire, frozen=True, kw_only=True):
    """A tool call that waits for the caller: a `function` wants an output, an `approval` a yes or no."""

    id: Annotated[str, Meta(description="Goes into `tool_call_id` of the answer.")]
    kind: Literal["function", "approval"]
    name: Annotated[str, Meta(description="Left out where many calls wait.")] | UnsetType = UNSET
    arguments: Annotated[str, Meta(description="JSON text, cut where it is long.")] | UnsetType = UNSET


class RequiredAction(Wire, frozen=True, kw_only=True):
    """The question that a run asks its caller."""

    event: Annotated[str, Meta(description="The external event that answers it; `toolOutputsPostUri` raises it.")]
    error: Annotated[str | None, Meta(description="Why the last answer was not taken.")]
    calls: list[PendingToolCall]
    more: Annotated[int, Meta(description="How many calls did not fit.")] | UnsetType = UNSET


class TakenAnswer(Wire, frozen=True, kw_only=True):
    """The last answer to a question that was accepted; of several callers' answers only the first one is."""

    event: Annotated[str, Meta(description="The external event that it answers.")]
    digest: Annotated[str, Meta(description="Tells the answer from another, without showing it.")]


class CustomStatus(Wire, frozen=True, kw_only=True):
    """What the orchestrator shows of its progress; it survives failure and termination."""

    status: Status
    step: Annotated[str, Meta(description="The activity that it works on, or `done`.")]
    agent_id: str | UnsetType = UNSET
    thread_id: str | UnsetType | None = UNSET
    run_id: str | UnsetType | None = UNSET
    run_requested: Annotated[bool, Meta(description="A run may exist, even if its id is not known.")] | UnsetType = (
        UNSET
    )
    composite_run_id: str | UnsetType | None = UNSET
    run_status: str | UnsetType | None = UNSET
    polls: int | UnsetType = UNSET
    answered: Annotated[int, Meta(description="The last question that was answered.")] | UnsetType = UNSET
    answer_taken: TakenAnswer | UnsetType | None = UNSET
    required_action: RequiredAction | UnsetType | None = UNSET
    retrying: Annotated[str | None, Meta(description="Code of the failure after which it tries again.")] | UnsetType = (
        UNSET
    )
    error: RunError | UnsetType | None = UNSET
    monitor_url: str | UnsetType | None = UNSET


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
    created_time: datetime = msgspec.field(name="createdTime")
    last_updated_time: datetime = msgspec.field(name="lastUpdatedTime")
    status: Annotated[
        Status,
        Meta(description="`Running`, or `Cancelling` once a cancel is acknowledged; then one of the others for good."),
    ]
    response: Annotated[str | None, Meta(description="The agent's answer, once `status` is `Success`.")]
    thread_id: Annotated[str | None, Meta(description="Send it with the next start to go on with the conversation.")]
    run_id: str | None
    composite_run_id: Annotated[str | None, Meta(description="`agent#{thread_id}#{run_id}`")]
    run_status: Annotated[str | None, Meta(description="Foundry's own word, such as `in_progress`.")]
    step: Annotated[
        str | None,
        Meta(
            description="The orchestration's step. `recovering`: its worker process has died, and it is brought back "
            "within minutes; meanwhile the platform itself says Failed."
        ),
    ]
    agent_id: str | None
    monitor_url: Annotated[str | None, Meta(description="The Foundry account in the portal, where it is configured.")]
    required_action: Annotated[
        RequiredAction | None, Meta(description="The question that the run waits for, if it asks one.")
    ]
    error: RunError | None


class StartedRun(Wire, frozen=True, kw_only=True):
    """A run that was started: the standard Durable management URLs, which hold a key of their own, and our routes,
    which hold none.
    """

    id: Annotated[str, Meta(description="The instance id.")]
    status_query_get_uri: Uri = msgspec.field(name="statusQueryGetUri")
    send_event_post_uri: Annotated[str, Meta(description="`{eventName}` is to be replaced.")] = msgspec.field(
        name="sendEventPostUri"
    )
    terminate_post_uri: Annotated[str, Meta(description="`{text}` is to be replaced by a reason.")] = msgspec.field(
        name="terminatePostUri"
    )
    purge_history_delete_uri: Uri = msgspec.field(name="purgeHistoryDeleteUri")
    suspend_post_uri: str = msgspec.field(name="suspendPostUri")
    resume_post_uri: str = msgspec.field(name="resumePostUri")
    rewind_post_uri: str | UnsetType = msgspec.field(name="rewindPostUri", default=UNSET)
    restart_post_uri: str | UnsetType = msgspec.field(name="restartPostUri", default=UNSET)
    run_uri: Annotated[Uri, Meta(description="GET answers with the status document.")] = msgspec.field(name="runUri")
    cancel_post_uri: Annotated[Uri, Meta(description="POST cancels the run, and waits for Foundry.")] = msgspec.field(
        name="cancelPostUri"
    )
    tool_outputs_post_uri: Annotated[Uri, Meta(description="POST answers a `required_action`.")] = msgspec.field(
        name="toolOutputsPostUri"
    )


class AgentList(Wire, frozen=True, kw_only=True):
    """Every agent that callers of this app may run, ordered by name."""

    agents: list[AgentSummary]


class Health(Wire, frozen=True, kw_only=True):
    """The app is alive."""

    status: Literal["ok"]
    version: str


class Check(Wire, frozen=True, kw_only=True):
    """One condition for doing its work; `message` says what to do where it is not met."""

    name: Literal["settings", "token", "project"]
    ok: bool
    message: str
    settings: Annotated[list[str], Meta(description="The settings that are wrong.")] | UnsetType = UNSET


class Readiness(Wire, frozen=True, kw_only=True):
    """Whether the app can do its work."""

    ready: bool
    checks: list[Check]


class ErrorBody(Wire, frozen=True, kw_only=True):
    """What is wrong."""

    code: Annotated[str, Meta(description="For programs.")]
    message: Annotated[str, Meta(description="For people: what is wrong and what to do.")]
    target: Annotated[str, Meta(description="The field, parameter, header or setting.")] | UnsetType = UNSET
    details: Annotated[list[FieldError], Meta(description="Everything that is wrong at once.")] | UnsetType = UNSET


class Error(Wire, frozen=True, kw_only=True):
    """The one shape of every error of this API."""

    error: ErrorBody


class OpenApiDocument(Wire, frozen=True, kw_only=True):
    """This description."""

    openapi: Annotated[str, Meta(pattern=r"^3\.1\.\d+$")]
    info: dict[str, Any]
    servers: list[dict[str, Any]]
    tags: list[dict[str, Any]]
    security: list[dict[str, Any]]
    paths: dict[str, Any]
    components: dict[str, Any]
