"""The control API under `/_emulator/`, for tests in other processes. It needs no credential: loopback only.

| Request | Answer |
|---|---|
| GET `/_emulator/` | these routes |
| GET `/_emulator/agents` | `agents`: id, name, what each does; `named`: those of the second generation |
| GET `/_emulator/ledger` | `requests`, `threads`, `conversations` and more; `?operation= ?thread_id= ?since=N` |
| GET `/_emulator/connections` | `opened` since the last reset, `open` now |
| GET, POST, DELETE `/_emulator/faults` | list; add a rule or an array of rules; remove all |
| DELETE `/_emulator/faults/{id}` | remove one |
| POST `/_emulator/runs/{id}/cancel` | somebody else cancels the run: cancelling, then cancelled |
| POST `/_emulator/runs/{id}/end` | end it at once: `{"status": "failed", "code": "...", "message": "..."}` |
| POST `/_emulator/responses/{id}/cancel`, `.../end` | the same for a response, without cancelling |
| POST `/_emulator/conversations/{id}/break` | every further response fails |
| GET, POST `/_emulator/unknowns` | the switches of the second generation; turn some: `{"p2": "hidden"}` |
| POST `/_emulator/outage` | `{"seconds": 2}`: nobody listens on the port so long, open connections break |
| POST `/_emulator/reset` | forget threads, runs, requests, faults, created agents, switches, the connection count |
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec

from local.foundry_emulator.emulation import Emulation
from local.foundry_emulator.faults import Faults
from local.foundry_emulator.ledger import Ledger
from local.foundry_emulator.scripts import End

PREFIX = "/_emulator"


class Listener(Protocol):
    """What the control API tells of the server that it is reached through."""

    @property
    def endpoint(self) -> str:
        """The project endpoint."""

    @property
    def open_connections(self) -> int:
        """How many TCP connections are open now."""


@dataclass(frozen=True)
class ControlReply:
    """An answer; `outage_seconds` asks the server to go down after it is sent."""

    status: int
    body: Any
    outage_seconds: float | None = None


class ControlError(ValueError):
    """The control request makes no sense."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Control:
    """Answers control requests about one emulated project."""

    def __init__(self, emulation: Emulation, listener: Listener) -> None:
        self._emulation = emulation
        self._listener = listener

    def handle(self, method: str, path: str, query: dict[str, str], body: bytes) -> ControlReply:
        """Answer one request; never raises for what a client sent."""
        try:
            return self._handle(method, [part for part in path.split("/") if part][1:], query, body)
        except ControlError as error:
            return ControlReply(error.status, {"error": str(error)})

    def _handle(self, method: str, parts: list[str], query: dict[str, str], body: bytes) -> ControlReply:
        emulation = self._emulation
        match method, parts:
            case "GET", []:
                return ControlReply(200, {"endpoint": self._listener.endpoint, "routes": __doc__})
            case "GET", ["agents"]:
                return ControlReply(200, {"agents": emulation.agents(), "named": emulation.named_agents()})
            case "GET", ["ledger"]:
                return ControlReply(200, _ledger(emulation.ledger(), query))
            case "GET", ["connections"]:
                opened, still_open = emulation.connections_opened, self._listener.open_connections
                return ControlReply(200, {"opened": opened, "open": still_open})
            case "POST", ["outage"]:
                seconds = _object(body).get("seconds", 1)
                if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
                    raise ControlError(400, "`seconds` must be a number of at least 0")
                return ControlReply(202, {"seconds": seconds}, outage_seconds=float(seconds))
            case "POST", ["reset"]:
                emulation.reset()
                return ControlReply(200, {})
            case _, ["faults", *rest]:
                return _faults(emulation.faults, method, rest, body)
            case _, ["unknowns"]:
                return _unknowns(emulation, method, body)
            case "POST", [*_]:
                return self._post(parts, body)
        raise _no_such(method, parts)

    def _post(self, parts: list[str], body: bytes) -> ControlReply:
        """Do what somebody else could do to a run, a response or a conversation."""
        emulation = self._emulation
        match parts:
            case ["runs", run_id, "cancel"]:
                return _done("run", lambda: emulation.cancel_run(run_id))
            case ["runs", run_id, "end"]:
                end = _end(body)
                return _done("run", lambda: emulation.end_run(run_id, end))
            case ["responses", response_id, "cancel"]:
                return _done("response", lambda: emulation.cancel_response(response_id))
            case ["responses", response_id, "end"]:
                end = _end(body)
                return _done("response", lambda: emulation.end_response(response_id, end))
            case ["conversations", conversation_id, "break"]:
                return _done("conversation", lambda: emulation.break_conversation(conversation_id))
        raise _no_such("POST", parts)


def _no_such(method: str, parts: list[str]) -> ControlError:
    return ControlError(404, f"no such control: {method} {PREFIX}/{'/'.join(parts)}")


def _end(body: bytes) -> End:
    try:
        return msgspec.convert(_object(body) or {"status": "cancelled"}, End)
    except msgspec.ValidationError as error:
        raise ControlError(400, str(error)) from error


def _unknowns(emulation: Emulation, method: str, body: bytes) -> ControlReply:
    if method == "POST":
        try:
            emulation.set_unknowns(**_object(body))
        except ValueError as error:
            raise ControlError(400, str(error)) from error
    elif method != "GET":
        raise _no_such(method, ["unknowns"])
    return ControlReply(200, msgspec.to_builtins(emulation.unknowns))


def _faults(faults: Faults, method: str, rest: list[str], body: bytes) -> ControlReply:
    match method, rest:
        case "GET", []:
            return ControlReply(200, {"faults": [fault.to_json() for fault in faults.all()]})
        case "POST", []:
            given = _json(body)
            rules = given if isinstance(given, list) else [given]
            added = []
            for rule in rules:
                if not isinstance(rule, dict):
                    raise ControlError(400, "a fault rule is an object")
                try:
                    added.append(faults.add_rule(rule))
                except ValueError as error:
                    for fault in added:
                        faults.remove(fault.id)
                    raise ControlError(400, str(error)) from error
            return ControlReply(201, {"faults": [fault.to_json() for fault in added]})
        case "DELETE", []:
            faults.clear()
            return ControlReply(200, {})
        case "DELETE", [fault_id]:
            if not faults.remove(fault_id):
                raise ControlError(404, f"no fault {fault_id}")
            return ControlReply(200, {})
    raise ControlError(404, f"no such control: {method} {PREFIX}/faults")


def _done(kind: str, action: Callable[[], dict[str, Any]]) -> ControlReply:
    try:
        return ControlReply(200, action())
    except KeyError as error:
        raise ControlError(404, f"no {kind} {error.args[0]}") from error
    except ValueError as error:
        raise ControlError(409, str(error)) from error


def _ledger(ledger: Ledger, query: dict[str, str]) -> dict[str, Any]:
    since = query.get("since", "0")
    if not since.isdigit():
        raise ControlError(400, "`since` must be the number of a request")
    thread_id = query.get("thread_id")
    requests = [
        entry
        for entry in ledger.requests
        if entry.number > int(since)
        and query.get("operation", entry.operation) == entry.operation
        and thread_id in {None, entry.thread_id, entry.conversation_id}
    ]
    threads = {key: one for key, one in ledger.threads.items() if thread_id in {None, key}}
    conversations = {key: one for key, one in ledger.conversations.items() if thread_id in {None, key}}
    return replace(ledger, requests=requests, threads=threads, conversations=conversations).to_json()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except ValueError as error:
        raise ControlError(400, f"not JSON: {error}") from error


def _object(body: bytes) -> dict[str, Any]:
    given = _json(body)
    if not isinstance(given, dict):
        raise ControlError(400, "the body must be an object")
    return given
