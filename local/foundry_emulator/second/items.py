"""Items: what clients send as the service stores it, what a response says, and how both are shown."""

import json
from dataclasses import dataclass
from typing import Any

from local.foundry_emulator.answers import compose, said
from local.foundry_emulator.runs import Lived
from local.foundry_emulator.scripts import Call, Phase, Written
from local.foundry_emulator.second.ids import derived_id, key_of, new_id
from local.foundry_emulator.second.life import Seen
from local.foundry_emulator.second.objects import Response

Json = dict[str, Any]

_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "mcp_approval_request": "mcpr",
    "mcp_approval_response": "mcpa",
    "mcp_call": "mcp",
    "workflow_action": "wfa",
}


@dataclass(frozen=True)
class Said:
    """One item of a response's output, and how much later than the others it shows in the conversation."""

    body: Json
    lag: float = 0.0


# --- what clients send ---


def stored(sent: Json, key: str, now: float) -> Json:
    """Return an item as the service stores it: with an id, and the content of a message as parts."""
    kind = str(sent["type"])
    body = {**sent, "id": new_id(_prefix(kind), key, now)}
    if kind == "message":
        body |= {"status": "completed", "content": _parts(sent["role"], sent["content"])}
    elif kind.endswith("_output"):
        body["status"] = "completed"
    return body


def _parts(role: str, content: Any) -> list[Json]:
    if not isinstance(content, str):
        return list(content)
    if role == "assistant":
        return [_output_text(content)]
    return [{"type": "input_text", "text": content}]


def text_of(item: Json) -> str:
    """Join the texts of a message or of a call's output."""
    content: Any = item.get("content", item.get("output", ""))
    if not isinstance(content, list):
        return str(content)
    return "\n".join(str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)


# --- what a response says ---


def output_of(response: Response, seen: Seen) -> list[Said]:
    """Return the output of a response that has ended; of one that was cancelled or runs there is none."""
    if not seen.is_ended or seen.status == "cancelled":
        return []
    found = [Said(_mcp_call(asked)) for asked in response.approved]
    found += [one for lived in seen.look.lived for one in _meanwhile(response, lived)]
    if seen.has_answered:
        asks = seen.part.asks
        found += _answer(response) if asks is None else _asking(response, asks)
    return [Said(_with_id(response, one.body, number), one.lag) for number, one in enumerate(found)]


def _with_id(response: Response, body: Json, number: int) -> Json:
    prefix = _prefix(str(body["type"]))
    return {"id": derived_id(prefix, key_of(response.id), response.created_at, response.id, number), **body}


def _prefix(kind: str) -> str:
    return _PREFIXES.get(kind) or "".join(word[0] for word in kind.split("_") if word) or "item"


def _meanwhile(response: Response, lived: Lived) -> list[Said]:
    phase = lived.phase
    own = [Said(_own_call(one)) for one in phase.does]
    if response.kind == "workflow":
        own.append(Said(_workflow_action(lived.index)))
    return own + _remarks(phase)


def _remarks(phase: Phase) -> list[Said]:
    written = phase.writes if phase.says is None else (said(phase.says), *phase.writes)
    return [Said(_message(one)) for one in written]


def _answer(response: Response) -> list[Said]:
    script = response.script
    written = compose(script.answer, user_messages=response.heard.texts(), tool_results=response.given)
    return [Said(_message(one), script.answer_lag_seconds) for one in written]


def _asking(response: Response, phase: Phase) -> list[Said]:
    own = [Said(_own_call(one)) for one in phase.does]
    if isinstance(phase.action, dict):
        return [*own, *_remarks(phase), Said(_question(phase.action))]
    calls = [Said(_call(response, call, number)) for number, call in enumerate(phase.calls)]
    return [*own, *_remarks(phase), *calls]


def _call(response: Response, call: Call, number: int) -> Json:
    arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
    if call.type == "mcp":
        shown: Json = {"type": "mcp_approval_request", "server_label": call.server_label}
    elif call.type == "oauth_consent_request":
        shown = {"type": call.type, "server_label": call.server_label, "consent_link": "https://example.com/consent"}
        return shown | call.fields
    else:
        kind = "function_call" if call.type == "function" else call.type
        key = derived_id("call", "", response.created_at, response.id, response.first, number)
        shown = {"type": kind, "call_id": key, "status": "completed"}
    return shown | {"name": call.name, "arguments": arguments} | call.fields


def _question(action: Json) -> Json:
    """Return what a classic `required_action` becomes: a consent, or an item that no client knows."""
    kind = str(action.get("type"))
    inner = action.get(kind)
    if kind == "submit_consent" and isinstance(inner, dict):
        return {"type": "oauth_consent_request", "consent_link": inner.get("url"), "server_label": "emulated"}
    return {**action, "type": kind}


def _mcp_call(asked: Json) -> Json:
    return {
        "type": "mcp_call",
        "approval_request_id": asked["id"],
        "server_label": asked["server_label"],
        "name": asked["name"],
        "arguments": asked["arguments"],
        "output": "done",
        "error": None,
        "status": "completed",
    }


def _own_call(call: Json) -> Json:
    kind = str(call.get("type"))
    inner = call.get(kind)
    fields = inner if isinstance(inner, dict) else {}
    return {**fields, "type": f"{kind}_call", "status": "completed"}


def _workflow_action(index: int) -> Json:
    return {
        "type": "workflow_action",
        "kind": "InvokeAzureAgent",
        "action_id": f"action-{index}",
        "parent_action_id": "trigger",
        "previous_action_id": f"action-{index - 1}" if index else "trigger",
        "status": "completed",
    }


def _message(written: Written) -> Json:
    content = written.content
    parts = [_part(one) for one in content] if isinstance(content, list) else content
    return {"type": "message", "role": "assistant", "status": "completed", "content": parts}


def _part(block: Any) -> Any:
    """Return a part of a classic message as one of an output message; what is none goes out as it is."""
    match block:
        case {"type": "text", "text": {"value": str(value), "annotations": list(annotations)}}:
            return _output_text(value, [_annotation(one) for one in annotations])
        case {"type": "image_file", "image_file": {"file_id": file_id}}:
            return _output_text("", [_container_file(file_id, 0, 0)])  # pictures lie in a container
        case _:
            return block


def _output_text(text: str, annotations: list[Any] | None = None) -> Json:
    return {"type": "output_text", "text": text, "annotations": annotations or [], "logprobs": []}


def _annotation(classic: Any) -> Any:
    match classic:
        case {"type": "file_citation", "start_index": index, "file_citation": {"file_id": file_id}}:
            return {"type": "file_citation", "file_id": file_id, "index": index, "filename": f"{file_id}.txt"}
        case {"type": "url_citation", "url_citation": cited, "start_index": start, "end_index": end}:
            return {"type": "url_citation", **cited, "start_index": start, "end_index": end}
        case {"type": "file_path", "file_path": {"file_id": file_id}, "start_index": start, "end_index": end}:
            return _container_file(file_id, start, end)
        case _:
            return classic


def _container_file(file_id: str, start: int, end: int) -> Json:
    return {
        "type": "container_file_citation",
        "container_id": "cntr_emulated",
        "file_id": file_id,
        "filename": f"{file_id}.bin",
        "start_index": start,
        "end_index": end,
    }


# --- how items are shown ---


def in_response(response: Response, body: Json) -> Json:
    """Show an item of the output within its response."""
    reference = {"type": "agent_reference", "name": response.agent_name, "version": response.version}
    return {**body, "response_id": response.id, "agent_reference": reference}


def in_conversation(body: Json, author: Response | None) -> Json:
    """Show an item within its conversation. What users said and tools returned has no author."""
    if author is None:
        return body
    agent = {"type": "agent_id", "name": author.agent_name, "version": author.version}
    created_by = {"response_id": author.id, "agent": agent}
    return {**body, "created_by": created_by, "partition_key": key_of(author.id)}
