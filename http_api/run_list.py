"""`GET /api/runs`: the runs that match, newest first, page by page."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import aiohttp
import azure.durable_functions as df
import azure.functions as func

import host_clock
from contracts.codes import ErrorCode
from http_api.answers import ApiError, answering, invalid_request, json_answer
from http_api.instances import monitor_url
from http_api.query_parameters import parameter, refuse_others
from http_api.run_cursor import BadCursorError, decoded, encoded
from http_api.run_entries import MatchingRuns
from http_api.run_filters import FILTERS, RunFilters, filters_of_query
from http_api.run_messages import LISTED, MOST_LISTED, RunList
from http_api.run_pages import Pages, beginning
from http_api.urls import base_url, own_urls
from settings import public_address
from task_hub import TaskHub, TaskHubError
from validation.field_errors import FieldError

blueprint = df.Blueprint()

ASK_AGAIN_SECONDS = 5


@blueprint.route(route="runs", methods=["GET"])
@blueprint.durable_client_input(client_name="client")
@answering
async def list_runs(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """List runs: without their requests, questions and answers, which their own URLs have."""
    refuse_others(req.params, *FILTERS, "limit", "cursor")
    filters, limit = _asked(req)
    now, given = host_clock.now(), parameter(req.params, "cursor")
    try:
        at = decoded(given, filters) if given else beginning(filters, now)
    except BadCursorError:
        message = "is no next_cursor of this list: send it whole, and with the same filters"
        raise invalid_request([FieldError(code=ErrorCode.INVALID, message=message, target="cursor")]) from None
    hub = TaskHub(client)
    runs = MatchingRuns(hub, filters, now, monitor_url())
    with platform_may_fail():
        page = await Pages(hub, filters, runs, _uri_of(req)).read(at, limit)
    cursor = encoded(page.cursor, filters) if page.cursor else None
    is_partial = cursor is not None and len(page.runs) < limit
    return json_answer(RunList(runs=page.runs, next_cursor=cursor, partial=is_partial))


def _asked(req: func.HttpRequest) -> tuple[RunFilters, int]:
    filters, errors = filters_of_query(req.params)
    text = parameter(req.params, "limit") or str(LISTED)
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MOST_LISTED)) else 0
    if not 1 <= limit <= MOST_LISTED:
        message = f"must be a whole number from 1 to {MOST_LISTED}"
        errors.append(FieldError(code=ErrorCode.INVALID, message=message, target="limit"))
    if errors:
        raise invalid_request(errors)
    return filters, limit


def _uri_of(req: func.HttpRequest) -> Callable[[str], str]:
    base = base_url(req.url, req.headers, public_address())
    return lambda instance_id: own_urls(req.url, instance_id, base=base)["runUri"]


@contextlib.contextmanager
def platform_may_fail() -> Iterator[None]:
    """Answer 503 where the platform does not list its instances."""
    try:
        yield
    except (TaskHubError, aiohttp.ClientError, TimeoutError) as error:
        message = "the platform does not list its instances now: ask again"
        raise ApiError(503, ErrorCode.INSTANCE_NOT_SEEN, message, retry_after_seconds=ASK_AGAIN_SECONDS) from error
