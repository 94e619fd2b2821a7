"""What a run wrote before it was cut short: `incomplete`, for want of tokens, say. It is paid for, so callers get it.

The instance has failed, and a failure's output is a line; so the answer is read from Foundry, where it stays.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec

from contracts.runs import RunState
from contracts.status import StatusDocument
from http_api.beside_document import service_of, told

_threads = ThreadPoolExecutor(4, thread_name_prefix="partial-answer")


async def with_partial_answer(document: StatusDocument) -> StatusDocument:
    """Return the document with what the run wrote, where it was cut short and Foundry tells; else as it is."""
    thread_id, run_id = document.thread_id, document.run_id
    if document.status != "Failed" or document.run_state is not RunState.INCOMPLETE or not (thread_id and run_id):
        return document
    text = await told(_threads.submit(_read, thread_id, run_id), f"the partial answer of run {run_id}")
    return document if text is None else msgspec.structs.replace(document, response=text)


def _read(thread_id: str, run_id: str) -> str:
    return service_of(thread_id).get_answer(thread_id, run_id).text
