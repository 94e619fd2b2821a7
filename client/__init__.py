"""Start, watch, answer and cancel durable agent runs over HTTP.

    from agent_runs import AgentRuns  # in the repository itself: from client import AgentRuns

    with AgentRuns.from_environment() as runs:
        run = runs.run("Why is the sky blue?", agent="history")
        print(run.response)

Installed, the package is called `agent_runs`; its modules import each other relatively, so that both names work. It
needs `requests` and nothing of the app.
"""

from .documents import Call, Page, Question, Run, WaitingFor
from .errors import AgentRunsError, RefusedError, StillRunningError, UnreachableError, UsageError
from .runs import AgentRuns

__all__ = [
    "AgentRuns",
    "AgentRunsError",
    "Call",
    "Page",
    "Question",
    "RefusedError",
    "Run",
    "StillRunningError",
    "UnreachableError",
    "UsageError",
    "WaitingFor",
]
