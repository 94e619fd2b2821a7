"""State to JSON: the objects of the service as a client receives them."""

import json
from typing import Any

from msgspec import UNSET

from local.foundry_emulator.answers import text_of
from local.foundry_emulator.ids import derived_id
from local.foundry_emulator.objects import Assistant, Message, Run, StoredFile, Thread
from local.foundry_emulator.runs import Lived, Look
from local.foundry_emulator.scripts import Call, End
from local.foundry_emulator.state import State

Json = dict[str, Any]


def _stamp(at: float | None) -> int | None:
    return None if at is None else int(at)


def assistant_json(assistant: Assistant) -> Json:
    """Show an agent; its wire name is `assistant`."""
    fields = assistant.fields
    return {
        "id": assistant.id,
        "object": "assistant",
        "created_at": _stamp(assistant.created_at),
        "name": fields.get("name"),
        "description": fields.get("description"),
        "model": fields["model"],
        "instructions": fields.get("instructions"),
        "tools": fields.get("tools") or [],
        "top_p": fields.get("top_p", 1.0),
        "temperature": fields.get("temperature", 1.0),
        "tool_resources": fields.get("tool_resources") or {},
        "metadata": fields.get("metadata") or {},
        "response_format": fields.get("response_format", "auto"),
    }


def file_json(stored: StoredFile) -> Json:
    """Show a file, without its content."""
    file = stored.file
    return {
        "id": stored.id,
        "object": "file",
        "created_at": _stamp(stored.created_at),
        "filename": file.filename,
        "bytes": file.told_bytes,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def thread_json(thread: Thread) -> Json:
    """Show a thread."""
    return {
        "id": thread.id,
        "object": "thread",
        "created_at": _stamp(thread.created_at),
        "metadata": thread.metadata,
        "tool_resources": thread.tool_resources,
    }


def message_json(message: Message) -> Json:
    """Show a message. Recorded ones have no `status`, `completed_at` and so on: neither has this."""
    return {
        "id": message.id,
        "object": "thread.message",
        "created_at": _stamp(message.created_at),
        "assistant_id": message.assistant_id,
        "thread_id": message.thread_id,
        "run_id": message.run_id,
        "role": message.role,
        "content": message.content,
        "attachments": message.attachments,
        "metadata": message.metadata,
    }


def call_ids(run: Run, lived: Lived) -> list[str]:
    """Return the ids of the calls of one phase of this run that the caller answers."""
    action = lived.phase.action
    if isinstance(action, dict):
        return [call["id"] for call in _calls_within(action) if isinstance(call.get("id"), str)]
    calls = zip(lived.phase.calls, _shown_calls(run, lived), strict=True)
    return [str(shown["id"]) for call, shown in calls if not call.is_answered_by_service]


def wants_approvals(lived: Lived) -> bool:
    """Whether the calls of this phase are answered with yes or no."""
    action = lived.phase.action
    if isinstance(action, dict):
        return action.get("type") == "submit_tool_approval"
    return bool(lived.phase.calls) and lived.phase.calls[0].type == "mcp"


def _calls_within(action: Json) -> list[Json]:
    """Return the calls of an action in whatever shape: the objects of every list called `tool_calls`."""
    found = []
    for name, value in action.items():
        if name == "tool_calls" and isinstance(value, list):
            found += [call for call in value if isinstance(call, dict)]
        elif isinstance(value, dict):
            found += _calls_within(value)
    return found


def run_json(run: Run, state: Look, assistant: Assistant | None) -> Json:
    """Show a run. `assistant` gives what the caller did not override; None where it is deleted by now."""
    options = run.options
    fields = assistant.fields if assistant is not None else {}
    status = state.status
    ended = _stamp(state.ended_at)
    end = state.end
    return {
        "id": run.id,
        "object": "thread.run",
        "created_at": _stamp(run.created_at),
        "assistant_id": run.assistant_id,
        "thread_id": run.thread_id,
        "status": status,
        "started_at": _stamp(state.started_at),
        "expires_at": _stamp(run.happened().expires_at) if _shows_expiry(run, state) else None,
        "cancelled_at": ended if status == "cancelled" else None,
        "failed_at": ended if status == "failed" else None,
        "completed_at": ended if status == "completed" else None,
        "required_action": _required_action(run, state.pending),
        "last_error": _last_error(end),
        "model": options.get("model") or fields.get("model"),
        "instructions": _instructions(options, fields),
        "tools": options["tools"] if "tools" in options else fields.get("tools") or [],
        "tool_resources": options.get("tool_resources") or {},
        "metadata": run.metadata,
        "temperature": options.get("temperature", fields.get("temperature", 1.0)),
        "top_p": options.get("top_p", fields.get("top_p", 1.0)),
        "max_completion_tokens": options.get("max_completion_tokens"),
        "max_prompt_tokens": options.get("max_prompt_tokens"),
        "truncation_strategy": options.get("truncation_strategy", {"type": "auto", "last_messages": None}),
        "incomplete_details": {"reason": end.reason} if end is not None and end.reason else None,
        "usage": _usage(run, state),
        "response_format": options.get("response_format", fields.get("response_format", "auto")),
        "tool_choice": options.get("tool_choice", "auto"),
        "parallel_tool_calls": options.get("parallel_tool_calls", True),
    }


def _shows_expiry(run: Run, state: Look) -> bool:
    return not state.is_terminal or (state.status == "expired" and run.script.keeps_expires_at)


def _last_error(end: End | None) -> Json | None:
    return {"code": end.code, "message": end.message} if end is not None and end.code else None


def _instructions(options: Json, fields: Json) -> str | None:
    instructions = options.get("instructions", fields.get("instructions"))
    extra = options.get("additional_instructions")
    return f"{instructions or ''} {extra}".strip() if extra else instructions


def _usage(run: Run, state: Look) -> Json | None:
    """Count words for tokens; null until the run has ended, zero where it did not answer."""
    if not state.is_terminal:
        return None
    answered = state.status in {"completed", "incomplete"}
    prompt = sum(len(text.split()) for text in run.user_messages) + 12 if answered else 0
    completion = 25 if answered else 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_token_details": {"cached_tokens": 0},
    }


def _required_action(run: Run, pending: Lived | None) -> Json | None:
    if pending is None:
        return None
    if pending.phase.action is not UNSET:
        return pending.phase.action
    kind = "submit_tool_approval" if wants_approvals(pending) else "submit_tool_outputs"
    return {"type": kind, kind: {"tool_calls": _shown_calls(run, pending)}}


def _shown_calls(run: Run, lived: Lived) -> list[Json]:
    return [
        _shown_call(call, derived_id("call", run.id, lived.index, number))
        for number, call in enumerate(lived.phase.calls)
    ]


def _shown_call(call: Call, identifier: str) -> Json:
    arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
    shown: Json = {"id": identifier, "type": call.type}
    match call.type:
        case "mcp":
            shown |= {"name": call.name, "arguments": arguments, "server_label": call.server_label}
        case "function" | "azure_function":
            shown[call.type] = {"name": call.name, "arguments": arguments}
    return shown | call.fields


def steps_json(run: Run, state: Look, messages: list[Message], *, with_results: bool = False) -> list[Json]:
    """Show what the run did, oldest first: a step per round of tool calls, and one per message.

    What a file search has found is shown `with_results` only.
    """
    steps = [_tool_step(run, state, lived) for lived in state.lived if lived.phase.calls]
    steps += [_own_step(run, state, lived, with_results=with_results) for lived in state.lived if lived.phase.does]
    steps += [
        _step(
            run,
            key=message.id,
            kind="message_creation",
            details={"type": "message_creation", "message_creation": {"message_id": message.id}},
            status="completed",
            created_at=message.created_at,
            ended_at=message.created_at,
            words=len(text_of(message.content).split()),
        )
        for message in messages
        if message.run_id == run.id and message.role == "assistant"
    ]
    return sorted(steps, key=lambda step: int(step["created_at"]))


def _tool_step(run: Run, state: Look, lived: Lived) -> Json:
    answered = lived.round is None or lived.round < len(run.submissions)
    outputs = run.submissions[lived.round].outputs if lived.round is not None and answered else {}
    calls = []
    for call, shown in zip(lived.phase.calls, _shown_calls(run, lived), strict=True):
        if call.type == "function" and isinstance(shown.get("function"), dict):
            shown["function"] = {**shown["function"], "output": outputs.get(str(shown["id"]))}
        calls.append(shown)
    return _calls_step(run, state, lived, f"phase{lived.index}", calls, answered=answered)


def _own_step(run: Run, state: Look, lived: Lived, *, with_results: bool) -> Json:
    """Show the calls that the service has made itself. They end with their phase, unless that was cut short."""
    calls = [
        {"id": derived_id("call", run.id, lived.index, "own", number), **call}
        for number, call in enumerate(lived.phase.does)
    ]
    shown = calls if with_results else [_without_results(call) for call in calls]
    cut_short = lived is state.lived[-1] and state.status not in {"completed", "incomplete"}
    return _calls_step(run, state, lived, f"own{lived.index}", shown, answered=not cut_short)


def _without_results(call: Json) -> Json:
    search = call.get("file_search")
    if not isinstance(search, dict) or not isinstance(search.get("results"), list):
        return call
    results = [{k: v for k, v in one.items() if k != "content"} for one in search["results"]]
    return {**call, "file_search": {**search, "results": results}}


def _calls_step(run: Run, state: Look, lived: Lived, key: str, calls: list[Json], *, answered: bool) -> Json:
    status = "in_progress"
    if lived.ended_at is not None and state.status != "cancelling":
        status = "completed" if answered else state.status
    status = status if status in {"in_progress", "completed", "cancelled", "failed", "expired"} else "failed"
    return _step(
        run,
        key=key,
        kind="tool_calls",
        details={"type": "tool_calls", "tool_calls": calls},
        status=status,
        created_at=lived.began_at,
        ended_at=lived.ended_at,
        words=len(calls) * 10,
        error=_last_error(state.end) if status == "failed" else None,
    )


def _step(
    run: Run,
    *,
    key: str,
    kind: str,
    details: Json,
    status: str,
    created_at: float,
    ended_at: float | None,
    words: int,
    error: Json | None = None,
) -> Json:
    def when(wanted: str) -> int | None:
        return _stamp(ended_at) if status == wanted else None

    done = status == "completed"
    return {
        "id": derived_id("step", run.id, key),
        "object": "thread.run.step",
        "created_at": _stamp(created_at),
        "run_id": run.id,
        "assistant_id": run.assistant_id,
        "thread_id": run.thread_id,
        "type": kind,
        "status": status,
        "cancelled_at": when("cancelled"),
        "completed_at": when("completed"),
        "expired_at": when("expired"),
        "failed_at": when("failed"),
        "last_error": error,
        "step_details": details,
        "usage": {"prompt_tokens": 12, "completion_tokens": words, "total_tokens": 12 + words} if done else None,
        "metadata": {},
    }


def show_run(state: State, run: Run) -> Json:
    """Show a run as it is now."""
    return run_json(run, run.look(state.clock.now()), state.assistants.get(run.assistant_id))
