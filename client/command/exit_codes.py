"""What the command's exit code says. Scripts know the numbers: none changes its meaning."""

from __future__ import annotations

from enum import IntEnum

from ..documents import Run
from ..errors import AgentRunsError, RefusedError, StillRunningError, UsageError


class ExitCode(IntEnum):
    """One for each outcome; those of programs that are interrupted are the shells'."""

    SUCCESS = 0
    """The run has succeeded, or what was asked for is done."""
    FAILED = 1
    """The run has failed."""
    REFUSED = 2
    """The arguments cannot be used, or the app refuses the request."""
    CANCELLED = 3
    """The run was cancelled."""
    NEEDS_ANSWER = 4
    """The run waits for tool outputs or approvals."""
    UNREACHABLE = 5
    """The app does not answer, lets nobody in with this key, or fails."""
    STILL_RUNNING = 6
    """The time to wait is over; the run goes on."""
    INTERRUPTED = 130
    """Ctrl-C, or SIGTERM."""
    BROKEN_PIPE = 141
    """Who read the output has gone."""


def code_of_run(run: Run) -> ExitCode:
    """Return the code for a run that was waited for."""
    match run.status:
        case "Success":
            return ExitCode.SUCCESS
        case "Cancelled":
            return ExitCode.CANCELLED
        case "Failed":
            return ExitCode.FAILED
        case _:
            return ExitCode.NEEDS_ANSWER if run.question else ExitCode.STILL_RUNNING


def code_of_error(error: AgentRunsError) -> ExitCode:
    """Return the code for what kept the command from doing it."""
    match error:
        case UsageError():
            return ExitCode.REFUSED
        case StillRunningError():
            return ExitCode.STILL_RUNNING
        case RefusedError():
            lasting = 400 <= error.status < 500 and error.status not in (401, 403, 408, 429)
            return ExitCode.REFUSED if lasting else ExitCode.UNREACHABLE
        case _:
            return ExitCode.UNREACHABLE
