"""Instances of our orchestrator, as the HTTP functions see them: status documents, and events that arrive for sure."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import azure.durable_functions as df

import host_clock
import recovery
from contracts.codes import ErrorCode
from contracts.durable import ORCHESTRATOR
from contracts.formats import INSTANCE_ID_PATTERN
from contracts.status import StatusDocument
from http_api.answers import ApiError
from http_api.status_document import status_document
from settings import SettingsError, load_settings
from task_hub import TaskHub, TaskHubError
from validation.given_ids import AN_INSTANCE, of_another_kind

_log = logging.getLogger("agent_run.http")

ACKNOWLEDGE_SECONDS = 10.0
LOOK_SECONDS = 0.2
RAISE_AGAIN_SECONDS = 1.5


async def read_document(client: df.DurableOrchestrationClient, instance_id: str) -> StatusDocument:
    """Return the status document of an instance of ours; raise a 404 for any other id."""
    looks_like_one = re.fullmatch(INSTANCE_ID_PATTERN, instance_id)
    status = await client.get_status(instance_id) if looks_like_one else None
    # The SDK answers an unknown id with an empty status, whose to_json() crashes.
    if not status or status.name != ORCHESTRATOR:
        raise no_such_run(instance_id)
    payload: dict[str, Any] = status.to_json()
    whole = await _whole(client, instance_id) if recovery.ended_by_the_platform(payload) else {}
    # Of one moment: it may have been rewound since the first look. And the SDK drops its version.
    return status_document(whole or payload, host_clock.now(), whole.get("historyEvents"), monitor_url())


def no_such_run(instance_id: str) -> ApiError:
    """Return the 404 for an id that no run has."""
    message = f"there is no run with the instance id {instance_id[:100]!r}"
    if other := of_another_kind(instance_id, AN_INSTANCE):
        message += f" ({other}; here belongs the id of the answer that started the run)"
    return ApiError(404, ErrorCode.NOT_FOUND, message, target="instance_id")


def monitor_url() -> str | None:
    """Return what the settings say; None where they say none, or are wrong."""
    with contextlib.suppress(SettingsError):  # a run that exists is shown whatever the settings are
        return load_settings().monitor_url
    return None


async def _whole(client: df.DurableOrchestrationClient, instance_id: str) -> Mapping[str, Any]:
    """Return what tells why the platform ended the instance; empty where it does not say."""
    try:
        return await TaskHub(client).whole(instance_id)
    except (TaskHubError, aiohttp.ClientError, TimeoutError) as error:
        _log.warning("the history of instance %s could not be read: %s", instance_id, type(error).__name__)
        return {}


async def deliver(
    client: df.DurableOrchestrationClient,
    instance_id: str,
    event: str,
    data: Any,
    *,
    acknowledged: Callable[[StatusDocument], bool],
    settled: Callable[[StatusDocument], bool] | None = None,
) -> StatusDocument:
    """Raise the event until the orchestrator acknowledges it, the instance ends, or ten seconds have passed. With
    `settled` what is acknowledged is looked at further, within the same time, until it is settled too.

    The platform answers 202 to an event for a Pending instance and may lose it, and drops one that comes just before
    the end (durable-protocol.md, rule 3): so it is raised at a Running instance only, or at one that was rewound, and
    raised again. Return the last status document.
    """
    give_up_at = time.monotonic() + ACKNOWLEDGE_SECONDS
    raise_at = 0.0
    while True:
        now = time.monotonic()
        try:
            document = await read_document(client, instance_id)
        except Exception as error:
            if isinstance(error, ApiError) or now > give_up_at:
                raise
            _log.warning("instance %s could not be looked at: %s", instance_id, type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)
            continue
        if document.is_ended or document.is_recovering or now > give_up_at:
            return document
        if acknowledged(document):
            if settled is None or settled(document):
                return document
        elif document.takes_events and now >= raise_at:
            try:
                await client.raise_event(instance_id, event, data)
            except Exception as error:  # noqa: BLE001 - the SDK raises bare exceptions; the next look tells what is true
                _log.info("event %s for instance %s was not taken: %s", event, instance_id, type(error).__name__)
            else:
                raise_at = now + RAISE_AGAIN_SECONDS
                if document.runtime_status == "Suspended":
                    return document  # the platform keeps it until the instance is resumed
        await asyncio.sleep(LOOK_SECONDS)
