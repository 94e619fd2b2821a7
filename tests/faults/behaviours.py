"""What callers do with runs, each a function that finds what is wrong: for a host that does all it may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.faults.caller import Caller, new_thread, shown
from tests.faults.checks import doubled, one_message_one_run, still_active

Finder = Callable[[Caller, str], Iterator[str]]


def succeeds(caller: Caller, name: str) -> Iterator[str]:
    document = caller.end(caller.start("history", name))
    yield from _answered(document, name)


def reuses_a_thread(caller: Caller, name: str) -> Iterator[str]:
    first = caller.end(caller.start("history", f"{name}-first"))
    yield from _answered(first, f"{name}-first")
    second = caller.end(caller.start("history", f"{name}-second", thread_id=first["thread_id"]))
    yield from _answered(second, f"{name}-second")
    if f"{name}-first" not in (second["response"] or ""):
        yield f"the thread was not remembered: {shown(second)}"


def fails(caller: Caller, name: str) -> Iterator[str]:
    document = caller.end(caller.start("fails", name))
    if (document["status"], (document["error"] or {}).get("code")) != ("Failed", "server_error"):
        yield f"it should have failed: {shown(document)}"


def is_cancelled(caller: Caller, name: str) -> Iterator[str]:
    instance_id = caller.start("forever", name)
    answer = caller.cancel(instance_id)
    document = caller.end(instance_id)
    if (document["status"], document["runtimeStatus"]) != ("Cancelled", "Terminated"):
        yield f"the cancel was answered {answer.status}, but it ended so: {shown(document)}"


def answers_tools(caller: Caller, name: str) -> Iterator[str]:
    document = caller.answer_until_ended(caller.start("twoToolRounds", name))
    if document["status"] != "Success":
        yield f"its tools were answered: {shown(document)}"


def shares_a_thread(caller: Caller, name: str) -> Iterator[str]:
    thread_id = new_thread(caller.world)
    messages = [f"{name}-{n}" for n in "abc"]
    instances = [caller.start("history", message, thread_id=thread_id) for message in messages]
    for message, instance_id in zip(messages, instances, strict=True):
        yield from _answered(caller.end(instance_id), message)


def starts_once(caller: Caller, name: str) -> Iterator[str]:
    with ThreadPoolExecutor(4) as pool:
        instances = set(pool.map(lambda _: caller.start("history", name), range(4)))
    if len(instances) != 1:
        yield f"one key, several instances: {instances}"
    for instance_id in instances:
        document = caller.end(instance_id)
        yield from _answered(document, name)
        yield from one_message_one_run(caller.world.emulator.ledger().threads, instance_id)


BEHAVIOURS: tuple[Finder, ...] = (
    succeeds,
    reuses_a_thread,
    fails,
    is_cancelled,
    answers_tools,
    shares_a_thread,
    starts_once,
)


def all_at_once(caller: Caller, mark: str) -> list[str]:
    """Do all of it at the same time; return what was wrong, of each and in the end."""

    def one(finder: Finder) -> list[str]:
        name = f"{mark} {finder.__name__}"
        try:
            return [f"{name}: {finding}" for finding in finder(caller, name.replace(" ", "-"))]
        except AssertionError as error:
            return [f"{name}: {error}"]

    with ThreadPoolExecutor(len(BEHAVIOURS)) as pool:
        found = [finding for findings in pool.map(one, BEHAVIOURS) for finding in findings]
    threads = caller.world.emulator.ledger().threads
    return [*found, *doubled(threads), *still_active(threads)]


def _answered(document: dict[str, Any], message: str) -> Iterator[str]:
    if document["status"] != "Success":
        yield f"it should have succeeded: {shown(document)}"
    elif f'"{message}"' not in document["response"]:
        yield f"somebody else's answer to {message!r}: {document['response']!r}"
