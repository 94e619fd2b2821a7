"""What a conversation, or a chain of responses, holds at a time. Items of a response follow from its life."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local.foundry_emulator.second.items import output_of, text_of
from local.foundry_emulator.second.life import see, was_cut
from local.foundry_emulator.second.objects import Conversation, Heard, Response

Json = dict[str, Any]


@dataclass(frozen=True)
class Placed:
    """An item in its place. `author` is the response that said it; lists show it from `visible_at` on."""

    body: Json
    place: tuple[float, int, int]
    visible_at: float
    author: Response | None


def items_in(conversation: Conversation, now: float) -> list[Placed]:
    """Return all items, oldest first, those that lists do not show yet too."""
    placed = [
        Placed(item.body, (item.entered_at, item.number, 0), item.visible_at, None) for item in conversation.items
    ]
    for response in conversation.responses:
        placed += _of_response(response, now)
    removed = set(conversation.removed)
    return sorted((one for one in placed if one.body["id"] not in removed), key=lambda one: one.place)


def known_in(conversation: Conversation, now: float) -> list[Placed]:
    """Return what the service knows of: all items, and what running responses were given."""
    entered = items_in(conversation, now)
    there = {one.body["id"] for one in entered}
    running = [one for one in conversation.responses if is_running(one, now)]
    given = [Placed(body, (now, 0, 0), now, None) for one in running for body in one.inputs]
    return entered + [one for one in given if one.body["id"] not in there]


def items_of_chain(chain: Iterable[Response], now: float) -> list[Placed]:
    """Return what responses heard and said that follow each other without a conversation."""
    placed = []
    for response in chain:
        at = response.created_at
        placed += [Placed(body, (at, 0, 0), at, None) for body in response.inputs]
        placed += [
            Placed(one.body, (at, 0, 0), at, response)
            for one in output_of(response, see(response, now))
            if see(response, now).has_answered
        ]
    return placed


def is_running(response: Response, now: float) -> bool:
    """Whether a response is queued or at work."""
    return not was_cut(response, now) and not see(response, now).is_ended


def running_in(conversation: Conversation, now: float) -> Response | None:
    """Return a response that runs, if there is one."""
    return next((one for one in conversation.responses if is_running(one, now)), None)


def heard_in(bodies: Iterable[Json]) -> Heard:
    """Return what the user has said in these items."""
    texts = [text_of(one) for one in bodies if one["type"] == "message" and one["role"] == "user"]
    return Heard(len(texts), sum(len(text.split()) for text in texts), texts[-2:])


def _of_response(response: Response, now: float) -> list[Placed]:
    if was_cut(response, now):
        return []
    seen = see(response, now)
    placed: list[Placed] = []
    at = _input_enters(response, now)
    if at is not None:
        placed += [
            Placed(body, (at, response.number, index), at + response.item_lag, None)
            for index, body in enumerate(response.inputs)
        ]
    if seen.has_answered and seen.ended_at is not None:
        ended, inputs = seen.ended_at, len(response.inputs)
        placed += [
            Placed(one.body, (ended, response.number, inputs + index), ended + response.item_lag + one.lag, response)
            for index, one in enumerate(output_of(response, seen))
        ]
    return placed


def _input_enters(response: Response, now: float) -> float | None:
    """Return when the input got into the conversation; None where it is not there."""
    seen = see(response, now)
    if seen.is_ended and not seen.has_answered and not response.keeps_input:
        return None
    return response.created_at if response.at_once else seen.ended_at
