"""The start request, and what the settings make of it (design.md, section 2)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from contracts.formats import ID_PATTERN
from contracts.wire import Wire

MAX_MESSAGE_CHARACTERS = 256_000

MAX_METADATA_PAIRS = 14
"""Foundry takes 16 pairs; two are ours (`METADATA_INSTANCE`, `METADATA_OPERATION`)."""

AgentId = Annotated[str, Meta(pattern=rf"\A{ID_PATTERN}\Z")]

ThreadId = AgentId

Temperature = Annotated[float, Meta(ge=0, le=2)]

Probability = Annotated[float, Meta(ge=0, le=1)]

TokenLimit = Annotated[int, Meta(ge=256)]

Instructions = Annotated[str, Meta(max_length=MAX_MESSAGE_CHARACTERS)]

Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=MAX_METADATA_PAIRS),
]


class RunOptions(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The part of Foundry's create-run body that a caller may set."""

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


class AgentRunRequest(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a caller asks for; `request_validation` says what is wrong with one that does not fit."""

    user_message: Annotated[str, Meta(min_length=1, max_length=MAX_MESSAGE_CHARACTERS)]
    agent_id: AgentId | None = None
    thread_id: ThreadId | None = None
    timeout_seconds: Annotated[int, Meta(ge=1, le=10**9)] | None = None
    if_thread_busy: Literal["wait", "fail"] = "wait"
    idempotency_key: Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{1,200}\Z")] | None = None
    run_options: RunOptions = RunOptions()
    metadata: Metadata = {}


class RunPolicy(Wire, frozen=True, kw_only=True):
    """What the settings decide about one run; fixed when it starts, so that a change of settings breaks no replay."""

    agent_id: str
    timeout_seconds: int
    rate_limit_retries: int = 3
    monitor_url: str | None = None
    request_fingerprint: str | None = None
    """With an idempotency key: tells whether a repeated start is the same request."""
