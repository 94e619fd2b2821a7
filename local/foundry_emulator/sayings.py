"""What the service, a gateway or a firewall says instead of an answer, by a name that fault rules use.

Texts are those of public reports where there are some; the others are plausible.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.foundry_emulator.errors import INVALID_REQUEST, ServiceError
from local.foundry_emulator.second import errors as second


@dataclass(frozen=True)
class Saying:
    """A whole answer: an object is sent as JSON, a text as it is."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


_HTML = {"Content-Type": "text/html; charset=utf-8"}
_PROBLEM = {"Content-Type": "application/problem+json; charset=utf-8"}
_FILTERED = {"filtered": True, "severity": "high"}
_SAFE = {"filtered": False, "severity": "safe"}


def _page(title: str, text: str) -> str:
    head = f"<!DOCTYPE html>\r\n<html><head><title>{title}</title></head>\r\n"
    return f"{head}<body><h1>{title}</h1><p>{text}</p></body></html>\r\n"


def _gateway(status: int, message: str, code: str | None = None) -> Saying:
    return Saying(status, {"error": {"code": code or str(status), "message": message}})


def _service(status: int, message: str, code: str | None = None, **more: Any) -> Saying:
    return Saying(status, {"error": {"message": message, "type": INVALID_REQUEST, "param": None, "code": code, **more}})


def _refusal(error: ServiceError) -> Saying:
    return Saying(error.status, error.body)


SAYINGS: dict[str, Saying] = {
    "project_not_found": _gateway(404, "Project not found"),
    "resource_not_found": _gateway(404, "Resource not found"),
    "public_access_disabled": _gateway(403, "Public access is disabled. Please configure private endpoint."),
    "firewall": _gateway(403, "Access denied due to Virtual Network/Firewall rules.", "AccessDenied"),
    "role_lacking": _gateway(
        403,
        "The principal `00000000-0000-0000-0000-000000000000` lacks the required data action "
        "`Microsoft.CognitiveServices/accounts/AIServices/agents/write` to perform "
        "`POST /api/projects/{projectName}/threads` operation.",
        "PermissionDenied",
    ),
    "front_door": Saying(403, _page("403 Forbidden", "The request is blocked. Ref: 0abc"), _HTML),
    "subscription_key": Saying(
        401,
        {
            "statusCode": 401,
            "message": "Access denied due to missing subscription key. Make sure to include subscription key when "
            "making requests to an API.",
        },
    ),
    "proxy_login": Saying(407, _page("407 Proxy Authentication Required", "Log in."), _HTML),
    "sign_in": Saying(200, _page("Sign in to your account", "Enter your e-mail address."), _HTML),
    "conflict": _service(409, "The resource is being modified by another operation. Please retry.", "conflict"),
    "locked": _service(423, "The resource is locked by another operation. Please retry.", "locked"),
    "failed_dependency": _service(424, "A dependency of the request has failed. Please retry.", "failed_dependency"),
    "bad_request": _service(400, "The request could not be processed."),
    "content_filter": _service(
        400,
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please "
        "modify your prompt and retry.",
        "content_filter",
        innererror={
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {
                "hate": _SAFE,
                "jailbreak": {"filtered": True, "detected": True},
                "self_harm": _SAFE,
                "sexual": _SAFE,
                "violence": _FILTERED,
            },
        },
    ),
    "deployment_not_found": _gateway(
        404,
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
        "minutes, please wait a moment and try again.",
        "DeploymentNotFound",
    ),
    "problem_details": Saying(
        400,
        {
            "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
            "title": "One or more validation errors occurred.",
            "status": 400,
            "detail": "The agent's tools are not valid.",
            "errors": {"tools[0].openapi.auth": ["The connection is not known."]},
            "traceId": "00-0000-00",
        },
        _PROBLEM,
    ),
    "empty": Saying(400, ""),
    "conversation_locked": _refusal(second.locked()),
    "conversation_conflict": _refusal(second.conflict()),
    "response_in_progress": _refusal(second.in_progress("A")),
    "no_tool_output": _refusal(second.no_output({"type": "function_call", "call_id": "call_x"})),
    "no_tool_call": _refusal(second.no_call({"type": "function_call_output", "call_id": "call_x"})),
    "agent_disabled": _refusal(second.disabled_agent("A")),
    "prompt_filtered": _refusal(second.prompt_filtered()),
    "gateway_timeout": _refusal(second.gateway_timeout()),
}
