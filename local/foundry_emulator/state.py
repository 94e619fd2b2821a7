"""Everything the emulated service remembers. Callers hold `State.lock` around each operation."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from local.foundry_emulator import errors
from local.foundry_emulator.answers import Content, compose, text_block, text_of
from local.foundry_emulator.clock import Clock
from local.foundry_emulator.ids import derived_id
from local.foundry_emulator.runs import Happened, Look, Submission, look, outputs_of
from local.foundry_emulator.scripts import Agent, End, Script


@dataclass
class Assistant:
    """An agent as the service stores it, with the script that the emulator gives it."""

    id: str
    created_at: float
    fields: dict[str, Any]
    script: Script
    does: str = ""


@dataclass
class Message:
    """A message; lists show it from `visible_at` on."""

    id: str
    thread_id: str
    created_at: float
    visible_at: float
    role: str
    content: Content
    assistant_id: str | None = None
    run_id: str | None = None
    attachments: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass
class Run:
    """A run: its creation, and what happened to it since."""

    id: str
    thread_id: str
    assistant_id: str
    created_at: float
    script: Script
    options: dict[str, Any]
    user_messages: list[str]
    metadata: dict[str, str]
    submissions: list[Submission] = field(default_factory=list)
    cancel_at: float | None = None
    forced: tuple[float, End] | None = None

    def happened(self) -> Happened:
        """Return what decides the run's state."""
        return Happened(self.script, self.created_at, tuple(self.submissions), self.cancel_at, self.forced)

    def look(self, now: float) -> Look:
        """Return the run's state."""
        return look(self.happened(), now)


@dataclass
class Thread:
    """A conversation. A deleted one stays here for the ledger."""

    id: str
    created_at: float
    metadata: dict[str, str] = field(default_factory=dict)
    tool_resources: dict[str, Any] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    unsettled: list[Run] = field(default_factory=list)
    deleted: bool = False


class State:
    """Agents, threads, messages and runs."""

    def __init__(self, agents: Iterable[Agent], clock: Clock) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self._initial = tuple(agents)
        self.assistants: dict[str, Assistant] = {}
        self.threads: dict[str, Thread] = {}
        self.runs: dict[str, Run] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything but the agents that were there at the start."""
        with self.lock:
            now = self.clock.now()
            self.threads.clear()
            self.runs.clear()
            self.assistants = {agent.id: _assistant(agent, now) for agent in self._initial}

    def assistant(self, assistant_id: str) -> Assistant:
        """Return an agent, or raise 404."""
        try:
            return self.assistants[assistant_id]
        except KeyError:
            raise errors.not_found("assistant", assistant_id) from None

    def thread(self, thread_id: str) -> Thread:
        """Return a thread with everything that its runs have written by now, or raise 404."""
        thread = self.threads.get(thread_id)
        if thread is None or thread.deleted:
            raise errors.not_found("thread", thread_id)
        self.settle(thread)
        return thread

    def run(self, thread: Thread, run_id: str) -> Run:
        """Return a run of this thread, or raise 404."""
        run = self.runs.get(run_id)
        if run is None or run.thread_id != thread.id:
            raise errors.not_found("run", run_id)
        return run

    def message(self, thread: Thread, message_id: str) -> Message:
        """Return a message of this thread, or raise 404."""
        for message in self.visible_messages(thread):
            if message.id == message_id:
                return message
        raise errors.not_found("message", message_id)

    def visible_messages(self, thread: Thread) -> list[Message]:
        """Return the messages that lists show, oldest first."""
        now = self.clock.now()
        return sorted((m for m in thread.messages if m.visible_at <= now), key=lambda m: m.created_at)

    def active_run(self, thread: Thread) -> Run | None:
        """Return the run that locks this thread."""
        self.settle(thread)
        return thread.unsettled[-1] if thread.unsettled else None

    def settle(self, thread: Thread) -> None:
        """Write the messages that the thread's runs have produced by now."""
        now = self.clock.now()
        for run in list(thread.unsettled):
            state = run.look(now)
            written = {message.id for message in thread.messages if message.run_id == run.id}
            thread.messages += [m for m in _written(run, state) if m.id not in written]
            if state.is_terminal:
                thread.unsettled.remove(run)


def _assistant(agent: Agent, now: float) -> Assistant:
    fields = {
        "name": agent.name,
        "description": agent.description or None,
        "model": agent.model,
        "instructions": agent.instructions,
        "tools": list(agent.tools),
        "metadata": dict(agent.metadata),
    }
    return Assistant(agent.id, now, fields, agent.script, agent.description)


def _written(run: Run, state: Look) -> list[Message]:
    """Return every message that the run has written: remarks when a phase begins, the answer at the end."""
    said = [
        (lived.index, lived.began_at, [text_block(lived.phase.says)])
        for lived in state.lived
        if lived.phase.says is not None
    ]
    messages = [_message(run, f"says{index}", at, at, content) for index, at, content in said]
    if state.status in {"completed", "incomplete"} and state.ended_at is not None:
        content = compose(
            run.script.answer,
            user_messages=run.user_messages,
            tool_results=outputs_of(tuple(run.submissions)),
        )
        if content is not None:
            visible_at = state.ended_at + run.script.answer_lag_seconds
            messages.append(_message(run, "answer", state.ended_at, visible_at, content))
    return messages


def _message(run: Run, part: str, at: float, visible_at: float, content: Content) -> Message:
    return Message(
        id=derived_id("msg", run.id, part),
        thread_id=run.thread_id,
        created_at=at,
        visible_at=visible_at,
        role="assistant",
        content=content,
        assistant_id=run.assistant_id,
        run_id=run.id,
    )


def user_texts(thread: Thread) -> list[str]:
    """Return the texts of the thread's user messages, oldest first."""
    return [text_of(message.content) for message in thread.messages if message.role == "user"]
