"""`make demo`: run an agent durably on this machine, kill the host under the second run, and count what became of it.

A run of the agent `history` takes two seconds. The second one is on the thread of the first, and its host is killed
with SIGKILL as soon as Foundry has the run. Started again, the host finishes it; the emulator's ledger tells how many
messages and runs that took.
"""

from __future__ import annotations

import os
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from typing import Any

import requests

from local.services import LocalServices, Service, ServiceError
from local.signals import end_on_sigterm
from local.terminal import Colour, painted
from settings import DEFAULTS

AGENT_ID = "asst_history00000000000000000"
QUESTIONS = ("Why is the sky blue?", "And why is it red at sunset?")
TIMEOUT = 30.0
LONGEST_RUN_SECONDS = 120.0
LOOK_SECONDS = 0.1
WIDTH = 72


class DemoError(RuntimeError):
    """Something did not go as it should."""


def main() -> int:
    """Run the demo; return the exit code."""
    end_on_sigterm()
    try:
        _say("Starting the local Functions host and an emulator of the Foundry agent service ...")
        with (
            tempfile.TemporaryDirectory(prefix="demo-") as folder,
            LocalServices(
                project_endpoint=None,
                host_arguments=["--port", "0", "--db", f"{folder}/state.db"],
                environment=dict.fromkeys(DEFAULTS, ""),  # whatever the developer's own settings are
                quiet=True,
            ) as services,
        ):
            _show(services)
        _say("Host and emulator are stopped. To try it yourself: make start")
    except KeyboardInterrupt:
        _say("\ninterrupted; nothing is left running")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more at the end
        return 1
    except (ServiceError, DemoError, requests.RequestException) as error:
        print(painted(f"ERROR {error}", Colour.BAD, sys.stderr), file=sys.stderr)
        return 1
    return 0


def _show(services: LocalServices) -> None:
    assert services.emulator is not None
    first = Run(services.url, QUESTIONS[0])
    for document in first.until_ended():
        first.show(document)

    thread_id = first.document["thread_id"]
    before = _ledger(services.emulator, thread_id)
    second = Run(services.url, QUESTIONS[1], thread_id)
    killed = False
    for document in second.until_ended():
        second.show(document)
        if not killed and len(_ledger(services.emulator, thread_id)["runs"]) > len(before["runs"]):
            process_id = services.host.kill()
            second.say(painted(f"kill -9 {process_id}", Colour.BAD) + "  the host is dead, the run in Foundry goes on")
            services.restart_host()
            second.say("the host is up again")
            killed = True
    if not killed:
        raise DemoError("the second run ended before its host could be killed")

    after = _ledger(services.emulator, thread_id)
    messages = after["user_messages"] - before["user_messages"]
    runs = len(after["runs"]) - len(before["runs"])
    if (messages, runs) != (1, 1):
        raise DemoError(f"the second run took {messages} messages and {runs} runs")
    count = painted("1 message, 1 run", Colour.GOOD)
    _say(f"\nFoundry's ledger of the second run: {count}. Nothing lost, nothing twice.")


class Run:
    """One run as its caller sees it."""

    def __init__(self, host: str, question: str, thread_id: str | None = None) -> None:
        where = painted("  on the same thread", Colour.ASIDE) if thread_id else ""
        _say(f"\n{painted('POST /api/run_agent', Colour.WORTH_SEEING)}  {question}{where}")
        self._began = time.monotonic()
        self._shown: tuple[str, str] | None = None
        body = {"agent_id": AGENT_ID, "user_message": question, "thread_id": thread_id}
        self._url: str = _call("POST", f"{host}/api/run_agent", body)["runUri"]
        self.document: dict[str, Any] = {}

    def until_ended(self) -> Iterator[dict[str, Any]]:
        """Give the status document again and again, the last time as the run has ended in it."""
        while self.document.get("status") != "Success":
            self.document = _call("GET", self._url)
            if self.document["status"] not in ("Running", "Success"):
                raise DemoError(f"the run ended as {self.document['status']}: {self.document['error']}")
            yield self.document
            if time.monotonic() - self._began > LONGEST_RUN_SECONDS:
                raise DemoError(f"the run has not ended after {LONGEST_RUN_SECONDS:.0f} seconds")
            time.sleep(LOOK_SECONDS)

    def show(self, document: dict[str, Any]) -> None:
        """Print what is new in a status document."""
        seen = (document["status"], document["run_status"] or document["step"] or "")
        if seen == self._shown or not (document["run_id"] or document["step"] == "create_run"):
            return
        self._shown = seen
        if document["status"] == "Success":
            answer = textwrap.shorten(document["response"], WIDTH, placeholder=" ...")
            self.say(f"{painted('Success', Colour.GOOD)}  {answer}")
        else:
            self.say(f"Running  {seen[1]}")

    def say(self, text: str) -> None:
        """Print a line with the time since the start."""
        _say(f"  {painted(f'{time.monotonic() - self._began:4.1f} s', Colour.ASIDE)}  {text}")


def _ledger(emulator: Service, thread_id: str) -> dict[str, Any]:
    ledger = _call("GET", f"{emulator.ready['url']}/_emulator/ledger?thread_id={thread_id}")
    thread: dict[str, Any] = ledger["threads"][thread_id]
    return thread


def _call(method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = requests.request(method, url, json=body, timeout=TIMEOUT)
    if not answer.ok:
        raise DemoError(f"{method} {url} answered {answer.status_code}: {answer.text[:500]}")
    document: dict[str, Any] = answer.json()
    return document


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
