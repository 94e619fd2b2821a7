"""What the settings make of a request."""

import pytest

from contracts.request import RunPolicy
from policy import policy_errors, policy_for
from settings import load_settings
from tests.unit.scripted import ENDPOINT
from validation.field_errors import InvalidRequestError


def settings_of(**environment):
    return load_settings({"FOUNDRY_PROJECT_ENDPOINT": ENDPOINT, **environment})


def codes(settings, **wanted):
    with pytest.raises(InvalidRequestError) as caught:
        policy_for(settings, **{"agent_id": None, "timeout_seconds": None, **wanted})
    return {d.target: d.code for d in caught.value.details}


def test_the_request_wins_over_the_settings():
    settings = settings_of(FOUNDRY_DEFAULT_AGENT_ID="asst_default", RUN_RATE_LIMIT_RETRIES="7")
    assert policy_for(settings, agent_id="asst_1", timeout_seconds=5) == RunPolicy(
        agent_id="asst_1", timeout_seconds=5, rate_limit_retries=7, monitor_url=None
    )


def test_the_settings_fill_in_what_the_request_leaves_out():
    settings = settings_of(
        FOUNDRY_DEFAULT_AGENT_ID="asst_default",
        RUN_TIMEOUT_SECONDS="77",
        FOUNDRY_RESOURCE_ID="/subscriptions/s/resourceGroups/g/providers/p",
    )
    policy = policy_for(settings, agent_id=None, timeout_seconds=None)
    assert (policy.agent_id, policy.timeout_seconds) == ("asst_default", 77)
    assert policy.monitor_url == settings.monitor_url


def test_without_an_agent_anywhere_it_is_required():
    assert codes(settings_of()) == {"agent_id": "required"}


@pytest.mark.parametrize("agent_id", ["asst_2", "ASST_1"])
def test_an_agent_outside_the_allow_list_is_refused(agent_id):
    settings = settings_of(FOUNDRY_ALLOWED_AGENT_IDS="asst_1")
    assert codes(settings, agent_id=agent_id) == {"agent_id": "not_allowed"}
    assert policy_for(settings, agent_id="asst_1", timeout_seconds=None).agent_id == "asst_1"


@pytest.mark.parametrize("agent_id", ["Weather helper", "../x", "a/b", "x" * 129, "\u00e9"])
def test_a_policy_names_its_agent_by_id(agent_id):
    assert codes(settings_of(), agent_id=agent_id) == {"agent_id": "invalid"}


def test_the_allow_list_holds_for_the_default_agent_too():
    settings = settings_of(FOUNDRY_ALLOWED_AGENT_IDS="asst_1", FOUNDRY_DEFAULT_AGENT_ID="asst_2")
    assert codes(settings) == {"agent_id": "not_allowed"}


def test_a_timeout_may_reach_the_maximum_and_no_more():
    settings = settings_of(RUN_TIMEOUT_SECONDS="10", RUN_MAX_TIMEOUT_SECONDS="20", FOUNDRY_DEFAULT_AGENT_ID="a")
    assert policy_for(settings, agent_id=None, timeout_seconds=20).timeout_seconds == 20
    assert codes(settings, timeout_seconds=21) == {"timeout_seconds": "too_large"}
    assert codes(settings, timeout_seconds=10**30) == {"timeout_seconds": "too_large"}


@pytest.mark.parametrize("default", ["never", "on_success", "with_history"])
def test_when_the_thread_is_deleted_is_said_by_the_request_and_else_by_the_settings(default):
    settings = settings_of(FOUNDRY_DEFAULT_AGENT_ID="a", DELETE_THREAD=default)
    assert policy_for(settings, agent_id=None, timeout_seconds=None).delete_thread == default
    for asked in ("never", "on_success", "with_history"):
        made = policy_for(settings, agent_id=None, timeout_seconds=None, delete_thread=asked)
        assert made.delete_thread == asked


def test_both_faults_are_named_at_once():
    assert codes(settings_of(), timeout_seconds=86_401) == {"agent_id": "required", "timeout_seconds": "too_large"}


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
