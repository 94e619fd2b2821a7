"""The paths of threads and runs."""

from __future__ import annotations

from foundry.transport import path_id


def thread_path(thread_id: str) -> str:
    """Return the path of a thread; raise `InvalidInputError` where the id is none."""
    return f"/threads/{path_id(thread_id, 'thread')}"


def run_path(thread_id: str, run_id: str) -> str:
    """Return the path of a run; raise `InvalidInputError` where an id is none."""
    return f"{thread_path(thread_id)}/runs/{path_id(run_id, 'run')}"
