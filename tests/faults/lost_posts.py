"""Every POST of the second generation, its answer lost before and after it took effect, whatever the service does where
no source says it: `python -m tests.faults.lost_posts [--seed N] [--combinations 100]` walks through the combinations at
random, of which there are some two hundred thousand, and exits 1 with what it found.

Each life is one conversation: a run, right behind it the one whose POST is lost, then one that leaves its call open,
and one that must find a conversation that works. Nothing may be there twice, whatever the switches say.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from contracts.runs import METADATA_INSTANCE, METADATA_OPERATION
from local.foundry_emulator.second.life import TERMINAL
from tests.e2e.generations import of_generation
from tests.e2e.world import World
from tests.faults.caller import Caller, mentioned_by, new_thread, shown

SPEED = 30.0
HOST = {"PYTHON_THREADPOOL_THREAD_COUNT": "32"}

LAG = 10.0
"""With a late effect, and the longest of these runs, it is still shorter than the grace."""

VALUES: dict[str, tuple[Any, ...]] = {
    "p2": ("listed", "hidden"),
    "p3": ("locked", "allowed", "in_progress", "conflict"),
    "p4": ("allowed", "refused"),
    "p5": ("refused", "failed", "broken", "ignored"),
    "p7": ("accepted", "refused"),
    "p8": ("at_end", "at_once"),
    "p11": ("dropped", "kept"),
    "p12": ("refused", "ignored", "appended"),
    "response_metadata_get": ("echoed", "empty"),
    "response_metadata_list": ("echoed", "empty"),
    "conversation_metadata_get": ("echoed", "empty"),
    "conversation_metadata_list": ("echoed", "empty"),
    "list_lag": (0.0, LAG),
    "item_lag": (0.0, LAG),
    "late_effect": (0.0, LAG),
}


@dataclass(frozen=True)
class Post:
    """A POST whose answer is lost; `times` of them, one after the other."""

    operation: str
    agent: str = "history"
    skip: int = 0
    new: bool = False
    """It makes the conversation."""
    times: int = 1


POSTS = {
    "conversation": Post("create_conversation", new=True),
    "message": Post("add_items"),
    "response": Post("create_response"),
    "response-twice": Post("create_response", times=2),
    "answer": Post("create_response", agent="tool", skip=1),
}


@dataclass
class Life:
    """One conversation; `findings` is what was wrong with it."""

    name: str
    post: Post
    effect: str
    findings: list[str] = field(default_factory=list)
    expected: dict[str, int] = field(default_factory=dict)
    """How many responses each instance has to have."""
    messages: list[str] = field(default_factory=list)

    def live(self, caller: Caller, mark: str) -> None:
        """Live it; note what was wrong with any of its runs, and in the end."""
        world, thread_id = caller.world, None
        fields: dict[str, Any] = {}
        if not self.post.new:
            thread_id = new_thread(world)
            fields = {"thread_id": thread_id}
            self._run(caller, "history", f"{mark}-{self.name}-before", fields)
        message = f"{mark}-{self.name}-lost"
        fault = world.emulator.faults.add(
            "reset",
            operation=self.post.operation,
            effect=self.effect,
            skip=self.post.skip,
            times=self.post.times,
            mentions=message if thread_id is None else mentioned_by(thread_id),
        )
        document = self._run(caller, self.post.agent, message, fields)
        if fault.applied != self.post.times and not (self.post.times == 2 and self.effect == "first"):
            self.findings.append(f"its POST was lost {fault.applied} times: it shows nothing")
        world.emulator.faults.remove(fault.id)
        if document["thread_id"] is None:
            return
        fields = {"thread_id": document["thread_id"]}
        self._leave_a_call(caller, f"{mark}-{self.name}-left", fields)
        self._run(caller, "history", f"{mark}-{self.name}-after", fields)
        conversation = world.emulator.ledger().conversations[document["thread_id"]]
        self.findings += wrong_with(conversation, self.messages, self.expected)

    def _run(self, caller: Caller, agent: str, message: str, fields: dict[str, Any]) -> dict[str, Any]:
        document = caller.answer_until_ended(caller.start(agent, message, timeout_seconds=1000, **fields))
        self.messages.append(message)
        self.expected[document["instanceId"]] = 2 if agent == "tool" else 1
        wanted = "The tools said: get_weather" if agent == "tool" else f'You wrote: "{message}"'
        if document["status"] != "Success" or wanted not in document["response"]:
            ended = (document["status"], document["run_id"], document["error"], document["response"])
            self.findings.append(f"{message} ended as {ended}")
        return document

    def _leave_a_call(self, caller: Caller, message: str, fields: dict[str, Any]) -> None:
        instance_id = caller.start("tool", message, timeout_seconds=1000, **fields)
        caller.until(instance_id, lambda d: d["required_action"])
        answer = caller.cancel(instance_id)
        document = caller.end(instance_id)
        self.messages.append(message)
        self.expected[instance_id] = 1
        if document["status"] != "Cancelled":
            self.findings.append(
                f"{message}: its cancel was answered {answer.status}, and it ended so: {shown(document)}"
            )


def wrong_with(conversation: dict[str, Any], messages: Sequence[str], responses: dict[str, int]) -> Iterator[str]:
    """Find what is there too often or not at all, what works still, and what waits. What closes calls is no run."""
    said = Counter(item["text"] for item in conversation["items"] if item["role"] == "user")
    if said != Counter(messages):
        yield f"its user messages are {dict(said)}"
    of_runs = [r for r in conversation["responses"] if not r["metadata"][METADATA_OPERATION].startswith("close:")]
    made = Counter(response["metadata"][METADATA_INSTANCE] for response in of_runs)
    if made != Counter(responses):
        stamps = [(r["id"], r["metadata"][METADATA_OPERATION], r["status"]) for r in conversation["responses"]]
        yield f"its responses are {stamps}, instead of {responses}"
    if going_on := [r["id"] for r in conversation["responses"] if r["status"] not in TERMINAL]:
        yield f"responses go on: {going_on}"
    if conversation["open_calls"]:
        yield f"it waits for {conversation['open_calls']}"
    if conversation["broken"]:
        yield "it is broken for good"


def lives() -> list[Life]:
    """Return every POST, lost before and after its effect."""
    return [Life(f"{n}-{effect}", post, effect) for n, post in POSTS.items() for effect in ("none", "first")]


def live_all(world: World, unknowns: dict[str, Any], mark: str) -> list[str]:
    """Live all lives at once on a service that does this; return what was wrong."""
    world.emulator.faults.clear()
    world.emulator.set_unknowns(**unknowns)
    caller, lived = Caller(world, patience=120), lives()

    def one(life: Life) -> None:
        try:
            life.live(caller, mark)
        except AssertionError as error:
            life.findings.append(str(error))

    with ThreadPoolExecutor(len(lived)) as pool:
        list(pool.map(one, lived))
    return [f"{life.name} under {json.dumps(unknowns)}: {finding}" for life in lived for finding in life.findings]


def walk(combinations: Sequence[dict[str, Any]], mark: str) -> list[str]:
    """Live all lives under each of the combinations; return what was wrong."""
    found: list[str] = []
    with of_generation("responses"), World(speed=SPEED, env=HOST) as world:
        for number, unknowns in enumerate(combinations):
            began = time.monotonic()
            wrong = live_all(world, unknowns, f"{mark}-{number}")
            print(
                f"  {number + 1}/{len(combinations)}: {time.monotonic() - began:.1f} s, {len(wrong)} findings",
                flush=True,
            )
            found += wrong
    return found


def main() -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--combinations", type=int, default=100)
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    chance = random.Random(given.seed)
    walked = [{name: chance.choice(values) for name, values in VALUES.items()} for _ in range(given.combinations)]
    found = walk(walked, str(given.seed))
    for finding in found:
        print(f"FOUND {finding}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
