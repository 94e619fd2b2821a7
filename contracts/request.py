"""The start request, and what the settings make of it (design.md, section 2)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from contracts.formats import AGENT_ID_PATTERN
from contracts.generations import Generation
from contracts.ids import AgentReference, ThreadId
from contracts.messages import (
    MAX_MESSAGE_CHARACTERS,
    AdditionalMessage,
    Attachments,
    Content,
    NotBlank,
    UserMessage,
)
from contracts.metadata import MAX_METADATA_PAIRS, Metadata
from contracts.tool_resources import ToolResources
from contracts.wire import Wire

LONGEST_TIMEOUT_SECONDS = 5 * 86_400
"""Durable timers of more than six days are split and cannot be cancelled (durable-protocol.md, rule 17)."""

MAX_REASON_CHARACTERS = 500

PolicyAgent = Annotated[str, Meta(pattern=rf"\A{AGENT_ID_PATTERN}\Z")]

Timeout = Annotated[int, Meta(ge=1, le=10**9)]

Temperature = Annotated[float, Meta(ge=0, le=2)]

Probability = Annotated[float, Meta(ge=0, le=1)]

TokenLimit = Annotated[int, Meta(ge=256)]

Instructions = Annotated[str, Meta(max_length=MAX_MESSAGE_CHARACTERS)]

DeleteThreadWhen = Literal["never", "on_success", "with_history"]
"""When the thread is deleted, if this app has created it: with the purge of the last run on it, say."""

IfThreadBusy = Literal["wait", "fail", "replace"]
"""What a start does on a thread that somebody else uses."""

MAX_ADDITIONAL_MESSAGES = 32

Include = Literal["step_details.tool_calls[*].file_search.results[*].content"]
"""What the steps of a run may show beside: the service documents no more."""


class RunOptions(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Options of the run; Foundry's documentation of create-run says what each does."""

    additional_instructions: Instructions | None = None
    instructions: Instructions | None = None
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    max_prompt_tokens: TokenLimit | None = None
    max_completion_tokens: TokenLimit | None = None
    truncation_strategy: dict[str, Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    tool_resources: ToolResources | None = None
    additional_messages: (
        Annotated[list[AdditionalMessage], Meta(min_length=1, max_length=MAX_ADDITIONAL_MESSAGES)] | None
    ) = None
    include: Annotated[list[Include], Meta(min_length=1, max_length=1)] | None = None
    structured_inputs: dict[str, Any] | None = None
    """Fills the templates in the instructions of a second-generation agent, which takes no other option."""


class AgentRunRequest(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a caller asks for."""

    user_message: Annotated[
        NotBlank | None,
        Meta(
            description="The message to the agent. Not blank. It stands before `content`. Without both the run answers "
            "what is on the thread.",
            examples=["Why is the sky blue?"],
        ),
    ] = None
    content: Annotated[
        Content | None,
        Meta(description="Texts and images of the message, behind `user_message` where that is given."),
    ] = None
    attachments: Annotated[
        Attachments, Meta(description="Files of the message, uploaded to Foundry before, and the tools that read them.")
    ] = []
    agent_id: Annotated[
        AgentReference | None,
        Meta(
            description="The agent: its id, or its name where no other agent has it, as GET /agents lists them.",
            examples=["asst_abc123"],
        ),
    ] = None
    thread_id: Annotated[
        ThreadId | None,
        Meta(description="Go on with this thread; without it the run gets a new one.", examples=["thread_abc123"]),
    ] = None
    timeout_seconds: Annotated[
        Timeout | None,
        Meta(description="After so long the run is cancelled and fails with the code `timeout`."),
    ] = None
    if_thread_busy: Annotated[
        IfThreadBusy,
        Meta(
            description="Where another run uses the thread: `wait` for its end, first come, first served; `fail` at "
            "once; or `replace` it: it is asked to cancel, and this run comes next."
        ),
    ] = "wait"
    idempotency_key: Annotated[
        Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{1,200}\Z")] | None,
        Meta(
            description="Makes it safe to repeat the request; also as the header `Idempotency-Key`.",
            examples=["nightly-report-2026-11-21"],
        ),
    ] = None
    run_options: Annotated[RunOptions, Meta(description="Passed on to Foundry's create-run request.")] = RunOptions()
    delete_thread: Annotated[
        DeleteThreadWhen | None,
        Meta(
            description="When the thread is deleted, if this app has created it: `on_success` at the end of a run that "
            "succeeds, `with_history` when the history of the last run on it is purged. The default is a setting."
        ),
    ] = None
    metadata: Annotated[
        Metadata,
        Meta(
            description=f"At most {MAX_METADATA_PAIRS} pairs, kept by Foundry on the message and the run.",
            examples=[{"job": "nightly-report"}],
        ),
    ] = {}

    @property
    def message(self) -> UserMessage | None:
        """The message that is to be posted; None where the run answers what stands on the thread."""
        if self.user_message is None and self.content is None:
            return None
        return UserMessage(text=self.user_message, content=self.content or [], attachments=self.attachments)


class CancelRequest(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A cancel, which needs no body."""

    reason: Annotated[
        Annotated[str, Meta(max_length=MAX_REASON_CHARACTERS)] | None,
        Meta(description="Stands first in the `output` of the run.", examples=["The customer has hung up."]),
    ] = None


class RetryRequest(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A repetition of a run that did not succeed, which needs no body."""

    timeout_seconds: Annotated[
        Timeout | None, Meta(description="Instead of that of the run; its maximum is a setting.", examples=[600])
    ] = None


class RunPolicy(Wire, frozen=True, kw_only=True):
    """What the settings decide about one run; fixed when it starts, so that a change of settings breaks no replay."""

    agent_id: PolicyAgent
    """What the caller asked for, or the id that a classic agent's name stands for."""
    generation: Generation = "classic"
    agent_version: Annotated[str, Meta(max_length=64)] | None = None
    """Of a second-generation agent: the one that was resolved when the run started."""
    timeout_seconds: Annotated[int, Meta(ge=1, le=LONGEST_TIMEOUT_SECONDS)]
    rate_limit_retries: Annotated[int, Meta(ge=0, le=100)] = 50
    delete_thread: DeleteThreadWhen = "never"
    monitor_url: Annotated[str, Meta(max_length=700)] | None = None
    request_fingerprint: Annotated[str, Meta(max_length=128)] | None = None
    """Of a start with a key: of the request and of the instance that the key stands for, so that this instance may be
    started twice and has the same stamps.
    """
