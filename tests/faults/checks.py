"""What every start owes, read from the emulator's ledger: pure, so that a test can show that each check fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contracts import METADATA_INSTANCE, METADATA_OPERATION

Threads = Mapping[str, Mapping[str, Any]]
TERMINAL = {"completed", "failed", "cancelled", "expired", "incomplete"}


@dataclass(frozen=True)
class Started:
    """A start that was accepted, what the caller did to it later, and its status document in the end."""

    instance_id: str
    agent: str
    message: str
    document: Mapping[str, Any]
    cancel_accepted: bool = False
    terminated: bool = False
    deadline: bool = False
    """It was given so little time that it may end for that."""


def messages_of(threads: Threads, instance_id: str) -> list[Mapping[str, Any]]:
    """Return the user messages that carry the instance's stamp."""
    everything = [m for thread in threads.values() for m in thread["messages"] if m["role"] == "user"]
    return [m for m in everything if m["metadata"].get(METADATA_INSTANCE) == instance_id]


def runs_of(threads: Threads, instance_id: str) -> list[Mapping[str, Any]]:
    """Return the runs that carry the instance's stamp."""
    everything = [r for thread in threads.values() for r in thread["runs"]]
    return [r for r in everything if r["metadata"].get(METADATA_INSTANCE) == instance_id]


def one_message_one_run(threads: Threads, instance_id: str, runs: int = 1) -> Iterator[str]:
    """Find what an instance that got through has done too often or not at all."""
    posted, made = len(messages_of(threads, instance_id)), len(runs_of(threads, instance_id))
    if posted != 1:
        yield f"{instance_id}: {posted} user messages instead of one"
    if made != runs:
        yield f"{instance_id}: {made} runs instead of {runs}"


def doubled(threads: Threads) -> Iterator[str]:
    """Find messages and runs that were made twice: those with the same stamp."""
    for what, things in (("user message", _user_messages(threads)), ("run", _runs(threads))):
        stamps = Counter(
            (t["metadata"].get(METADATA_INSTANCE), t["metadata"].get(METADATA_OPERATION))
            for t in things
            if METADATA_INSTANCE in t["metadata"]
        )
        yield from (f"{i}: {n} times the {what} of operation {o}" for (i, o), n in stamps.items() if n > 1)


def still_active(threads: Threads) -> Iterator[str]:
    """Find Foundry runs that go on, and those that only Foundry itself has ended, by expiry."""
    for run in _runs(threads):
        owner = f"run {run['id']} of {run['metadata'].get(METADATA_INSTANCE)}"
        if run["status"] not in TERMINAL:
            yield f"{owner} is left '{run['status']}'"
        elif run["status"] == "expired":
            yield f"{owner} was left running until it expired"


def right_end(start: Started) -> Iterator[str]:
    """Find what is wrong with the end of one start."""
    document, name = start.document, f"{start.instance_id} ({start.agent})"
    status, runtime = document["status"], document["runtimeStatus"]
    if (status, runtime) not in {("Success", "Completed"), ("Failed", "Failed"), ("Cancelled", "Terminated")}:
        yield f"{name} has no end: {status}, {runtime}"
        return
    if start.cancel_accepted and not start.terminated and status != "Cancelled" and not _by_itself(document):
        yield f"{name}: the cancel was answered 202, but it ended as {status}: {document['error']}"
    if status == "Cancelled" and not (start.cancel_accepted or start.terminated):
        yield f"{name} was cancelled by nobody: {document['output']}"
    if status == "Failed" and not start.deadline and not _by_itself(document) and not start.cancel_accepted:
        yield f"{name} failed: {document['error']}"
    if status == "Success" and start.message not in document["response"] and start.agent in ANSWERS_QUOTE:
        yield f"{name} has somebody else's answer: {document['response']!r} to {start.message!r}"


ANSWERS_QUOTE = {"history", "instant", "slow", "laggingList", "rateLimitedOnce", "completesAnyway"}
"""Agents whose answers quote the message that they answer."""


def _by_itself(document: Mapping[str, Any]) -> bool:
    """Whether the Foundry run ended otherwise than by our cancel."""
    return document["run_status"] in {"completed", "failed", "incomplete"}


def orphaned_messages(threads: Threads, starts: Iterable[Started]) -> Iterator[str]:
    """Find messages and runs of instances that nobody has started."""
    known = {start.instance_id for start in starts}
    for thing in (*_user_messages(threads), *_runs(threads)):
        owner = thing["metadata"].get(METADATA_INSTANCE)
        if owner is not None and owner not in known:
            yield f"{thing['id']} belongs to {owner}, which nobody started"


def all_findings(threads: Threads, starts: Iterable[Started]) -> list[str]:
    """Return everything that is wrong in the end."""
    starts = list(starts)
    found = [*doubled(threads), *still_active(threads), *orphaned_messages(threads, starts)]
    for start in starts:
        found += right_end(start)
        if start.document["status"] == "Success":
            runs = 2 if start.agent == "rateLimitedOnce" else 1
            made = len(runs_of(threads, start.instance_id))
            wanted = {1, runs} if start.agent == "rateLimitedOnce" else {1}  # on a used thread the first run answers
            if len(messages_of(threads, start.instance_id)) != 1 or made not in wanted:
                found += one_message_one_run(threads, start.instance_id, runs)
    return found


def _user_messages(threads: Threads) -> list[Mapping[str, Any]]:
    return [m for thread in threads.values() for m in thread["messages"] if m["role"] == "user"]


def _runs(threads: Threads) -> list[Mapping[str, Any]]:
    return [r for thread in threads.values() for r in thread["runs"]]
