"""The model of transactions, actions and money."""

import pytest

from benchmarks.cost_model import (
    OF_A_RUN,
    Counted,
    Prices,
    idle_transactions,
    scheduler_actions,
    scheduler_dollars,
    storage_dollars,
    storage_transactions,
)
from benchmarks.figures.storage_cost import counted_app, counted_naive, defaults_of_host_json, idle_table, one_look


def test_one_look_costs_what_was_measured_on_the_real_host():
    assert one_look() == 12  # durable-protocol.md, rule 16


def test_half_of_a_looks_transactions_are_on_queues():
    few = storage_transactions(Counted(episodes=10, activities=4))
    more = storage_transactions(Counted(episodes=12, activities=5, timers=1))
    assert (more.queue - few.queue, more.table - few.table) == (6, 6)


def test_actions_are_counted_as_in_the_services_own_example():
    # Three activities: one for the start, two for each activity.
    assert scheduler_actions(Counted(episodes=4, activities=3)) == 7


def test_timers_events_and_generations_are_actions():
    counted = Counted(episodes=9, activities=3, timers=2, events=1, generations=2)
    assert scheduler_actions(counted) == 2 + 6 + 2 + 1


@pytest.mark.parametrize(
    "counts",
    [
        {"episodes": -1, "activities": 0},
        {"episodes": 3, "activities": 3},
        {"episodes": 5, "activities": 3, "generations": 3},
        {"episodes": 1, "activities": 0, "generations": 0},
    ],
)
def test_counts_that_cannot_be_are_refused(counts):
    with pytest.raises(ValueError, match=r"count|every"):
        Counted(**counts)


def test_an_idle_hub_polls_every_queue():
    assert idle_transactions(partitions=8, polling_seconds=5) == 9 * 17_280
    assert idle_transactions(partitions=4, polling_seconds=30) == 14_400
    with pytest.raises(ValueError, match="partition"):
        idle_transactions(partitions=0, polling_seconds=1)


def test_money_follows_the_prices():
    prices = Prices(
        queue_per_10_000=1.0,
        table_per_10_000=0.1,
        action_per_10_000=2.0,
        blob_write_per_10_000=50.0,
        blob_read_per_10_000=4.0,
    )
    used = storage_transactions(Counted(episodes=100, activities=50))
    assert storage_dollars(used, prices) == pytest.approx((300 * 1.0 + 301 * 0.1) / 10_000)
    owned = storage_transactions(Counted(episodes=100, activities=50, documents=OF_A_RUN))
    assert owned.total - used.total == 4
    assert storage_dollars(owned, prices) - storage_dollars(used, prices) == pytest.approx((2 * 4 + 50) / 10_000)
    assert scheduler_dollars(5000, prices) == pytest.approx(1.0)


def test_the_orchestrator_is_counted_as_it_runs():
    counted = counted_app(8, exact_timers=True)
    # Each timer leads to one look, each look and step to one more episode, each generation to one.
    assert counted.episodes == counted.generations + counted.activities + counted.timers
    assert counted.timers > 0


def test_a_naive_monitor_on_azure_storage_polls_five_times_a_second():
    assert counted_naive(10, exact_timers=False).timers == pytest.approx(53, abs=5)  # measured: 53
    assert counted_naive(10, exact_timers=True).timers == pytest.approx(10, abs=1)


def test_the_settings_of_host_json_are_read():
    partitions, seconds = defaults_of_host_json()
    assert 1 <= partitions <= 16
    assert seconds > 0
    assert len(idle_table(Prices())) == 12
