"""What the app needs of the agent service, whichever generation of it answers: open a thread, add a message once, start
a run once, look at it, answer it, stop it, read what it wrote, and find what was started.

Every method raises `foundry.errors.FoundryError`, and nothing else, for what the service or the network does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from contracts.activities import NewMessage, ThreadRef
from contracts.conversation import MessagePage
from contracts.generations import Capabilities
from contracts.runs import AgentSummary, Answer, Effect, FormerRun, PostedMessage, RunSnapshot, Stamp, ToolAnswer
from contracts.steps import RunFile, RunSteps


class AgentService(Protocol):
    """Threads, messages and runs of agents; of the second generation these are conversations, items and responses. Ids
    are opaque.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this generation can do."""
        ...

    def within(self, seconds: float) -> AgentService:
        """Return the same service, all of whose requests together end within so many seconds from now."""
        ...

    def list_agents(self) -> Iterator[AgentSummary]:
        """Yield every agent of the project, all pages followed."""
        ...

    def get_agent(self, agent_id: str) -> AgentSummary:
        """Return the agent, in the version that the id names."""
        ...

    def check(self) -> None:
        """Ask the project for something small; return if it answers."""
        ...

    def create_thread(self, stamp: Stamp, message: NewMessage | None = None) -> ThreadRef:
        """Create a thread, with its first message where that goes along (`Capabilities.opens_with_message`)."""
        ...

    def find_thread(self, stamp: Stamp) -> ThreadRef | None:
        """Return the thread that carries the stamp, if it is among the newest ones."""
        ...

    def threads_of_instance(self, instance_id: str) -> list[str]:
        """Return the ids of those among the newest threads that the instance has created."""
        ...

    def take_over(self, thread_id: str, instance_id: str, former: FormerRun | None = None) -> tuple[str, ...]:
        """Make the thread ready for the instance, which owns it now; return the ids of the runs that it cannot tell
        from its own by a stamp. Calls that this app's runs have left open are closed; raise `WaitsForToolError` where
        one is open that is none of theirs, and `RefusedForNowError` while the thread does not show yet what its last
        owner has left (`former`).
        """
        ...

    def refuse_open_calls(self, thread_id: str, former: FormerRun | None = None) -> None:
        """Raise `WaitsForToolError` where a call is open on the thread that is none of this app's, nor of its last
        owner's (`former`), and that keeps it from being used. Nothing is changed.
        """
        ...

    def create_message(self, thread_id: str, message: NewMessage, stamp: Stamp) -> str:
        """Add the user's message to the thread and return its id."""
        ...

    def find_message(self, thread_id: str, message: NewMessage, stamp: Stamp) -> str | None:
        """Return the id of the message that carries the stamp, if it is among the thread's newest ones. Where messages
        carry none, it is one with this very content that stands behind all answers.
        """
        ...

    def take_back_message(self, thread_id: str, message_id: str) -> None:
        """Delete the message, which no run has answered. It may be gone already."""
        ...

    def awaits_answer(self, thread_id: str, instance_id: str) -> bool:
        """Say whether the thread's newest message is the instance's: another run of it needs no other message."""
        ...

    def create_run(
        self,
        thread_id: str,
        agent_id: str,
        options: dict[str, Any],
        metadata: dict[str, str],
        stamp: Stamp,
        *,
        agent_version: str | None = None,
    ) -> RunSnapshot:
        """Start a run of the agent on the thread."""
        ...

    def get_run(self, thread_id: str, run_id: str) -> RunSnapshot:
        """Return the run as it is now."""
        ...

    def list_runs(self, thread_id: str) -> list[RunSnapshot]:
        """Return the thread's newest runs, newest first. One whose calls were answered, or closed, asks nothing."""
        ...

    def find_run(self, thread_id: str, effect: Effect) -> RunSnapshot | None:
        """Return the run that carries the stamp, if it is among the thread's newest ones. Where the service does not
        show stamps, it is one that was not there before.
        """
        ...

    def cancel_run(self, thread_id: str, run_id: str) -> RunSnapshot:
        """Stop the run; return it as it is then, which may have ended otherwise meanwhile. Calls that it leaves open,
        and that would outlive it, are closed: then it counts as cancelled.
        """
        ...

    def submit_tool_outputs(
        self,
        thread_id: str,
        run_id: str,
        answer: ToolAnswer,
        headers: Mapping[str, Mapping[str, str]] | None = None,
        *,
        agent_id: str,
        agent_version: str | None,
        effect: Effect,
        metadata: Mapping[str, str],
    ) -> RunSnapshot:
        """Answer the calls that the run waits for; return the run as it is then, or the one that the answer has started
        (`Capabilities.answer_is_new_run`), which carries the stamp of `effect`. `headers` are for the tool's server, by
        the id of the call that is approved: secrets. Raise `AnswerRefusedError` where the calls wait still.
        """
        ...

    def delete_thread(self, thread_id: str, instance_id: str) -> bool:
        """Delete the thread; return whether it is gone. It is left where this app has not created it, or where anybody
        but the instance has used it last.
        """
        ...

    def get_answer(
        self, thread_id: str, run_id: str, message: PostedMessage | None = None, earlier_runs: Sequence[str] = ()
    ) -> Answer:
        """Return what the run's agent wrote, in the runs too that it goes on behind (`earlier_runs`, oldest first)."""
        ...

    def thread_messages(self, thread_id: str, limit: int, before: str | None) -> MessagePage:
        """Return the thread's newest messages, of those before the message that a page has named, if any; at most so
        many.
        """
        ...

    def list_steps(self, thread_id: str, run_id: str) -> RunSteps:
        """Return what the run did, oldest first."""
        ...

    def has_produced(self, thread_id: str, run_id: str, file_id: str) -> bool:
        """Say whether the run's messages or its code hand over this file."""
        ...

    def get_file(self, file_id: str, most_bytes: int) -> RunFile:
        """Return the file; raise `ResponseTooLargeError` where it has more bytes."""
        ...
