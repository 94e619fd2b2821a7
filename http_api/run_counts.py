"""`GET /api/runs/counts`: how many runs of each status were created lately."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from time import monotonic

import azure.durable_functions as df
import azure.functions as func

import host_clock
import recovery
from contracts.status import Status
from http_api.answers import answering, json_answer
from http_api.query_parameters import refuse_others
from http_api.run_entries import Hub, is_run, with_history
from http_api.run_list import platform_may_fail
from http_api.run_messages import RunCounts, StatusCounts
from http_api.status_document import status_of
from task_hub import Selection, TaskHub

blueprint = df.Blueprint()

WINDOWS = (timedelta(hours=1), timedelta(days=1), timedelta(weeks=1))

MOST_PAGES = 40
READING_SECONDS = 30.0
"""Twenty thousand instances take 13 seconds on the real host (durable-protocol.md, section 7)."""


@blueprint.route(route="runs/counts", methods=["GET"])
@blueprint.durable_client_input(client_name="client")
@answering
async def count_runs(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Count the runs of the last hour, day and week by status."""
    refuse_others(req.params)
    with platform_may_fail():
        return json_answer(await counts(TaskHub(client), host_clock.now()))


async def counts(hub: Hub, now: datetime) -> RunCounts:
    """Count what was created in each window. The youngest comes first, so that it is complete where the week is not."""
    counted: Counter[Status] = Counter()
    pages, until, complete = MOST_PAGES, monotonic() + READING_SECONDS, True
    shown: list[StatusCounts] = []
    edge: datetime | None = None
    for window in WINDOWS:
        selection, token = Selection(created_from=now - window, created_to=edge), ""
        edge = now - window
        while complete:
            page = await hub.page(selection, token)
            pages -= 1
            for row in page.rows:
                if is_run(row):
                    history = (await with_history(hub, row))[1] if recovery.is_recovering(row, now) else None
                    counted[status_of(row, now, history)] += 1
            if not page.token or page.token == token:
                break
            token = page.token
            complete = pages > 0 and monotonic() < until
        shown.append(_shown(counted, complete=complete))
    hour, day, week = shown
    return RunCounts(last_hour=hour, last_day=day, last_week=week)


def _shown(counted: Counter[Status], *, complete: bool) -> StatusCounts:
    return StatusCounts(
        running=counted["Running"] + counted["Cancelling"],
        success=counted["Success"],
        failed=counted["Failed"],
        cancelled=counted["Cancelled"],
        complete=complete,
    )
