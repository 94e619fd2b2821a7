"""How this API answers: JSON, and one shape for every error."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import azure.durable_functions as df
import azure.functions as func
import msgspec
from msgspec import UNSET

from contracts.codes import ErrorCode
from contracts.status import StatusDocument
from http_api.links import links
from http_api.messages import Error, ErrorBody
from http_api.other_sites import is_from_another_site
from http_api.urls import BadHostError
from settings import SettingsError, public_address
from store.documents import StoreError
from trace_context import Trace, in_trace, trace_of_headers
from validation.field_errors import FieldError, InvalidRequestError

_log = logging.getLogger("agent_run.http")
POLL_AFTER_SECONDS = 2
STORE_RETRY_AFTER_SECONDS = 10

Handler = TypeVar("Handler", bound=Callable[..., Any])


class ApiError(Exception):
    """Ends a request with an error answer; `details` is for several things that are wrong at once, `location` the URL
    of what is in the way.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str | None = None,
        details: Sequence[FieldError] = (),
        retry_after_seconds: int | None = None,
        location: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.details = details
        self.retry_after_seconds = retry_after_seconds
        self.location = location


def json_answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    """Return `body` as JSON. Answers are about one moment, so nothing may keep them."""
    return func.HttpResponse(
        msgspec.json.encode(body),
        status_code=status,
        mimetype="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
    )


def error_answer(error: ApiError) -> func.HttpResponse:
    """Return the error in the one shape that every error of this API has."""
    details = [FieldError(code=d.code, message=_sendable(d.message), target=_sendable(d.target)) for d in error.details]
    body = ErrorBody(
        code=error.code,
        message=_sendable(error.message),
        target=UNSET if error.target is None else _sendable(error.target),
        details=details or UNSET,
    )
    headers = {"Retry-After": str(error.retry_after_seconds)} if error.retry_after_seconds else {}
    if error.location is not None:
        headers["Location"] = error.location
    return json_answer(Error(error=body), error.status, headers)


def _sendable(text: str) -> str:
    """Return the text as it can be sent: it may quote a field's name, which may hold half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


def document_answer(
    req: func.HttpRequest,
    document: StatusDocument,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    client: df.DurableOrchestrationClient,
    failure_is_500: bool = False,
) -> func.HttpResponse:
    """Return a status document: 202 and where to look again while the run goes on, 200 when it has ended, or 500 where
    it has failed and the caller wants that.
    """
    if document.is_ended:
        failed = failure_is_500 and document.status == "Failed"
        return json_answer(document, status or (500 if failed else 200), headers)
    location = links(req, client, document.instance_id, failure_is_500=failure_is_500).location
    again = {"Location": location, "Retry-After": str(POLL_AFTER_SECONDS)}
    return json_answer(document, status or 202, {**again, **(headers or {})})


def answering(handler: Handler) -> Handler:
    """Decorate an HTTP function so that whatever it raises becomes an answer: a caller never sees a stack trace. What a
    page of another site has had a browser send does not reach it. It runs within the trace of its caller.
    """
    if inspect.iscoroutinefunction(handler):

        @functools.wraps(handler)
        async def answer_async(*args: Any, **kwargs: Any) -> func.HttpResponse:
            with in_trace(_trace_of(*args, **kwargs)):
                try:
                    _refuse_other_sites(*args, **kwargs)
                    answer: func.HttpResponse = await handler(*args, **kwargs)
                except Exception as error:  # noqa: BLE001 - this is the last frame of ours
                    return error_answer(_as_api_error(error, handler.__name__))
                return answer

        return answer_async  # type: ignore[return-value]

    @functools.wraps(handler)
    def answer_sync(*args: Any, **kwargs: Any) -> func.HttpResponse:
        with in_trace(_trace_of(*args, **kwargs)):
            try:
                _refuse_other_sites(*args, **kwargs)
                answer: func.HttpResponse = handler(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - this is the last frame of ours
                return error_answer(_as_api_error(error, handler.__name__))
            return answer

    return answer_sync  # type: ignore[return-value]


def _trace_of(req: func.HttpRequest, *_: Any, **_bindings: Any) -> Trace | None:
    return trace_of_headers(req.headers)


def _refuse_other_sites(req: func.HttpRequest, *_: Any, **_bindings: Any) -> None:
    headers = {name.lower(): value for name, value in req.headers.items()}
    if is_from_another_site(req.method, req.url, headers, public_address()):
        message = (
            "a web page of another site has had a browser send this, and only this app's own may: a page that its CORS "
            "setting names sends Content-Type: application/json"
        )
        raise ApiError(403, ErrorCode.OTHER_SITE, message, target="Origin")


def _as_api_error(error: Exception, function: str) -> ApiError:
    match error:
        case ApiError():
            return error
        case InvalidRequestError():
            return invalid_request(error.details)
        case BadHostError():
            message = "the request's Host header is no host name: the URLs of the answer cannot be made"
            return ApiError(400, ErrorCode.INVALID_REQUEST, message, target="Host")
        case StoreError():
            return ApiError(503, error.code, error.message, retry_after_seconds=STORE_RETRY_AFTER_SECONDS)
        case SettingsError():
            details = [
                FieldError(code=ErrorCode.CONFIGURATION_ERROR, message=p.message, target=p.setting)
                for p in error.problems
            ]
            _log.error("%s: the app is not configured: %s", function, error)
            return ApiError(
                500,
                ErrorCode.CONFIGURATION_ERROR,
                f"the app is not configured: {error}",
                target=details[0].target,
                details=details,
            )
        case _:
            # The text of an unknown exception may quote the request, so only its type and place are logged.
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "unknown place"
            _log.error("%s failed: %s at %s", function, type(error).__name__, where)
            return ApiError(500, ErrorCode.INTERNAL_ERROR, "the app failed to answer; its log says where")


def invalid_request(details: Sequence[FieldError]) -> ApiError:
    """Return the 400 that names everything that is wrong with a request."""
    first = details[0]
    more = f" (and {len(details) - 1} more, see details)" if len(details) > 1 else ""
    return ApiError(
        400, ErrorCode.INVALID_REQUEST, f"{first.target} {first.message}{more}", target=first.target, details=details
    )
