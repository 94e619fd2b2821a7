"""`make start`: the local Functions host in the foreground, with the Foundry emulator unless a real project is
named.
"""

from __future__ import annotations

import sys

from local.services import LocalServices, ServiceError, configured_endpoint
from local.signals import end_on_sigterm


def main() -> int:
    """Run until Ctrl-C; return the exit code. Arguments are passed on to the host."""
    end_on_sigterm()
    endpoint = configured_endpoint()
    print(f"Foundry project: {endpoint or 'the emulator (FOUNDRY_PROJECT_ENDPOINT is not set)'}", flush=True)
    try:
        with LocalServices(project_endpoint=endpoint, host_arguments=sys.argv[1:], quiet=False) as services:
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
