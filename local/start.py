"""`make start`: the local Functions host in the foreground, with the emulator unless a real project is named."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from local.examples import examples
from local.services import APP_ROOT, LocalServices, ServiceError, configured_endpoint
from local.signals import end_on_sigterm
from local.terminal import Colour, painted

MEMORY = ":memory:"
DEFAULT_DB = APP_ROOT / ".local" / "state.db"
TIMEOUT = 60.0
"""In seconds; a first token may take its time."""


def parser() -> argparse.ArgumentParser:
    """The command line's definition."""
    p = argparse.ArgumentParser(
        prog="python -m local.start",
        description="Run the app on this machine until Ctrl-C: on the local Functions host, with an emulator of the "
        "Foundry agent service unless FOUNDRY_PROJECT_ENDPOINT names a project.",
        epilog="All other options are the host's: see `python -m local.functions_host --help`. "
        "With make: make start PORT=7072 DB=other.db ARGS='--reload --verbose'.",
        allow_abbrev=False,
    )
    p.add_argument("--port", type=int, help="the host's; 0 takes a free one (default LocalHttpPort, or 7071)")
    p.add_argument(
        "--db",
        default=str(DEFAULT_DB),
        metavar="FILE",
        help=f"the host's state; the emulator's is beside it. {MEMORY} keeps nothing (default .local/state.db)",
    )
    p.add_argument("--agents", metavar="FILE", help="agents of your own for the emulator")
    volume = p.add_mutually_exclusive_group()
    volume.add_argument("--verbose", action="store_true", help="every request, episode and activity")
    volume.add_argument("--quiet", action="store_true", help="warnings and errors only, instead of a line per run")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C; return the exit code."""
    given, others = parser().parse_known_args(arguments)
    end_on_sigterm()
    endpoint = configured_endpoint()
    state = None if given.db == MEMORY else Path(given.db).resolve()
    port = [] if given.port is None else ["--port", str(given.port)]
    volume = "--verbose" if given.verbose else "--quiet" if given.quiet else "--brief"
    try:
        with LocalServices(
            project_endpoint=endpoint,
            host_arguments=[*port, "--db", str(state or MEMORY), volume, *others],
            emulator_arguments=emulator_arguments(state, given.agents),
            quiet=False,
        ) as services:
            _greet(services, endpoint, state)
            ended = services.wait()
            raise ServiceError(f"{ended.module} has ended by itself: {ended.last_line()}")  # noqa: TRY301 - as the others
    except KeyboardInterrupt:
        print("\nHost and emulator are stopped." if endpoint is None else "\nThe host is stopped.", flush=True)
        return 0
    except (ServiceError, requests.RequestException) as error:
        print(painted(f"ERROR {error}", Colour.BAD, sys.stderr), file=sys.stderr)
        return 1


def emulator_arguments(state: Path | None, agents: str | None) -> list[str]:
    """Return what the emulator is told. What it keeps belongs to the host's state: the two are of one moment."""
    kept = [] if state is None else ["--db", str(emulators_file(state))]
    return kept if agents is None else [*kept, "--agents", agents]


def emulators_file(state: Path) -> Path:
    """Return the emulator's file beside the host's: `state.foundry.db` for `state.db`."""
    return state.with_name(f"{state.stem}.foundry{state.suffix}")


def _greet(services: LocalServices, endpoint: str | None, state: Path | None) -> None:
    key = services.host.ready.get("function_key")
    print(f"{painted(f'The app listens on {services.url}', Colour.GOOD)}, Ctrl-C ends it.")
    print(f"  Console  {services.url}/api/console")
    if services.emulator is not None:
        print(f"  Foundry  an emulator; its agents: curl -s {services.emulator.ready['url']}/_emulator/agents")
    else:
        print(f"  Foundry  {endpoint}")
    if state is None:
        print("  State    in memory, lost at the end")
    else:
        files = [state] if services.emulator is None else [state, emulators_file(state)]
        print(f"  State    {', '.join(map(_shown, files))}: runs go on at the next start, also after a crash")
    sys.stdout.flush()
    checks = _get(services.url, "/api/health/ready", key)["checks"]
    failed = [check["message"] for check in checks if not check["ok"]]
    if failed:
        remedy = ". Unset FOUNDRY_PROJECT_ENDPOINT to use the emulator" if endpoint else ""
        print(painted(f"WARNING the project cannot be used: {failed[0]}{remedy}", Colour.BAD))  # others follow from it
    known = [] if failed else _get(services.url, "/api/agents", key).get("agents", [])
    print("\nTry it in another terminal, line by line:")
    for subject, lines in examples(services.url, [agent["id"] for agent in known], key):
        print(f"  {painted(f'# {subject}', Colour.ASIDE)}")
        for line in lines:
            print(f"  {line}")
    print(flush=True)


def _get(host: str, path: str, key: str | None) -> dict[str, Any]:
    """Return what the app answers, also where that says what is wrong."""
    headers = {} if key is None else {"x-functions-key": key}
    document: dict[str, Any] = requests.get(host + path, headers=headers, timeout=TIMEOUT).json()
    return document


def _shown(path: Path) -> str:
    return str(path.relative_to(APP_ROOT)) if path.is_relative_to(APP_ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main())
