"""The second generation's refusals, with its exact bodies where one was recorded or reported.

Two writers share one envelope: Foundry (`_foundry`) and OpenAI's (`_openai`). Texts marked "assumed" were not seen.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from local.foundry_emulator.errors import INVALID_REQUEST, ServiceError
from local.foundry_emulator.ids import new_id


def _foundry(status: int, code: str, message: str, **more: Any) -> ServiceError:
    request = {"request_id": new_id("req")}
    error = {"code": code, "message": message, "type": "error", "details": [], "additionalInfo": request, **more}
    return ServiceError(status, {"error": error})


def _openai(status: int, message: str, *, param: str | None = None, code: str | None = None) -> ServiceError:
    error = {"message": message, "type": INVALID_REQUEST, "param": param, "code": code}
    return ServiceError(status, {"error": error})


def unknown_agent(name: str) -> ServiceError:
    """Answer 404 for an agent."""
    return _foundry(404, "not_found", f"Agent {name} doesn't exist")


def unknown_version(name: str, version: str) -> ServiceError:
    """Answer 404 for a version (assumed)."""
    return _foundry(404, "not_found", f"Agent {name} with version {version} doesn't exist")


def disabled_agent(name: str) -> ServiceError:
    """Refuse a response of an agent that is switched off."""
    return _foundry(403, "AgentDisabled", f"Agent {name} is disabled.")


def unknown_conversation(conversation_id: str) -> ServiceError:
    """Answer 404 for a conversation."""
    return _foundry(404, "not_found", f"Conversation '{conversation_id}' not found")


def unknown_item(item_id: str) -> ServiceError:
    """Answer 404 for an item (assumed)."""
    return _foundry(404, "not_found", f"Item '{item_id}' not found")


def malformed_conversation(conversation_id: str) -> ServiceError:
    """Refuse an id that the service has not made (new-foundry-portal#102)."""
    return _foundry(400, "bad_request", f"Invalid conversation id '{conversation_id}', Malformed identifier.")


def unknown_response(response_id: str) -> ServiceError:
    """Answer 404 for a response: `code` is null."""
    return _openai(404, f"Response with id '{response_id}' not found.")


def bad_payload(
    message: str = "The provided data does not match the expected schema", param: str = "/"
) -> ServiceError:
    """Refuse a body (agent-framework#5338)."""
    return _foundry(400, "invalid_payload", message, param=param)


def not_with_agent(fields: Iterable[str]) -> ServiceError:
    """Refuse what is the agent's to say (agent-framework#2573)."""
    words = "Not allowed when agent is specified."
    details = [{"code": "invalid_payload", "message": words, "param": name, "type": "error"} for name in fields]
    return _foundry(400, "invalid_payload", words, param=details[0]["param"], details=details)


def old_agent_key() -> ServiceError:
    """Refuse the key of the previews."""
    return bad_payload("The 'agent' property is deprecated. Use 'agent_reference' instead.", "agent")


def version_in_path() -> ServiceError:
    """Refuse `api-version` on /openai/v1: the words of Azure OpenAI's v1, assumed here."""
    message = "api-version query parameter is not allowed when using /v1 path"
    return ServiceError(400, {"error": {"code": "BadRequest", "message": message}})


def lost_predecessor(response_id: str) -> ServiceError:
    """Refuse a chain whose last response is gone (agent-framework#6419)."""
    message = f"Previous response with id '{response_id}' not found."
    return _openai(400, message, param="previous_response_id", code="previous_response_not_found")


def conversation_and_previous() -> ServiceError:
    """Refuse two histories at once (OpenAI's words)."""
    message = (
        "Mutually exclusive parameters: Ensure you are only providing one of: 'previous_response_id' or 'conversation'."
    )
    return _openai(400, message, param="previous_response_id", code="mutually_exclusive_parameters")


def no_input() -> ServiceError:
    """Refuse a response without anything to answer (assumed)."""
    return _openai(400, "Missing required parameter: 'input'.", param="input", code="missing_required_parameter")


def not_stored() -> ServiceError:
    """Refuse `background` with `store: false` (OpenAI's words)."""
    return _openai(400, "Background mode requires 'store' to be true.", param="background")


def no_background() -> ServiceError:
    """Refuse `background` for a kind of agents (assumed: P16)."""
    return _openai(400, "Background mode is not supported for this agent.", param="background")


def synchronous_cancel() -> ServiceError:
    """Refuse to cancel what its own POST waits for."""
    return _openai(400, "Cannot cancel a synchronous response.")


def ended_cancel(status: str) -> ServiceError:
    """Refuse to cancel what has ended."""
    return _openai(400, f"Cannot cancel a {status} response.")


def gateway_timeout() -> ServiceError:
    """Cut a synchronous POST, as the gateway does after 120 s."""
    return ServiceError(408, {"error": {"code": "Timeout", "message": "The operation was timeout."}})


def no_output_text(call: Mapping[str, Any]) -> str:
    """Say which call is open; for approvals assumed."""
    if call["type"] == "mcp_approval_request":
        return f"No tool output found for mcp approval request {call['id']}."
    return f"No tool output found for function call {call['call_id']}."


def no_output(call: Mapping[str, Any]) -> ServiceError:
    """Refuse a response while a call is open."""
    return _openai(400, no_output_text(call), param="input")


def no_call(item: Mapping[str, Any]) -> ServiceError:
    """Refuse an answer to a call that is not open (agent-framework#5546); for approvals assumed."""
    if item["type"] == "mcp_approval_response":
        return _openai(400, f"No approval request found with id {item['approval_request_id']}.", param="input")
    return _openai(400, f"No tool call found for function call output with call_id {item['call_id']}.", param="input")


def locked() -> ServiceError:
    """Say that a response runs, as OpenAI does (careme#379)."""
    message = "Another process is currently operating on this conversation. Please retry in a few seconds."
    return _openai(400, message, param="conversation", code="conversation_locked")


def in_progress(agent: str) -> ServiceError:
    """Say that a response runs, as workflows do (azure-sdk-for-js#37036), misspelt as there."""
    return _foundry(
        400, "bad_request", f"Cannot create a new response while an in-progress response exsits for agent {agent}"
    )


def conflict() -> ServiceError:
    """Say that a response runs, as hosted agents do."""
    message = "Conversation is locked - task is in_progress"
    error = {"type": "conflict", "code": "conversation_locked", "message": message, "param": None}
    return ServiceError(409, {"error": error})


def prompt_filtered() -> ServiceError:
    """Refuse a prompt that the content filter has caught."""
    safe = {"filtered": False, "severity": "safe"}
    caught = {
        "hate": safe,
        "jailbreak": {"filtered": True, "detected": True},
        "self_harm": safe,
        "sexual": safe,
        "violence": {"filtered": True, "severity": "high"},
    }
    error = {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. "
        "Please modify your prompt and retry.",
        "type": INVALID_REQUEST,
        "param": "prompt",
        "code": "content_filter",
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": caught},
    }
    return ServiceError(400, {"error": error})
