"""What the emulator received and what became of it: tests count effects instead of trusting answers."""

import hashlib
import json
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

Json = dict[str, Any]

_KEPT_BODY_BYTES = 4096


@dataclass
class Entry:
    """One request, in order of arrival.

    `status` is what went out (None: nothing, the connection was reset); `service_status` is what the service
    made of the request (None: it never reached the service). `took_effect` is True once the service has
    carried it out with success. `trace` is the request's `traceparent`.
    """

    number: int
    at: float
    method: str
    path: str
    operation: str | None
    query: dict[str, str]
    body: Any
    trace: str | None = None
    status: int | None = None
    service_status: int | None = None
    took_effect: bool = False
    fault: Json | None = None
    thread_id: str | None = None
    run_id: str | None = None
    message_id: str | None = None
    conversation_id: str | None = None
    response_id: str | None = None
    item_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ledger:
    """A copy of the ledger at one moment.

    `threads` is `service.summary`, by thread id; `conversations` is `second.summary`, by conversation id.
    `loose_responses` are those without a conversation.
    """

    requests: list[Entry]
    threads: dict[str, Json]
    connections_opened: int
    conversations: dict[str, Json] = field(default_factory=dict)
    loose_responses: list[Json] = field(default_factory=list)

    def of(self, operation: str) -> list[Entry]:
        """Return the requests for one operation."""
        return [entry for entry in self.requests if entry.operation == operation]

    @property
    def user_messages(self) -> int:
        """How many user messages all threads and conversations hold."""
        return sum(one["user_messages"] for one in (*self.threads.values(), *self.conversations.values()))

    @property
    def runs(self) -> list[Json]:
        """All runs of all threads."""
        return [run for thread in self.threads.values() for run in thread["runs"]]

    @property
    def responses(self) -> list[Json]:
        """All responses, those of conversations first."""
        within = [one for conversation in self.conversations.values() for one in conversation["responses"]]
        return [*within, *self.loose_responses]

    def to_json(self) -> Json:
        """Show it all."""
        return asdict(self)


@dataclass
class Recorder:
    """Keeps the entries."""

    _entries: list[Entry] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _start: float = field(default_factory=time.monotonic)

    def open(
        self,
        *,
        method: str,
        path: str,
        operation: str | None,
        query: dict[str, str],
        body: bytes,
        trace: str | None = None,
    ) -> Entry:
        """Note a request that has arrived."""
        with self._lock:
            at = round(time.monotonic() - self._start, 4)
            entry = Entry(len(self._entries) + 1, at, method, path, operation, query, _kept(body), trace)
            self._entries.append(entry)
            return entry

    def entries(self) -> list[Entry]:
        """Copy the entries."""
        with self._lock:
            return [Entry(**vars(entry)) for entry in self._entries]

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._entries = []


def masked(value: str) -> str:
    """Return what the ledger shows of a secret: two that are equal look alike."""
    return "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def without_secrets(value: Any) -> Any:
    """Mask the values of `headers`: those of an approval or a tool, at whatever depth, but in no function's schema."""
    if isinstance(value, list):
        return [without_secrets(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: _without_secrets_of(name, one) for name, one in value.items()}


def _without_secrets_of(name: str, value: Any) -> Any:
    if name == "headers" and isinstance(value, dict):
        return {key: masked(str(secret)) for key, secret in value.items()}
    return value if name == "parameters" else without_secrets(value)


def _kept(body: bytes) -> Any:
    if not body:
        return None
    if len(body) > _KEPT_BODY_BYTES:
        return {"bytes": len(body)}
    try:
        return without_secrets(json.loads(body))
    except ValueError:
        return {"not_json": body.decode("utf-8", "replace")}
