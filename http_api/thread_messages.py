"""`GET /api/threads/{thread_id}/messages`: a conversation, newest page first.

Whoever may call the app may read every thread of its project whose id he knows: a start on the thread would show it to
an agent, and the agent to him. What agents wrote that callers may not run is withheld: it is not this app's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import azure.durable_functions as df
import azure.functions as func
import msgspec

from contracts.codes import ErrorCode
from contracts.conversation import (
    MESSAGES_OF_A_PAGE,
    MOST_MESSAGES_OF_A_PAGE,
    MessagePage,
    ThreadMessage,
    ThreadMessages,
)
from contracts.formats import ID_PATTERN
from foundry.errors import InvalidInputError
from foundry.service import AgentService
from http_api.answers import ApiError, answering, invalid_request, json_answer
from http_api.foundry_reads import read_from_foundry
from http_api.query_parameters import parameter, refuse_others
from settings import Settings, load_settings
from validation.field_errors import FieldError
from validation.given_ids import of_another_kind

blueprint = df.Blueprint()

LIMIT, CURSOR = "limit", "cursor"
READING_SECONDS = 30.0

_BAD_CURSOR = FieldError(
    code=ErrorCode.INVALID, message="must be the next_cursor of an earlier page of this thread", target=CURSOR
)

# Few at once: each page may have megabytes.
_threads = ThreadPoolExecutor(4, thread_name_prefix="conversation")


@blueprint.route(route="threads/{thread_id}/messages", methods=["GET"])
@answering
async def thread_messages(req: func.HttpRequest) -> func.HttpResponse:
    """Return a page of the thread's messages, oldest first."""
    settings = load_settings()
    refuse_others(req.params, LIMIT, CURSOR)
    thread_id = req.route_params["thread_id"]
    limit, cursor = _page_asked_for(req.params)
    if not re.fullmatch(ID_PATTERN, thread_id):
        raise _no_such_thread(thread_id)
    page = await read_from_foundry(
        settings,
        _threads,
        READING_SECONDS,
        lambda service: _read(service, thread_id, limit, cursor),
        thread_id=thread_id,
        gone=_no_such_thread(thread_id).message,
    )
    messages = [_allowed(message, settings) for message in page.messages]
    return json_answer(ThreadMessages(thread_id=thread_id, messages=messages, next_cursor=page.before))


def _read(service: AgentService, thread_id: str, limit: int, cursor: str | None) -> MessagePage:
    try:
        return service.thread_messages(thread_id, limit, cursor)
    except InvalidInputError:
        if cursor is None:
            raise
        raise invalid_request([_BAD_CURSOR]) from None  # of another thread, say, or the message was deleted


def _page_asked_for(query: Mapping[str, str]) -> tuple[int, str | None]:
    """Return how many messages, and before which; raise a 400 that names everything that does not fit."""
    limit, cursor = parameter(query, LIMIT) or str(MESSAGES_OF_A_PAGE), parameter(query, CURSOR)
    errors = []
    if not re.fullmatch(r"[0-9]{1,9}", limit) or not 1 <= int(limit) <= MOST_MESSAGES_OF_A_PAGE:
        message = f"must be a whole number from 1 to {MOST_MESSAGES_OF_A_PAGE}"
        errors.append(FieldError(code=ErrorCode.INVALID, message=message, target=LIMIT))
    if cursor is not None and not re.fullmatch(ID_PATTERN, cursor):
        errors.append(_BAD_CURSOR)
    if errors:
        raise invalid_request(errors)
    return int(limit), cursor


def _allowed(message: ThreadMessage, settings: Settings) -> ThreadMessage:
    """Return the message, without what it says where callers may not run its agent."""
    if message.agent_id is None or settings.allows(message.agent_id):
        return message
    return msgspec.structs.replace(message, text=None, annotations=[], attachments=[], not_understood=[], withheld=True)


def _no_such_thread(thread_id: str) -> ApiError:
    message = f"Foundry has no thread with the id {thread_id[:128]!r}: it was deleted, or never was in this project"
    if other := of_another_kind(thread_id, "a thread"):
        message += f" ({other})"
    return ApiError(404, ErrorCode.NOT_FOUND, message, target="thread_id")
