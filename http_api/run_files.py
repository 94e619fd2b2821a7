"""`GET /api/runs/{instance_id}/files/{file_id}`: a file that the run produced.

Any other file of the project is as unknown here as one that does not exist, and is not asked for. The platform keeps an
answer in memory until it is sent, so there is a limit: to stream, all functions of an app would have to be FastAPI's
(functions-host.md, section 1).
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import azure.durable_functions as df
import azure.functions as func

from contracts.codes import ErrorCode
from contracts.formats import ID_PATTERN
from contracts.outcome import Outcome
from contracts.status import StatusDocument
from contracts.steps import RunFile
from foundry.service import AgentService
from http_api.answers import ApiError, answering
from http_api.file_headers import MOST_FILE_BYTES, file_headers
from http_api.foundry_reads import read_from_foundry
from http_api.instances import read_document
from settings import load_settings

blueprint = df.Blueprint()

READING_SECONDS = 120.0
"""Azure's load balancer drops a request after 230 seconds."""

# Few at once: each holds its file in memory.
_threads = ThreadPoolExecutor(3, thread_name_prefix="file")


@blueprint.route(route="runs/{instance_id}/files/{file_id}", methods=["GET"])
@blueprint.durable_client_input(client_name="client")
@answering
async def agent_run_file(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Hand over a file that the run produced, so far as it goes on."""
    settings = load_settings()
    file_id = req.route_params["file_id"]
    document = await read_document(client, req.route_params["instance_id"])
    if not (document.thread_id and document.run_id and re.fullmatch(ID_PATTERN, file_id)):
        raise _not_of_this_run(file_id)
    file = await read_from_foundry(
        settings,
        _threads,
        READING_SECONDS,
        lambda service: _read(service, document, file_id),
        thread_id=document.thread_id,
        gone=f"Foundry no longer has the file {file_id}, or the thread {document.thread_id}: it was deleted",
    )
    return func.HttpResponse(file.content, headers=file_headers(file, file_id))


def _read(service: AgentService, document: StatusDocument, file_id: str) -> RunFile:
    if not (file_id in known_files(document) or _produced(service, document, file_id)):
        raise _not_of_this_run(file_id)
    return service.get_file(file_id, MOST_FILE_BYTES)


def _produced(service: AgentService, document: StatusDocument, file_id: str) -> bool:
    return service.has_produced(str(document.thread_id), str(document.run_id), file_id)


def known_files(document: StatusDocument) -> frozenset[str]:
    """Return the ids of files that the run's output names. There may be more: images that its code made, and whatever
    a run that did not succeed has written. Pure.
    """
    outcome = document.output
    if not isinstance(outcome, Outcome):
        return frozenset()
    attachments = [*outcome.attachments, *(a for message in outcome.messages for a in message.attachments)]
    return frozenset(attachment.id for attachment in attachments)


def _not_of_this_run(file_id: str) -> ApiError:
    message = f"the run has not produced a file with the id {file_id[:128]!r} (so far)"
    return ApiError(404, ErrorCode.NOT_FOUND, message, target="file_id")
