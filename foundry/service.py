"""What the app needs of the agent service, whichever generation of it answers.

Every method raises `foundry.errors.FoundryError`, and nothing else, for what the service or the network does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from contracts.conversation import MessagePage
from contracts.messages import ContentPart, MessageAttachment
from contracts.runs import AgentSummary, Answer, RunSnapshot, Stamp, ToolAnswer
from contracts.steps import RunFile, RunSteps


class AgentService(Protocol):
    """Threads, messages and runs of agents. Ids are opaque."""

    def within(self, seconds: float) -> AgentService:
        """Return the same service, all of whose requests together end within so many seconds from now."""
        ...

    def list_agents(self) -> Iterator[AgentSummary]:
        """Yield every agent of the project, all pages followed."""
        ...

    def get_agent(self, agent_id: str) -> AgentSummary:
        """Return the agent."""
        ...

    def check(self) -> None:
        """Ask the project for something small; return if it answers."""
        ...

    def create_thread(self, stamp: Stamp) -> str:
        """Create a thread and return its id."""
        ...

    def find_thread(self, stamp: Stamp) -> str | None:
        """Return the id of the thread that carries the stamp, if it is among the newest ones."""
        ...

    def threads_of_instance(self, instance_id: str) -> list[str]:
        """Return the ids of those among the newest threads that the instance has created."""
        ...

    def create_message(
        self,
        thread_id: str,
        content: str | list[ContentPart],
        metadata: dict[str, str],
        stamp: Stamp,
        attachments: Sequence[MessageAttachment] = (),
    ) -> str:
        """Add the user's message to the thread and return its id."""
        ...

    def find_message(self, thread_id: str, stamp: Stamp) -> str | None:
        """Return the id of the message that carries the stamp, if it is among the thread's newest ones."""
        ...

    def awaits_run(self, thread_id: str, instance_id: str) -> bool:
        """Say whether the thread's newest message is the instance's, and has no run yet."""
        ...

    def create_run(
        self, thread_id: str, agent_id: str, options: dict[str, Any], metadata: dict[str, str], stamp: Stamp
    ) -> RunSnapshot:
        """Start a run of the agent on the thread."""
        ...

    def get_run(self, thread_id: str, run_id: str) -> RunSnapshot:
        """Return the run as it is now."""
        ...

    def list_runs(self, thread_id: str) -> list[RunSnapshot]:
        """Return the thread's newest runs, newest first."""
        ...

    def find_run(self, thread_id: str, stamp: Stamp) -> RunSnapshot | None:
        """Return the run that carries the stamp, if it is among the thread's newest ones."""
        ...

    def cancel_run(self, thread_id: str, run_id: str) -> RunSnapshot:
        """Ask for the run's cancellation; return the run as it is then, which may have ended otherwise meanwhile."""
        ...

    def submit_tool_outputs(
        self, thread_id: str, run_id: str, answer: ToolAnswer, headers: Mapping[str, Mapping[str, str]] | None = None
    ) -> RunSnapshot:
        """Answer the calls that the run waits for; return the run as it is then. `headers` are for the tool's server,
        by the id of the call that is approved: secrets. Raise `AnswerRefusedError` where the calls wait still.
        """
        ...

    def delete_thread(self, thread_id: str, instance_id: str) -> bool:
        """Delete the thread; return whether it is gone. It is left where this app has not created it, or where anybody
        but the instance has used it last.
        """
        ...

    def get_answer(self, thread_id: str, run_id: str, message: Stamp | None = None) -> Answer:
        """Return what the run's agent wrote."""
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
