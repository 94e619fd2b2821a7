"""Request bodies of the second generation. The checks of single values are those of the classic one."""

from typing import Any

from local.foundry_emulator.bodies import Body, anything, array, boolean, mapping, metadata, one_of, text
from local.foundry_emulator.errors import ServiceError
from local.foundry_emulator.second import errors

Json = dict[str, Any]

MAX_ITEMS = 20
AGENTS_OWN = (
    "temperature", "top_p", "tools", "tool_choice", "parallel_tool_calls", "text", "response_format", "model",
    "instructions", "max_output_tokens", "truncation", "max_tool_calls", "reasoning", "include",
)  # fmt: skip
_ROLES = ("user", "assistant", "system", "developer")
KINDS = ("prompt", "hosted", "workflow", "external", "voice")

_PART_FIELDS = "type text image_url file_id detail file_data filename annotations logprobs refusal"
_part = Body(dict.fromkeys(_PART_FIELDS.split(), anything), required=("type",))


def _content(value: Any, param: str) -> Any:
    return value if isinstance(value, str) else array(_part)(value, param)


def _output(value: Any, param: str) -> Any:
    return value if isinstance(value, str) else array(mapping)(value, param)


_MESSAGE = Body({"role": one_of(*_ROLES), "content": _content, "status": anything}, required=("role", "content"))
_CALL = Body({name: text() for name in ("call_id", "name", "arguments", "status")}, required=("call_id", "name"))
_OUTPUT = Body({"call_id": text(shortest=1), "output": _output, "status": anything}, required=("call_id", "output"))
_APPROVAL = Body(
    {"approval_request_id": text(shortest=1), "approve": boolean, "reason": text()},
    required=("approval_request_id", "approve"),
)


def item(value: Any, param: str = "") -> Json:
    """Check one item that a client sends. Ids are the service's to give."""
    checks = {"message": _MESSAGE, "function_call": _CALL, "mcp_approval_response": _APPROVAL}
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise errors.bad_payload()
    kind = value["type"]
    check = checks.get(kind) or (_OUTPUT if kind.endswith("_output") else None)
    if check is None:
        raise errors.bad_payload()
    rest = {name: one for name, one in value.items() if name not in {"type", "id"}}
    try:
        return {"type": kind, **check(rest, param)}
    except ServiceError as error:
        raise errors.bad_payload() from error


_items = array(item, longest=MAX_ITEMS)


def _input(value: Any, param: str) -> list[Json]:
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}] if value else []
    if not isinstance(value, list):
        raise errors.bad_payload()
    return [
        item({"type": "message", **one} if isinstance(one, dict) and "role" in one else one, param) for one in value
    ]


def _conversation(value: Any, param: str) -> str:
    identifier = value.get("id") if isinstance(value, dict) else value
    return str(text(shortest=1)(identifier, param))


_REFERENCE = Body(
    {"type": one_of("agent_reference"), "name": text(shortest=1), "version": text(shortest=1)},
    required=("type", "name"),
)
_RESPONSE = Body(
    {
        "agent_reference": _REFERENCE,
        "conversation": _conversation,
        "previous_response_id": text(shortest=1),
        "input": _input,
        "background": boolean,
        "store": boolean,
        "stream": boolean,
        "metadata": metadata,
        "structured_inputs": mapping,
    }
)


def create_response(value: Any) -> Json:
    """Check the body of a new response; what is the agent's to say is refused together, before all else."""
    if isinstance(value, dict):
        if "agent" in value:
            raise errors.old_agent_key()
        refused = [name for name in AGENTS_OWN if value.get(name) is not None]
        if refused and "agent_reference" in value:
            raise errors.not_with_agent(refused)
        value = {name: one for name, one in value.items() if name not in AGENTS_OWN}
    return _RESPONSE(value)


CREATE_CONVERSATION = Body({"items": _items, "metadata": metadata})
UPDATE_CONVERSATION = Body({"metadata": metadata}, required=("metadata",))
ADD_ITEMS = Body({"items": _items}, required=("items",))
EMPTY = Body({})


def _definition(value: Any, param: str) -> Json:
    one_of(*KINDS)(mapping(value, param).get("kind"), f"{param}.kind")
    return dict(value)


_VERSION_FIELDS = {
    "definition": _definition, "description": text(longest=512), "metadata": metadata, "agent_endpoint": mapping,
    "blueprint_reference": anything, "draft": anything,
}  # fmt: skip
CREATE_VERSION = Body(_VERSION_FIELDS, required=("definition",))
CREATE_AGENT = Body({"name": text(shortest=1, longest=63), **_VERSION_FIELDS}, required=("name", "definition"))
