"""The generations of the agent service, and what each of them can do: what the steps of a run depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Generation = Literal["classic", "responses"]
"""`classic`: threads, messages and runs, until 2027-03-31. `responses`: conversations, items and responses."""


@dataclass(frozen=True)
class Capabilities:
    """What tells the generations apart, as far as anybody but the service's own module has to know."""

    opens_with_message: bool
    """A new thread takes its first message along, in one effect."""
    stamps_messages: bool
    """A message carries its stamp; else it is known by its text, and what was on the thread before."""
    lists_all_runs: bool
    """Every run is in the list of its thread, with its stamp; else one that works may be hidden."""
    shows_answers_late: bool
    """What a run wrote may be listed a little after its end; else the run shows it, all of it or nothing."""
    answer_is_new_run: bool
    """The answer to tool calls starts another run, which may be lost as any other, and goes on in its place."""
    takes_back_messages: bool
    """A message that no run answers is deleted again."""
    open_calls_outlive_runs: bool
    """A tool call that nobody has answered keeps the thread from being used, however its run has ended."""
    grace_seconds: float
    """For so long a lost request may still take effect, or what it has made may not be shown."""

    @property
    def stamps_all(self) -> bool:
        """Whether all that is created shows by whom: so an activity may create several things, and be repeated."""
        return self.stamps_messages and self.lists_all_runs


CAPABILITIES: dict[Generation, Capabilities] = {
    "classic": Capabilities(
        opens_with_message=False,
        stamps_messages=True,
        lists_all_runs=True,
        shows_answers_late=True,
        answer_is_new_run=False,
        takes_back_messages=False,
        open_calls_outlive_runs=False,
        grace_seconds=0.0,
    ),
    "responses": Capabilities(
        opens_with_message=True,
        stamps_messages=False,
        lists_all_runs=False,
        shows_answers_late=False,
        answer_is_new_run=True,
        takes_back_messages=True,
        open_calls_outlive_runs=True,
        grace_seconds=30.0,
    ),
}

CONVERSATION_PREFIX = "conv_"


def generation_of_thread(thread_id: str) -> Generation:
    """Return the generation that the id of a thread or conversation is of."""
    return "responses" if thread_id.startswith(CONVERSATION_PREFIX) else "classic"
