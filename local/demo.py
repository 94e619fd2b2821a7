"""`make demo`: run an agent durably on this machine, twice on one thread, and show what a caller sees."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import requests

from local.services import LocalServices, ServiceError
from local.signals import end_on_sigterm

AGENT_NAME = "history"
QUESTIONS = ("Why is the sky blue?", "And why is it red in the evening?")
AGENTS_SHOWN = 4
TIMEOUT = 30.0
LONGEST_RUN_SECONDS = 120.0


class DemoError(RuntimeError):
    """Something did not go as it should."""


def main() -> int:
    """Run the demo; return the exit code."""
    end_on_sigterm()
    try:
        print("Starting the Foundry emulator and the local Functions host ...", flush=True)
        with LocalServices(
            project_endpoint=None, host_arguments=["--port", "0", "--db", ":memory:"], quiet=True
        ) as services:
            _show(services.url)
    except KeyboardInterrupt:
        print("\ninterrupted; nothing is left running")
        return 130
    except (ServiceError, DemoError, requests.RequestException) as error:
        print(f"ERROR {error}", file=sys.stderr)
        return 1
    print("\nHost and emulator are stopped.")
    return 0


def _show(host: str) -> None:
    print(f"Host: {host}\n\nGET /api/agents")
    agents = _call("GET", f"{host}/api/agents")["agents"]
    chosen = next(a for a in agents if a["name"] == AGENT_NAME)
    for agent in [chosen, *[a for a in agents if a is not chosen][: AGENTS_SHOWN - 1]]:
        print(f"  {agent['id']}  {agent['name']}")
    print(f"  ... and {len(agents) - AGENTS_SHOWN} more")
    agent_id = chosen["id"]

    first = _run(host, {"agent_id": agent_id, "user_message": QUESTIONS[0]})
    print(f"\nAnswer: {first['response']}\nThread: {first['thread_id']}\n\nThe status document:")
    print(json.dumps(first, indent=2, ensure_ascii=False))

    print("\nThe same thread once more: the agent remembers.")
    second = _run(host, {"agent_id": agent_id, "user_message": QUESTIONS[1], "thread_id": first["thread_id"]})
    print(f"\nAnswer: {second['response']}\nThread: {second['thread_id']} (the same)")


def _run(host: str, request: dict[str, Any]) -> dict[str, Any]:
    """Start a run, show it as it goes on, and return its status document."""
    print(f"\nPOST /api/run_agent {json.dumps(request)}")
    started = time.monotonic()
    accepted = _call("POST", f"{host}/api/run_agent", request)
    print(f"  202 Accepted, instance {accepted['id']}")
    while True:
        document = _call("GET", accepted["runUri"])
        elapsed = time.monotonic() - started
        print(
            f"  {elapsed:4.1f} s  {document['status']:8} thread {document['thread_id'] or '-'}  "
            f"run {document['run_id'] or '-'}  {document['run_status'] or ''}",
            flush=True,
        )
        if document["status"] == "Success":
            return document
        if document["status"] not in ("Running", "Cancelling"):
            raise DemoError(f"the run ended as {document['status']}: {document['error']}")
        if elapsed > LONGEST_RUN_SECONDS:
            raise DemoError(f"the run has not ended after {LONGEST_RUN_SECONDS:.0f} seconds")
        time.sleep(1)


def _call(method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = requests.request(method, url, json=body, timeout=TIMEOUT)
    if not answer.ok:
        raise DemoError(f"{method} {url} answered {answer.status_code}: {answer.text[:500]}")
    document: dict[str, Any] = answer.json()
    return document


if __name__ == "__main__":
    sys.exit(main())
