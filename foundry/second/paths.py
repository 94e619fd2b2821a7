"""The paths of conversations, items, responses and agents."""

from __future__ import annotations

from foundry.transport import path_id

CONVERSATIONS = "/openai/v1/conversations"
RESPONSES = "/openai/v1/responses"
AGENTS = "/agents"


def conversation_path(thread_id: str) -> str:
    """Return the path of a conversation; raise `InvalidInputError` where the id is none."""
    return f"{CONVERSATIONS}/{path_id(thread_id, 'conversation')}"


def items_path(thread_id: str) -> str:
    """Return the path of a conversation's items; raise `InvalidInputError` where the id is none."""
    return f"{conversation_path(thread_id)}/items"


def item_path(thread_id: str, item_id: str) -> str:
    """Return the path of an item; raise `InvalidInputError` where an id is none."""
    return f"{items_path(thread_id)}/{path_id(item_id, 'item')}"


def response_path(run_id: str) -> str:
    """Return the path of a response; raise `InvalidInputError` where the id is none."""
    return f"{RESPONSES}/{path_id(run_id, 'response')}"


def agent_path(name: str) -> str:
    """Return the path of an agent; raise `InvalidInputError` where no agent can have the name."""
    return f"{AGENTS}/{path_id(name, 'agent')}"
