"""What can go wrong. Only a usage error and a refusal are about the request; a run goes on through all the others.

AgentRunsError
├── UsageError (ValueError)             what was given cannot be used; nothing was sent
├── UnreachableError (ConnectionError)  no answer of the app came in time
├── RefusedError                        the app, or the platform in front of it, has answered with an error
└── StillRunningError (TimeoutError)    the time to wait is over
"""

from __future__ import annotations

from collections.abc import Sequence


class AgentRunsError(Exception):
    """Whatever this package raises by itself."""


class UsageError(AgentRunsError, ValueError):
    """An address, a key or an argument cannot be used; nothing was sent. No message holds a key."""


class UnreachableError(AgentRunsError, ConnectionError):
    """No answer of the app came in time: what was asked for may have been done all the same."""


class RefusedError(AgentRunsError):
    """An error answer. `code` is None where the platform itself has answered, without saying why."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        details: Sequence[str] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = tuple(details)
        """Everything that is wrong with a request, a line each."""
        self.retry_after = retry_after
        """In seconds, where the answer says when to ask again."""


class StillRunningError(AgentRunsError, TimeoutError):
    """The time to wait is over, and the run goes on."""

    def __init__(self, run_id: str, seconds: float) -> None:
        super().__init__(f"run {run_id} has not ended within {seconds:g} seconds; it goes on")
        self.run_id = run_id
