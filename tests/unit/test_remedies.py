"""From the body of a refusal to its error and its remedy: what was said decides, whatever shape says it.

The rows of foundry-api.md, section 2, that come as an HTTP answer, and what gateways, networks and other services say.
"""

import json

import pytest

from foundry import errors
from foundry.remedies import advice_on_run
from foundry.responses import error_of, not_json
from tests.unit.scripted import PROMPT

GATEWAY_PAGE = (
    b"<!DOCTYPE html><html><head><title>403 Forbidden</title><style>b { x: y }</style></head>"
    b"<body><!-- no --><h1>The request is blocked.</h1>Ref&amp;1</body></html>"
)
AUDIENCE = (
    "Unauthorized. Access token is missing, invalid, audience is incorrect (https://ai.azure.com), or have expired."
)
FILTERED = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {
                "hate": {"filtered": True, "severity": "high"},
                "jailbreak": {"filtered": False, "detected": True},
                "violence": {"filtered": False, "severity": "safe"},
            },
        },
    }
}


def said(message, code=None, **more):
    return {"error": {"message": message, "type": "invalid_request_error", "code": code, **more}}


def of(status, body=b"", *, what="Foundry's POST /threads/thread_1/runs", headers=None, request=None, secrets=()):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_of(status, headers or {}, raw, what=what, request=request, secrets=secrets)


ROLE, NETWORK, GATEWAY = "role 'Foundry User'", "private endpoint", "gateway, firewall or proxy"

ROWS = [
    # foundry-api.md, section 2: 1 to 4
    (400, said("Can't add messages to thread_X while a run run_Y is active."), errors.ThreadBusyError, "run_Y"),
    (400, said("Thread thread_X already has an active run run_Y."), errors.ThreadBusyError, "run_Y"),
    (409, said("Thread thread_X already has an active run run_Y."), errors.ThreadBusyError, "run_Y"),
    (400, said("Cannot cancel run with status 'completed'."), errors.InvalidInputError, "has ended"),
    # 6
    (429, said("Rate limit is exceeded. Try again in 2 seconds.", "429"), errors.RateLimitedError, "fewer runs"),
    (
        429,
        said("Requests have exceeded token rate limit of your current OpenAI S0 pricing tier.", "429"),
        errors.RateLimitedError,
        "tokens or requests per minute",
    ),
    (429, said("You exceeded your current quota.", "insufficient_quota"), errors.RateLimitedError, "spending limit"),
    (
        403,
        {"statusCode": 403, "message": "Out of call volume quota. Quota will be replenished in 01:10:05."},
        errors.RateLimitedError,
        "API Management",
    ),
    # 10: something else is under way
    (423, said("The resource is locked."), errors.RefusedForNowError, "locked"),
    (424, said("A dependency failed."), errors.RefusedForNowError, "dependency"),
    (409, said("Another operation is in progress.", "Conflict"), errors.RefusedForNowError, "Conflict"),
    # 14, 16
    (404, said("No thread found with id 'thread_1'."), errors.NotFoundError, "leave thread_id out"),
    (404, said("No run found with id 'run_1' on thread 'thread_1'."), errors.NotFoundError, "no such run"),
    (404, said("No assistant found with id 'asst_x'."), errors.NotFoundError, "GET /api/agents"),
    (404, said("Project not found"), errors.NotFoundError, "last part of FOUNDRY_PROJECT_ENDPOINT"),
    (404, said("Resource not found", "404"), errors.NotFoundError, "account and project in FOUNDRY_PROJECT_ENDPOINT"),
    (
        404,
        said("The API deployment for this resource does not exist.", "DeploymentNotFound"),
        errors.NotFoundError,
        "not deployed",
    ),
    # 18
    (401, {"statusCode": 401, "message": AUDIENCE}, errors.AuthenticationError, "never API keys"),
    (401, said("The audience is invalid."), errors.AuthenticationError, "another audience"),
    (401, said("IDX10223: Lifetime validation failed. The token is expired."), errors.AuthenticationError, "expired"),
    (400, said("Tenant provided in token does not match resource token"), errors.AuthenticationError, "tenant"),
    (
        401,
        said("Access denied due to invalid subscription key or wrong API endpoint.", "401"),
        errors.AuthenticationError,
        "not a project's endpoint",
    ),
    (
        403,
        said("Key based authentication is disabled for this resource.", "AuthenticationTypeDisabled"),
        errors.PermissionDeniedError,
        "never API keys",
    ),
    (
        401,
        said("Principal does not have access to API/Operation.", "PermissionDenied"),
        errors.PermissionDeniedError,
        ROLE,
    ),
    (
        403,
        said("The principal lacks the required data action", "AuthorizationFailed"),
        errors.PermissionDeniedError,
        ROLE,
    ),
    # the network, and what stands before Foundry
    (
        403,
        said("Public access is disabled. Please configure private endpoint.", "403"),
        errors.PermissionDeniedError,
        NETWORK,
    ),
    (
        403,
        said("Access denied due to Virtual Network/Firewall rules.", "AccessDenied"),
        errors.PermissionDeniedError,
        NETWORK,
    ),
    (401, said("Public network access is disabled", "PermissionDenied"), errors.PermissionDeniedError, NETWORK),
    (403, said("Client IP address 20.1.2.3 is not allowed."), errors.PermissionDeniedError, NETWORK),
    (403, GATEWAY_PAGE, errors.PermissionDeniedError, GATEWAY),
    (401, b"<html><body>Sign in</body></html>", errors.AuthenticationError, GATEWAY),
    (404, b"<html><h1>404 Not Found</h1>nginx</html>", errors.NotFoundError, GATEWAY),
    (400, GATEWAY_PAGE, errors.UnreadableRefusalError, GATEWAY),
    (502, b"<html><h1>502 Bad Gateway</h1></html>", errors.UnavailableError, "gateway's page"),
    (
        401,
        {"statusCode": 401, "message": "Access denied due to missing subscription key. Make sure to include it."},
        errors.AuthenticationError,
        "wants a subscription key",
    ),
    (403, {"error": "Blocked by Zscaler"}, errors.PermissionDeniedError, GATEWAY),
    (403, said("No."), errors.PermissionDeniedError, ROLE),
    (403, said("No."), errors.PermissionDeniedError, "network rules"),
    (403, said("The agent is disabled", "AgentDisabled"), errors.InvalidInputError, "enable it"),
    # documented refusals of the request (foundry-api.md, section 1.8)
    (
        400,
        said("The api-version 'v9' is not supported.", "UnsupportedApiVersionValue"),
        errors.InvalidInputError,
        "v1,",
    ),
    (404, said("Unknown api-version"), errors.NotFoundError, "FOUNDRY_API_VERSION"),
    (400, FILTERED, errors.InvalidInputError, "It objects to hate (severity high), jailbreak"),
    (400, said("x", "message_limit_exceeded"), errors.InvalidInputError, "on a new one"),
    (400, said("x", "content_size_exceeded"), errors.InvalidInputError, "user_message shorter"),
    (400, said("x", "tool_limit_exceeded"), errors.InvalidInputError, "128"),
    (400, said("x", "file_size_exceeded"), errors.InvalidInputError, "512 MB"),
    (400, said("x", "token_limit_exceeded"), errors.InvalidInputError, "truncation_strategy"),
    (400, said("Tool outputs exceed the limit"), errors.InvalidInputError, "512 KB"),
    (400, said("Tool outputs must be smaller than 512kb"), errors.InvalidInputError, "512 KB"),
    (400, said("x", "string_above_max_length", param="metadata"), errors.InvalidInputError, "make it shorter"),
    (403, said("quota exceeded for subscription", "InsufficientQuota"), errors.PermissionDeniedError, "spending limit"),
    (403, {"errorCode": "WAF_403", "errorMessage": "no"}, errors.PermissionDeniedError, GATEWAY),
    (
        404,
        said("'/accounts/foo' was not found", "ResourceNotFound"),
        errors.NotFoundError,
        "host name in FOUNDRY_PROJECT",
    ),
    (413, b"", errors.InvalidInputError, "too large"),
    # networks and gateways by other words
    (
        403,
        said("Client address is not authorized and caller is not a trusted service."),
        errors.PermissionDeniedError,
        NETWORK,
    ),
    (
        403,
        said("Your client does not have permission. Client IP 10.0.0.1 is not in the list."),
        errors.PermissionDeniedError,
        NETWORK,
    ),
    (403, said("Access denied by IP filter 20.1.1.1", "AccessDenied"), errors.PermissionDeniedError, NETWORK),
    (403, said("Forbidden", "IpForbidden"), errors.PermissionDeniedError, NETWORK),
    (403, said("Access to this resource is restricted to trusted networks."), errors.PermissionDeniedError, NETWORK),
    (
        500,
        said("Access denied due to Virtual Network/Firewall rules.", "InternalServerError"),
        errors.UnavailableError,
        NETWORK,
    ),
    (403, b"RBAC: access denied", errors.PermissionDeniedError, GATEWAY),
    (403, b"upstream connect error or disconnect/reset before headers", errors.PermissionDeniedError, GATEWAY),
    # images, files, models and connections
    (
        400,
        said("Timeout while downloading https://x/y.png.", "invalid_image_url"),
        errors.InvalidInputError,
        "anybody on the internet",
    ),
    (400, said("Invalid image URL. Unable to download."), errors.InvalidInputError, "anybody on the internet"),
    (
        400,
        said("You uploaded an unsupported image.", "image_parse_error"),
        errors.InvalidInputError,
        "png, jpeg, gif or webp",
    ),
    (400, said("Invalid base64 image_url.", "invalid_base64"), errors.InvalidInputError, "as base64"),
    (400, said("Image inputs are not supported by this model"), errors.InvalidInputError, "takes no images"),
    (
        400,
        said("Invalid content type. image_url is only supported by certain models."),
        errors.InvalidInputError,
        "takes no images",
    ),
    (
        400,
        said("Files with extensions [.xyz] are not supported for retrieval.", "unsupported_file"),
        errors.InvalidInputError,
        "of this type",
    ),
    (
        400,
        said("Not allowed to download files of purpose: assistants"),
        errors.InvalidInputError,
        "that runs have made",
    ),
    (400, said("Vector store vs_x is expired."), errors.InvalidInputError, "it has expired"),
    (
        400,
        said("Failed to resolve model info for: gpt-5", "invalid_engine_error"),
        errors.InvalidInputError,
        "not deployed",
    ),
    (
        400,
        said("The requested model 'o1' cannot be used with the Assistants API.", "unsupported_model"),
        errors.InvalidInputError,
        "for agents",
    ),
    (
        400,
        said("Connection not found for id /subscriptions/x", "UserError"),
        errors.InvalidInputError,
        "connected resources",
    ),
    (
        400,
        said("Invalid value: 'foo'.", "invalid_value", param="tool_choice"),
        errors.InvalidInputError,
        "look at run_options",
    ),
]


@pytest.mark.parametrize(("status", "body", "kind", "words"), ROWS)
def test_what_was_said_decides_error_and_remedy(status, body, kind, words):
    found = of(status, body)
    assert type(found) is kind
    assert words in found.message
    assert found.retryable is kind.retryable
    if kind is not errors.InvalidInputError:
        assert found.code == kind.code


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, said("Public access is disabled. Please configure private endpoint.")),
        (403, said("Access denied due to Virtual Network/Firewall rules.")),
        (403, GATEWAY_PAGE),
        (403, said("The agent is disabled", "AgentDisabled")),
    ],
)
def test_a_role_is_no_remedy_where_something_else_was_said(status, body):
    assert "Foundry User" not in of(status, body).message


@pytest.mark.parametrize(
    "code",
    [
        "message_limit_exceeded",
        "content_size_exceeded",
        "tool_limit_exceeded",
        "file_size_exceeded",
        "token_limit_exceeded",
        "content_filter",
        "UnsupportedApiVersionValue",
    ],
)
def test_the_services_own_code_of_a_refused_request_is_kept(code):
    assert of(400, said("x", code)).code == code
    assert of(400, said("x", "400")).code == "invalid_request"  # a number says no more than the status


# --- shapes -----------------------------------------------------------------------------------------------------------

SHAPES = [
    ({"type": "about:blank", "title": "Denied", "status": 403, "detail": "Not you"}, "Denied; Not you"),
    (
        {
            "title": "One or more validation errors occurred.",
            "status": 400,
            "errors": {"name": ["It is long.", "It is odd."]},
        },
        "One or more validation errors occurred; name: It is long; name: It is odd.",
    ),
    ({"title": "Wrong", "errors": {"code": ["is none"]}}, "Wrong; code: is none"),
    ({"title": "Wrong", "invalid-params": [{"name": "age", "reason": "is negative"}]}, "Wrong; age: is negative"),
    ({"message": "No"}, "No"),
    ({"Message": "No"}, "No"),
    ({"error": "No"}, "No"),
    ({"error": "invalid_token", "error_description": "It is old"}, "invalid_token; It is old"),
    ({"error": {"message": {"lang": "en", "value": "No"}}}, "No"),
    ({"errors": [{"message": "One"}, {"message": "Two", "field": "x"}]}, "One; x: Two"),
    ({"errors": ["One", "Two"]}, "One; Two"),
    ({"detail": "No"}, "No"),
    (
        {"detail": [{"loc": ["body", "x", 0], "msg": "is missing", "type": "missing", "input": {}}]},
        "body.x.0: is missing",
    ),
    (
        {"error": {"message": "Wrong", "details": [{"code": None, "message": "Odd", "target": "tools[0]"}]}},
        "Wrong; tools[0]: Odd",
    ),
    ({"error": {"message": "Wrong", "innererror": {"message": "Deep", "innererror": {"message": "Deeper"}}}}, "Deeper"),
    ({"error": {"message": "Wrong", "param": "tools[0].type"}}, "tools[0].type: Wrong"),
    ({"error": {"message": "Wrong", "innererror": {"message": "Wrong"}}}, "answered 422: Wrong"),
    ({"fault": {"faultstring": "Over", "detail": {"errorcode": "policies.Quota"}}}, "Over"),
    ({"error": {"message": "No", "clientAddress": "20.1.2.3"}}, "No; clientAddress: 20.1.2.3"),
    ({"outcome": "no", "attempts": 5}, "outcome: no; attempts: 5"),
    ({"error": {"message": None, "type": "odd_error"}}, "type: odd_error"),
    ({"status": 422}, "status: 422"),
    ([{"message": "In a list"}], "In a list"),
    ("Only a text", "Only a text"),
    (b'{"error": {"message": "cut \\u00fcb', '{"error": {"message": "cut \u00fcb'),
    (b"<?xml version='1.0'?><Error><Code>X</Code><Message>No &amp; no</Message></Error>", "X No & no"),
    (b"<p>No&nbsp;&#39;x&#39;</p>", "No 'x'"),
    (b"plain\x00 words", "plain words"),
]


@pytest.mark.parametrize(("body", "text"), SHAPES)
def test_every_shape_is_read_and_nothing_that_it_says_is_dropped(body, text):
    assert text in of(422, body).message


def test_codes_that_stand_nowhere_else_are_told():
    found = of(403, said("No", "Outer", innererror={"code": "Inner"}))
    assert "answered 403: Outer, Inner: No" in found.message


def test_the_reason_of_a_401_may_stand_in_its_header():
    found = of(
        401, headers={"www-authenticate": 'Bearer error="invalid_token", error_description="The audience is odd"'}
    )
    assert "invalid_token: The audience is odd" in found.message
    assert "another audience" in found.message


def test_problem_details_are_read_as_whatever_type_they_come():
    for kind in ("application/problem+json", "application/json", "text/plain"):
        assert "Not you" in of(403, {"title": "Denied", "detail": "Not you"}, headers={"content-type": kind}).message


def test_what_is_long_is_cut_and_says_so():
    found = of(422, {"errors": {f"field{n}": ["is wrong" * 20] for n in range(200)}})
    assert "\u2026" in found.message
    assert len(found.message) < 700


def test_nesting_has_an_end():
    body = b'{"error":' * 500 + b'"x"' + b"}" * 500
    assert isinstance(of(400, body), errors.InvalidInputError)


# --- what is private --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"loc": ["body"], "msg": f"bad {PROMPT}", "input": PROMPT}]},
        {"title": "Wrong", "errors": {"content": [f"'{PROMPT}' is long"]}},
        {"received": {"content": PROMPT}},
        f"<html>{PROMPT}</html>".encode(),
        f'{{"error": {{"message": "{PROMPT}'.encode(),
    ],
)
def test_no_shape_shows_what_is_quoted_of_the_request(body):
    found = of(400, body, request={"content": PROMPT})
    assert PROMPT not in found.message
    assert PROMPT not in found.summary


def test_an_escaped_quote_of_the_prompt_is_found_in_a_body_that_was_cut():
    prompt = 'a "secret"\nof \u00fcber \U0001f600 length'
    for raw in (json.dumps({"error": {"message": prompt}}), json.dumps({"m": prompt}, ensure_ascii=False)):
        shown = of(400, raw[:-2].encode(), request={"content": prompt}).message
        assert not any(part in shown for part in ("secret", "\u00fcber", "length"))


def test_a_prompt_does_not_choose_the_remedy():
    prompt = "Why is public access disabled by a firewall, and no thread found?"
    found = of(400, said(f"Invalid value: {prompt}"), request={"content": prompt})
    assert found.message.endswith("Invalid value: \u2026")


def test_headers_for_approvals_are_as_private_as_prompts():
    request = {"tool_approvals": [{"headers": {"X-Key": "hunter2hunter2"}}]}
    assert "hunter2" not in of(400, said("bad header hunter2hunter2"), request=request).message


@pytest.mark.parametrize(
    "words",
    [
        "see https://user:planted@proxy/x",
        "Authorization: Bearer planted1planted1",
        "at https://x/y?sig=plantedplanted&a=b",
        "token eyJplantedplanted.eyJplanted.planted",
        '{"api-key": "plantedplanted"}',
        '{"api_key": "plantedplanted"}',
        "x-functions-key: plantedplanted",
        "Authorization: Basic plantedplanted",
        "Incorrect API key provided: sk-plantedplanted",
    ],
)
def test_what_looks_like_a_credential_is_masked(words):
    assert "planted" not in of(422, said(words)).message
    assert "planted" not in of(422, words.encode()).message


@pytest.mark.parametrize("words", ["Authorization: missing required header", "a risk-of-plantedplanted", "an api key"])
def test_what_is_no_credential_stays(words):
    assert words in of(422, said(words)).message


# --- runs that failed ---


@pytest.mark.parametrize(
    ("code", "words", "advice"),
    [
        ("server_error", "Access denied due to Virtual Network/Firewall rules.", "keeps it out"),
        ("tool_user_error", "The principal lacks the required data action", "keeps it out"),
        ("server_error", "The API deployment for this resource does not exist.", "not deployed"),
        ("invalid_engine_error", "Failed to resolve model info for: gpt-5", "not deployed"),
        ("server_error", "DeploymentNotFound", "not deployed"),
        (None, "This model's maximum context length is 128000 tokens.", "more tokens than the model takes"),
        ("invalid_image", "Timeout while downloading https://x/y.png.", "anybody on the internet"),
        ("server_error", "Connection not found for id x", "connected resources"),
        ("tool_user_error", "Vector store vs_x is expired.", "it has expired"),
        ("server_error", "The response was filtered by the content management policy", "content filter"),
    ],
)
def test_what_ended_a_run_is_told_by_its_words(code, words, advice):
    assert advice in advice_on_run(code, words)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("server_error", "Sorry, something went wrong."),
        ("server_error", ""),
        (None, ""),
        ("invalid_prompt", "Your prompt 'why is the firewall red' is not taken."),
        (
            "rate_limit_exceeded",
            "Rate limit is exceeded for this deployment, which was not found. Try again in 6 seconds.",
        ),
        ("tool_user_error", "Unknown parameter: 'city'."),
    ],
)
def test_nothing_is_told_of_a_run_whose_words_say_no_more(code, words):
    assert advice_on_run(code, words) is None


# --- 404: is it the thing itself? -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "names_it"),
    [
        ("No run found with id 'run_2'.", True),
        ("Run run_2 not found.", True),
        ("Thread with id 'thread_1' not found.", True),
        ("The thread thread_1 has been deleted.", True),
        ("No thread found with id 'thread_1'. Look at the project.", True),
        ("Resource run_2 could not be found", True),
        ("Run 'run_2' does not exist in project 'p'", True),
        ("No run found with id 'run_22'.", False),
        ("Project not found", False),
        ("Project 'p' not found for thread_1", False),
        ("The account of project p was not found; thread_1", False),
        ("The requested path /threads/thread_1/runs/run_2 was not found", False),
        ("Cannot GET /api/projects/p/threads/thread_1/runs/run_2", False),
        ("Resource not found", False),
        ("thread_1", False),
        ("", False),
    ],
)
def test_a_404_says_whether_it_names_what_the_path_names(words, names_it):
    what = "Foundry's GET /threads/thread_1/runs/run_2"
    assert of(404, said(words), what=what).names_it is names_it
    assert of(404, f"<html>{words}</html>".encode(), what=what).names_it is False


def test_a_collection_has_no_id():
    assert of(404, said("No threads found"), what="Foundry's GET /threads").names_it is False
    assert of(404, said("No runs found"), what="Foundry's GET /threads/thread_1/runs").names_it is False


def test_an_agent_that_the_body_names_is_not_what_the_path_names():
    assert of(404, said("No assistant found with id 'asst_x'.")).names_it is False


# --- what is no refusal -----------------------------------------------------------------------------------------------


def test_a_page_instead_of_an_answer_says_what_it_is():
    found = not_json(200, {}, b"<html><title>Sign in to Contoso</title></html>", what="Foundry's GET /threads")
    assert "Sign in to Contoso" in found.message
    assert GATEWAY in found.message
    assert "Contoso" not in found.summary


def test_half_of_an_answer_is_not_quoted():
    found = not_json(200, {}, b'{"content": "the secret answer', what="Foundry's GET /threads")
    assert "secret" not in found.message


def test_a_redirect_says_where_it_leads_and_no_more():
    found = of(302, headers={"location": "https://login.example.com/a?code=planted"})
    assert "to login.example.com" in found.message
    assert "planted" not in found.message
    assert "to [" not in of(302, headers={"location": "https://[bad"}).message
