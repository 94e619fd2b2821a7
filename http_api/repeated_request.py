"""What a run that did not succeed was asked for, so that it can be asked for once more. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.instance_input import InstanceInput
from contracts.messages import UserMessage
from contracts.request import AgentRunRequest, RunOptions, RunPolicy
from contracts.status import StatusDocument
from contracts.wire import from_wire
from validation.start_request import parse_request


@dataclass(frozen=True)
class Asked:
    """What an instance was asked for. `policy` is None where the settings were never asked, and `message_is_gone` says
    that its message was posted, whatever it last showed.
    """

    request: AgentRunRequest
    policy: RunPolicy | None
    message_is_gone: bool = False


def asked_of(given: InstanceInput) -> Asked:
    """Return what the instance was asked for; raise `InvalidRequestError` or `msgspec.ValidationError` where its input
    is none that can be repeated.
    """
    if given.progress is None:
        return Asked(parse_request(given.request), from_wire(RunPolicy, given.policy) if given.policy else None)
    progress = given.progress
    given_message = progress.get("message")
    message = UserMessage() if given_message is None else from_wire(UserMessage, given_message)
    request = AgentRunRequest(
        user_message=message.text,
        content=message.content or None,
        attachments=message.attachments,
        thread_id=_text(progress, "thread_id"),
        if_thread_busy=progress.get("if_thread_busy", "wait"),
        run_options=from_wire(RunOptions, progress.get("options")),
        metadata=from_wire(dict[str, str], progress.get("metadata")),
    )
    return Asked(request, from_wire(RunPolicy, progress.get("policy")), message_is_gone=given_message is None)


def is_posted(asked: Asked, document: StatusDocument) -> bool:
    """Say whether the message was posted for all that the instance has shown; else it may have been, all the same."""
    shown = document.custom_status
    return asked.message_is_gone or (shown is not None and shown.message_posted) or asked.request.message is None


def thread_of(asked: Asked, document: StatusDocument) -> str | None:
    """Return the thread of the run, if it had one."""
    return document.thread_id or asked.request.thread_id


def repeated(
    asked: Asked, document: StatusDocument, *, posted: bool, timeout_seconds: int | None, longest: int
) -> AgentRunRequest:
    """Return the request that asks for the same once more: on the thread of the run, and without what that has put
    there.
    """
    request, policy = asked.request, asked.policy
    earlier = policy.timeout_seconds if policy else request.timeout_seconds
    repeated = msgspec.structs.replace(
        request,
        agent_id=policy.agent_id if policy else request.agent_id,
        thread_id=thread_of(asked, document),
        timeout_seconds=timeout_seconds or (min(earlier, longest) if earlier else None),
        delete_thread=policy.delete_thread if policy else request.delete_thread,
        idempotency_key=None,
    )
    if posted:
        repeated = msgspec.structs.replace(repeated, user_message=None, content=None, attachments=[])
    if document.run_id is not None:  # additional messages come with the run
        options = msgspec.structs.replace(request.run_options, additional_messages=None)
        repeated = msgspec.structs.replace(repeated, run_options=options)
    return repeated


def _text(progress: Mapping[str, Any], name: str) -> str | None:
    value = progress.get(name)
    return value if isinstance(value, str) else None
