"""What tests count of the second generation, per conversation."""

from collections.abc import Iterable
from typing import Any

from local.foundry_emulator.second.calls import key_of_answer, key_of_call, open_calls
from local.foundry_emulator.second.items import text_of
from local.foundry_emulator.second.life import see, was_cut
from local.foundry_emulator.second.objects import Conversation, Response
from local.foundry_emulator.second.talk import Placed, items_in

Json = dict[str, Any]


def conversation_summary(conversation: Conversation, now: float) -> Json:
    """Tell items, open calls, and responses with their states and metadata."""
    placed = items_in(conversation, now)
    bodies = [one.body for one in placed]
    return {
        "deleted": conversation.deleted,
        "broken": conversation.broken is not None,
        "metadata": conversation.metadata,
        "user_messages": sum(one["type"] == "message" and one["role"] == "user" for one in bodies),
        "open_calls": [key_of_call(one) for one in open_calls(bodies)],
        "items": [_item(one) for one in placed],
        "responses": responses_summary(conversation.responses, now),
    }


def responses_summary(responses: Iterable[Response], now: float) -> list[Json]:
    """Tell what became of each response, those too that a client knows nothing of any more."""
    return [
        {
            "id": one.id,
            "agent": f"{one.agent_name}:{one.version}",
            "status": "cut" if was_cut(one, now) else see(one, now).status,
            "background": one.background,
            "deleted": one.deleted,
            "cancel_requested": one.cancel_at is not None,
            "continues": one.continues,
            "metadata": one.metadata,
        }
        for one in responses
    ]


def _item(placed: Placed) -> Json:
    body = placed.body
    return {
        "id": body["id"],
        "type": body["type"],
        "role": body.get("role"),
        "response_id": placed.author.id if placed.author is not None else None,
        "call": key_of_call(body) or key_of_answer(body),
        "text": text_of(body)[:200],
    }
