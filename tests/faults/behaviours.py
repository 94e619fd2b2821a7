"""What callers do with runs, each a function that finds what is wrong: for a host that does all it may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.e2e.world import agent
from tests.faults.caller import Caller, new_thread, shown
from tests.faults.checks import TERMINAL, doubled, messages_of, one_message_one_run, runs_of, still_active
from tests.ownership.arrivals import served

Finder = Callable[[Caller, str], Iterator[str]]

SCAN = {"ORPHAN_SCAN_SCHEDULE": "*/10 * * * * *"}
"""What the host of a world needs in its environment: scans long before the service lets a run expire."""

A_DAY = 86_400

SPEED = 10.0
"""Runs expire after six hundred seconds, which has to be longer than a busy machine takes for everything here."""


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
    yield from _ends_cancelled(caller, caller.start("forever", name))


def _ends_cancelled(caller: Caller, instance_id: str) -> Iterator[str]:
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
        yield from one_message_one_run(caller.threads(), instance_id)


def repeats_for_lack_of_quota(caller: Caller, name: str) -> Iterator[str]:
    document = caller.end(caller.start("rateLimitedOnce", name))
    yield from _answered(document, name)
    threads = caller.threads()
    yield from one_message_one_run(threads, document["instanceId"], runs=2)
    states = [run["status"] for run in runs_of(threads, document["instanceId"])]
    if states != ["failed", "completed"]:
        yield f"its runs ended as {states}"


def does_not_wait_for_a_busy_thread(caller: Caller, name: str) -> Iterator[str]:
    """A start of ours is refused at once; one by the webhook fails in its instance."""
    busy = caller.start("forever", f"{name}-busy")
    occupied = caller.until(busy, lambda d: d["run_id"])
    fields = {"thread_id": occupied["thread_id"], "if_thread_busy": "fail"}
    if refused := caller.start_unless_busy("history", f"{name}-refused", **fields):
        yield f"the thread was busy, but it was started: {shown(caller.end(refused))}"
    other = caller.end(caller.start("history", f"{name}-other", instance_id=f"{name}-other", **fields))
    if (other["status"], (other["error"] or {}).get("code")) != ("Failed", "thread_busy"):
        yield f"the thread was busy, but it ended so: {shown(other)}"
    threads = caller.threads()
    if messages_of(threads, other["instanceId"]) or runs_of(threads, other["instanceId"]):
        yield f"it was refused, but left something behind: {threads[occupied['thread_id']]}"
    run = next(r for r in threads[occupied["thread_id"]]["runs"] if r["id"] == occupied["run_id"])
    if run["status"] not in {"queued", "in_progress"} or run["cancel_requested"]:
        yield f"the run that occupies the thread was touched: {run}"
    yield from _ends_cancelled(caller, busy)
    yield from one_message_one_run(caller.threads(), busy)


def replaces_the_owner(caller: Caller, name: str) -> Iterator[str]:
    """The owner is cancelled, whoever replaces it is next, and those who wait are served after that."""
    owner = caller.start("forever", f"{name}-owner")
    thread_id = caller.until(owner, lambda d: d["run_id"])["thread_id"]
    waiting = caller.start("history", f"{name}-waiting", thread_id=thread_id)
    caller.until(waiting, lambda d: (d["customStatus"] or {}).get("waiting_for"))
    other = caller.start("history", f"{name}-other", thread_id=thread_id, if_thread_busy="replace")
    document = caller.end(owner)
    if document["status"] != "Cancelled" or not document["output"].startswith(f"replaced by instance {other} "):
        yield f"it was replaced by {other}, but ended so: {shown(document)}"
    yield from _answered(caller.end(other), f"{name}-other")
    yield from _answered(caller.end(waiting), f"{name}-waiting")
    order = served(caller.threads()[thread_id])
    if order != [owner, other, waiting]:
        yield f"{owner}, {other} and {waiting} were served as {order}"


def approves(caller: Caller, name: str) -> Iterator[str]:
    document = caller.answer_until_ended(caller.start("mcpApproval", name))
    if (document["status"], document["response"]) != ("Success", "The tools said: approved"):
        yield f"its call was approved: {shown(document)}"


def is_terminated_from_outside(caller: Caller, name: str) -> Iterator[str]:
    """Once while its run goes on, once as early as can be; `cancel_orphaned_runs` stops what is left."""
    going_on, early = (caller.start("forever", f"{name}-{when}") for when in ("later", "early"))
    caller.terminate(early)
    caller.until(going_on, lambda d: d["run_id"])
    caller.terminate(going_on)
    for instance_id in (going_on, early):
        document = caller.end(instance_id)
        if (document["status"], document["output"]) != ("Cancelled", "outside"):
            yield f"it was terminated, but ended so: {shown(document)}"
    caller.until_true(lambda: not _active(caller, going_on) and not _active(caller, early))
    states = {r["status"] for i in (going_on, early) for r in runs_of(caller.threads(), i)}
    if states != {"cancelled"}:
        yield f"what was terminated left runs that ended as {states}"


def waits_for_the_answer(caller: Caller, name: str) -> Iterator[str]:
    """`Prefer: wait`: the outcome if it comes in time, else the promise, and never later than asked for."""
    document = _start_and_wait(caller, "instant", name, seconds=60, wanted=200)
    yield from _answered(document, name)
    promise = _start_and_wait(caller, "forever", f"{name}-promise", seconds=1, wanted=202)
    yield from _ends_cancelled(caller, promise["id"])


def keeps_a_key_for_one_request(caller: Caller, name: str) -> Iterator[str]:
    instance_id = caller.start("history", name)
    for _ in range(2):  # while it runs, and when it has ended
        body = {"agent_id": agent("history"), "user_message": f"{name}-other"}
        answer = caller.insist("POST", "/api/run_agent", body, {"Idempotency-Key": name})
        if (answer.status, answer.json.get("error", {}).get("code")) != (409, "idempotency_conflict"):
            yield f"the key was another request's, but the answer is {answer.status}: {answer.text}"
        yield from _answered(caller.end(instance_id), name)
    yield from one_message_one_run(caller.threads(), instance_id)


def crowds_a_thread(caller: Caller, name: str, starts: int) -> Iterator[str]:
    """Many starts on one thread: each gets its own answer, however long it waits, for one message and one run."""
    thread_id = new_thread(caller.world)
    messages = [f"{name}-{n}" for n in range(starts)]

    def started(message: str) -> str:
        return caller.start("instant", message, thread_id=thread_id, timeout_seconds=A_DAY)

    with ThreadPoolExecutor(8) as pool:
        instances = list(pool.map(started, messages))
    for message, instance_id in zip(messages, instances, strict=True):
        yield from _answered(caller.end(instance_id), message)
    threads = caller.threads()
    for instance_id in instances:
        yield from one_message_one_run(threads, instance_id)
    if (posted := len(served(threads[thread_id]))) != starts:
        yield f"{starts} starts left {posted} messages"
    yield from doubled(threads)
    yield from still_active(threads)


BEHAVIOURS: tuple[Finder, ...] = (
    succeeds,
    reuses_a_thread,
    fails,
    is_cancelled,
    answers_tools,
    shares_a_thread,
    starts_once,
    repeats_for_lack_of_quota,
    does_not_wait_for_a_busy_thread,
    replaces_the_owner,
    approves,
    is_terminated_from_outside,
    waits_for_the_answer,
    keeps_a_key_for_one_request,
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
    threads = caller.threads()
    return [*found, *doubled(threads), *still_active(threads)]


def _answered(document: dict[str, Any], message: str) -> Iterator[str]:
    if document["status"] != "Success":
        yield f"it should have succeeded: {shown(document)}"
    elif f'You wrote: "{message}"' not in document["response"]:
        yield f"somebody else's answer to {message!r}: {document['response']!r}"


def _active(caller: Caller, instance_id: str) -> bool:
    runs = runs_of(caller.threads(), instance_id)
    return any(run["status"] not in TERMINAL for run in runs)


def _start_and_wait(caller: Caller, name: str, message: str, *, seconds: int, wanted: int) -> dict[str, Any]:
    """Start with a key and `Prefer: wait`, again where there was no answer; return what was answered."""
    headers = {"Idempotency-Key": message, "Prefer": f"wait={seconds}"}
    body = {"agent_id": agent(name), "user_message": message}
    answer = caller.insist("POST", "/api/run_agent", body, headers)
    applied = answer.headers.get("Preference-Applied")
    assert (answer.status, applied) == (wanted, f"wait={seconds}"), (answer.status, applied, answer.text)
    return dict(answer.json)
