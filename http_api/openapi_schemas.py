"""The answers of this API as types, for its OpenAPI description only: the code that answers builds plain JSON.

They are held to the running app by `tests/openapi`, with no field more and no field less. What callers send, and the
parts of answers that are contracts already, come from `contracts`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.runs import AgentSummary
from contracts.wire import Wire
from validation.field_errors import FieldError

Uri = Annotated[str, Meta(extra_json_schema={"format": "uri"})]


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
