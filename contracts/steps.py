"""What a run did, step by step, and a file that it produced, as callers get them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from contracts.status import Moment, RunError
from contracts.wire import Wire


class StepCall(Wire, frozen=True, kw_only=True):
    """A call of a tool, without what was said to it and what it answered."""

    id: str | None
    type: Annotated[str, Meta(description="Foundry's word, such as `code_interpreter`, `function`, `mcp`.")]
    name: Annotated[str | None, Meta(description="Of the function, operation, tool or agent that was called.")] = None
    server_label: Annotated[str | None, Meta(description="The MCP server that was called.")] = None
    query_url: Annotated[
        str | None,
        Meta(
            description="The Bing search that was made, for people. Bing's terms want it shown beside the answer, with "
            "the web sites that its annotations cite."
        ),
    ] = None
    file_ids: Annotated[
        list[str], Meta(description="Images and other files that its code made: `GET /runs/{id}/files/{file_id}`.")
    ] = []


class RunStep(Wire, frozen=True, kw_only=True):
    """One step of a run."""

    id: str
    type: Annotated[
        str,
        Meta(
            description="Foundry's word: `message_creation`, `tool_calls`; of second-generation agents the type of an "
            "item, such as `message`, `function_call`."
        ),
    ]
    status: Annotated[str, Meta(description="Foundry's word, such as `in_progress`, `completed`, `failed`.")]
    created_at: Moment | None
    completed_at: Annotated[Moment | None, Meta(description="When it ended, however it ended.")]
    error: RunError | None
    message_id: Annotated[str | None, Meta(description="The message that it wrote.")] = None
    tool_calls: list[StepCall] = []


class RunSteps(Wire, frozen=True, kw_only=True):
    """The steps of a run, oldest first."""

    run_id: Annotated[str | None, Meta(description="Foundry's run; null where there is none (yet).")]
    steps: list[RunStep]
    truncated: Annotated[bool, Meta(description="There are more steps than are shown.")] = False


@dataclass(frozen=True)
class RunFile:
    """A file that a run produced. The name is Foundry's, and may be anything."""

    name: str
    content: bytes
