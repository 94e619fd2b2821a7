"""What every start owes, read from the emulator's ledger: pure, so that a test can show that each check fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.runs import METADATA_INSTANCE, METADATA_OPERATION
from ownership.threads import document_of
from tests.ownership.arrivals import arrived, in_order, served
from tests.store.troubled import Written

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
    turn: str = "wait"
    """What it wanted where its thread was busy."""
    replaceable: bool = False
    """Somebody on its thread wanted to replace whoever owned it."""

    @property
    def refused(self) -> bool:
        """Whether it ended because it would not wait for its thread."""
        code = (self.document["error"] or {}).get("code")
        return self.turn == "fail" and self.document["status"] == "Failed" and code == "thread_busy"


def messages_of(threads: Threads, instance_id: str) -> list[Mapping[str, Any]]:
    """Return the user messages that carry the instance's stamp."""
    everything = [m for thread in threads.values() for m in thread["messages"] if m["role"] == "user"]
    return [m for m in everything if m["metadata"].get(METADATA_INSTANCE) == instance_id]


def runs_of(threads: Threads, instance_id: str) -> list[Mapping[str, Any]]:
    """Return the runs that carry the instance's stamp."""
    everything = [r for thread in threads.values() for r in thread["runs"]]
    return [r for r in everything if r["metadata"].get(METADATA_INSTANCE) == instance_id]


def threads_of(threads: Threads, instance_id: str) -> list[Mapping[str, Any]]:
    """Return the threads that the instance created."""
    return [t for t in threads.values() if t["metadata"].get(METADATA_INSTANCE) == instance_id]


def one_used_thread(threads: Threads, instance_id: str) -> Iterator[str]:
    """Find that an instance used more than one thread. Of those that it created an empty one may stay behind: its id
    was lost before anybody learned it.
    """
    used = [i for i, t in threads.items() if messages_of({i: t}, instance_id) or runs_of({i: t}, instance_id)]
    if len(used) > 1:
        yield f"{instance_id}: its messages and runs are on {len(used)} threads: {used}"


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


def right_end(threads: Threads, start: Started) -> Iterator[str]:
    """Find what is wrong with the end of one start.

    No fault that passes may end a run: it is retried. So a start ends as its agent does, or as its caller wanted.
    """
    document, name = start.document, f"{start.instance_id} ({start.agent})"
    status, runtime = document["status"], document["runtimeStatus"]
    match (status, runtime):
        case ("Success", "Completed"):
            if start.agent in NEVER_COMPLETE:
                yield f"{name} succeeded, which its agent never does"
            elif answer_to(start) not in (document["response"] or ""):
                yield f"{name} has somebody else's answer: {document['response']!r} to {start.message!r}"
        case ("Cancelled", "Terminated"):
            replaced = start.replaceable and "replaced by instance" in (document["output"] or "")
            if not (start.cancel_accepted or start.terminated or replaced):
                yield f"{name} was cancelled by nobody: {document['output']}"
        case ("Failed", "Failed"):
            if not (_fails_by_itself(start) or start.deadline or start.refused):
                yield f"{name} failed: {document['error']}"
        case _:
            yield f"{name} has no end: {status}, {runtime}"
            return
    if start.cancel_accepted and not start.terminated and status != "Cancelled" and not _by_itself(document):
        yield f"{name}: the cancel was answered 202, but it ended as {status}: {document['error']}"
    runs = runs_of(threads, start.instance_id)
    if runs and runs[-1]["status"] == "completed" and status == "Failed":
        yield f"{name}: its run completed, but it ended as {status}: {document['error']}"
    if status == "Success" and [r["status"] for r in runs][-1:] != ["completed"]:
        yield f"{name} succeeded, but its runs are {[r['status'] for r in runs]}"


NEVER_COMPLETE = {"fails", "forever", "slowCancel"}
QUOTED_OUTPUTS = {
    "tool": "get_weather",
    "twoToolRounds": "get_weather; get_time; book_table",
    "mcpApproval": "approved",
}
"""Agents whose answers quote the tools' outputs, which are the tools' names (`caller.tool_answer`)."""


def answer_to(start: Started) -> str:
    """Return what the answer has to say: all other agents quote the message that they answer."""
    if start.agent in QUOTED_OUTPUTS:
        return f"The tools said: {QUOTED_OUTPUTS[start.agent]}"
    return f'You wrote: "{start.message}"'


def _fails_by_itself(start: Started) -> bool:
    """Whether the Foundry run failed as its agent's runs do. Lack of quota is waited for, and the run repeated: it is
    the end only where a cancel came after the run had failed, and before it was repeated.
    """
    code = (start.document["error"] or {}).get("code")
    if start.document["run_status"] != "failed":
        return False
    if start.agent == "rateLimitedOnce":
        return code == "rate_limit_exceeded" and (start.cancel_accepted or start.replaceable)
    return start.agent == "fails" and code == "server_error"


def _by_itself(document: Mapping[str, Any]) -> bool:
    """Whether the Foundry run ended otherwise than by our cancel."""
    return document["run_status"] in {"completed", "failed", "incomplete"}


def right_work(threads: Threads, start: Started) -> Iterator[str]:
    """Find what one start has done in Foundry too often, not at all, or in the wrong place."""
    yield from one_used_thread(threads, start.instance_id)
    if start.refused:
        posted, made = (len(of(threads, start.instance_id)) for of in (messages_of, runs_of))
        if posted or made:
            yield f"{start.instance_id} was refused, but left {posted} messages and {made} runs"
        return
    wanted = 1 + rate_limited_runs(threads, start)
    status, interrupted = start.document["status"], start.deadline or start.cancel_accepted or start.replaceable
    complete = status == "Success" or (status == "Failed" and not interrupted)
    too_much = len(messages_of(threads, start.instance_id)) > 1 or len(runs_of(threads, start.instance_id)) > wanted
    if complete or too_much:
        yield from one_message_one_run(threads, start.instance_id, wanted)
    rounds = [r["tool_rounds_answered"] for r in runs_of(threads, start.instance_id)]
    if status == "Success" and sum(rounds) != TOOL_ROUNDS.get(start.agent, 0):
        yield f"{start.instance_id} ({start.agent}): {sum(rounds)} tool rounds were answered"


TOOL_ROUNDS = {"tool": 1, "mcpApproval": 1, "twoToolRounds": 2}


def rate_limited_runs(threads: Threads, start: Started) -> int:
    """Return how many runs of the start lack quota: with `rateLimitedOnce` the first one of the agent on a thread."""
    if start.agent != "rateLimitedOnce":
        return 0
    return sum(_first_of_its_agent(thread, start.instance_id) for thread in threads.values())


def _first_of_its_agent(thread: Mapping[str, Any], instance_id: str) -> bool:
    """Whether the first run of some agent on the thread is the instance's."""
    seen: set[str] = set()
    for run in thread["runs"]:
        if run["agent_id"] not in seen and run["metadata"].get(METADATA_INSTANCE) == instance_id:
            return True
        seen.add(run["agent_id"])
    return False


def out_of_order(threads: Threads, starts: Iterable[Started], written: Sequence[Written]) -> Iterator[str]:
    """Find threads on which somebody who waited was served before another one who had come before him.

    Those who replaced others came to be next, and those who were terminated may have been about to post.
    """
    patient = {s.instance_id for s in starts if s.turn == "wait" and not s.terminated}
    arrivals = arrived(written)
    for thread_id, thread in threads.items():
        came = [i for i in arrivals.get(document_of(thread_id).path, []) if i in patient]
        yield from in_order(thread_id, came, [i for i in served(thread) if i in patient])


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
        found += [*right_end(threads, start), *right_work(threads, start)]
    return found


def _user_messages(threads: Threads) -> list[Mapping[str, Any]]:
    return [m for thread in threads.values() for m in thread["messages"] if m["role"] == "user"]


def _runs(threads: Threads) -> list[Mapping[str, Any]]:
    return [r for thread in threads.values() for r in thread["runs"]]
