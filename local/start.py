"""`make start`: the local Functions host in the foreground, with the Foundry emulator unless a real project is
named.
"""

from __future__ import annotations

import json
import sys

from local.services import LocalServices, ServiceError, configured_endpoint
from local.signals import end_on_sigterm


def example(url: str, *, emulated: bool) -> str:
    """Return a curl line that starts a run; the emulator's agent is known, a project's is not."""
    agent_id = "asst_history00000000000000000" if emulated else "<agent id, see GET /api/agents>"
    body = json.dumps({"agent_id": agent_id, "user_message": "Why is the sky blue?"})
    return f"curl -X POST -H 'Content-Type: application/json' -H 'Prefer: wait=30' -d '{body}' '{url}/api/run_agent'"


def main() -> int:
    """Run until Ctrl-C; return the exit code. Arguments are passed on to the host."""
    end_on_sigterm()
    endpoint = configured_endpoint()
    print(f"Foundry project: {endpoint or 'the emulator (FOUNDRY_PROJECT_ENDPOINT is not set)'}", flush=True)
    try:
        with LocalServices(project_endpoint=endpoint, host_arguments=sys.argv[1:], quiet=False) as services:
            print(f"\nTry it:\n{example(services.url, emulated=endpoint is None)}", flush=True)
            services.wait()
    except KeyboardInterrupt:
        return 0
    except ServiceError as error:
        print(f"ERROR {error}", file=sys.stderr)
        return 1
    print("ERROR a service has ended by itself, its message is above", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
