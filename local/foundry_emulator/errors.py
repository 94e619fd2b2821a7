"""The agent service's refusals, with its exact bodies.

Two shapes reach clients: the service's own `{"error": {"message", "type", "param", "code"}}`, and what the
gateway in front of it says. Texts marked "assumed" are plausible but were not seen on Foundry.
"""

from collections.abc import Iterable, Mapping
from typing import Any

INVALID_REQUEST = "invalid_request_error"
API_VERSIONS = ("v1", "2025-05-01", "2025-05-15-preview")


class ServiceError(Exception):
    """An answer other than 200: `status`, the JSON `body`, and extra `headers`."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = dict(body)
        self.headers = dict(headers or {})


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> ServiceError:
    """Refuse a request with 400 in the service's own shape."""
    return refused(400, message, param=param, code=code)


def refused(status: int, message: str, *, param: str | None = None, code: str | None = None) -> ServiceError:
    """Refuse a request with any status in the service's own shape."""
    return ServiceError(status, {"error": {"message": message, "type": INVALID_REQUEST, "param": param, "code": code}})


def not_found(kind: str, identifier: str) -> ServiceError:
    """Answer 404 as the service does; `kind` is `assistant`, `file`, `thread`, `run`, `message` or `run step`."""
    return refused(404, f"No {kind} found with id '{identifier}'.")


def message_while_running(thread_id: str, run_id: str) -> ServiceError:
    """Refuse a message on a thread with an active run (openai-python#1023)."""
    return invalid(f"Can't add messages to {thread_id} while a run {run_id} is active.")


def second_run(thread_id: str, run_id: str) -> ServiceError:
    """Refuse a run on a thread with an active run."""
    return invalid(f"Thread {thread_id} already has an active run {run_id}.")


def cannot_cancel(status: str) -> ServiceError:
    """Refuse to cancel a run that has ended."""
    return invalid(f"Cannot cancel run with status '{status}'.")


def no_tool_outputs_wanted(status: str) -> ServiceError:
    """Refuse tool outputs for a run that asks for none."""
    return invalid(f'Runs in status "{status}" do not accept tool outputs.')


def wrong_tool_outputs(expected: Iterable[str], got: Iterable[str]) -> ServiceError:
    """Refuse tool outputs that do not answer exactly the pending calls."""
    return invalid(f"Expected tool outputs for call_ids {list(expected)}, got {list(got)}")


def tool_outputs_too_large() -> ServiceError:
    """Refuse more than 512 KB of outputs (semantic-kernel#12814)."""
    message = "'tool_outputs' too large: the combined tool outputs must be less than 512kb."
    return invalid(message, param="tool_outputs", code="invalid_value")


def unauthorized() -> ServiceError:
    """Answer 401 as the gateway does: its body has no `error` envelope."""
    message = (
        "Unauthorized. Access token is missing, invalid, audience is incorrect (https://ai.azure.com), or have expired."
    )
    return ServiceError(401, {"statusCode": 401, "message": message})


def api_key_refused() -> ServiceError:
    """Answer 401 to an `api-key`, which the agent endpoints never take (microsoft-foundry-for-vscode#172)."""
    message = (
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid "
        "key for an active subscription and use a correct regional API endpoint for your resource."
    )
    return ServiceError(401, {"error": {"code": "401", "message": message}})


def api_version_missing() -> ServiceError:
    """Refuse a call without `api-version` (text assumed)."""
    return ServiceError(
        400, {"error": {"code": "MissingApiVersionParameter", "message": _SUPPORTED.format("is required")}}
    )


def api_version_unsupported(version: str) -> ServiceError:
    """Refuse an unknown `api-version` (azure-sdk-for-net#50120)."""
    message = f"Unsupported api version '{version}'. The supported versions are {_VERSIONS}"
    return ServiceError(400, {"error": {"code": "UnsupportedApiVersionValue", "message": message}})


_VERSIONS = ", ".join(f"'{version}'" for version in API_VERSIONS)
_SUPPORTED = "The query parameter 'api-version' {}. The supported versions are " + _VERSIONS


def resource_not_found() -> ServiceError:
    """Answer 404 for a path that does not exist, as the gateway does."""
    return ServiceError(404, {"error": {"code": "404", "message": "Resource not found"}})


def project_not_found() -> ServiceError:
    """Answer 404 for another project than the emulated one."""
    return ServiceError(404, {"error": {"code": "404", "message": "The project does not exist."}})


def method_not_allowed() -> ServiceError:
    """Answer 405 for a known path with another method (assumed)."""
    return ServiceError(405, {"error": {"code": "405", "message": "Method not allowed"}})


def not_emulated(what: str) -> ServiceError:
    """Say honestly that the real service can do this and the emulator cannot."""
    return ServiceError(501, {"error": {"code": "not_emulated", "message": f"The emulator has no {what}."}})


def server_error() -> ServiceError:
    """Answer 500 as the service does."""
    message = "The server had an error while processing your request. Sorry about that!"
    return ServiceError(500, {"error": {"message": message, "type": "server_error", "param": None, "code": None}})
