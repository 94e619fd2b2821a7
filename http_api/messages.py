"""What this API answers beside the status document: one type per message, which only the HTTP functions write.

They are no part of `contracts`, which imports nothing of the project: an error holds what `validation` says of a field.
`StartedRun` alone is for the description only, since what Durable Functions says passes through as it comes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from contracts.generations import Generation
from contracts.runs import AgentSummary
from contracts.wire import Wire
from validation.field_errors import FieldError

Uri = Annotated[str, Meta(extra_json_schema={"format": "uri"})]
CheckName = Literal["settings", "token", "classic", "responses", "storage"]
"""The generations of the agent service are asked one by one, as far as they are switched on."""


class StartedRun(Wire, frozen=True, kw_only=True, rename="camel"):
    """A run that was started: the standard Durable management URLs, which hold a key of their own, and our routes,
    which hold none.
    """

    id: Annotated[str, Meta(description="The instance id.")]
    status_query_get_uri: Uri
    send_event_post_uri: Annotated[str, Meta(description="`{eventName}` is to be replaced.")]
    terminate_post_uri: Annotated[str, Meta(description="`{text}` is to be replaced by a reason.")]
    purge_history_delete_uri: Uri
    suspend_post_uri: str
    resume_post_uri: str
    rewind_post_uri: str | UnsetType = UNSET
    restart_post_uri: str | UnsetType = UNSET
    run_uri: Annotated[Uri, Meta(description="GET answers with the status document.")]
    cancel_post_uri: Annotated[Uri, Meta(description="POST cancels the run, and waits for Foundry.")]
    tool_outputs_post_uri: Annotated[Uri, Meta(description="POST answers a `required_action`.")]
    retry_post_uri: Annotated[Uri, Meta(description="POST repeats the run, once it has not succeeded.")]


class ListingWarning(Wire, frozen=True, kw_only=True):
    """Why the agents of one generation are not listed, though the other's are."""

    generation: Generation
    code: Annotated[str, Meta(description="For programs.")]
    message: Annotated[str, Meta(description="For people: what is wrong and what to do.")]


class AgentList(Wire, frozen=True, kw_only=True):
    """Every agent that callers of this app may run, ordered by name."""

    agents: list[AgentSummary]
    warnings: list[ListingWarning]


class Health(Wire, frozen=True, kw_only=True):
    """The app is alive."""

    status: Literal["ok"]
    version: str


class Check(Wire, frozen=True, kw_only=True):
    """One condition for doing its work; `message` says what to do where it is not met."""

    name: CheckName
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

    openapi: Annotated[str, Meta(pattern=r"^3\.[01]\.\d+$")]
    info: dict[str, Any]
    servers: list[dict[str, Any]]
    tags: list[dict[str, Any]]
    security: list[dict[str, Any]]
    paths: dict[str, Any]
    components: dict[str, Any]
