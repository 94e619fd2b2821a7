"""What callers are told to do about a run that did not succeed: it fits what was said and what was seen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.orchestrator.scripted_foundry import ScriptedFoundry, call, failure
from tests.orchestrator.simulation import Ended

ASKS = {"state": "requires_action", "pending_calls": [call("c1")]}
CREATED = 1_790_000_000


def error_of(ended: Ended) -> str:
    assert ended.status == "Failed", ended.output
    message: str = ended.custom_status["error"]["message"]
    return message


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("rate_limit_exceeded", "Raise the model's tokens-per-minute quota, or start later"),
        ("server_error", "start it again"),
        ("invalid_prompt", "Change the message"),
        ("tool_user_error", "look at the run's steps"),
        ("content_filter", "content filter of the model's deployment"),
        ("max_completion_tokens", "Raise max_completion_tokens"),
        ("max_prompt_tokens", "truncation_strategy"),
    ],
)
@pytest.mark.parametrize("state", ["failed", "incomplete"])
@pytest.mark.parametrize("words", [None, "Sorry, something went wrong.", "字" * 1000])
def test_each_code_of_a_run_has_its_remedy(state: str, code: str, advice: str, words: str | None) -> None:
    run = {"state": state, "error_code": code, "error_message": words}
    ended = ScriptedFoundry({0: "active", 3: run}).run()
    assert ended.custom_status["error"]["code"] == code
    assert advice in error_of(ended), "however long Foundry's words are"
    assert advice in ended.output
    assert "timeout_seconds" not in error_of(ended)
    if words and len(words) < 100:
        assert words.rstrip(".") in error_of(ended)


def test_what_the_words_tell_comes_before_the_code() -> None:
    run = {"state": "failed", "error_code": "server_error", "error_message": "No model.", "error_advice": "Deploy it"}
    ended = ScriptedFoundry({0: run}).run()
    assert error_of(ended) == "the run run_1 on thread thread_1 ended as failed: No model. Deploy it"
    assert ended.output.endswith("Foundry's reason is in the custom status. Deploy it")


def test_a_code_without_a_remedy_gets_no_advice() -> None:
    ended = ScriptedFoundry({0: {"state": "failed", "error_code": "new_one", "error_message": "Hm."}}).run()
    assert error_of(ended) == "the run run_1 on thread thread_1 ended as failed: Hm."


@pytest.mark.parametrize(
    ("active", "expired", "says"),
    [
        ({"expires_at": CREATED + 1800}, {}, "30 minutes after its creation"),
        ({"expires_at": CREATED + 600}, {}, "10 minutes after its creation"),
        ({"expires_at": CREATED + 60}, {}, "a minute after its creation"),
        ({"expires_at": CREATED + 95}, {}, "95 seconds after its creation"),
        ({}, {"expires_at": CREATED + 1800}, "30 minutes after its creation"),
        ({}, {"completed_at": CREATED + 1800}, "30 minutes after its creation"),
        ({"expires_at": CREATED + 1800}, {"completed_at": CREATED + 1803}, "1803 seconds after its creation"),
        ({}, {}, "because it took longer than Foundry allows"),
        ({"expires_at": CREATED - 5}, {"expires_at": CREATED}, "because it took longer than Foundry allows"),
    ],
)
@pytest.mark.parametrize("question", [False, True])
def test_an_expired_run_says_its_own_lifetime(
    active: dict[str, Any], expired: dict[str, Any], says: str, question: bool
) -> None:
    state = ASKS if question else {"state": "active"}
    foundry = ScriptedFoundry(
        {0: {**state, "created_at": CREATED, **active}, 30: {"state": "expired", "created_at": CREATED, **expired}}
    )
    ended = foundry.run()
    for said in (error_of(ended), ended.output):
        assert says in said
        assert "ten minutes" not in said
        assert "A longer timeout_seconds does not help" in said
        assert ("it waited for the answer to tool call get_weather (c1)" in said) is question
        assert ("answer required_action" in said) is question


def test_the_next_run_has_a_lifetime_of_its_own() -> None:
    limited = {"state": "failed", "error_code": "rate_limit_exceeded", "rate_limited": True, "retry_after_seconds": 5}
    states: list[dict[float, Any]] = [
        {0: {"state": "active", "created_at": CREATED, "expires_at": CREATED + 1800}, 2: limited},
        {0: "active", 3: "expired"},
    ]
    foundry = ScriptedFoundry()

    def next_one(payload: Any, seconds: float) -> Any:
        foundry.states = states.pop(0)
        return foundry.create_run(payload, seconds)

    foundry.overrides["create_run"] = [next_one, next_one]
    assert "because it took longer than Foundry allows" in error_of(foundry.run())


def busy(**more: Any) -> dict[str, Any]:
    return failure("thread_busy", message="a run is active on it", **more)


QUOTA = {
    "state": "failed",
    "error_code": "rate_limit_exceeded",
    "error_message": "Rate limit is exceeded. Try again in 6 seconds.",
    "rate_limited": True,
    "retry_after_seconds": 6,
}


@pytest.mark.parametrize(
    ("foundry", "advice"),
    [
        (
            lambda: ScriptedFoundry(create_message=[busy(active_run_id="run_o", active_run_status="in_progress")] * 99),
            "Wait for the end of run run_o ('in_progress') or cancel it, or use another thread",
        ),
        (
            lambda: ScriptedFoundry(create_run=[busy(active_run_id="run_o")] * 99),
            "Wait for the end of run run_o or cancel it, or use another thread",
        ),
        (
            lambda: ScriptedFoundry(create_message=[busy(waiting_instance="i-9", position=1)] * 99),
            "Wait for the end of instance i-9 or cancel it",
        ),
        (lambda: ScriptedFoundry(create_message=[busy()] * 99), "Wait until the thread is free, or use another one"),
        (lambda: ScriptedFoundry({0: "active", 3: ASKS}), "Answer required_action in time"),
        (lambda: ScriptedFoundry({0: "active", 2: QUOTA}), "Raise the model's tokens-per-minute quota"),
        (
            lambda: ScriptedFoundry(create_message=[failure("rate_limited", retryable=True)] * 99),
            "Raise the model's tokens-per-minute quota",
        ),
        (
            lambda: ScriptedFoundry({0: "active"}, get_run=[failure("connection_failed", retryable=True)] * 99),
            "when Foundry can be reached from this app",
        ),
        (
            lambda: ScriptedFoundry({0: "active"}, get_run=[failure("service_unavailable", retryable=True)] * 99),
            "when Foundry answers as it should",
        ),
        (
            lambda: ScriptedFoundry({0: "active"}, get_run=[failure("forbidden", message="give it the role")] * 99),
            "last error: forbidden: give it the role. Mend that, then start it again",
        ),
        (lambda: ScriptedFoundry({0: "active", 3: "cancelling"}), "Somebody else is cancelling the run"),
    ],
)
def test_what_is_advised_at_the_deadline_is_what_would_have_helped(foundry: Any, advice: str) -> None:
    ended = foundry().run({"thread_id": "thread_x"}, timeout=60)
    assert ended.custom_status["error"]["code"] in {"timeout", "rate_limit_exceeded"}
    assert advice in error_of(ended)
    assert "Give it a longer timeout_seconds" not in error_of(ended)


def test_only_a_run_that_simply_takes_long_needs_a_longer_timeout() -> None:
    ended = ScriptedFoundry({0: "active"}).run(timeout=60)
    assert error_of(ended).endswith("the run run_1 was 'active'. Give it a longer timeout_seconds")
    foundry = ScriptedFoundry()
    states: list[dict[float, Any]] = [{0: "active", 2: QUOTA}, {0: "active"}]

    def next_one(payload: Any, seconds: float) -> Any:
        foundry.states = states.pop(0)
        return foundry.create_run(payload, seconds)

    foundry.overrides["create_run"] = [next_one, next_one]
    assert error_of(foundry.run(timeout=60)).endswith("longer timeout_seconds: it has waited for quota before")


def test_a_run_that_has_completed_is_said_to_be_readable_in_foundry() -> None:
    never = ScriptedFoundry(get_response=[failure("service_unavailable", retryable=True)] * 9999)
    said = error_of(never.run(timeout=60))
    assert "The run has completed: read its answer on thread thread_1 in Foundry" in said
    assert "timeout_seconds" not in said
