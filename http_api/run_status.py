"""`GET /api/runs/{instance_id}`: one flat status document."""

from __future__ import annotations

import azure.durable_functions as df
import azure.functions as func

from http_api.answers import answering, document_answer
from http_api.instances import read_document
from http_api.links import FAILURE_IS_500
from http_api.partial_answer import with_partial_answer
from http_api.preferences import wait_seconds
from http_api.query_parameters import failure_is_500, refuse_others
from http_api.waiting import has_news, wait_for_news
from http_api.whole_question import with_whole_question

blueprint = df.Blueprint()


@blueprint.route(route="runs/{instance_id}", methods=["GET"])
@blueprint.durable_client_input(client_name="client")
@answering
async def agent_run_status(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return the status document: 202 while the run goes on, 200 when it has ended; 500 when it has failed, where the
    query asks for that. `Prefer: wait=N` waits for the end, or for the run to ask something.
    """
    instance_id = req.route_params["instance_id"]
    refuse_others(req.params, FAILURE_IS_500)
    failed_as_500 = failure_is_500(req.params)
    document = await read_document(client, instance_id)
    wait = wait_seconds(req.headers.get("prefer"))
    if wait and not has_news(document):
        document = await wait_for_news(client, instance_id, wait) or document
    applied = {"Preference-Applied": f"wait={wait}"} if wait else {}
    shown = await with_whole_question(await with_partial_answer(document))
    return document_answer(req, shown, headers=applied, client=client, failure_is_500=failed_as_500)
