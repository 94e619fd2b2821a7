"""Instance ids that sort newest first."""

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.formats import INSTANCE_ID_PATTERN
from contracts.ids import INSTANCE_PATTERN
from http_api.instance_ids import RANDOM_BYTES, instance_id, new_instance_id, prefix_of_window, started_ms

MOMENTS = st.integers(0, int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) * 1000)
CHANCE = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


def test_an_id_is_the_time_that_is_left_and_chance():
    assert instance_id(1_795_683_600_000, bytes(range(10))) == "fe5de8eab97f-00010203040506070809"


@given(MOMENTS, MOMENTS, CHANCE, CHANCE)
def test_of_two_ids_the_newer_one_sorts_first(one, other, chance, others):
    ids = sorted((instance_id(now, random), -now) for now, random in ((one, chance), (other, others)))
    assert [now for _, now in ids] == sorted(now for _, now in ids)


@given(MOMENTS, CHANCE)
def test_it_is_an_id_that_platform_and_routes_take(now, random):
    assert re.fullmatch(INSTANCE_ID_PATTERN, instance_id(now, random))
    assert re.fullmatch(INSTANCE_PATTERN, instance_id(now, random))


def test_new_ids_are_of_now_and_differ():
    before, made, after = time.time_ns() // 10**6, [new_instance_id() for _ in range(1_000)], time.time_ns() // 10**6
    assert len(set(made)) == 1_000
    assert all(instance_id(after, b"")[:12] <= one[:12] <= instance_id(before, b"")[:12] for one in made)


@given(MOMENTS, CHANCE)
def test_an_id_says_when_it_was_made(now, random):
    assert started_ms(instance_id(now, random)) == now


@pytest.mark.parametrize("other", ["order-1", "", "fe5de8eab97f", "0" * 32, "FE5DE8EAB97F-00010203040506070809"])
def test_an_id_that_others_chose_says_nothing(other):
    assert started_ms(other) is None


@given(MOMENTS, MOMENTS, st.floats(0, 1), CHANCE)
def test_all_ids_of_a_window_begin_alike(one, other, part, chance):
    since, until = sorted((one, other))
    between = since + int((until - since) * part)
    assert instance_id(between, chance).startswith(prefix_of_window(since, until))


def test_a_short_window_has_a_long_prefix():
    now = 1_795_683_600_000
    assert prefix_of_window(now, now) == "fe5de8eab97f"
    assert len(prefix_of_window(now - 3_600_000, now)) >= 5
    assert prefix_of_window(-5, 10**20) == ""
