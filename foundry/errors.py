"""Everything that can go wrong between this app and Foundry, as one small tree.

    FoundryError                 code, message, retryable, retry_after_seconds
    ├── InvalidInputError        refused here or by Foundry (400, 413, 422 ...): repeating it is no use
    │   ├── AmbiguousAgentError      a name that several agents have
    │   ├── AgentDisabledError       an agent that is switched off in Foundry
    │   ├── OpenCallError            a tool call on the conversation has no answer, says Foundry
    │   ├── UnknownCallError         an answer to a tool call that is not open, says Foundry
    │   └── BackgroundRefusedError   an agent that answers only while one waits for it
    ├── AuthenticationError      no token, or Foundry does not take it (401)
    ├── PermissionDeniedError    the identity lacks the role (403)
    ├── NotFoundError            (404, 410); `names_it` where the words name what the request's path names
    │   └── UnknownAgentError        names agents that may have been meant
    ├── ThreadBusyError          another run is active on the thread; names it where Foundry does
    ├── RefusedForNowError       something else is under way (409, 423, 424)
    ├── WaitsForToolError        a tool call of somebody else waits on the conversation
    ├── ConversationUnusableError the service does nothing on the conversation any more
    ├── MayHaveHappenedError     nothing was sent: what an earlier request may have made does not show yet
    ├── AnswerRefusedError       Foundry refuses an answer to tool calls that are still pending
    ├── OutOfReachError          something that is there, and that the service hands over to nobody outside
    ├── RateLimitedError         (429)
    ├── TimeIsOverError          nothing was sent: the orchestration's deadline has passed
    ├── TooManyToolCallsError    the run asks for more at once than can be passed on
    ├── ResponseTooLargeError    the answer is larger than can be passed on; it stays in Foundry
    ├── UnavailableError         Foundry is down or slow (408, 5xx)
    ├── ConnectionFailedError    no answer, or none within the timeout: the request may have taken effect
    │   ├── CertificateError         who answers shows a certificate that is not trusted: nothing was sent
    │   └── ProxyRefusedError        the proxy wants credentials, or its setting is malformed: nothing was sent
    └── BadResponseError         an answer that is none: the request may have taken effect
        ├── OversizedAnswerError     an answer of more bytes than are read
        └── UnreadableRefusalError   a 400 whose reason was lost on its way

Messages say what to do, and never contain a token or a body of ours.
"""

from __future__ import annotations

from contracts.codes import ErrorCode


class FoundryError(Exception):
    """A call to Foundry failed. `retry_after_seconds` is the service's own hint, if it gave one."""

    code: str = ErrorCode.FOUNDRY_ERROR
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        code: str | None = None,
        summary: str | None = None,
    ) -> None:
        """`summary` is the message without the service's own words, which may quote a prompt: it is what may be
        logged.
        """
        super().__init__(message)
        self.message = message
        self.summary = summary or message
        self.retry_after_seconds = retry_after_seconds
        if code is not None:
            self.code = code
        self.before_token = self.code in {ErrorCode.NO_TOKEN, ErrorCode.TOKEN_UNAVAILABLE}
        """Whether there is no token to ask Foundry with: it was not asked. Who fetches tokens says so of others."""
        self.grace_seconds: float | None = None
        """For how long the request may still take effect, where that is longer than usual. Who sends it says so."""


class InvalidInputError(FoundryError, ValueError):
    """The request itself is wrong."""

    code = ErrorCode.INVALID_REQUEST


class OpenCallError(InvalidInputError):
    """A tool call on the conversation has no answer, as Foundry sees it: nothing else is taken before."""


class UnknownCallError(InvalidInputError):
    """An answer to a tool call that Foundry does not know, or that was answered before."""


class BackgroundRefusedError(InvalidInputError):
    """The agent does not run in the background."""


class AuthenticationError(FoundryError, PermissionError):
    """There is no token, or Foundry does not take it."""

    code = ErrorCode.UNAUTHORIZED


class PermissionDeniedError(FoundryError, PermissionError):
    """The identity may not do this."""

    code = ErrorCode.FORBIDDEN


class NotFoundError(FoundryError, LookupError):
    """Something that the request names does not exist."""

    code = ErrorCode.NOT_FOUND

    def __init__(self, message: str, *, names_it: bool = False, summary: str | None = None) -> None:
        """`names_it`: the service's own words name the run, thread or other thing of the request's path. Else it may be
        the project, or a gateway, that was not found, and the thing itself is still there.
        """
        super().__init__(message, summary=summary)
        self.names_it = names_it


class UnknownAgentError(NotFoundError):
    """There is no such agent; the message names those that resemble it."""


class AmbiguousAgentError(InvalidInputError):
    """Several agents have this name."""


class AgentDisabledError(InvalidInputError):
    """The agent is switched off in Foundry."""


class ThreadBusyError(FoundryError):
    """The thread takes no message and no run while another run is active on it."""

    code = ErrorCode.THREAD_BUSY

    def __init__(
        self,
        message: str,
        *,
        active_run_id: str | None = None,
        active_run_status: str | None = None,
        summary: str | None = None,
    ) -> None:
        super().__init__(message, summary=summary)
        self.active_run_id = active_run_id
        self.active_run_status = active_run_status


class RefusedForNowError(FoundryError):
    """Something else is under way there: the same request may be taken later."""

    code = ErrorCode.REFUSED_FOR_NOW
    retryable = True


class WaitsForToolError(FoundryError):
    """A tool call that is none of this app's waits for its answer: nothing else may be sent before."""

    code = ErrorCode.CONVERSATION_WAITS_FOR_TOOL


class ConversationUnusableError(FoundryError):
    """The service does nothing on this conversation any more: a new one is needed."""

    code = ErrorCode.CONVERSATION_UNUSABLE


class MayHaveHappenedError(FoundryError):
    """The answer to an earlier request was lost, and what it may have made does not show yet: nothing was sent."""

    code = ErrorCode.MAY_HAVE_HAPPENED
    retryable = True


class AnswerRefusedError(FoundryError):
    """An answer to tool calls that are still pending is refused: another one may be taken."""

    code = ErrorCode.ANSWER_REFUSED


class OutOfReachError(FoundryError):
    """The service has it, and does not hand it over here: the message says where it can be read."""

    code = ErrorCode.NOT_FOUND


class RateLimitedError(FoundryError):
    """Too many requests."""

    code = ErrorCode.RATE_LIMITED
    retryable = True


class TimeIsOverError(FoundryError):
    """The orchestration's deadline has passed: nothing is created any more."""

    code = ErrorCode.TIMEOUT


class TooManyToolCallsError(FoundryError):
    """The run waits for more tool calls than can be passed on."""

    code = ErrorCode.TOO_MANY_TOOL_CALLS


class ResponseTooLargeError(FoundryError):
    """The answer is larger than can be passed on."""

    code = ErrorCode.RESPONSE_TOO_LARGE


class UnavailableError(FoundryError):
    """Foundry answers, but not with what was asked for."""

    code = ErrorCode.SERVICE_UNAVAILABLE
    retryable = True


class ConnectionFailedError(FoundryError, ConnectionError):
    """There was no answer."""

    code = ErrorCode.CONNECTION_FAILED
    retryable = True


class CertificateError(ConnectionFailedError):
    """The certificate that was shown is not trusted. Waiting seldom mends that."""

    code = ErrorCode.CERTIFICATE


class ProxyRefusedError(ConnectionFailedError):
    """The proxy does not take the app, or cannot be used. Waiting seldom mends that."""

    code = ErrorCode.PROXY_REFUSED


class BadResponseError(FoundryError):
    """The answer cannot be understood."""

    code = ErrorCode.BAD_RESPONSE
    retryable = True


class OversizedAnswerError(BadResponseError):
    """An answer without end. Asking for the same again is no use."""

    retryable = False


class UnreadableRefusalError(BadResponseError):
    """A refusal (400) that does not say why. It may be one that passes, such as a busy thread."""

    code = ErrorCode.UNREADABLE_REFUSAL
