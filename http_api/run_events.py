"""`GET /api/runs/{instance_id}/events`: what happened, in order, as JSON or as server-sent events.

The worker hands an answer over when it is whole, so that nothing can be streamed: with `Accept: text/event-stream` the
call waits until there is something new, answers with that, and the caller asks again. A long poll, in the clothes of
server-sent events.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import aiohttp
import azure.durable_functions as df
import azure.functions as func

import host_clock
from contracts.codes import ErrorCode
from contracts.durable import ORCHESTRATOR
from contracts.status import StatusDocument
from http_api.answers import ApiError, answering, invalid_request, json_answer
from http_api.instances import no_such_run, read_document
from http_api.query_parameters import parameter, refuse_others
from http_api.run_events_stream import MEDIA_TYPE, stream_body, wants_stream
from http_api.status_document import status_document
from http_api.timeline import timeline
from http_api.timeline_cursor import AFTER, CURSOR_PATTERN, Known, News
from http_api.timeline_events import RunTimeline, TimelineEvent
from http_api.timeline_history import read_history
from task_hub import TaskHub, TaskHubError
from validation.field_errors import FieldError

_log = logging.getLogger("agent_run.http")

blueprint = df.Blueprint()

STREAM_SECONDS = 25.0
"""How long a call for server-sent events waits for the first one."""

LOOK_SECONDS = 1.0
READING_SECONDS = 20.0
"""A history may have megabytes, and a slow storage."""

ASK_AGAIN_SECONDS = 5
MOST_READINGS = 4
"""At once in a worker: each holds a history in memory."""

_SURE_AFTER = timedelta(seconds=2)
"""The platform tells the time of its last write in whole seconds: what it writes later in that second does not show."""

_reading = asyncio.Semaphore(MOST_READINGS)


@blueprint.route(route="runs/{instance_id}/events", methods=["GET"])
@blueprint.durable_client_input(client_name="client")
@answering
async def agent_run_events(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return the run's timeline, or what is new in it."""
    refuse_others(req.params, AFTER)
    instance_id, after = req.route_params["instance_id"], _after(req.params)
    if not wants_stream(req.headers.get("accept")):
        await read_document(client, instance_id)
        document, events = await _read(client, instance_id)
        known = Known(events, after)
        new = [news.event for news in known.learn()]
        return json_answer(RunTimeline(status=document.status, step=document.step, events=new, next=known.cursor))
    ended, news = await _wait_for_news(client, instance_id, req.headers.get("last-event-id") or after)
    if ended and not news:
        return func.HttpResponse(status_code=204)  # a browser asks again after anything else
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return func.HttpResponse(stream_body(news), mimetype=MEDIA_TYPE, headers=headers)


def _after(query: Mapping[str, str]) -> str:
    after = parameter(query, AFTER) or ""
    if not re.fullmatch(CURSOR_PATTERN, after):
        message = "must be the `next` of an earlier answer, or the id of a server-sent event"
        raise invalid_request([FieldError(code=ErrorCode.INVALID, message=message, target=AFTER)])
    return after


async def _wait_for_news(
    client: df.DurableOrchestrationClient, instance_id: str, cursor: str
) -> tuple[bool, Sequence[News]]:
    """Return whether the run has ended, and what is new behind the cursor, as soon as anything is; none where the time
    is over, or the host is being stopped. The history is read again only where the instance was written since.
    """
    give_up_at = time.monotonic() + STREAM_SECONDS
    seen = await read_document(client, instance_id)
    while True:
        sure = _is_sure(seen)
        document, events = await _read(client, instance_id)
        news = list(Known(events, cursor).learn())
        if news or document.is_ended:
            return document.is_ended, news
        latest = seen
        while latest == seen and (sure or latest is seen):
            if time.monotonic() >= give_up_at:
                return False, []
            await asyncio.sleep(LOOK_SECONDS)
            latest = await read_document(client, instance_id)
        seen = latest


def _is_sure(document: StatusDocument) -> bool:
    """Say whether anything that the platform writes from now on shows in the time of the last write."""
    written = datetime.fromisoformat(document.last_updated_time).replace(tzinfo=UTC)
    return host_clock.now() > written + _SURE_AFTER


async def _read(client: df.DurableOrchestrationClient, instance_id: str) -> tuple[StatusDocument, list[TimelineEvent]]:
    """Return status and timeline, of one moment; raise a 404 where the instance was purged meanwhile, a 503 where the
    platform does not tell in time.
    """
    try:
        async with asyncio.timeout(READING_SECONDS), _reading:
            payload = await TaskHub(client).whole(instance_id)
            if payload.get("name") != ORCHESTRATOR:
                raise no_such_run(instance_id)
            document = status_document(payload, host_clock.now(), payload.get("historyEvents"))
            return document, timeline(read_history(payload), document)
    except (TaskHubError, aiohttp.ClientError, TimeoutError) as error:
        _log.warning("the history of instance %s could not be read: %s", instance_id, type(error).__name__)
    message = "the platform does not hand over the history of the run now: ask again"
    raise ApiError(503, ErrorCode.INSTANCE_NOT_SEEN, message, retry_after_seconds=ASK_AGAIN_SECONDS)
