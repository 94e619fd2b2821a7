"""Many runs and little quota: nobody obeys a hint to the second, and the deadline decides."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from contracts.activities import Failure
from look_schedule import whole_and_half
from orchestrators.retry_policy import AT_A_RUN, LONGEST_PART_SECONDS, Situation, quota_delay, retry_delay, share_of
from tests.orchestrator.crowd import Quota, crowd


def test_twenty_starts_at_once_all_succeed_on_three_runs_in_six_seconds() -> None:
    played = crowd(20, Quota(3, 6))
    assert {ended.status for _, ended in played} == {"Completed"}
    runs = [len(foundry.runs) for foundry, _ in played]
    assert sum(runs) / len(runs) <= 4, "each of them costs the others quota"
    assert max(ended.seconds for _, ended in played) < 120, "forty are the least"
    assert {len(foundry.messages) for foundry, _ in played} == {1}


def test_a_hint_that_is_long_beside_the_deadline_still_lets_all_in_that_fit() -> None:
    played = crowd(10, Quota(2, 60))
    assert {ended.status for _, ended in played} == {"Completed"}


def test_who_does_not_fit_ends_with_the_advice_and_not_after_the_deadline() -> None:
    played = crowd(12, Quota(1, 20), timeout=100)
    late = [ended for _, ended in played if ended.status == "Failed"]
    assert 1 <= len(late) < 12
    for ended in late:
        assert ended.seconds <= 102
        assert "Raise the model's tokens-per-minute quota" in ended.custom_status["error"]["message"]


@given(
    hint=st.none() | st.floats(0, 100_000),
    remaining=st.floats(0, 500_000),
    runs=st.integers(1, 100),
    share=st.floats(0, 1, exclude_max=True),
)
def test_the_delay_is_never_shorter_than_the_hint_nor_past_the_deadline(
    hint: float | None, remaining: float, runs: int, share: float
) -> None:
    delay = quota_delay(hint, remaining, runs, share)
    soonest = whole_and_half(30 if hint is None else hint)
    if delay is None:
        assert soonest >= remaining
    else:
        assert soonest <= delay < remaining
        assert math.isclose(delay % 1, 0.5)
        assert delay <= soonest + max(soonest, LONGEST_PART_SECONDS) + 1


def test_the_part_behind_the_hint_grows_up_to_a_minute() -> None:
    assert [quota_delay(6, 10_000, runs, 0.999) for runs in range(1, 7)] == [12.5, 18.5, 30.5, 54.5, 66.5, 66.5]
    assert quota_delay(6, 9, 5, 0.999) == 8.5, "what is left is used"
    assert quota_delay(86_400, 600, 1, 0.5) is None


def test_the_shares_of_a_crowd_are_spread_and_the_same_in_every_replay() -> None:
    shares = [share_of(f"nightly-{number:03d}", "quota", 0) for number in range(500)]
    assert shares == [share_of(f"nightly-{number:03d}", "quota", 0) for number in range(500)]
    tenths = [sum(tenth / 10 <= share < (tenth + 1) / 10 for share in shares) for tenth in range(10)]
    assert sum(tenths) == 500
    assert min(tenths) > 25
    pairs = [(share_of(a, "quota", 0), share_of(a, "quota", 1)) for a in ("nightly-001", "nightly-002", "nightly-003")]
    assert len({round(first - second, 3) for first, second in pairs}) == 3, "who met once does not meet again"


def test_no_hint_keeps_a_look_at_a_run_away_for_longer_than_minutes() -> None:
    busy = Failure(code="rate_limited", message="", retryable=True, retry_after_seconds=86_400.0)
    for activity in AT_A_RUN:
        delay = retry_delay(activity, busy, 1, Situation(share=0.999, remaining_seconds=400_000))
        assert delay is not None
        assert 300 <= delay <= 601
    delay = retry_delay("create_run", busy, 1, Situation(share=0.0, remaining_seconds=400_000))
    assert delay == 86_400.5, "nothing is created sooner than the service wants"
