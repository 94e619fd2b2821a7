"""`POST /api/runs/cancel`: cancels the runs that go on and match, each as its own route does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

import azure.durable_functions as df
import azure.functions as func

import host_clock
from contracts.codes import ErrorCode
from http_api.answers import ApiError, answering, invalid_request, json_answer
from http_api.query_parameters import refuse_others
from http_api.request_body import body_of
from http_api.run_control import cancel_run
from http_api.run_entries import Hub, MatchingRuns
from http_api.run_filters import FILTERS, RunFilters, read_filters
from http_api.run_list import platform_may_fail
from http_api.run_messages import BulkCancelled
from task_hub import TaskHub
from validation.cancel_request import cancel_errors
from validation.field_errors import MOST_NAMED, FieldError, shown_name
from validation.near_names import no_field

blueprint = df.Blueprint()
_log = logging.getLogger("agent_run.http")

MOST = 1_000
AT_ONCE = 20

LISTING_SECONDS = 60.0
START_NONE_AFTER_SECONDS = 180.0
ONE_SECONDS = 30.0
"""A cancel waits for ten seconds, and its looks may hang. So the answer comes before Azure's load balancer drops the
request, after 230 seconds.
"""

_RUNNING = frozenset({"Running"})
_FIELDS = ("reason", "all", *FILTERS)


@blueprint.route(route="runs/cancel", methods=["POST"])
@blueprint.durable_client_input(client_name="client")
@answering
async def cancel_runs(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Cancel what goes on and matches; whoever wants that of everything has to say so."""
    until = monotonic() + START_NONE_AFTER_SECONDS
    body = body_of(req).json_object()
    refuse_others(req.params)
    filters, reason = _asked(body)
    hub = TaskHub(client)
    with platform_may_fail():
        instances, more = await _matching(hub, filters)
    outcome = await _cancelled(client, instances, reason, until)
    return json_answer(
        BulkCancelled(
            matched=outcome.matched,
            cancelled=outcome.cancelled,
            already_ended=outcome.already_ended,
            failed=sorted(outcome.failed),
            more=more or outcome.matched < len(instances),
        )
    )


def _asked(body: Mapping[str, Any]) -> tuple[RunFilters, str]:
    filters, errors = read_filters(body)
    errors += [
        FieldError(code=ErrorCode.UNKNOWN_FIELD, message=no_field(name, _FIELDS), target=shown_name(name))
        for name in body
        if name not in _FIELDS
    ]
    reason, everything = body.get("reason"), body.get("all")
    if reason is None:
        errors.append(
            FieldError(code=ErrorCode.REQUIRED, message="is required: why they are cancelled", target="reason")
        )
    elif isinstance(reason, str) and not reason.strip():
        errors.append(FieldError(code=ErrorCode.BLANK, message="must be a text that is not blank", target="reason"))
    else:
        errors += cancel_errors({"reason": reason})
    narrowed = [name for name in FILTERS if name != "status" and body.get(name) is not None]
    if filters.statuses - _RUNNING:
        message = "must be Running, if it is given: no other run can be cancelled"
        errors.append(FieldError(code=ErrorCode.INVALID, message=message, target="status"))
    if not isinstance(everything, bool | None):
        errors.append(FieldError(code=ErrorCode.INVALID, message="must be true or false", target="all"))
    elif everything and narrowed:
        message = f"stands for every run that goes on: leave it out, or {', '.join(narrowed)}"
        errors.append(FieldError(code=ErrorCode.CONFLICT, message=message, target="all"))
    elif not everything and not narrowed:
        message = f"must be true where every run that goes on is meant; else give one of {', '.join(FILTERS[1:])}"
        errors.append(FieldError(code=ErrorCode.REQUIRED, message=message, target="all"))
    if errors:
        raise invalid_request(errors[:MOST_NAMED])
    return replace(filters, statuses=_RUNNING), str(reason)


async def _matching(hub: Hub, filters: RunFilters) -> tuple[list[str], bool]:
    """Return the instances that match, as many as are cancelled in one call, and whether there may be more."""
    runs, found, token = MatchingRuns(hub, filters, host_clock.now()), dict[str, None](), ""
    until = monotonic() + LISTING_SECONDS
    while True:
        page = await hub.page(filters.selection(), token)
        for row in page.rows:
            if (document := await runs.document(row)) is None:
                continue
            if len(found) == MOST and document.instance_id not in found:
                return list(found), True
            found[document.instance_id] = None
        if not page.token or page.token == token:
            return list(found), False
        if monotonic() >= until:
            return list(found), True
        token = page.token


@dataclass
class _Outcome:
    matched: int = 0
    cancelled: int = 0
    already_ended: int = 0
    failed: list[str] = field(default_factory=list)


async def _cancelled(
    client: df.DurableOrchestrationClient, instances: list[str], reason: str, until: float
) -> _Outcome:
    """Cancel a few at a time, and begin with none when the time is over."""
    outcome, waiting = _Outcome(), iter(instances)

    async def one_after_the_other() -> None:
        while monotonic() < until and (instance_id := next(waiting, None)) is not None:
            outcome.matched += 1
            try:
                _, was_before = await asyncio.wait_for(cancel_run(client, instance_id, reason), ONE_SECONDS)
            except ApiError as error:
                if error.code in (ErrorCode.ALREADY_ENDED, ErrorCode.NOT_FOUND):  # or purged
                    outcome.already_ended += 1
                else:
                    outcome.failed.append(instance_id)
            except Exception as error:  # noqa: BLE001 - one that cannot be looked at keeps none of the others
                _log.warning("instance %s could not be cancelled: %s", instance_id, type(error).__name__)
                outcome.failed.append(instance_id)
            else:
                outcome.already_ended += was_before
                outcome.cancelled += not was_before

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
    return outcome
