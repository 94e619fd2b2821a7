"""Runs as lists show them, made of what the platform lists."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

import aiohttp

import recovery
from contracts.durable import ORCHESTRATOR
from contracts.formats import INSTANCE_ID_PATTERN
from contracts.status import RequiredAction, StatusDocument
from http_api.run_filters import RunFilters, needs_answer
from http_api.run_messages import OpenQuestion, RunEntry
from http_api.status_document import status_document
from task_hub import Page, Selection, TaskHubError

_log = logging.getLogger("agent_run.http")
_INSTANCE_ID = re.compile(INSTANCE_ID_PATTERN)


class Hub(Protocol):
    """What is asked of the task hub here."""

    async def page(self, selection: Selection, token: str = "", top: int = ...) -> Page:
        """Return a part of a list."""

    async def whole(self, instance_id: str) -> Mapping[str, Any]:
        """Return an instance with its history."""


class MatchingRuns:
    """Tells which instances are runs that match, as of one moment, and what their status documents say."""

    def __init__(self, hub: Hub, filters: RunFilters, now: datetime, monitor_url: str | None = None) -> None:
        self._hub = hub
        self._filters = filters
        self._now = now
        self._monitor_url = monitor_url

    async def document(self, row: Mapping[str, Any]) -> StatusDocument | None:
        """Return the status document of what the platform lists, the same that the run's own URL answers; None where it
        is no run that callers know, or does not match.

        Only the history tells why the platform ended an instance: it is asked for where that decides something.
        """
        if not is_run(row):
            return None
        history: Any = None
        asked = recovery.is_recovering(row, self._now)
        if asked:
            row, history = await with_history(self._hub, row)
        document = self._made(row, history)
        if not self._filters.match(document):
            return None
        if not asked and recovery.ended_by_the_platform(row):
            document = self._made(*await with_history(self._hub, row))
        return document

    def _made(self, row: Mapping[str, Any], history: Any) -> StatusDocument:
        return status_document(row, self._now, history, self._monitor_url)


async def with_history(hub: Hub, row: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any]:
    """Return the row and its history, of one moment; the row as it was where the platform does not tell."""
    try:
        whole = await hub.whole(str(row["instanceId"]))
    except (TaskHubError, aiohttp.ClientError, TimeoutError) as error:
        _log.warning("the history of instance %s could not be read: %s", row["instanceId"], type(error).__name__)
        return row, None
    return whole or row, whole.get("historyEvents")


def is_run(row: Mapping[str, Any]) -> bool:
    """Say whether the platform's row is a run of this app, under an id that its routes know."""
    return row.get("name") == ORCHESTRATOR and bool(_INSTANCE_ID.fullmatch(str(row.get("instanceId"))))


def entry_of(document: StatusDocument, uri_of: Callable[[str], str]) -> RunEntry:
    """Return the run as lists show it."""
    return RunEntry(
        instance_id=document.instance_id,
        run_uri=uri_of(document.instance_id),
        runtime_status=document.runtime_status,
        created_time=document.created_time,
        last_updated_time=document.last_updated_time,
        status=document.status,
        step=document.step,
        agent_id=document.agent_id,
        generation=document.generation,
        agent_version=document.agent_version,
        thread_id=document.thread_id,
        run_id=document.run_id,
        composite_run_id=document.composite_run_id,
        run_status=document.run_status,
        run_state=document.run_state,
        monitor_url=document.monitor_url,
        trace_id=document.trace_id,
        needs_answer=needs_answer(document),
        required_action=_question(document.required_action) if document.required_action else None,
        waiting_for=document.waiting_for,
        error=document.error,
    )


def _question(asked: RequiredAction) -> OpenQuestion:
    return OpenQuestion(
        event=asked.event,
        kinds=sorted({call.kind for call in asked.calls}),
        calls=len(asked.calls) + (asked.more or 0),
    )
