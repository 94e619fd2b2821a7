"""What an orchestrator answers: its actions since the start of the generation, and how it stands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

ERROR_LABEL = "\n\n$OutOfProcData$:"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """With-retry options: a fixed interval and a number of attempts, the first one included."""

    interval_ms: int
    max_attempts: int


@dataclass(frozen=True, slots=True)
class CallActivity:
    """Run an activity."""

    name: str
    input: str | None
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class CallSubOrchestrator:
    """Start a child orchestration and wait for it."""

    name: str
    input: str | None
    instance_id: str | None
    version: str | None
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class CreateTimer:
    """Wait until a moment; `cancelled` is set on it in a later answer."""

    fire_at: str
    cancelled: bool


@dataclass(frozen=True, slots=True)
class WaitForEvent:
    """Wait for an external event."""

    name: str


@dataclass(frozen=True, slots=True)
class ContinueAsNew:
    """End this generation and start the next with `input`."""

    input: str | None


@dataclass(frozen=True, slots=True)
class WhenAny:
    """Wait for the first of several."""

    children: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class WhenAll:
    """Wait for all of several."""

    children: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An action this host does not run; `api` is what the author called."""

    api: str


Action = (
    CallActivity | CallSubOrchestrator | CreateTimer | WaitForEvent | ContinueAsNew | WhenAny | WhenAll | Unsupported
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an episode of the orchestrator answered. `output` and `custom_status` are JSON values.

    `read` is False for one of which the extension knows the error alone, as if no action had been taken;
    `by_platform` where that error is not the code's.
    """

    is_done: bool = False
    actions: tuple[Action, ...] = ()
    output: Any = None
    error: str | None = None
    custom_status: Any = None
    read: bool = True
    by_platform: bool = False


class ProtocolError(Exception):
    """The SDK answered with something this host cannot read."""


_RETRY_TYPES = {1, 3}
_UNSUPPORTED = {7: "call_entity", 8: "call_http", 9: "signal_entity", 10: "signal_entity"}


def parse_answer(text: str) -> Answer:
    """Read what the orchestrator function returned."""
    try:
        state = json.loads(text)
        return _answer(state)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"the orchestrator's answer cannot be read ({type(error).__name__}: {error})") from error


def parse_failure(message: str) -> Answer | None:
    """Read the state inside the message that a failing orchestrator raises; None where there is none.

    One that says it is done, after `continue_as_new` or with a result that is no JSON, is not read (3.19).
    """
    _, label, state = message.rpartition(ERROR_LABEL)
    if not label:
        return None
    answer = parse_answer(state)
    return Answer(error=answer.error, read=False) if answer.is_done else answer


def _answer(state: Mapping[str, Any]) -> Answer:
    batches = state["actions"]
    return Answer(
        is_done=state["isDone"],
        actions=tuple(_action(a) for batch in batches for a in batch),
        output=state.get("output"),
        error=state.get("error"),
        custom_status=state.get("customStatus"),
    )


def _action(wire: Mapping[str, Any]) -> Action:
    number = wire["actionType"]
    retry = None
    if number in _RETRY_TYPES:
        options = wire["retryOptions"]
        retry = RetryPolicy(options["firstRetryIntervalInMilliseconds"], options["maxNumberOfAttempts"])
    match number:
        case 0 | 1:
            return CallActivity(wire["functionName"], wire.get("input"), retry)
        case 2 | 3:
            return CallSubOrchestrator(
                wire["functionName"], wire.get("input"), wire.get("instanceId"), wire.get("version"), retry
            )
        case 4:
            return ContinueAsNew(wire.get("input"))
        case 5:
            return CreateTimer(wire["fireAt"], wire["isCanceled"])
        case 6:
            return WaitForEvent(wire["externalEventName"])
        case 11:
            return WhenAny(tuple(_action(a) for a in wire["compoundActions"]))
        case 12:
            return WhenAll(tuple(_action(a) for a in wire["compoundActions"]))
        case _ if number in _UNSUPPORTED:
            return Unsupported(_UNSUPPORTED[number])
        case _:
            raise ProtocolError(f"the orchestrator's answer has an action of unknown type {number}")


def unsupported_actions(actions: Iterable[Action]) -> list[str]:
    """Names of the calls in a list of actions that this host refuses."""
    found: list[str] = []
    for action in actions:
        match action:
            case Unsupported(api):
                found.append(api)
            case WhenAny(children) | WhenAll(children):
                found += unsupported_actions(children)
            case _:
                pass
    return found
