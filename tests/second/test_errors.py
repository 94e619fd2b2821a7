"""What the second generation's refusals mean (foundry-responses.md, sections 3.3, 4 and 7), in the emulator's words."""

import json

import pytest

from foundry import errors
from foundry.responses import error_of
from local.foundry_emulator.second import errors as second

CONVERSATION, RESPONSE = "conv_1", "resp_1"
POST = "Foundry's POST /openai/v1/responses"
GET_CONVERSATION = f"Foundry's GET /openai/v1/conversations/{CONVERSATION}/items"
GET_RESPONSE = f"Foundry's GET /openai/v1/responses/{RESPONSE}"
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1"}
REQUEST = {"type": "mcp_approval_request", "id": "mcpr_1"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1"}
APPROVAL = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1"}

ROWS = [
    # who is busy, in three shapes
    (second.locked(), POST, errors.ThreadBusyError, "operating on this conversation"),
    (second.in_progress("a"), POST, errors.ThreadBusyError, "in-progress"),
    (second.conflict(), POST, errors.ThreadBusyError, "locked"),
    (second.locked(), GET_CONVERSATION, errors.ThreadBusyError, "operating on this conversation"),
    # calls
    (second.no_output(CALL), POST, errors.OpenCallError, "call_1"),
    (second.no_output(REQUEST), POST, errors.OpenCallError, "mcpr_1"),
    (second.no_call(OUTPUT), POST, errors.UnknownCallError, "call_1"),
    (second.no_call(APPROVAL), POST, errors.UnknownCallError, "mcpr_1"),
    # what is not there
    (second.unknown_conversation(CONVERSATION), GET_CONVERSATION, errors.NotFoundError, "leave thread_id out"),
    (second.malformed_conversation("x"), GET_CONVERSATION, errors.InvalidInputError, "leave thread_id out"),
    (second.unknown_response(RESPONSE), GET_RESPONSE, errors.NotFoundError, "30 days"),
    (second.unknown_item("msg_1"), f"{GET_CONVERSATION}/msg_1", errors.NotFoundError, "no such item"),
    (second.unknown_agent("a"), "Foundry's GET /agents/a", errors.NotFoundError, "GET /api/agents"),
    (second.unknown_agent("a"), POST, errors.NotFoundError, "GET /api/agents"),
    # the rest
    (second.disabled_agent("a"), POST, errors.InvalidInputError, "enable it"),
    (second.not_with_agent(["temperature"]), POST, errors.InvalidInputError, "a new version"),
    (second.prompt_filtered(), POST, errors.InvalidInputError, "violence (severity high)"),
    (second.gateway_timeout(), POST, errors.UnavailableError, "two minutes"),
    (second.bad_payload(), POST, errors.InvalidInputError, "does not match the expected schema"),
]


def of(refusal, what, request=None):
    return error_of(refusal.status, {}, json.dumps(refusal.body).encode(), what=what, request=request)


@pytest.mark.parametrize(("refusal", "what", "kind", "words"), ROWS, ids=range(len(ROWS)))
def test_a_refusal_has_its_error_and_its_remedy(refusal, what, kind, words):
    found = of(refusal, what)
    assert type(found) is kind
    assert words in found.message
    assert found.retryable is kind.retryable


@pytest.mark.parametrize(
    ("refusal", "what", "names_it"),
    [
        (second.unknown_conversation(CONVERSATION), GET_CONVERSATION, True),
        (second.unknown_response(RESPONSE), GET_RESPONSE, True),
        (second.unknown_response("resp_other"), GET_RESPONSE, False),
        (second.unknown_item("msg_1"), f"{GET_CONVERSATION}/msg_1", True),
        (second.unknown_agent("a"), "Foundry's GET /agents/a", True),
        (second.unknown_agent("agents"), POST, False),
        (second.unknown_conversation("conversations"), POST, False),
    ],
)
def test_what_is_gone_is_what_the_words_name(refusal, what, names_it):
    assert of(refusal, what).names_it is names_it


def test_only_who_asked_for_the_background_is_refused_it():
    refusal = second.no_background()
    assert type(of(refusal, POST, {"background": True})) is errors.BackgroundRefusedError
    assert type(of(refusal, POST, {"conversation": CONVERSATION})) is errors.InvalidInputError
    assert type(of(second.bad_payload(), POST, {"background": True})) is errors.InvalidInputError


def test_words_that_the_caller_wrote_make_no_busy_conversation():
    said = "The conversation is locked, they said"
    body = {"error": {"message": f"Invalid content: {said}", "type": "invalid_request_error"}}
    request = {"items": [{"type": "message", "role": "user", "content": said}]}
    found = error_of(400, {}, json.dumps(body).encode(), what=POST, request=request)
    assert type(found) is errors.InvalidInputError


def test_a_busy_conversation_is_none_of_another_status():
    body = {"error": {"message": "Conversation is locked - task is in_progress", "code": "conversation_locked"}}
    assert type(error_of(503, {}, json.dumps(body).encode(), what=POST)) is errors.UnavailableError
