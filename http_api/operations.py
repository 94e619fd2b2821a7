"""Every operation of this API with all its answers: one table, from which the OpenAPI description is made.

The tests read it too: functions, routes, methods and auth levels as the app registers them, and every answer and error
code as the running app gives them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import UnionType
from typing import Any, get_args

from contracts.codes import ErrorCode
from contracts.conversation import MESSAGES_OF_A_PAGE, MOST_MESSAGES_OF_A_PAGE, ThreadMessages
from contracts.formats import AGENT_ID_PATTERN, ID_PATTERN
from contracts.ids import THREAD_ID_PATTERN
from contracts.request import AgentRunRequest, CancelRequest, RetryRequest
from contracts.runs import ToolAnswerRequest
from contracts.status import StatusDocument
from contracts.steps import RunSteps
from contracts.wire import Wire
from http_api.file_headers import MEDIA_TYPES, MOST_FILE_BYTES
from http_api.links import FAILURE_IS_500
from http_api.messages import AgentList, Error, Health, OpenApiDocument, Readiness, StartedRun
from http_api.query_parameters import OPENAPI_VERSIONS, VERSION_PARAMETER
from http_api.request_body import MAX_BODY_BYTES
from http_api.run_events_stream import MEDIA_TYPE as EVENT_STREAM
from http_api.run_filters import STATUSES
from http_api.run_messages import LISTED, MOST_LISTED, BulkCancelled, BulkCancelRequest, RunCounts, RunList
from http_api.timeline_cursor import AFTER, CURSOR_PATTERN
from http_api.timeline_events import RunTimeline


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of an operation; without a `body` it is empty."""

    status: int
    description: str
    body: type[Wire] | UnionType | None = None
    media_types: tuple[str, ...] = ()
    """Of a body that is a file; or, beside a `body`, of the same otherwise."""
    headers: tuple[str, ...] = ()
    optional_headers: tuple[str, ...] = ()
    codes: tuple[ErrorCode, ...] = ()
    """With an error: the values of `error.code`; none means that Foundry's own may appear."""

    @property
    def messages(self) -> tuple[type[Wire], ...]:
        """The types that the body may have."""
        return get_args(self.body) or ((self.body,) if isinstance(self.body, type) else ())


@dataclass(frozen=True, kw_only=True)
class QueryParameter:
    """A query parameter that says how to answer; `schema` is plain JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation. `name` is the function's, `route` as the host knows it, below the prefix of all routes."""

    method: str
    route: str
    name: str
    tag: str
    summary: str
    description: str
    answers: tuple[Answer, ...]
    body: type[Wire] | None = None
    needs_body: bool = True
    waits: bool = False
    """It heeds `Prefer: wait=N`."""
    query: tuple[QueryParameter, ...] = ()
    is_anonymous: bool = False

    @property
    def is_start(self) -> bool:
        """Whether it takes a start request, the fields of which may come in the query too."""
        return self.body is AgentRunRequest

    @property
    def in_route(self) -> list[str]:
        """The parameters that the route holds."""
        return re.findall(r"{(\w+)}", self.route)


def _error(
    status: int,
    description: str,
    *codes: ErrorCode,
    headers: tuple[str, ...] = (),
    optional_headers: tuple[str, ...] = (),
) -> Answer:
    return Answer(
        status=status,
        description=description,
        body=Error,
        codes=codes,
        headers=headers,
        optional_headers=optional_headers,
    )


def _or_failed(failure: Answer) -> Answer:
    """Return the 500 of an operation that answers a failed run with it too, where the caller wants that."""
    return replace(
        failure,
        description=f"{failure.description} Or, only with `{FAILURE_IS_500}=true`: the run has failed.",
        body=Error | StatusDocument,
        optional_headers=("Preference-Applied",),
    )


@dataclass(frozen=True, kw_only=True)
class Page:
    """A route for browsers, of which the description says nothing; anonymous, since it holds no data."""

    route: str
    name: str
    method: str = "GET"
    is_anonymous: bool = True


PAGES = (Page(route="console", name="console"), Page(route="console/{file}", name="console_file"))

UNAUTHORIZED = Answer(status=401, description="No key or token, or a wrong one. From the platform.")
BUSY = Answer(status=429, description="Too many requests at once. From the platform, with an empty body.")

_FAILURE_IS_500 = QueryParameter(
    name=FAILURE_IS_500,
    description="A run that has failed is a 500 with the status document, for pollers that look at nothing else; a "
    "start hands it on to the URLs of its answer.",
    schema={"type": "boolean", "default": False},
)
_VERSION = QueryParameter(
    name=VERSION_PARAMETER,
    description="Of OpenAPI; 3.0 is for tools that do not take 3.1.",
    schema={"type": "string", "enum": list(OPENAPI_VERSIONS), "default": next(iter(OPENAPI_VERSIONS))},
)


def _text(pattern: str) -> Mapping[str, str]:
    """Return the schema of a text with a pattern, in the regular expressions of JSON Schema."""
    return {"type": "string", "pattern": pattern.replace(r"\A", "^").replace(r"\Z", "$")}


_MOMENT = {"type": "string", "format": "date-time"}
_FILTERS = (
    QueryParameter(
        name="status",
        description="One or more, repeated or separated by commas. A run that is being cancelled is still Running.",
        schema={"type": "array", "items": {"type": "string", "enum": list(STATUSES)}, "minItems": 1},
    ),
    QueryParameter(
        name="agent_id",
        description="As the status document shows it, so not before the run has begun to work.",
        schema=_text(rf"\A{AGENT_ID_PATTERN}\Z"),
    ),
    QueryParameter(name="thread_id", description="The thread in Foundry.", schema=_text(THREAD_ID_PATTERN)),
    QueryParameter(name="created_from", description="By `createdTime`, with a time zone.", schema=_MOMENT),
    QueryParameter(name="created_to", description="The same; not before `created_from`.", schema=_MOMENT),
    QueryParameter(
        name="needs_answer",
        description="Runs that wait for an answer that somebody can give, or all others.",
        schema={"type": "boolean"},
    ),
)
_PAGING = (
    QueryParameter(
        name="limit",
        description="How many runs at most.",
        schema={"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": LISTED},
    ),
    QueryParameter(
        name="cursor",
        description="The `next_cursor` of the answer before, with the same filters.",
        schema={"type": "string"},
    ),
)
_AFTER = QueryParameter(
    name=AFTER,
    description="What the caller knows already: `next` of an earlier answer, or the id of a server-sent event.",
    schema={"type": "string", "pattern": f"^{CURSOR_PATTERN}$"},
)
_LONG_URL = Answer(status=414, description="The URL has more than 8 KB: put fields into the body. From the platform.")
_INTERNAL = _error(500, "The app failed; its log says where.", ErrorCode.INTERNAL_ERROR)
_UNCONFIGURED = _error(
    500,
    "The app is not configured (`configuration_error`; `details` names the settings), or it failed.",
    ErrorCode.CONFIGURATION_ERROR,
    ErrorCode.INTERNAL_ERROR,
)
_BAD_REQUEST = _error(
    400,
    "The request is invalid: `details` names every bad field at once.",
    ErrorCode.INVALID_REQUEST,
    ErrorCode.INVALID_JSON,
    ErrorCode.INVALID_ENCODING,
)
_TOO_LARGE = f"The body has more than {MAX_BODY_BYTES:,} bytes, or than the app's Durable storage provider takes."
_BAD_BODY = (
    _error(403, "A page of another site has had a browser send it, and no JSON body.", ErrorCode.OTHER_SITE),
    _error(411, "The body came in chunks, which the platform drops.", ErrorCode.LENGTH_REQUIRED),
    _error(413, _TOO_LARGE, ErrorCode.TOO_LARGE),
    _error(415, "The body is of another type, compressed, or not in UTF-8.", ErrorCode.UNSUPPORTED_MEDIA_TYPE),
)
_BAD_QUERY = _error(400, "A query parameter is none, or has a wrong value.", ErrorCode.INVALID_REQUEST)
_NO_RUN = _error(404, "There is no run with this instance id.", ErrorCode.NOT_FOUND)
_FOUNDRY_FAILED = _error(502, "Foundry failed, or refused the app: `message` says what to do.")
_NOT_KNOWN = _error(
    503,
    "What the key has started, or who owns the thread, cannot be seen now. Ask again: it is safe.",
    ErrorCode.STORE_UNAVAILABLE,
    ErrorCode.INSTANCE_NOT_SEEN,
    headers=("Retry-After",),
)
_NOT_YET = _error(
    503,
    "The run has not taken it within ten seconds; it may be starting, or the app is very busy. Or its worker process "
    "has died, and it is being brought back (`recovering`). Ask again.",
    ErrorCode.NOT_ACKNOWLEDGED,
    ErrorCode.RECOVERING,
    headers=("Retry-After",),
)
_NOT_LISTED = _error(
    503,
    "The platform does not list its instances now: ask again.",
    ErrorCode.INSTANCE_NOT_SEEN,
    headers=("Retry-After",),
)
_ENDED = Answer(
    status=200, description="The run has ended.", body=StatusDocument, optional_headers=("Preference-Applied",)
)
_GOES_ON = Answer(
    status=202,
    description="The run goes on.",
    body=StatusDocument,
    headers=("Location", "Retry-After"),
    optional_headers=("Preference-Applied",),
)
_TAKEN = replace(
    _GOES_ON, description="The run has taken the answer.", headers=(), optional_headers=("Location", "Retry-After")
)

_START = Operation(
    method="POST",
    route="run_agent",
    name="run_agent",
    tag="runs",
    summary="Start a run; the agent is a parameter",
    description="Fields come from the body, and from the query where they do not fit there (then the body may lack "
    "them); the same one given twice with different values is an error. `null` counts as not given. A `text/plain` "
    "body is the user message. With an idempotency key, repeating the request answers with the same run and starts "
    "nothing, on whatever host.",
    body=AgentRunRequest,
    query=(_FAILURE_IS_500,),
    waits=True,
    answers=(
        Answer(
            status=200,
            description="Only with `Prefer: wait`: the run has ended.",
            body=StatusDocument,
            headers=("Preference-Applied",),
        ),
        replace(
            _GOES_ON,
            description="The run is started. Poll `statusQueryGetUri` or `runUri`; `Location` is the one that takes "
            "the key as the caller has sent it. Or, only with `Prefer: wait`: its status document, since it asks "
            "something.",
            body=StartedRun | StatusDocument,
        ),
        _BAD_REQUEST,
        _error(404, "There is no such agent; the message names some that resemble it.", ErrorCode.NOT_FOUND),
        _error(
            409,
            "The idempotency key was used for another request. Or, only with `if_thread_busy` `fail`: another run owns "
            "the thread (`thread_busy`), to which `Location` leads. Or the conversation waits for the answer to a tool "
            "call that is none of this app's.",
            ErrorCode.IDEMPOTENCY_CONFLICT,
            ErrorCode.THREAD_BUSY,
            ErrorCode.CONVERSATION_WAITS_FOR_TOOL,
            optional_headers=("Location",),
        ),
        _error(
            410,
            "The run that the idempotency key has started was purged; nothing is started for it again.",
            ErrorCode.RUN_PURGED,
        ),
        *_BAD_BODY,
        _LONG_URL,
        _or_failed(_UNCONFIGURED),
        _error(502, "Foundry does not tell now which agent has this name: name it by its id."),
        _NOT_KNOWN,
    ),
)

OPERATIONS = (
    _START,
    replace(
        _START,
        route="agents/{agent_id}/runs",
        name="start_agent_run",
        summary="Start a run of the agent that the route names",
    ),
    Operation(
        method="GET",
        route="runs",
        name="list_runs",
        tag="runs",
        summary="The runs that match, newest first",
        description="Their status documents without requests, questions and answers. A page may hold fewer runs than "
        "asked for although there are more (`partial`): go on with `next_cursor` until it is null.",
        query=(*_FILTERS, *_PAGING),
        answers=(
            Answer(status=200, description="The runs; none where none matches.", body=RunList),
            _BAD_QUERY,
            _INTERNAL,
            _NOT_LISTED,
        ),
    ),
    Operation(
        method="GET",
        route="runs/counts",
        name="count_runs",
        tag="runs",
        summary="How many runs of each status there are",
        description="Of those that were created in the last hour, day and week.",
        answers=(
            Answer(status=200, description="The counts.", body=RunCounts),
            _BAD_QUERY,
            _INTERNAL,
            _NOT_LISTED,
        ),
    ),
    Operation(
        method="POST",
        route="runs/cancel",
        name="cancel_runs",
        tag="runs",
        summary="Cancel the runs that go on and match",
        description="Each as its own route does, a thousand at most: where there are `more`, ask again. Without a "
        "filter `all` has to be true.",
        body=BulkCancelRequest,
        answers=(
            Answer(status=200, description="What became of them.", body=BulkCancelled),
            _BAD_REQUEST,
            *_BAD_BODY,
            _INTERNAL,
            _NOT_LISTED,
        ),
    ),
    Operation(
        method="GET",
        route="runs/{instance_id}",
        name="agent_run_status",
        tag="runs",
        summary="The status document of a run",
        description="202 while the run goes on, 200 when it has ended, however it ended: `status` says how.",
        query=(_FAILURE_IS_500,),
        waits=True,
        answers=(
            _ENDED,
            _GOES_ON,
            replace(
                _BAD_QUERY,
                description=f"{_BAD_QUERY.description} Or the request's `Host` is none, so that no URL can be made of "
                "it.",
            ),
            _NO_RUN,
            _or_failed(_INTERNAL),
        ),
    ),
    Operation(
        method="POST",
        route="runs/{instance_id}/cancel",
        name="cancel_agent_run",
        tag="runs",
        summary="Cancel a run",
        description="Cancels the Foundry run too, then ends as `Cancelled`. Repeating it does no harm.",
        body=CancelRequest,
        needs_body=False,
        answers=(
            Answer(status=200, description="The run is cancelled already.", body=StatusDocument),
            replace(_TAKEN, description="The run has taken the cancel."),
            _BAD_REQUEST,
            _NO_RUN,
            _error(409, "The run has ended.", ErrorCode.ALREADY_ENDED),
            *_BAD_BODY,
            _INTERNAL,
            _NOT_YET,
        ),
    ),
    Operation(
        method="POST",
        route="runs/{instance_id}/tool_outputs",
        name="submit_agent_run_tool_outputs",
        tag="runs",
        summary="Answer the tool calls that a run waits for",
        description="The answer holds something for every call of `required_action`, each once. It is answered once "
        "Foundry has taken or refused it, or after ten seconds where it does neither.",
        body=ToolAnswerRequest,
        answers=(
            _TAKEN,
            replace(
                _BAD_REQUEST,
                description="The answer does not fit the pending calls: `details` names missing, unknown and repeated "
                "ids, and outputs that are too large. Or Foundry refuses it (`answer_refused`): the run asks again.",
                codes=(*_BAD_REQUEST.codes, ErrorCode.ANSWER_REFUSED),
            ),
            _NO_RUN,
            _error(
                409,
                "The run waits for nothing now, or for what this app cannot answer (`unsupported_action`), has taken "
                "another answer, or has ended.",
                ErrorCode.NOTHING_PENDING,
                ErrorCode.UNSUPPORTED_ACTION,
                ErrorCode.ANSWERED_OTHERWISE,
                ErrorCode.ALREADY_ENDED,
            ),
            *_BAD_BODY,
            _INTERNAL,
            _NOT_YET,
        ),
    ),
    Operation(
        method="GET",
        route="runs/{instance_id}/steps",
        name="agent_run_steps",
        tag="runs",
        summary="What a run did, step by step",
        description="Oldest first, those so far while the run goes on: messages that it wrote and tools that it "
        "called, without what was said to them and what they answered. Where the app started several runs in "
        "Foundry, since the model's quota was used up, those of the last one.",
        answers=(
            Answer(status=200, description="The steps; none where there is no run in Foundry yet.", body=RunSteps),
            _error(
                404, "There is no run with this instance id, or Foundry has deleted its thread.", ErrorCode.NOT_FOUND
            ),
            _UNCONFIGURED,
            _FOUNDRY_FAILED,
        ),
    ),
    Operation(
        method="GET",
        route="runs/{instance_id}/events",
        name="agent_run_events",
        tag="runs",
        summary="What happened in a run, in order",
        description="Steps with their attempts, looks at the run, questions and answers, a cancel, the end. With "
        f"`Accept: {EVENT_STREAM}` the call waits up to 25 seconds for something new behind `Last-Event-ID` (or "
        "`after`), and answers with that as server-sent events: then ask again.",
        query=(_AFTER,),
        answers=(
            Answer(
                status=200,
                description="The events; with `after` those that are new or have changed since.",
                body=RunTimeline,
                media_types=(EVENT_STREAM,),
            ),
            Answer(
                status=204,
                description=f"Only with `Accept: {EVENT_STREAM}`: the run has ended, and you know all of it.",
            ),
            _BAD_QUERY,
            _NO_RUN,
            _INTERNAL,
            _error(
                503,
                "The platform does not hand over the run's history now: ask again.",
                ErrorCode.INSTANCE_NOT_SEEN,
                headers=("Retry-After",),
            ),
        ),
    ),
    Operation(
        method="GET",
        route="runs/{instance_id}/files/{file_id}",
        name="agent_run_file",
        tag="runs",
        summary="A file that a run produced",
        description="Files that the run's messages hand over (`attachments`), and images that its code made. Always as "
        "an attachment; the type is one of a few that are safe, or mere bytes.",
        answers=(
            Answer(
                status=200,
                description="The file.",
                media_types=MEDIA_TYPES,
                headers=("Content-Disposition", "Content-Security-Policy"),
            ),
            _error(
                404,
                "There is no run with this instance id, it has not produced this file, or Foundry has deleted it.",
                ErrorCode.NOT_FOUND,
            ),
            _error(
                413,
                f"The file has more than {MOST_FILE_BYTES:,} bytes: read it from Foundry.",
                ErrorCode.RESPONSE_TOO_LARGE,
            ),
            _UNCONFIGURED,
            _FOUNDRY_FAILED,
        ),
    ),
    Operation(
        method="POST",
        route="runs/{instance_id}/retry",
        name="retry_agent_run",
        tag="runs",
        summary="Repeat a run that did not succeed",
        description="Starts a run of the same agent with the same options on the same thread, without a second message "
        "where the first one is there. It has an instance id of its own; repeating the request answers with the same "
        "repetition and starts nothing. One that fails again is repeated by its own id.",
        body=RetryRequest,
        needs_body=False,
        query=(_FAILURE_IS_500,),
        waits=True,
        answers=(
            Answer(
                status=200,
                description="Only with `Prefer: wait`: the repetition has ended.",
                body=StatusDocument,
                headers=("Preference-Applied",),
            ),
            replace(
                _GOES_ON,
                description="The repetition is started, and answered as a start is.",
                body=StartedRun | StatusDocument,
            ),
            _BAD_REQUEST,
            _error(404, "There is no such run, or its agent or thread is gone.", ErrorCode.NOT_FOUND),
            _error(
                409,
                "The run goes on or has succeeded, or its request could not be run. Or another run owns its thread, "
                "and it was to fail then (`thread_busy`). Or its conversation waits for somebody else's tool output.",
                ErrorCode.NOTHING_TO_RETRY,
                ErrorCode.THREAD_BUSY,
                ErrorCode.CONVERSATION_WAITS_FOR_TOOL,
                optional_headers=("Location",),
            ),
            _error(410, "The repetition was purged: start a new run.", ErrorCode.RUN_PURGED),
            *_BAD_BODY,
            _or_failed(_UNCONFIGURED),
            _error(502, "Foundry does not tell now whether the run's message is on its thread: ask again."),
            replace(
                _NOT_KNOWN,
                description=f"The run is being brought back (`recovering`). Or: {_NOT_KNOWN.description}",
                codes=(ErrorCode.RECOVERING, *_NOT_KNOWN.codes),
            ),
        ),
    ),
    Operation(
        method="GET",
        route="threads/{thread_id}/messages",
        name="thread_messages",
        tag="runs",
        summary="What was said on a thread",
        description="Without `cursor` the newest messages, with the `next_cursor` of a page those before it; within a "
        "page the oldest comes first. Messages of agents that callers may not run are there without what they say.",
        query=(
            QueryParameter(
                name="limit",
                description="How many messages at most.",
                schema={
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MOST_MESSAGES_OF_A_PAGE,
                    "default": MESSAGES_OF_A_PAGE,
                },
            ),
            QueryParameter(
                name="cursor",
                description="`next_cursor` of an earlier page of this thread.",
                schema={"type": "string", "pattern": f"^{ID_PATTERN}$"},
            ),
        ),
        answers=(
            Answer(status=200, description="A page.", body=ThreadMessages),
            _BAD_QUERY,
            _error(404, "There is no such thread in this project.", ErrorCode.NOT_FOUND),
            _UNCONFIGURED,
            _FOUNDRY_FAILED,
        ),
    ),
    Operation(
        method="GET",
        route="agents",
        name="list_agents",
        tag="agents",
        summary="Every agent that callers may run",
        description="All pages of the project's agents of both generations, ordered by name. Where one generation "
        "cannot be listed, the other's agents, and a warning.",
        answers=(
            Answer(status=200, description="The agents.", body=AgentList),
            _UNCONFIGURED,
            _FOUNDRY_FAILED,
        ),
    ),
    Operation(
        method="GET",
        route="health",
        name="health",
        tag="health",
        summary="The app is alive",
        description="Asks for no key, and says nothing but the version.",
        is_anonymous=True,
        answers=(Answer(status=200, description="It is.", body=Health),),
    ),
    Operation(
        method="GET",
        route="health/ready",
        name="ready",
        tag="health",
        summary="Can the app do its work, and if not, what is to be done",
        description="Checks the settings, the token, each generation of the agent service that is switched on, and "
        "the storage.",
        answers=(
            Answer(status=200, description="All checks are fine.", body=Readiness),
            _INTERNAL,
            Answer(status=503, description="One is not; its `message` says what to do.", body=Readiness),
        ),
    ),
    Operation(
        method="GET",
        route="openapi.json",
        name="openapi",
        tag="description",
        summary="This description",
        description="It follows the settings of the app: the longest timeout, the agents that are allowed.",
        query=(_VERSION,),
        answers=(
            Answer(status=200, description="OpenAPI 3.1, or 3.0.3 as asked for.", body=OpenApiDocument),
            _BAD_QUERY,
            _INTERNAL,
        ),
    ),
)
