"""Where activities block that are coroutines: in threads of their own, beside the worker's, which the others have."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST_AT_ONCE = 64
"""As many activities as the platform hands to a worker: `maxConcurrentActivityFunctions` in host.json."""

_threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="activity")

T = TypeVar("T")


async def in_a_thread(work: Callable[[], T]) -> T:
    """Return what the blocking work returns."""
    run = functools.partial(contextvars.copy_context().run, work)
    return await asyncio.get_running_loop().run_in_executor(_threads, run)
