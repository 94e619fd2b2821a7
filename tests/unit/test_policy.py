"""What the settings make of a request."""

import pytest

from contracts.agents import ResolvedAgent
from contracts.request import RunPolicy
from contracts.wire import from_wire, to_wire
from policy import agent_errors, policy_errors, policy_for
from settings import load_settings
from tests.unit.scripted import ENDPOINT
from validation.field_errors import InvalidRequestError


def settings_of(**environment):
    return load_settings({"FOUNDRY_PROJECT_ENDPOINT": ENDPOINT, **environment})


AGENT = ResolvedAgent("asst_1")
HELPER = ResolvedAgent("helper", "responses", "7")


def codes(settings, **wanted):
    with pytest.raises(InvalidRequestError) as caught:
        policy_for(settings, **{"agent": AGENT, "timeout_seconds": None, **wanted})
    return {d.target: d.code for d in caught.value.details}


def test_the_request_wins_over_the_settings():
    settings = settings_of(RUN_RATE_LIMIT_RETRIES="7")
    assert policy_for(settings, agent=AGENT, timeout_seconds=5) == RunPolicy(
        agent_id="asst_1", timeout_seconds=5, rate_limit_retries=7, monitor_url=None
    )


def test_the_settings_fill_in_what_the_request_leaves_out():
    settings = settings_of(
        RUN_TIMEOUT_SECONDS="77",
        FOUNDRY_RESOURCE_ID="/subscriptions/s/resourceGroups/g/providers/p",
    )
    policy = policy_for(settings, agent=AGENT, timeout_seconds=None)
    assert policy.timeout_seconds == 77
    assert policy.monitor_url == settings.monitor_url


def test_without_an_agent_it_is_required():
    assert codes(settings_of(), agent=None) == {"agent_id": "required"}


def test_the_generation_and_the_version_of_the_agent_are_fixed():
    policy = policy_for(settings_of(), agent=HELPER, timeout_seconds=None)
    assert (policy.agent_id, policy.generation, policy.agent_version) == ("helper", "responses", "7")
    assert from_wire(RunPolicy, to_wire(policy)) == policy
    classic = policy_for(settings_of(), agent=AGENT, timeout_seconds=None)
    assert (classic.generation, classic.agent_version) == ("classic", None)


@pytest.mark.parametrize("agent_id", ["asst_2", "ASST_1"])
def test_an_agent_outside_the_allow_list_is_refused(agent_id):
    settings = settings_of(FOUNDRY_ALLOWED_AGENT_IDS="asst_1")
    assert codes(settings, agent=ResolvedAgent(agent_id)) == {"agent_id": "not_allowed"}
    assert policy_for(settings, agent=AGENT, timeout_seconds=None).agent_id == "asst_1"


def test_the_allow_list_holds_for_the_version_that_was_found():
    settings = settings_of(FOUNDRY_ALLOWED_AGENT_IDS="helper:6")
    assert codes(settings, agent=HELPER) == {"agent_id": "not_allowed"}
    older = ResolvedAgent("helper", "responses", "6")
    assert policy_for(settings, agent=older, timeout_seconds=None).agent_version == "6"


@pytest.mark.parametrize(("generations", "agent"), [("classic", HELPER), ("responses", AGENT)])
def test_an_agent_of_a_generation_that_is_switched_off_is_refused(generations, agent):
    settings = settings_of(FOUNDRY_GENERATIONS=generations)
    assert codes(settings, agent=agent) == {"agent_id": "not_allowed"}
    assert agent_errors(settings, agent) == [], "what is under way goes on"


@pytest.mark.parametrize("agent_id", ["Weather helper", "../x", "a/b", "x" * 129, "\u00e9", "helper:", "helper:latest"])
def test_a_policy_names_its_agent_by_id(agent_id):
    assert codes(settings_of(), agent=ResolvedAgent(agent_id)) == {"agent_id": "invalid"}


def test_a_timeout_may_reach_the_maximum_and_no_more():
    settings = settings_of(RUN_TIMEOUT_SECONDS="10", RUN_MAX_TIMEOUT_SECONDS="20")
    assert policy_for(settings, agent=AGENT, timeout_seconds=20).timeout_seconds == 20
    assert codes(settings, timeout_seconds=21) == {"timeout_seconds": "too_large"}
    assert codes(settings, timeout_seconds=10**30) == {"timeout_seconds": "too_large"}


@pytest.mark.parametrize("default", ["never", "on_success", "with_history"])
def test_when_the_thread_is_deleted_is_said_by_the_request_and_else_by_the_settings(default):
    settings = settings_of(DELETE_THREAD=default)
    assert policy_for(settings, agent=AGENT, timeout_seconds=None).delete_thread == default
    for asked in ("never", "on_success", "with_history"):
        made = policy_for(settings, agent=AGENT, timeout_seconds=None, delete_thread=asked)
        assert made.delete_thread == asked


def test_both_faults_are_named_at_once():
    assert codes(settings_of(), agent=None, timeout_seconds=86_401) == {
        "agent_id": "required",
        "timeout_seconds": "too_large",
    }


@pytest.mark.parametrize("agent_id", [None, "", 0, [], {}, ["asst_1"], {"id": 1}, True])
@pytest.mark.parametrize("timeout", [None, "", "x", 1.5, [], {}, True])
@pytest.mark.parametrize("default", ["", "asst_1"])
def test_values_of_a_wrong_type_raise_nothing(agent_id, timeout, default):
    settings = settings_of(FOUNDRY_ALLOWED_AGENT_IDS="asst_1", FOUNDRY_DEFAULT_AGENT_ID=default)
    assert {e.target for e in policy_errors(settings, agent_id=agent_id, timeout_seconds=timeout)} <= {"agent_id"}


def test_refusals_say_which_setting_decides():
    settings = settings_of(FOUNDRY_ALLOWED_AGENT_IDS="asst_1")
    texts = " ".join(e.message for e in policy_errors(settings, agent_id="x", timeout_seconds=10**9))
    assert "FOUNDRY_ALLOWED_AGENT_IDS" in texts
    assert "RUN_MAX_TIMEOUT_SECONDS" in texts
    assert "asst_1" not in texts  # who may not run an agent is not told which ones there are
