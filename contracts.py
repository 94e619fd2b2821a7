"""Typed messages that cross a JSON boundary: the start request, activity inputs and results, run snapshots, the
outcome.

Everything here is a frozen `msgspec.Struct`. On the wire they are plain JSON: `to_wire` and `from_wire` convert.
Fields may be added with a default; a field that histories in flight contain is never renamed or removed. This module
imports nothing of the project, so that every layer may use it.

Source of names and limits: design.md, sections 2 to 4.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import hashlib
import json
import math
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

MAX_MESSAGE_CHARACTERS = 256_000
MAX_METADATA_PAIRS = 14
"""Foundry takes 16 pairs; two are ours (`METADATA_INSTANCE`, `METADATA_OPERATION`)."""

METADATA_INSTANCE = "durable_instance_id"
METADATA_OPERATION = "durable_operation_id"

ORCHESTRATOR = "agent_run"
"""Name under which the orchestrator is registered."""

ORCHESTRATOR_VERSION = "1.0"
"""Version of its code: `defaultVersion` in host.json."""

ENDED_RUNTIME_STATUSES = ("Completed", "Failed", "Terminated", "Canceled")
"""The platform's words for an instance that has ended."""

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
"""Hosts to which a token may go in plain text: this machine."""

INSTANCE_ID_PATTERN = r"(?!\.+\Z)[A-Za-z0-9_:.-]{1,100}"
"""What the id of an instance looks like, whole. The client does not escape ids (durable-protocol.md, rule 14), so one
that could change the path is unknown at once.
"""

CANCEL_EVENT = "cancel"
"""External event that asks an instance to cancel its run."""


def tool_outputs_event(question: int) -> str:
    """Return the event that answers an instance's n-th question; a fresh name for each (durable-protocol.md, rule
    4).
    """
    return f"tool_outputs_{question}"


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every contract."""


def to_wire(message: Wire) -> dict[str, Any]:
    """Return the message as plain JSON types."""
    wire: dict[str, Any] = msgspec.to_builtins(message)
    return wire


def from_wire(kind: type[T], wire: Any) -> T:
    """Return `wire` (plain JSON types) as a `kind`; raise `msgspec.ValidationError` if it is none.

    Every conversion to a type goes through here.
    """
    hashable: Any = kind  # mypy does not believe it of `type[T]`
    message: T = msgspec.convert(wire, _prepared(hashable))
    return message


_preparing = threading.Lock()


@functools.cache
def _prepared(kind: Any) -> Any:
    """Return `kind` after msgspec has taken it apart, which it does at the first use of a type.

    One type after the other: where two threads are the first to use it, one of them finds it half done and the
    process dies of a segmentation fault (measured with msgspec 0.22). Cached is the very object that is ready: msgspec
    keeps what it found on it, and an equal `ActivityResult[X]` may be another one.
    """
    with _preparing:
        msgspec.json.Decoder(kind)
    return kind


# --- the start request -----------------------------------------------------------------------------------------------

ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"
"""What an id looks like, whole. It can never change the path of a request."""

AgentId = Annotated[str, Meta(pattern=rf"\A{ID_PATTERN}\Z")]
ThreadId = AgentId
Temperature = Annotated[float, Meta(ge=0, le=2)]
Probability = Annotated[float, Meta(ge=0, le=1)]
TokenLimit = Annotated[int, Meta(ge=256)]
Instructions = Annotated[str, Meta(max_length=MAX_MESSAGE_CHARACTERS)]
Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=MAX_METADATA_PAIRS),
]


class RunOptions(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The part of Foundry's create-run body that a caller may set."""

    additional_instructions: Instructions | None = None
    instructions: Instructions | None = None
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    max_prompt_tokens: TokenLimit | None = None
    max_completion_tokens: TokenLimit | None = None
    truncation_strategy: dict[str, Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None


class AgentRunRequest(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a caller asks for; `request_validation` says what is wrong with one that does not fit."""

    user_message: Annotated[str, Meta(min_length=1, max_length=MAX_MESSAGE_CHARACTERS)]
    agent_id: AgentId | None = None
    thread_id: ThreadId | None = None
    timeout_seconds: Annotated[int, Meta(ge=1, le=10**9)] | None = None
    if_thread_busy: Literal["wait", "fail"] = "wait"
    idempotency_key: Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{1,200}\Z")] | None = None
    run_options: RunOptions = RunOptions()
    metadata: Metadata = {}


class RunPolicy(Wire, frozen=True, kw_only=True):
    """What the settings decide about one run; fixed when it starts, so that a change of settings breaks no replay."""

    agent_id: str
    timeout_seconds: int
    rate_limit_retries: int = 3
    monitor_url: str | None = None
    request_fingerprint: str | None = None
    """With an idempotency key: tells whether a repeated start is the same request."""


def start_input(request: AgentRunRequest, policy: RunPolicy) -> dict[str, Any]:
    """Return the orchestrator's input for a request whose policy the starter has made already."""
    return {"request": to_wire(request), "policy": to_wire(policy)}


# --- runs as the orchestrator sees them ------------------------------------------------------------------------------


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


class PendingCall(Wire, frozen=True, kw_only=True):
    """A tool call that waits for the caller: `kind` is `function` (wants an output) or `approval` (wants a yes or
    no).
    """

    id: str
    kind: Literal["function", "approval"]
    name: str
    arguments: str = ""
    """JSON text, as far as it may travel: `activities.bounds` cuts it."""


class ToolOutput(Wire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The caller's output of a function that the agent called."""

    tool_call_id: str
    output: str


class ToolApproval(Wire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The caller's yes or no to a tool call that the agent wants to make."""

    tool_call_id: str
    approve: bool


class ToolAnswer(Wire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to a run that requires action: something for every pending call, each once."""

    tool_outputs: list[ToolOutput] = []
    approvals: list[ToolApproval] = []


class Attachment(Wire, frozen=True, kw_only=True):
    """A part of the answer that is not text: `kind` is Foundry's block type, `id` a file id (or the URL of an
    image).
    """

    kind: str
    id: str


class Answer(Wire, frozen=True, kw_only=True):
    """The newest message that the run's agent wrote. `found` is false where the run has no message (yet)."""

    found: bool
    text: str = ""
    of_another_message: bool = False
    """Somebody else's message came between ours and the run, so that the run has answered that one."""
    message_id: str | None = None
    annotations: list[dict[str, Any]] = []
    attachments: list[Attachment] = []


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
    rate_limited: bool = False
    """The run failed for lack of quota: it did not answer, and nothing of it happened."""
    retry_after_seconds: float | None = None
    """How long the service says to wait, for a run that failed for lack of quota."""
    instance_id: str | None = None
    """The instance that stamped the run, if one did."""
    pending_calls: tuple[PendingCall, ...] = ()
    model: str | None = None
    usage: dict[str, Any] | None = None
    created_at: int | None = None
    started_at: int | None = None
    completed_at: int | None = None
    expires_at: int | None = None
    answer: Answer | None = None
    """What the run's agent wrote, where the look that saw it completed could fetch that too."""


class AgentSummary(Wire, frozen=True, kw_only=True):
    """One agent of the project, as job discovery lists it."""

    id: str
    name: str | None
    model: str | None


# --- activities ------------------------------------------------------------------------------------------------------


class Failure(Wire, frozen=True, kw_only=True):
    """An expected failure, as data: the orchestrator decides what follows from it."""

    code: str
    message: str
    retryable: bool = False
    retry_after_seconds: float | None = None
    active_run_id: str | None = None
    """With code `thread_busy`: the run that occupies the thread, where the service named it."""
    waiting_instance: str | None = None
    """With code `thread_busy`: the instance that has posted its message and starts its run next."""
    summary: str | None = None
    """The message without the service's own words, which may quote the request; null where they are the same."""

    @property
    def loggable(self) -> str:
        """What may end an instance: the host logs that text."""
        return self.message if self.summary is None else self.summary


class ActivityResult(Wire, Generic[T], frozen=True, kw_only=True):
    """What every activity returns: a value or a failure."""

    value: T | None = None
    failure: Failure | None = None


class Stamp(Wire, frozen=True, kw_only=True):
    """Identifies the instance and the operation that created something in Foundry; kept in its metadata."""

    instance_id: str
    operation_id: str

    def as_metadata(self) -> dict[str, str]:
        """Return the stamp as the metadata pairs that Foundry stores."""
        return {METADATA_INSTANCE: self.instance_id, METADATA_OPERATION: self.operation_id}


class PlanRun(Wire, frozen=True, kw_only=True):
    """Input of `plan_run`, which returns a `RunPolicy`: what the settings say about a request that names no agent,
    say.
    """

    agent_id: str | None
    timeout_seconds: int | None


class CreateThread(Wire, frozen=True, kw_only=True):
    """Input of `create_thread`; it returns a `ThreadRef`. `repeated`: an earlier attempt may have created it
    already.
    """

    stamp: Stamp
    repeated: bool = False


class ThreadRef(Wire, frozen=True, kw_only=True):
    """A thread."""

    thread_id: str


class CreateMessage(Wire, frozen=True, kw_only=True):
    """Input of `create_message`; it returns a `MessageRef`."""

    thread_id: str
    content: str
    stamp: Stamp
    metadata: dict[str, str] = {}
    ignore_instance: str | None = None
    """Post even if the message of this instance waits on the thread for its run: it seems to be gone."""


class MessageRef(Wire, frozen=True, kw_only=True):
    """A message on a thread."""

    message_id: str


class CreateRun(Wire, frozen=True, kw_only=True):
    """Input of `create_run`; it returns a `RunSnapshot`."""

    thread_id: str
    agent_id: str
    stamp: Stamp
    options: RunOptions = RunOptions()
    metadata: dict[str, str] = {}


class RunRef(Wire, frozen=True, kw_only=True):
    """Input of `get_run`, which returns a `RunSnapshot` (a completed run's with its answer, if that can be had), and of
    `get_response`, which returns an `Answer`.
    """

    thread_id: str
    run_id: str
    message: Stamp | None = None
    """The stamp of the message to be answered, on a thread to which others may have added theirs."""


class SubmitToolOutputs(Wire, frozen=True, kw_only=True):
    """Input of `submit_tool_outputs`; it returns a `RunSnapshot`."""

    thread_id: str
    run_id: str
    answer: ToolAnswer


class CancelRun(Wire, frozen=True, kw_only=True):
    """Input of `cancel_run`; it returns a `CancelledRun`.

    `run_id` is null where the answer to `create_run` was lost: the run is then looked for by its stamp.
    """

    thread_id: str
    run_id: str | None
    stamp: Stamp


class CancelledRun(Wire, frozen=True, kw_only=True):
    """The run as it is after the request to cancel it, which may have ended otherwise; null where there is no run."""

    run: RunSnapshot | None


class LookAtInstance(Wire, frozen=True, kw_only=True):
    """Input of `look_at_instance`; it returns an `InstanceState`."""

    instance_id: str


class InstanceState(Wire, frozen=True, kw_only=True):
    """What the platform knows of an instance. One that is unknown has been purged, or is another app's."""

    state: Literal["active", "ended", "unknown"]


class TerminateInstance(Wire, frozen=True, kw_only=True):
    """Input of `terminate_instance`; it returns no value."""

    instance_id: str
    reason: str


# --- what callers read -----------------------------------------------------------------------------------------------


class Outcome(Wire, frozen=True, kw_only=True):
    """Output of a successful run. Times are ISO 8601, UTC."""

    status: Literal["Success"]
    response: str
    thread_id: str
    run_id: str
    composite_run_id: str
    agent_id: str
    run_status: str
    message_id: str | None
    annotations: list[dict[str, Any]]
    attachments: list[Attachment]
    usage: dict[str, Any] | None
    model: str | None
    monitor_url: str | None
    started_at: str
    completed_at: str


def composite_run_id(thread_id: str, run_id: str) -> str:
    """Return the one string that names a run completely."""
    return f"agent#{thread_id}#{run_id}"


# --- saying everything that is wrong with a request ------------------------------------------------------------------


class FieldError(Wire, frozen=True, kw_only=True):
    """One thing that is wrong with a request; `target` names the field."""

    code: str
    message: str
    target: str


_IN_OUR_WORDS = frozenset({"required", "not_allowed", "too_large", "blank", "invalid_type"})
"""Codes whose messages say nothing that the caller has sent."""


class InvalidRequestError(ValueError):
    """A start request that does not fit; `details` names everything that is wrong with it."""

    def __init__(self, details: list[FieldError]) -> None:
        super().__init__("; ".join(f"{d.target}: {d.message}" for d in details))
        self.details = details

    @property
    def summary(self) -> str:
        """The same without the caller's own words: names of unknown fields, and values that do not fit."""
        ours = [f"{d.target}: {d.message}" for d in self.details if d.code in _IN_OUR_WORDS]
        unfit = [f"{d.target} does not fit" for d in self.details if d.code not in {*_IN_OUR_WORDS, "unknown_field"}]
        unknown = sum(d.code == "unknown_field" for d in self.details)
        return "; ".join(ours + unfit + ([f"unknown fields: {unknown}"] if unknown else []))


_EXPECTED = {
    "agent_id": "an agent's id such as asst_abc123 (GET /api/agents lists them): letters, digits, _ and -, at most 128",
    "thread_id": "a thread's id such as thread_abc123: letters, digits, _ and -, at most 128",
    "user_message": f"a text that is not blank, of at most {MAX_MESSAGE_CHARACTERS:,} characters",
    "timeout_seconds": "a whole number of seconds, at least 1",
    "if_thread_busy": "'wait' or 'fail'",
    "idempotency_key": "a text of 1 to 200 visible ASCII characters",
    "run_options": f"an object with any of: {', '.join(RunOptions.__struct_fields__)}",
    "metadata": f"an object of at most {MAX_METADATA_PAIRS} texts (keys up to 64 characters, values up to 512)",
}

_INTEGERS = ("timeout_seconds", "max_prompt_tokens", "max_completion_tokens")

_EMPTY_MEANS_ABSENT = ("agent_id", "thread_id", "idempotency_key")
"""Polysync sends a parameter that is not set as an empty string."""

_DEEPEST = 64

_MOST_NAMED = 128
"""So many tool call ids an error names at most: as many as Foundry's runs ask for at once."""

_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")

SDK_MARKERS = ("__class__", "__module__", "__data__", "$type")
"""Keys that the Durable SDK or the host would take for an encoded object (durable-protocol.md, rule 11)."""


@functools.cache
def _types_of(kind: type[Wire]) -> dict[str, Any]:
    """Return the types of the fields. Cached: msgspec evaluates every annotation anew, and every replay parses a
    request.
    """
    return {field.name: field.type for field in msgspec.structs.fields(kind)}


def parse_request(given: Any) -> AgentRunRequest:
    """Return the request, or raise `InvalidRequestError` that names every bad field at once."""
    if not isinstance(given, Mapping):
        raise InvalidRequestError([FieldError(code="invalid_type", message="must be a JSON object", target="body")])
    errors = [_unknown(name, "", AgentRunRequest) for name in given if name not in AgentRunRequest.__struct_fields__]
    fields = {name: value for name, value in _with_whole_numbers(given).items() if value is not None}
    if isinstance(fields.get("run_options"), Mapping):
        fields["run_options"] = _with_whole_numbers(fields["run_options"])
    for name in _EMPTY_MEANS_ABSENT:
        if fields.get(name) == "":
            del fields[name]
    types = _types_of(AgentRunRequest)
    for name, value in fields.items():
        if name == "run_options" and isinstance(value, Mapping):
            errors += _option_errors(value)
        elif name in types:
            errors += _field_errors(name, value, types[name])
    if "user_message" not in fields:
        errors.append(
            FieldError(code="required", message=f"is required: {_EXPECTED['user_message']}", target="user_message")
        )
    if errors:
        raise InvalidRequestError(sorted(errors, key=lambda e: e.target))
    return from_wire(AgentRunRequest, fields)


def answer_digest(payload: Any) -> str:
    """Return what tells an answer from another, whether it is JSON text or its value.

    Whatever an event may hold has one: `json` writes what msgspec refuses, and what is too deep for both counts as one.
    """
    try:
        if isinstance(payload, str):
            with contextlib.suppress(ValueError):
                payload = json.loads(payload)
        text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        text = ""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_tool_answer(payload: Any, pending: Sequence[PendingCall]) -> tuple[ToolAnswer, list[FieldError]]:
    """Return the answer, and everything that keeps it from being one to just these calls.

    `payload` is the event's: the Python client's raise_event delivers JSON text, the webhook the value itself.
    """
    try:
        if isinstance(payload, str):
            payload = msgspec.json.decode(payload)
        if unfit := _unfit(payload, "body"):
            return ToolAnswer(), unfit
        answer = from_wire(ToolAnswer, payload)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeEncodeError, RecursionError) as error:
        expected = "must be an object with tool_outputs [{tool_call_id, output}] or approvals [{tool_call_id, approve}]"
        return ToolAnswer(), [FieldError(code="invalid", message=f"{expected} ({error})", target="body")]
    given = {
        "function": ("tool_outputs", [o.tool_call_id for o in answer.tool_outputs]),
        "approval": ("approvals", [a.tool_call_id for a in answer.approvals]),
    }
    errors: list[FieldError] = []
    for kind, (target, ids) in given.items():
        wanted = dict.fromkeys(call.id for call in pending if call.kind == kind)
        counted = Counter(ids)
        problems = {
            "missing": [i for i in wanted if i not in counted],
            "unknown": [i for i in counted if i not in wanted],
            "repeated": [i for i, times in counted.items() if times > 1],
        }
        for code, bad in problems.items():
            if bad:
                named = ", ".join(i[:100] for i in bad[:_MOST_NAMED]) + (", ..." if len(bad) > _MOST_NAMED else "")
                errors.append(FieldError(code=code, message=f"{code} tool call ids: {named}", target=target))
    return answer, errors


def _field_errors(name: str, value: Any, kind: Any) -> list[FieldError]:
    if name == "user_message" and isinstance(value, str) and not value.strip():
        return [FieldError(code="blank", message=f"must be {_EXPECTED[name]}", target=name)]
    if name == "metadata" and isinstance(value, Mapping):
        reserved = [k for k in value if k in (METADATA_INSTANCE, METADATA_OPERATION)]
        if reserved:
            return [
                FieldError(code="reserved", message="this key is the app's own", target=f"metadata.{k}")
                for k in reserved
            ]
    if unfit := _unfit(value, name):
        return unfit
    try:
        from_wire(kind, value)
    except msgspec.ValidationError as error:
        return [FieldError(code="invalid", message=f"must be {_EXPECTED[name]} ({error})", target=name)]
    return []


def _with_whole_numbers(fields: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the fields, integers without their fraction of 0: 5.0 is an integer in JSON."""
    whole = {n: int(v) for n, v in fields.items() if n in _INTEGERS and isinstance(v, float) and v.is_integer()}
    return {**fields, **whole}


def _option_errors(options: Mapping[Any, Any]) -> list[FieldError]:
    types = _types_of(RunOptions)
    errors = []
    for name, value in options.items():
        target = f"run_options.{name}"
        if name not in types:
            errors.append(_unknown(name, "run_options.", RunOptions))
        elif unfit := _unfit(value, target):
            errors += unfit
        else:
            try:
                from_wire(types[name], value)
            except msgspec.ValidationError as error:
                errors.append(FieldError(code="invalid", message=str(error), target=target))
    return errors


def _unknown(name: Any, prefix: str, kind: type[Wire]) -> FieldError:
    known = ", ".join(kind.__struct_fields__)
    return FieldError(
        code="unknown_field", message=f"is not a field; known fields: {known}", target=f"{prefix}{name}"[:200]
    )


def _unfit(value: Any, target: str) -> list[FieldError]:
    """Return what keeps a value, at any depth, from travelling to Foundry through the Durable SDK."""
    pending = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        code, message = "invalid", ""
        if depth > _DEEPEST:
            message = f"is nested more than {_DEEPEST} levels deep"
        elif isinstance(item, Mapping):
            if marker := next((m for m in SDK_MARKERS if m in item), None):
                code, message = "reserved", f"has the key {marker!r}, which cannot be used inside a request"
            pending.extend((v, depth + 1) for pair in item.items() for v in pair)
        elif isinstance(item, list):
            pending.extend((v, depth + 1) for v in item)
        elif isinstance(item, float) and not math.isfinite(item):
            message = f"has the number {item}, which JSON does not know"
        elif isinstance(item, str) and _HALF_A_CHARACTER.search(item):
            message = "has half of a surrogate pair, which is no character"
        if message:
            return [FieldError(code=code, message=message, target=target)]
    return []
