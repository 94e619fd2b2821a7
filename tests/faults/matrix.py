"""Every request of a run, of either generation, and every fault that it may meet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from contracts.generations import Generation
from local.foundry_emulator import Agent
from local.foundry_emulator.faults import Fault as Rule
from local.foundry_emulator.scripts import OnCancel, Phase, Script
from tests.e2e.generations import present
from tests.e2e.world import World, agent
from tests.faults.caller import ENDED, PATIENCE_SECONDS, Caller, mentioned_by, new_thread, shown
from tests.faults.checks import Threads, one_message_one_run
from tests.faults.lost_posts import wrong_with

LINGERS = Agent(
    name="lingers",
    description="As forever; a cancelled run stays in cancelling for 90 s.",
    script=Script(phases=(Phase(status="queued", seconds=0.5), Phase(seconds=None)), on_cancel=OnCancel(seconds=90)),
)
EMULATOR = {"agents": [LINGERS]}
THREADS = {"PYTHON_THREADPOOL_THREAD_COUNT": "32"}
"""Answers that are delayed hold a thread each."""

OTHER_BODY = {"error": {"code": "429", "message": "Too many requests."}}


@dataclass(frozen=True)
class Fault:
    """A rule of the emulator, without the request that it spoils."""

    name: str
    rule: dict[str, Any]


def _status(status: int, name: str = "", **rule: Any) -> Fault:
    return Fault(f"{status}{name}", {"kind": "status", "status": status, **rule})


FAULTS = (
    _status(429, "-retry-after", headers={"Retry-After": "3"}),
    _status(429, "-retry-after-ms", headers={"retry-after-ms": "2100"}, body=OTHER_BODY),
    _status(429, "-hint-in-text"),
    _status(429, "-no-hint", body=OTHER_BODY),
    _status(408),
    _status(500),
    _status(502),
    _status(503),
    _status(504),
    _status(500, "-after-effect", effect="first"),
    _status(504, "-after-effect", effect="first"),
    Fault("reset-before", {"kind": "reset", "effect": "none"}),
    Fault("reset-after-effect", {"kind": "reset", "effect": "first"}),
    Fault("html", {"kind": "html"}),
    Fault("html-after-effect", {"kind": "html", "effect": "first"}),
    Fault("html-with-200", {"kind": "html", "status": 200, "effect": "first"}),
    Fault("truncated-json", {"kind": "truncated_json"}),
    Fault("cut-body", {"kind": "cut_body"}),
    Fault("empty-body", {"kind": "empty_body", "effect": "first"}),
    Fault("empty-body-before", {"kind": "empty_body", "effect": "none"}),
    _status(503, "-five-times", times=5),
)
UNAUTHORIZED_ONCE = _status(401, "-once")
REFUSED = (
    Fault("refused-before", {"kind": "refuse", "effect": "none", "seconds": 0.15}),
    Fault("refused-after-effect", {"kind": "refuse", "effect": "first", "seconds": 0.15}),
)
MOST_REPETITIONS = 2

LATER_THAN_THE_CLIENT_WAITS = Fault("too-late", {"kind": "delay", "effect": "first", "seconds": 31.0})


@dataclass(frozen=True)
class Request:
    """One request of a run: the one of `operation` after `skip` earlier ones.

    `lost` is an operation whose answer is lost first, so that the request is the lookup before the second attempt.
    The fault is met as often as it says, times `attempts`.
    `drive` brings the run to where the request is made; it calls its last argument to arm the fault.
    """

    name: str
    operation: str
    agent: str = "history"
    skip: int = 0
    attempts: int = 1
    lost: str | None = None
    ends_as: str = "Success"
    new_thread: bool = False
    drive: Callable[[Caller, str, Callable[[], None]], None] | None = None


def _cancel(caller: Caller, instance_id: str, arm: Callable[[], None]) -> None:
    caller.until(instance_id, lambda d: d["run_id"])
    arm()
    answer = caller.cancel(instance_id)
    assert answer.status == 202, answer.text


def _cancel_then(caller: Caller, instance_id: str, arm: Callable[[], None]) -> None:
    caller.until(instance_id, lambda d: d["run_id"])
    answer = caller.cancel(instance_id)
    assert answer.status == 202, answer.text
    caller.until(instance_id, lambda d: d["run_status"] == "cancelling")
    arm()


def _answer(caller: Caller, instance_id: str, arm: Callable[[], None]) -> None:
    document = caller.until(instance_id, lambda d: d["required_action"])
    arm()
    answer = caller.answer(instance_id, document)
    assert answer.status == 202, answer.text


def _leave(caller: Caller, instance_id: str, arm: Callable[[], None]) -> None:
    caller.until(instance_id, lambda d: d["required_action"])
    arm()
    answer = caller.cancel(instance_id)
    assert answer.status == 202, answer.text


_CLASSIC = (
    Request("message-lookup", "list_messages"),
    Request("message", "create_message"),
    Request("message-lookup-after-a-lost-message", "list_messages", skip=1, lost="create_message"),
    Request("run-lookup", "list_runs"),
    Request("run", "create_run"),
    Request("run-lookup-after-a-lost-run", "list_runs", skip=1, lost="create_run"),
    Request("poll", "get_run"),
    Request("response", "list_messages", skip=1),
    Request("cancel", "cancel_run", agent="forever", ends_as="Cancelled", drive=_cancel),
    Request("poll-while-cancelling", "get_run", agent="lingers", ends_as="Cancelled", drive=_cancel_then),
    Request("tool-outputs", "submit_tool_outputs", agent="tool", drive=_answer),
    Request("look-after-lost-tool-outputs", "get_run", agent="tool", lost="submit_tool_outputs", drive=_answer),
)
_SECOND = (
    Request("open-calls-at-the-start", "list_items"),
    Request("items-before", "list_items", skip=1),
    Request("responses-before", "list_responses"),
    Request("message-lookup", "list_items", skip=2),
    Request("message", "add_items"),
    Request("items-before-after-a-lost-message", "list_items", skip=3, lost="add_items"),
    Request("message-lookup-after-a-lost-message", "list_items", skip=4, lost="add_items"),
    Request("run-lookup", "list_responses", skip=1),
    Request("run-lookup-in-items", "list_items", skip=3),
    Request("run", "create_response"),
    Request("run-lookup-after-a-lost-run", "list_responses", skip=2, lost="create_response"),
    Request("poll", "get_response"),
    Request("items-before-the-response", "list_items", skip=4),
    Request("cancel", "cancel_response", agent="forever", ends_as="Cancelled", drive=_cancel),
    Request("items-behind-a-cancel", "list_items", agent="forever", ends_as="Cancelled", drive=_cancel),
    Request("closed-call", "add_items", agent="tool", ends_as="Cancelled", drive=_leave),
    Request("tool-outputs", "create_response", agent="tool", drive=_answer),
    Request("look-before-tool-outputs", "list_responses", agent="tool", drive=_answer),
    Request(
        "look-after-lost-tool-outputs", "list_responses", agent="tool", skip=1, lost="create_response", drive=_answer
    ),
)
REQUESTS: dict[Generation, tuple[Request, ...]] = {"classic": _CLASSIC, "responses": _SECOND}

RESPONSE_TWICE: dict[Generation, Request] = {
    "classic": Request("response-and-the-question-for-it-alone", "list_messages", skip=1, attempts=2),
    "responses": Request("response-and-the-question-for-it-alone", "list_items", skip=4, attempts=2),
}
"""The look that sees the end could not fetch the answer, nor can the activity that then asks for nothing else."""

THREAD_REQUESTS: dict[Generation, tuple[Request, ...]] = {
    "classic": (
        Request("thread", "create_thread", new_thread=True),
        Request("thread-lookup-after-a-lost-thread", "list_threads", lost="create_thread", new_thread=True),
    ),
    "responses": (
        Request("thread", "create_conversation", new_thread=True),
        Request("thread-lookup-after-a-lost-thread", "list_conversations", lost="create_conversation", new_thread=True),
    ),
}
"""Nothing tells whose request these are before the thread exists: so one instance at a time."""


def every_request(generation: Generation) -> tuple[Request, ...]:
    """Return the requests of runs of a generation, each once."""
    return (*THREAD_REQUESTS[generation], *REQUESTS[generation])


@dataclass
class Case:
    """One request that meets one fault."""

    request: Request
    fault: Fault
    findings: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    on_its_own: threading.Event = field(default_factory=threading.Event)
    """Set once all its requests are to a thread that no other case knows."""

    def __str__(self) -> str:
        return f"{self.request.name} meets {self.fault.name}"

    @property
    def has_missed(self) -> bool:
        """Whether a fault of it was never met."""
        return any(rule.applied == 0 for rule in self.rules)

    def anew(self) -> Case:
        """Return itself as it was before it ran."""
        self.findings.clear()
        self.rules.clear()
        self.on_its_own.clear()
        return self

    def arm(self, world: World, about: str | None) -> None:
        """Put the fault into force for one thread only."""
        request = self.request
        if request.lost is not None:
            lost = world.emulator.faults.add("reset", operation=request.lost, mentions=about, effect="first")
            self.rules.append(lost)
        times = request.attempts * self.fault.rule.get("times", 1)
        rule = {
            "operation": request.operation,
            "mentions": about,
            "skip": request.skip,
            **self.fault.rule,
            "times": times,
        }
        self.rules.append(world.emulator.faults.add_rule(rule))

    def run(self, caller: Caller) -> None:
        """Run it to its end and note what is wrong then."""
        world, request = caller.world, self.request
        message, fields = f"{self} ", {}
        about = None
        if not request.new_thread:
            fields["thread_id"] = new_thread(world)
            about = mentioned_by(fields["thread_id"])
        if request.drive is None:
            self.arm(world, about)
        # Whether there is an agent of that name cannot always be told: then the start says so, and is repeated.
        asked = {"agent_id": agent(request.agent), "user_message": message, **fields}
        answer = caller.insist("POST", "/api/run_agent", asked)
        assert answer.status == 202, answer.text
        instance_id = str(answer.json["id"])
        if request.new_thread:
            caller.until(instance_id, lambda d: d["thread_id"] or d["status"] in ENDED)
        self.on_its_own.set()
        if request.drive is not None:
            request.drive(caller, instance_id, lambda: self.arm(world, about))
        document = caller.end(instance_id)
        self.findings += self._judge(world, document, message)
        for rule in self.rules:
            world.emulator.faults.remove(rule.id)

    def _judge(self, world: World, document: dict[str, Any], message: str) -> Iterator[str]:
        request = self.request
        for rule in self.rules:
            if rule.applied != (rule.rule.times or 1):
                yield f"the fault {rule.rule.kind} was applied {rule.applied} times: the case tests nothing"
        if document["status"] != request.ends_as:
            yield f"it ended otherwise: {shown(document)}"
            return
        if request.agent == "history" and f'You wrote: "{message}"' not in document["response"]:
            yield f"another answer: {document['response']!r}"
        answered = request.agent == "tool" and request.ends_as == "Success"
        if answered and document["response"] != "The tools said: get_weather":
            yield f"the tool's output did not arrive: {document['response']!r}"
        ledger = world.emulator.ledger()
        if present() == "classic":
            yield from self._judge_thread(ledger.threads, document, message)
        else:
            yield from self._judge_conversation(ledger.conversations, document, message)

    def _judge_thread(self, threads: Threads, document: dict[str, Any], message: str) -> Iterator[str]:
        request, instance_id = self.request, str(document["instanceId"])
        yield from one_message_one_run(threads, instance_id)
        thread = threads[document["thread_id"]]
        if (thread["user_messages"], len(thread["runs"])) != (1, 1):
            yield f"its thread holds {thread['user_messages']} user messages and {len(thread['runs'])} runs"
        if request.agent == "tool" and thread["runs"][0]["tool_rounds_answered"] != 1:
            yield f"the tool's output did not arrive once: {thread['runs'][0]}"
        if request.ends_as == "Cancelled" and thread["runs"][0]["status"] != "cancelled":
            yield f"the Foundry run is {thread['runs'][0]['status']}"
        if request.new_thread:
            ours = [t for t in threads.values() if t["metadata"].get("durable_instance_id") == instance_id]
            if len(ours) != 1:
                yield f"{len(ours)} threads were created instead of one"

    def _judge_conversation(self, conversations: Threads, document: dict[str, Any], message: str) -> Iterator[str]:
        request, instance_id = self.request, str(document["instanceId"])
        conversation = conversations[document["thread_id"]]
        answered = request.agent == "tool" and request.ends_as == "Success"
        yield from wrong_with(conversation, [message], {instance_id: 2 if answered else 1})
        if request.agent == "forever" and conversation["responses"][0]["status"] != "cancelled":
            yield f"the response is {conversation['responses'][0]['status']}"
        ours = [c for c in conversations.values() if c["metadata"].get("durable_instance_id") == instance_id]
        if len(ours) != request.new_thread:
            yield f"{len(ours)} conversations were created instead of {int(request.new_thread)}"


def _guarded(case: Case, caller: Caller) -> None:
    try:
        case.run(caller)
    except AssertionError as error:
        case.findings.append(str(error))
    finally:
        case.on_its_own.set()


def run_all(world: World, cases: Sequence[Case]) -> list[str]:
    """Run the cases at once; return the findings of all.

    A case with a new thread lets the next one begin when its faults have been met and it has its thread. One that has
    not met its fault, since another one's outage has cost it a request that counts, is run again.
    """
    caller = Caller(world)
    _run_at_once(caller, cases)
    for _ in range(MOST_REPETITIONS):
        if missed := [case for case in cases if case.has_missed]:
            _run_at_once(caller, [case.anew() for case in missed])
    return [f"{case}: {finding}" for case in cases for finding in case.findings]


def _run_at_once(caller: Caller, cases: Sequence[Case]) -> None:
    with ThreadPoolExecutor(len(cases)) as pool:
        running = []
        for case in sorted(cases, key=lambda c: not c.request.new_thread):
            running.append(pool.submit(_guarded, case, caller))
            if case.request.new_thread:
                case.on_its_own.wait(PATIENCE_SECONDS)
        for attempt in running:
            attempt.result()
