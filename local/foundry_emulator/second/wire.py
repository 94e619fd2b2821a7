"""State to JSON: the objects of the second generation as a client receives them."""

import re
from typing import Any

from local.foundry_emulator.second.items import in_response, output_of
from local.foundry_emulator.second.life import Seen, see
from local.foundry_emulator.second.objects import AgentVersion, Conversation, NamedAgent, Response
from local.foundry_emulator.second.unknowns import Unknowns

Json = dict[str, Any]


def version_json(agent: NamedAgent, version: AgentVersion) -> Json:
    """Show one version of an agent."""
    return {
        "object": "agent.version",
        "id": f"{agent.id}:{version.version}",
        "name": agent.id,
        "version": version.version,
        "description": version.description,
        "created_at": int(version.created_at),
        "metadata": version.metadata,
        "definition": version.definition,
        "status": "active",
    }


def agent_json(agent: NamedAgent) -> Json:
    """Show an agent with its latest version."""
    return {
        "object": "agent",
        "id": agent.id,
        "name": agent.id,
        "state": "enabled" if agent.enabled else "disabled",
        "versions": {"latest": version_json(agent, agent.versions[-1])},
    }


def conversation_json(conversation: Conversation, *, echo: str) -> Json:
    """Show a conversation; with `echo` "empty" its metadata are kept from the client."""
    return {
        "id": conversation.id,
        "object": "conversation",
        "created_at": int(conversation.created_at),
        "metadata": conversation.metadata if echo == "echoed" else {},
    }


def response_json(response: Response, now: float, unknowns: Unknowns, *, listed: bool = False) -> Json:
    """Show a response, by itself or in a list: recorded ones differ in the names of their usage."""
    seen = see(response, now)
    echo = unknowns.response_metadata_list if listed else unknowns.response_metadata_get
    is_workflow = response.kind == "workflow"
    ended_at = seen.ended_at
    shown: Json = {
        "id": response.id,
        "object": "response",
        "status": seen.status,
        "created_at": int(ended_at if is_workflow and ended_at is not None else response.created_at),
        "background": response.background,
        "model": str(response.fields.get("model", "")),
        "output": [in_response(response, one.body) for one in output_of(response, seen)],
        "error": _error(seen),
        "incomplete_details": _incomplete(seen),
        "instructions": response.fields.get("instructions"),
        "agent_reference": {
            "type": "agent_reference",
            "name": response.agent_name,
            "version": response.version,
        },
        "metadata": response.metadata if echo == "echoed" else {},
        "content_filters": _content_filters(seen),
        "temperature": 1.0,
        "top_p": 1.0,
        "tools": response.fields.get("tools", []),
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "text": {"format": {"type": "text"}},
        "truncation": "disabled",
        "service_tier": "default",
        "top_logprobs": 0,
    }
    if response.conversation_id is not None:
        shown["conversation"] = {"id": response.conversation_id}
    if response.previous_id is not None:
        shown["previous_response_id"] = response.previous_id
    if ended_at is not None and seen.status != "cancelled":
        shown["completed_at"] = int(ended_at)
    if seen.is_ended:
        shown["usage"] = _usage(response, seen, listed=listed)
    return shown


def _error(seen: Seen) -> Json | None:
    end = seen.look.end
    return {"code": end.code, "message": end.message} if end is not None and end.code else None


def _incomplete(seen: Seen) -> Json | None:
    reason = seen.look.end.reason if seen.look.end is not None else None
    if reason is None:
        return None
    return {"reason": "max_output_tokens" if reason == "max_completion_tokens" else reason}


def _content_filters(seen: Seen) -> list[Json]:
    if not seen.is_ended or seen.status == "cancelled":
        return []
    blocked = (_incomplete(seen) or {}).get("reason") == "content_filter"
    severity = {"filtered": blocked, "severity": "high" if blocked else "safe"}
    results = {"hate": severity, "jailbreak": {"filtered": False, "detected": False}}
    return [
        {
            "blocked": blocked,
            "source_type": "completion",
            "content_filter_results": results,
            "content_filter_offsets": {"start_offset": 0, "end_offset": 0, "check_offset": 0},
        }
    ]


def _usage(response: Response, seen: Seen, *, listed: bool) -> Json | None:
    """Count words for tokens; zero of a workflow, null where nothing was answered."""
    if not seen.has_answered:
        return None
    counts = response.kind != "workflow"
    told, said = (response.heard.words + 12, 25) if counts else (0, 0)
    usage: Json = {"input_tokens": told, "output_tokens": said, "total_tokens": told + said}
    if listed:
        return usage | {"input_tokens_details": None, "input_token_details": {"cached_tokens": 0}}
    return usage | {
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


def filled(template: str, values: Json) -> str:
    """Put `structured_inputs` into the `{{templates}}` of instructions; what has no value stays."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: str(values.get(found[1], found[0])), template)
