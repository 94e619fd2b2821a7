"""What an orchestration costs on either backend, as pure functions of what it was counted to do.

Azure Storage. Every episode begins with a message (added to a control queue, deleted from it afterwards) and reads
the history, appends a batch to it, and merges the instance's row; every activity is a message on the work-item queue
(added, deleted). Hence

    queue transactions = 2 x episodes + 2 x activities + 2 x cancelled timers + raised events
    table transactions = 3 x episodes + cancelled timers + raised events + 1    (the start inserts the instance's row)

An activity's result, a fired timer and a new generation's start are the messages of the episodes that they begin, so
they are counted there. A look at a run is one timer, one activity and two episodes: 12 transactions, which is what was
measured on the real host (durable-protocol.md, rule 16). A raised event costs its sender a look at the instance's
row and a message, though where it begins an episode that one counts the message again: the model errs on the dear side.
A timer that is cancelled stays in its queue until it is due, and is thrown away then, after a look at the instance: its
generation has long ended (an assumption, not measured).

Documents on blobs. Who owns a thread stands in a document (`store`, `ownership`): a run with nobody in its way reads it
twice, writes it once and deletes it, whatever its duration (once where the worker that sees its end has seen its place:
that is not counted on here); a start with a key writes that one's document twice and reads it once. That is the same on
both backends.

Not in it: reading messages from queues (shared by up to 32 messages, and by all instances of a partition, when busy;
`idle_transactions` when not), leases of partitions, the status requests of callers (one row read each), payloads beyond
64 KB (a blob each), and what the Functions platform itself stores.

Durable Task Scheduler. It bills actions: a message that starts an episode, or one that starts an activity. Microsoft's
own example counts one for the start and two for each activity (scheduled, result processed), one for a fired timer.
"""

from __future__ import annotations

from dataclasses import dataclass

SECONDS_A_DAY = 86_400
QUEUE_TRANSACTIONS_OF_AN_EPISODE, TABLE_TRANSACTIONS_OF_AN_EPISODE = 2, 3
QUEUE_TRANSACTIONS_OF_AN_ACTIVITY = 2
QUEUE_TRANSACTIONS_OF_A_CANCELLED_TIMER, TABLE_TRANSACTIONS_OF_A_CANCELLED_TIMER = 2, 1


@dataclass(frozen=True)
class Documents:
    """Requests for documents on blobs."""

    reads: int = 0
    writes: int = 0
    deletes: int = 0


OF_A_RUN = Documents(reads=2, writes=1, deletes=1)
"""At most, with nobody in its way, on a new thread or on another one; the benchmark `requests_per_run` counts them."""

OF_A_KEY = Documents(reads=1, writes=2)
"""Beside those, for a start with an idempotency key."""


@dataclass(frozen=True)
class Counted:
    """What one orchestration did, over all its generations."""

    episodes: int
    activities: int
    timers: int = 0
    cancelled_timers: int = 0
    events: int = 0
    generations: int = 1
    documents: Documents = Documents()

    def __post_init__(self) -> None:
        if (
            min(self.episodes, self.activities, self.timers, self.cancelled_timers, self.events) < 0
            or self.generations < 1
        ):
            raise ValueError("counts are not negative, and there is at least one generation")
        if self.episodes < self.activities + self.generations:
            raise ValueError("every generation begins with an episode, and every activity's result begins one more")


@dataclass(frozen=True)
class Transactions:
    """Storage transactions by the service that bills them."""

    queue: float
    table: float
    blob_reads: float = 0
    blob_writes: float = 0
    blob_deletes: float = 0

    @property
    def total(self) -> float:
        """All of them."""
        return self.queue + self.table + self.blob_reads + self.blob_writes + self.blob_deletes


@dataclass(frozen=True)
class Prices:
    """US dollars. ASSUMPTIONS from memory of 2026, East US, pay as you go: look yours up before you rely on them. Blobs
    are deleted for nothing.
    """

    queue_per_10_000: float = 0.004
    table_per_10_000: float = 0.00036
    blob_write_per_10_000: float = 0.055
    blob_read_per_10_000: float = 0.0044
    action_per_10_000: float = 0.003


def storage_transactions(counted: Counted) -> Transactions:
    """Return the transactions of one orchestration on Azure Storage."""
    return Transactions(
        queue=QUEUE_TRANSACTIONS_OF_AN_EPISODE * counted.episodes
        + QUEUE_TRANSACTIONS_OF_AN_ACTIVITY * counted.activities
        + QUEUE_TRANSACTIONS_OF_A_CANCELLED_TIMER * counted.cancelled_timers
        + counted.events,
        table=TABLE_TRANSACTIONS_OF_AN_EPISODE * counted.episodes
        + TABLE_TRANSACTIONS_OF_A_CANCELLED_TIMER * counted.cancelled_timers
        + counted.events
        + 1,
        blob_reads=counted.documents.reads,
        blob_writes=counted.documents.writes,
        blob_deletes=counted.documents.deletes,
    )


def scheduler_actions(counted: Counted) -> int:
    """Return the billed actions of one orchestration on the Durable Task Scheduler."""
    return counted.generations + 2 * counted.activities + counted.timers + counted.events


def storage_dollars(transactions: Transactions, prices: Prices) -> float:
    """Return what transactions cost."""
    blobs = (
        transactions.blob_reads * prices.blob_read_per_10_000 + transactions.blob_writes * prices.blob_write_per_10_000
    )
    tables = transactions.table * prices.table_per_10_000
    return (transactions.queue * prices.queue_per_10_000 + tables + blobs) / 10_000


def scheduler_dollars(actions: float, prices: Prices) -> float:
    """Return what actions cost on the consumption plan."""
    return actions * prices.action_per_10_000 / 10_000


def idle_transactions(*, partitions: int, polling_seconds: float) -> float:
    """Return the queue transactions a day of a hub with nothing to do: control queues and the work-item queue."""
    if partitions < 1 or polling_seconds <= 0:
        raise ValueError("a hub has at least one partition, and polls every so many seconds")
    return (partitions + 1) * SECONDS_A_DAY / polling_seconds
