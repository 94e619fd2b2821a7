"""Agents as data: what each does with a run, phase by phase.

A script is a list of phases and an end. A phase lasts so many seconds of the service's clock (`null`: for
ever), or until its tool calls are answered. Two things cut it short: a cancel request, and the run's expiry.

`load_agents` reads the same structures from a JSON file; `agents.example.json` shows every field:

    {"include_builtin": true,
     "agents": [{"name": "slow", "id": "asst_...", "description": "...", "script": {"phases": [...], ...}}]}

Times are seconds. An agent with the id of a built-in one replaces it; without `id`, it is made from the name.
"""

import base64
import binascii
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from local.foundry_emulator.ids import padded_file_id, padded_id

TERMINAL = frozenset({"completed", "failed", "cancelled", "expired", "incomplete"})
EXPIRY_SECONDS = 600.0  # a recorded run of the real service: expires_at = created_at + 600

Kind = Literal["prompt", "hosted", "workflow", "external", "voice"]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class _Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Immutable, and refuses fields it does not know."""


class Call(_Data, frozen=True, kw_only=True):
    """A tool call that is shown to the caller. `mcp` asks for an approval; `azure_function` is answered by the service.

    `arguments` is an object, or the text itself, which need not be JSON. `fields` are shown as given, over those that
    the type would have: an `id` of one's own, say, or all that a type of call holds that nobody knows.
    """

    name: str = ""
    arguments: dict[str, Any] | str = {}
    type: str = "function"
    server_label: str = "emulated-mcp-server"
    fields: dict[str, Any] = {}

    @property
    def is_answered_by_service(self) -> bool:
        """Whether an answer of the caller is refused."""
        return self.type == "azure_function"


class Refusal(_Data, frozen=True, kw_only=True):
    """What the first `times` answers of a caller are told, whatever they say."""

    message: str
    times: Count = 1
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 400
    param: str | None = "tool_outputs"
    code: str | None = None


class Written(_Data, frozen=True, kw_only=True):
    """A message of an agent. `content` goes out as it stands here, be it in the service's wire shape or not."""

    content: Any
    attachments: tuple[dict[str, Any], ...] = ()


class Phase(_Data, frozen=True, kw_only=True):
    """A stretch of a run's life: a status for some time, or tool calls that wait for their answers.

    `action` is a `required_action` in the service's wire shape, or null, instead of `calls`: one that no client knows.
    `does` are calls of tools that the service runs itself, as the run's steps show them, which end with the phase.
    `says` and `writes` are messages, written when it begins.
    """

    status: str = "in_progress"
    seconds: Seconds | msgspec.UnsetType | None = msgspec.UNSET
    calls: tuple[Call, ...] = ()
    action: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    refuses: Refusal | None = None
    does: tuple[dict[str, Any], ...] = ()
    says: str | None = None
    writes: tuple[Written, ...] = ()

    def __post_init__(self) -> None:
        if self.action is not msgspec.UNSET:
            if self.calls:
                raise ValueError("a phase has `calls` or an `action`")
            return
        if not self.calls:
            if self.seconds is msgspec.UNSET:
                raise ValueError("a phase needs `seconds` (null: for ever) or `calls`")
            if not self.status or self.status in TERMINAL | {"requires_action"}:
                raise ValueError(f"`status` of a phase cannot be {self.status!r}: use `end` or `calls`")
            return
        kinds = {call.type for call in self.calls}
        if "mcp" in kinds and len(kinds) > 1:
            raise ValueError("`calls` of one phase must be of one type where one of them is mcp")
        if kinds == {"azure_function"} and self.seconds is msgspec.UNSET:
            raise ValueError("azure_function calls need `seconds`: the service answers them itself")
        if kinds <= {"function", "mcp"} and self.seconds is not msgspec.UNSET:
            raise ValueError("`seconds` beside `calls` is for calls that the service answers itself")

    @property
    def asks(self) -> bool:
        """Whether the run is in `requires_action`."""
        return bool(self.calls) or self.action is not msgspec.UNSET

    @property
    def waits_for_caller(self) -> bool:
        """Whether only an answer of the caller ends this phase."""
        return self.asks and self.seconds is msgspec.UNSET


class End(_Data, frozen=True, kw_only=True):
    """How a run ends. `code` and `message` make `last_error`, `reason` makes `incomplete_details`."""

    status: Literal["completed", "failed", "cancelled", "expired", "incomplete"] = "completed"
    code: str | None = None
    message: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.status == "failed" and not (self.code and self.message):
            raise ValueError("a failed `end` needs `code` and `message`")
        if self.status == "incomplete" and not self.reason:
            raise ValueError("an incomplete `end` needs `reason`")


class Answer(_Data, frozen=True, kw_only=True):
    """What the agent writes when its run completes (or ends incomplete).

    `history` answers the message and tells what the thread held before; `text` is `text`; `tools` quotes the
    tool outputs or approvals; `content` is written as given, in the service's wire shape; `messages` are several
    such; `none` writes no message.
    """

    kind: Literal["history", "text", "tools", "content", "messages", "none"] = "history"
    text: str = ""
    content: tuple[Any, ...] = ()
    messages: tuple[Written, ...] = ()


class File(_Data, frozen=True, kw_only=True):
    """A file of the project: one that an agent's run produces, or that a client uploads.

    It holds `text`, or the bytes of `base64`; with `size`, so many bytes, repeated or cut. `says_bytes` is what its
    metadata tell instead of the truth. It is sent within `seconds` real ones, or, with `endless`, over and over until
    the client goes.
    """

    filename: str
    id: str = ""
    text: str = ""
    base64: str = ""
    size: Count | None = None
    says_bytes: Count | None = None
    purpose: str = "assistants_output"
    content_type: str = "application/octet-stream"
    seconds: Seconds = 0.0
    endless: bool = False

    def __post_init__(self) -> None:
        if not self.id:
            msgspec.structs.force_setattr(self, "id", padded_file_id(self.filename))
        try:
            base64.b64decode(self.base64, validate=True)
        except binascii.Error as error:
            raise ValueError(f"`base64` is none: {error}") from error

    @property
    def told_bytes(self) -> int:
        """The length that its metadata tell."""
        told = self.size if self.says_bytes is None else self.says_bytes
        return len(self.content()) if told is None else told

    def content(self) -> bytes:
        """Return its bytes; of an endless one those that repeat."""
        given = base64.b64decode(self.base64) if self.base64 else self.text.encode("utf-8", "surrogatepass")
        if self.size is None:
            return given
        given = given or b"."
        return (given * (self.size // len(given) + 1))[: self.size]


class OnCancel(_Data, frozen=True, kw_only=True):
    """What a cancel request does: `cancelling` for so long (`null`: until the run expires), then `end`."""

    seconds: Seconds | None = 0.5
    end: Literal["cancelled", "completed"] = "cancelled"


class FirstRuns(_Data, frozen=True, kw_only=True):
    """The first `count` runs of this agent on a thread go otherwise."""

    count: Count
    phases: tuple[Phase, ...] = (Phase(status="queued", seconds=0.5), Phase(seconds=1.0))
    end: End


class Quota(_Data, frozen=True, kw_only=True):
    """Within any `seconds`, `runs` are taken; others fail, and say when there is room again.

    They say the whole `seconds` with `says_window`, as the service does.
    """

    runs: Annotated[int, msgspec.Meta(ge=1)]
    seconds: Annotated[float, msgspec.Meta(gt=0)]
    says_window: bool = False

    def wait(self, taken: Iterable[float], now: float) -> int:
        """Return in how many seconds a run is taken, of which so many were taken at these times; 0: now."""
        within = sorted(at for at in taken if at > now - self.seconds)
        if len(within) < self.runs:
            return 0
        left = self.seconds if self.says_window else within[-self.runs] + self.seconds - now
        return max(1, math.ceil(round(left, 3)))


class Script(_Data, frozen=True, kw_only=True):
    """Everything an agent does with a run. `files` are there as soon as the run is.

    `expires_at` of a run that has expired is null, as that of every run that has ended, unless `keeps_expires_at`.
    """

    phases: tuple[Phase, ...] = (Phase(status="queued", seconds=0.5), Phase(seconds=1.5))
    end: End = End()
    answer: Answer = Answer()
    answer_lag_seconds: Seconds = 0.0
    on_cancel: OnCancel = OnCancel()
    expires_after_seconds: Annotated[float, msgspec.Meta(gt=0)] = EXPIRY_SECONDS
    keeps_expires_at: bool = False
    first_runs: FirstRuns | None = None
    quota: Quota | None = None
    files: tuple[File, ...] = ()

    def for_run(self, earlier_runs: int) -> "Script":
        """Return the script of a run that has so many earlier runs of this agent on its thread."""
        if self.first_runs is None or earlier_runs >= self.first_runs.count:
            return self
        return msgspec.structs.replace(self, phases=self.first_runs.phases, end=self.first_runs.end)

    def over_quota(self, seconds: int) -> "Script":
        """Return the script of a run for which there is no room before so many seconds."""
        words = f"Rate limit is exceeded. Try again in {seconds} seconds."
        end = End(status="failed", code="rate_limit_exceeded", message=words)
        return msgspec.structs.replace(self, phases=(Phase(status="queued", seconds=0.5),), end=end, files=())


class Agent(_Data, frozen=True, kw_only=True):
    """An agent that exists from the start, in both generations. `description` says what it does.

    `kind` and `disabled` are the second generation's: one of another kind than `prompt`, or disabled, is there only.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    id: str = ""
    description: Annotated[str, msgspec.Meta(max_length=512)] = ""
    model: str = "gpt-4o"
    instructions: str = "Answer briefly."
    tools: tuple[dict[str, Any], ...] = ()
    metadata: dict[str, str] = {}
    kind: Kind = "prompt"
    disabled: bool = False
    script: Script = Script()

    def __post_init__(self) -> None:
        if not self.id:
            msgspec.structs.force_setattr(self, "id", padded_id(self.name))
        if not re.fullmatch(r"asst_[A-Za-z0-9]{24}", self.id):
            raise ValueError(f"`id` must be asst_ and 24 letters or digits, not {self.id!r}")

    @property
    def is_classic(self) -> bool:
        """Whether the classic generation has it too."""
        return self.kind == "prompt" and not self.disabled


class AgentsFile(_Data, frozen=True, kw_only=True):
    """The file behind `--agents`."""

    agents: tuple[Agent, ...]
    include_builtin: bool = True


class AgentsFileError(ValueError):
    """The agents file cannot be used; the message names the file and the field."""


def load_agents(path: Path) -> AgentsFile:
    """Read an agents file, or say what is wrong with it and where."""
    try:
        content = msgspec.json.decode(path.read_bytes(), type=AgentsFile)
    except OSError as error:
        raise AgentsFileError(f"{path}: {error.strerror}") from error
    except msgspec.ValidationError as error:
        raise AgentsFileError(f"{path}: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AgentsFileError(f"{path}: not JSON: {error}") from error
    seen: set[str] = set()
    for index, agent in enumerate(content.agents):
        if agent.id in seen:
            raise AgentsFileError(f"{path}: two agents have the id {agent.id!r} - at `$.agents[{index}].id`")
        seen.add(agent.id)
    return content
