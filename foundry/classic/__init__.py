"""Classic agents: assistants, threads, messages and runs. Microsoft retires them on 2027-03-31.

    service   the requests (`ClassicAgentService`)
    runs      what a run says
    pending   what a run waits for
    steps     what the steps of a run say
    files     the requests for a file
    paths     of threads and runs

Wire shapes and names of that service stay inside this package (foundry-api.md, section 1).
"""

from foundry.classic.service import ClassicAgentService

__all__ = ["ClassicAgentService"]
