"""What a storage provider takes at once, which provider the app has, and that nothing is begun with more."""

from __future__ import annotations

import asyncio
import json

import pytest
from azure.durable_functions import DurableOrchestrationClient

from contracts.instance_input import start_input
from contracts.request import AgentRunRequest, RunPolicy
from http_api import payload_limit, starting
from http_api.answers import ApiError
from http_api.keyed_starts import StartKey
from http_api.payload_limit import (
    HOST_FILE,
    PayloadLimit,
    bytes_as_stored,
    limit_of,
    limit_of_the_app,
    refuse_too_large,
)

SCHEDULER = json.loads((HOST_FILE.parent / "infra" / "host.durable-task.json").read_text("utf-8"))
POLICY = RunPolicy(agent_id="asst_1", timeout_seconds=60)


def test_the_app_reads_its_provider_from_its_own_host_file():
    assert HOST_FILE.is_file()
    limit_of_the_app.cache_clear()
    assert limit_of_the_app() is None  # Azure Storage


def test_the_host_file_that_is_deployed_for_the_scheduler_has_its_limit():
    assert limit_of(SCHEDULER) == PayloadLimit("Durable Task Scheduler", 1_000_000)


@pytest.mark.parametrize(
    "host",
    [None, [], {}, {"extensions": {"durableTask": {}}}, {"extensions": {"durableTask": {"storageProvider": "x"}}}],
)
def test_any_other_host_file_has_none(host):
    assert limit_of(host) is None


@pytest.mark.parametrize("text", ["plain", 'a "quoted" one', "é", "\U0001f600", "line\nbreak"])
def test_the_size_is_what_the_sdk_sends(text):
    sent = DurableOrchestrationClient._get_json_input({"x": text})
    assert bytes_as_stored({"x": text}) == len(json.dumps(sent))  # as aiohttp writes it


def test_characters_count_as_the_message_says():
    assert [bytes_as_stored(c) - bytes_as_stored("") for c in ("a", "é", "\U0001f600", '"')] == [1, 7, 14, 4]


@pytest.fixture
def scheduler(monkeypatch):
    monkeypatch.setattr(payload_limit, "limit_of_the_app", lambda: limit_of(SCHEDULER))


def request_of(size: int) -> AgentRunRequest:
    """Return a request whose input has just so many bytes."""
    empty = bytes_as_stored(start_input(AgentRunRequest(user_message="x"), POLICY)) - 1
    more, rest = divmod(size - empty, 7)
    return AgentRunRequest(user_message="é" * more + "x" * rest)


def test_what_just_fits_is_taken(scheduler):
    given = start_input(request_of(1_000_000), POLICY)
    assert bytes_as_stored(given) == 1_000_000
    refuse_too_large("the run's input", given, target="body")


def test_a_byte_more_is_a_413_that_names_the_provider(scheduler):
    with pytest.raises(ApiError, match=r"1,000,001 bytes .* Durable Task Scheduler, .* takes 1,000,000") as raised:
        refuse_too_large("the run's input", start_input(request_of(1_000_001), POLICY), target="body")
    assert (raised.value.status, raised.value.code) == (413, "too_large")


def test_azure_storage_takes_it():
    refuse_too_large("the run's input", start_input(request_of(1_000_001), POLICY), target="body")


def test_a_start_that_is_too_large_takes_no_key_and_starts_nothing(scheduler, documents):
    class Client:
        """Whatever it is asked is an error."""

    with pytest.raises(ApiError, match="the run's input"):
        asyncio.run(starting.start_once(None, Client(), StartKey("k", "f"), request_of(1_000_001), POLICY))
    with pytest.raises(ApiError, match="the run's input"):
        asyncio.run(starting.start_instance(None, Client(), "id", request_of(1_000_001), POLICY))
    assert documents.documents == {}
