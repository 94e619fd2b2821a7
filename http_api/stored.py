"""The store of documents, as the HTTP functions use it: in threads of its own, since it blocks."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from store.connection import document_store
from store.documents import DocumentStore

_threads = ThreadPoolExecutor(16, thread_name_prefix="documents")

Found = TypeVar("Found")


async def in_store(work: Callable[[DocumentStore], Found]) -> Found:
    """Return what `work` makes of the store. Raises `StoreError`; every request to the store ends in time by itself."""
    run = contextvars.copy_context().run  # what is logged there names the trace, too
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: run(work, document_store()))
