"""Threads, messages and runs as the orchestrator sees them, whichever generation of the service they are of."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

from msgspec import Meta

from contracts.formats import Utc
from contracts.generations import Generation
from contracts.wire import Wire

METADATA_INSTANCE = "durable_instance_id"

METADATA_OPERATION = "durable_operation_id"


class RunState(enum.StrEnum):
    """Normalised state of a run, for every generation of the service."""

    ACTIVE = "active"
    """Queued, in progress, or a status that this code does not know: keep polling."""
    REQUIRES_ACTION = "requires_action"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    INCOMPLETE = "incomplete"
    CANCELLED = "cancelled"

    @property
    def is_ended(self) -> bool:
        """Whether the run does nothing any more."""
        return self not in {RunState.ACTIVE, RunState.REQUIRES_ACTION, RunState.CANCELLING}


CallKind = Literal["function", "approval", "consent", "unsupported"]


class PendingCall(Wire, frozen=True, kw_only=True):
    """A tool call that waits for the caller: `kind` is `function` (wants an output), `approval` (wants a yes or no),
    `consent` (wants a yes once the user has consented behind `link`), or `unsupported` (nobody can answer it over this
    app).
    """

    id: str
    """Foundry's id; of an unsupported action without one, its raw type."""
    kind: CallKind
    name: str
    """Of the function or tool; the raw type where it is unsupported."""
    arguments: str | None = ""
    """JSON text, whole; null where it is too long to travel (`activities.bounds`)."""
    server_label: str = ""
    """Of an approval: the MCP server that would be called."""
    link: str = ""
    """Of a consent: where the user gives it; http or https."""


class ToolOutput(Wire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The caller's output of a function that the agent called."""

    tool_call_id: str
    output: str


HEADERS_REF_PATTERN = r"[A-Za-z][A-Za-z0-9_]{0,63}"


class ToolApproval(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The caller's yes or no to a tool call that the agent wants to make."""

    tool_call_id: str
    approve: bool
    headers_ref: Annotated[
        Annotated[str, Meta(pattern=rf"\A{HEADERS_REF_PATTERN}\Z")] | None,
        Meta(
            description="Name of headers for the tool's server, which the operator keeps in the app setting "
            "`MCP_HEADERS_<NAME>`; the headers themselves are secrets and are never sent here.",
            examples=["GITHUB"],
        ),
    ] = None


MOST_OUTPUT_BYTES = 524_288
"""Of all outputs of one answer: the service refuses more."""


class ToolAnswerRequest(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The answer to a run that requires action: something for every pending call, each once."""

    tool_outputs: Annotated[
        list[ToolOutput] | None,
        Meta(description=f"Of `function` calls; at most {MOST_OUTPUT_BYTES:,} bytes of output together, as UTF-8."),
    ] = None
    approvals: Annotated[list[ToolApproval] | None, Meta(description="Of `approval` calls.")] = None
    tool_approvals: Annotated[
        list[ToolApproval] | None, Meta(description="Another name of `approvals`, the service's own: give one of them.")
    ] = None


class ToolAnswer(Wire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to a run that requires action, as it is passed on."""

    tool_outputs: list[ToolOutput] = []
    approvals: list[ToolApproval] = []


class Attachment(Wire, frozen=True, kw_only=True):
    """A part of the answer that is not text: `kind` is Foundry's block type, `id` a file id (or the URL of an
    image).
    """

    kind: str
    id: str


UNFINISHED = "in_progress"
"""Of a message that is not all there yet."""


class AnswerMessage(Wire, frozen=True, kw_only=True):
    """A message that the run's agent wrote. `annotations` refer to positions in `text`, in characters."""

    id: str
    text: str | None
    """All text parts, joined by line ends, without citation marks; null where it was left out for its size."""
    refusal: bool = False
    """The text, or a part of it, is the model's refusal."""
    annotations: list[dict[str, Any]] = []
    attachments: list[Attachment] = []
    not_understood: list[str] = []
    """Types of parts that this app does not know, and in which it found neither text nor id."""
    left_out: list[str] = []
    """What was left out for its size, beside the text: `attachments`, `annotations`. Foundry's message has it."""
    incomplete: str = ""
    """Why the service did not write all of it, in its word, such as `content_filter`; empty where it is whole."""

    @property
    def may_grow(self) -> bool:
        """Whether the service seems to be still at it: the message is listed before it is all there."""
        says_nothing = self.text == "" and not (self.refusal or self.attachments or self.not_understood)
        return self.incomplete == UNFINISHED or (says_nothing and not self.incomplete)


class Answer(Wire, frozen=True, kw_only=True):
    """What the run's agent wrote: `messages`, oldest first. None where the run has no message (yet)."""

    messages: list[AnswerMessage] = []
    large_text: str | None = None
    """The newest message's text, where it is too large to stand twice in an output: then it is null there."""
    of_another_message: bool = False
    """Somebody else's message came between ours and the run, so that the run has answered that one."""

    @property
    def found(self) -> bool:
        """Whether there is a message, and all of it."""
        return self.newest is not None and not self.newest.may_grow

    @property
    def newest(self) -> AnswerMessage | None:
        """The newest message: the answer."""
        return self.messages[-1] if self.messages else None

    @property
    def text(self) -> str:
        """The answer's text; empty where there is none."""
        return self.large_text or (self.newest.text if self.newest else None) or ""


class Tokens(Wire, frozen=True, kw_only=True):
    """What a run used, whatever its generation calls it; null where the service does not say."""

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cached: int | None = None
    """Of the input."""

    def plus(self, other: Tokens) -> Tokens:
        """Return the sum of both; what only one of them says counts as it is."""
        names = self.__struct_fields__
        return Tokens(**{name: _sum(getattr(self, name), getattr(other, name)) for name in names})


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else one + other


class RunSnapshot(Wire, frozen=True, kw_only=True):
    """A run as the service showed it once. `raw_status` is the service's own word, times are Unix seconds."""

    run_id: str
    thread_id: str
    state: RunState
    raw_status: str
    error_code: str | None = None
    error_message: str | None = None
    """Why the run failed, in the service's words, which may quote the request."""
    error_summary: str | None = None
    """The same in our own words, where we have some."""
    error_advice: str | None = None
    """What to do about it, where the service's words tell more than the code."""
    rate_limited: bool = False
    """The run failed for lack of quota: it did not answer, and nothing of it happened."""
    retry_after_seconds: float | None = None
    """How long the service says to wait, for a run that failed for lack of quota."""
    instance_id: str | None = None
    """The instance that stamped the run, if one did."""
    pending_calls: tuple[PendingCall, ...] = ()
    model: str | None = None
    usage: dict[str, Any] | None = None
    """The numbers as the service names them."""
    tokens: Tokens | None = None
    created_at: int | None = None
    started_at: int | None = None
    completed_at: int | None = None
    expires_at: int | None = None
    answer: Answer | None = None
    """What the run's agent wrote, where the look that saw it completed could fetch that too."""
    looks: int = 0
    """How many looks at the run the activity took that returned it."""
    shows_items: bool = False
    """What it has made belongs to its thread, which will show it, perhaps a little later."""
    closed_by: tuple[str, ...] = ()
    """Runs that it took to close its calls."""


class AgentSummary(Wire, frozen=True, kw_only=True):
    """One agent of the project, as job discovery lists it."""

    id: str
    """What a start names. In the second generation it is the name."""
    name: str | None
    model: str | None
    generation: Generation = "classic"
    version: str | None = None
    """The latest, of the second generation."""
    kind: str | None = None
    """Of the second generation: `prompt`, `workflow`, `hosted`, or another word of the service."""
    enabled: bool = True


class Stamp(Wire, frozen=True, kw_only=True):
    """Identifies the instance and the operation that created something in Foundry; kept in its metadata."""

    instance_id: str
    operation_id: str
    """What stands before its last colon is the same for all operations of one execution of the instance."""

    def as_metadata(self) -> dict[str, str]:
        """Return the stamp as the metadata pairs that Foundry stores."""
        return {METADATA_INSTANCE: self.instance_id, METADATA_OPERATION: self.operation_id}


class PostedMessage(Wire, frozen=True, kw_only=True):
    """The message that a run is to answer: what it carries, or its id, where messages carry nothing."""

    stamp: Stamp
    message_id: str | None = None


class Effect(Wire, frozen=True, kw_only=True):
    """What tells a run that was asked for from all others, where the answer to the request was lost."""

    stamp: Stamp
    known_runs: tuple[str, ...] = ()
    """Runs that were on the thread before, where not all of them can be told by a stamp."""
    doubt_until: Utc | None = None
    """Until when what an earlier request has made may still show itself, whose answer was lost; null: there is none."""


class FormerRun(Wire, frozen=True, kw_only=True):
    """What the last owner of a thread has left there, for the next one, where lists may not show it yet."""

    run_ids: tuple[str, ...]
    """The runs that it went on behind, the run, and what closed its calls."""
    left_at: Utc
    shows_items: bool
    """The thread will show what the last of them has made."""


def composite_run_id(thread_id: str, run_id: str) -> str:
    """Return the one string that names a run completely."""
    return f"agent#{thread_id}#{run_id}"
