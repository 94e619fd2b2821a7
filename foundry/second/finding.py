"""Finds the response that a lost request has started (foundry-responses.md, section 5.2): by its stamp, or else because
it was not there before. Never by its time: a list that lags shows an earlier one. It looks once.
"""

from __future__ import annotations

import logging
from typing import Any

from app_log import log_event
from contracts.runs import Effect, RunSnapshot
from foundry.fields import carries, id_of, instance_of
from foundry.second.conversation import newest_items, newest_responses, response_if_there
from foundry.second.items import authors_in
from foundry.second.responses import snapshot
from foundry.transport import Transport

_log = logging.getLogger("agent_run.foundry")

_MOST_LOOKED_AT = 10
"""Responses that are looked at one by one, where the list does not tell whose they are."""


def find_response(transport: Transport, thread_id: str, effect: Effect) -> RunSnapshot | None:
    """Return the response, if it shows."""
    listed = newest_responses(transport, thread_id)
    found = [response for response in listed if carries(response, effect.stamp)]
    if not found:
        found = _looked_at(transport, thread_id, listed, effect)
    runs = sorted((snapshot(response, thread_id) for response in found[::-1]), key=lambda run: run.created_at or 0)
    if len(runs) > 1:
        # Each has answered the message. Which one counts must not depend on when one looks.
        log_event(
            _log,
            "agent_run.other_response",
            instance_id=effect.stamp.instance_id,
            thread_id=thread_id,
            run_id=runs[0].run_id,
            others=[run.run_id for run in runs[1:]],
        )
    return runs[0] if runs else None


def _looked_at(
    transport: Transport, thread_id: str, listed: list[dict[str, Any]], effect: Effect
) -> list[dict[str, Any]]:
    """Return the responses that carry the stamp when each is looked at; or, where nothing shows a stamp of this app's,
    those that were not there before. What the list does not show may be the author of an item.
    """
    stamped = {id_of(response, "id") for response in listed if instance_of(response) is not None}
    ids = [id_of(response, "id") for response in listed] + authors_in(newest_items(transport, thread_id))
    new = [run_id for run_id in dict.fromkeys(ids) if run_id not in {*effect.known_runs, *stamped}]
    seen = [r for run_id in new[:_MOST_LOOKED_AT] if (r := response_if_there(transport, run_id)) is not None]
    carrying = [response for response in seen if carries(response, effect.stamp)]
    shows_stamps = bool(stamped) or any(instance_of(response) is not None for response in seen)
    return carrying or ([] if shows_stamps else seen)
