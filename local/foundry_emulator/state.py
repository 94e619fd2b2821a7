"""Everything the emulated service remembers. Callers hold `State.lock` around each operation."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from local.foundry_emulator import errors
from local.foundry_emulator.answers import compose, said
from local.foundry_emulator.clock import Clock
from local.foundry_emulator.ids import derived_id
from local.foundry_emulator.journal import Journal
from local.foundry_emulator.objects import Assistant, Message, Run, StoredFile, Thread
from local.foundry_emulator.records import Kept, restored, row_of
from local.foundry_emulator.runs import Look, outputs_of
from local.foundry_emulator.scripts import Agent, File, Written
from local.foundry_emulator.second.agents import name_of, named
from local.foundry_emulator.second.objects import Conversation, NamedAgent, Response


class State:
    """Agents, threads, messages and runs; named agents, conversations and responses of the second generation.

    With a `journal`, they are still there at the next start. Whoever changes an object calls `keep` or `drop`, and
    `commit` before anybody hears of it. The agents of the start (`agents`) are what they are at each start, whatever
    clients made of them; a run follows the script that it began with.
    """

    def __init__(self, agents: Iterable[Agent], clock: Clock, journal: Journal | None = None) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        agents = list(agents)
        self._initial = {agent.id: agent for agent in agents if agent.is_classic}
        self._initial_named = agents
        self._initial_names = {name_of(agent) for agent in agents}
        self._pinned: float | None = None
        self._journal = journal
        self._changed: dict[str, Kept | None] = {}
        self.assistants: dict[str, Assistant] = {}
        self.files: dict[str, StoredFile] = {}
        self.threads: dict[str, Thread] = {}
        self.runs: dict[str, Run] = {}
        self.named: dict[str, NamedAgent] = {}
        self.conversations: dict[str, Conversation] = {}
        self.responses: dict[str, Response] = {}
        if journal is None or not journal.began:
            self.reset()
        else:
            self._restore(journal)

    def reset(self) -> None:
        """Forget everything but the agents that were there at the start."""
        with self.lock:
            now = self.clock.now()
            self.files.clear()
            self.threads.clear()
            self.runs.clear()
            self.conversations.clear()
            self.responses.clear()
            self.named = named(self._initial_named, now)
            self.assistants = {agent.id: _assistant(agent, now) for agent in self._initial.values()}
            self._changed.clear()
            if self._journal is not None:
                self._journal.clear(now)

    def _restore(self, journal: Journal) -> None:
        found = restored(journal.rows())
        self.files, self.threads, self.runs = found.files, found.threads, found.runs
        ours = {agent.id: _assistant(agent, journal.began) for agent in self._initial.values()}
        self.assistants = ours | {key: one for key, one in found.assistants.items() if key not in ours}
        self.conversations, self.responses = found.conversations, found.responses
        given = named(self._initial_named, journal.began)
        self.named = given | {key: one for key, one in found.named.items() if key not in given}

    def now(self) -> float:
        """Return the service's time, or the moment at which a request takes effect that was lost."""
        return self.clock.now() if self._pinned is None else self._pinned

    @contextmanager
    def at(self, moment: float) -> Iterator[None]:
        """Let the time stand at a moment that has passed."""
        self._pinned = moment
        try:
            yield
        finally:
            self._pinned = None

    def taken(self) -> Iterator[float]:
        """Yield when the runs and responses of all agents were created that no quota has refused."""
        yield from (one.created_at for one in self.runs.values() if not one.over_quota)
        yield from (one.created_at for one in self.responses.values() if not one.over_quota)

    def keep(self, changed: Kept) -> None:
        """Note an object that is new or has changed. What a run writes needs no note: it follows from the run."""
        if changed.id not in self._initial and changed.id not in self._initial_names:
            self._changed[changed.id] = changed

    def drop(self, gone: Assistant | StoredFile | NamedAgent) -> None:
        """Note an agent or a file that a client has deleted."""
        self._changed[gone.id] = None

    def commit(self) -> None:
        """Write what has changed to the journal."""
        if self._journal is not None:
            rows = [row_of(one) for one in self._changed.values() if one is not None]
            gone = [identifier for identifier, one in self._changed.items() if one is None]
            self._journal.write(rows, gone=gone, now=self.clock.now())
        self._changed.clear()

    def assistant(self, assistant_id: str) -> Assistant:
        """Return an agent, or raise 404."""
        try:
            return self.assistants[assistant_id]
        except KeyError:
            raise errors.not_found("assistant", assistant_id) from None

    def file(self, file_id: str) -> StoredFile:
        """Return a file, or raise 404."""
        try:
            return self.files[file_id]
        except KeyError:
            raise errors.not_found("file", file_id) from None

    def add_file(self, file: File) -> StoredFile:
        """Store a file; one that has its id already is replaced."""
        stored = StoredFile(file.id, self.clock.now(), file)
        self.files[file.id] = stored
        self.keep(stored)
        return stored

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
    messages = []
    for lived in state.lived:
        remarks = lived.phase.writes if lived.phase.says is None else (said(lived.phase.says), *lived.phase.writes)
        messages += _messages(run, f"says{lived.index}", lived.began_at, lived.began_at, remarks)
    if state.status in {"completed", "incomplete"} and state.ended_at is not None:
        answer = compose(
            run.script.answer,
            user_messages=run.user_messages,
            tool_results=outputs_of(tuple(run.submissions)),
        )
        messages += _messages(run, "answer", state.ended_at, state.ended_at + run.script.answer_lag_seconds, answer)
    return messages


def _messages(run: Run, part: str, at: float, visible_at: float, written: tuple[Written, ...]) -> list[Message]:
    return [
        Message(
            id=derived_id("msg", run.id, f"{part}.{number}" if number else part),
            thread_id=run.thread_id,
            created_at=at,
            visible_at=visible_at,
            role="assistant",
            content=one.content,
            assistant_id=run.assistant_id,
            run_id=run.id,
            attachments=list(one.attachments),
        )
        for number, one in enumerate(written)
    ]
