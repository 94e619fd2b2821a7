"""The messages of a thread, as callers get them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from contracts.runs import Attachment
from contracts.status import Moment
from contracts.wire import Wire

MESSAGES_OF_A_PAGE = 20
"""Where the caller does not say how many."""

MOST_MESSAGES_OF_A_PAGE = 100
"""Foundry gives no more at once."""


class ThreadMessage(Wire, frozen=True, kw_only=True):
    """A message of a conversation, whoever wrote it."""

    id: str
    role: Annotated[str, Meta(description="Foundry's word: `user`, or `assistant` for the agent.")]
    created_at: Moment | None
    run_id: Annotated[str | None, Meta(description="Foundry's run that wrote it.")]
    agent_id: Annotated[str | None, Meta(description="The agent that wrote it.")]
    text: Annotated[
        str | None,
        Meta(description="All text parts, joined by line ends, without citation marks; null where it is withheld."),
    ]
    refusal: Annotated[bool, Meta(description="The text, or a part of it, is the model's refusal.")] = False
    annotations: Annotated[list[dict[str, Any]], Meta(description="What was cited, at positions in `text`.")] = []
    attachments: Annotated[list[Attachment], Meta(description="What is no text: images, files.")] = []
    not_understood: Annotated[list[str], Meta(description="Types of parts that this app does not know.")] = []
    incomplete: Annotated[str, Meta(description="Why it was not written whole; empty where it is.")] = ""
    withheld: Annotated[bool, Meta(description="Its agent is none that callers of this app may run.")] = False


@dataclass(frozen=True)
class MessagePage:
    """A part of a thread's messages, oldest first, and what leads to those before it; null where there are none."""

    messages: list[ThreadMessage]
    before: str | None


class ThreadMessages(Wire, frozen=True, kw_only=True):
    """A page of a thread's messages."""

    thread_id: str
    messages: Annotated[list[ThreadMessage], Meta(description="Oldest first; without `cursor` the newest ones.")]
    next_cursor: Annotated[
        str | None, Meta(description="Give it as `cursor` for the messages before these; null: there are none.")
    ]
