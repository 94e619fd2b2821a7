"""What the emulated service stores: agents, threads, messages, runs."""

from dataclasses import dataclass, field
from typing import Any

from local.foundry_emulator.answers import Content, text_of
from local.foundry_emulator.runs import Happened, Look, Submission, look
from local.foundry_emulator.scripts import End, File, Script


@dataclass
class Assistant:
    """An agent as the service stores it, with the script that the emulator gives it."""

    id: str
    created_at: float
    fields: dict[str, Any]
    script: Script
    does: str = ""


@dataclass
class StoredFile:
    """A file, uploaded or produced by a run."""

    id: str
    created_at: float
    file: File


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
    over_quota: bool = False
    refused: list[int] = field(default_factory=list)  # the round of each refused answer

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


def user_texts(thread: Thread) -> list[str]:
    """Return the texts of the thread's user messages, oldest first."""
    return [text_of(message.content) for message in thread.messages if message.role == "user"]
