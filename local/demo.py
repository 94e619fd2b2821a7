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
from typing import Any

import requests

from client import AgentRuns, AgentRunsError, Run
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
    except (ServiceError, DemoError, AgentRunsError, requests.RequestException) as error:
        print(painted(f"ERROR {error}", Colour.BAD, sys.stderr), file=sys.stderr)
        return 1
    return 0


def _show(services: LocalServices) -> None:
    assert services.emulator is not None
    with AgentRuns(services.url) as runs:
        first = Report(QUESTIONS[0])
        thread_id = ""
        for run in runs.watch(first.start(runs), every=LOOK_SECONDS, timeout=LONGEST_RUN_SECONDS):
            first.show(run)
            thread_id = run.thread_id or thread_id

        before = _ledger(services.emulator, thread_id)
        second = Report(QUESTIONS[1], thread_id)
        killed = False
        for run in runs.watch(second.start(runs), every=LOOK_SECONDS, timeout=LONGEST_RUN_SECONDS):
            second.show(run)
            if not killed and len(_ledger(services.emulator, thread_id)["runs"]) > len(before["runs"]):
                process_id = services.host.kill()
                second.say(
                    painted(f"kill -9 {process_id}", Colour.BAD) + "  the host is dead, the run in Foundry goes on"
                )
                services.restart_host()
                second.say("the host is up again")
                killed = True
    if not killed:
        raise DemoError("the second run ended before its host could be killed")

    after = _ledger(services.emulator, thread_id)
    messages = after["user_messages"] - before["user_messages"]
    count = len(after["runs"]) - len(before["runs"])
    if (messages, count) != (1, 1):
        raise DemoError(f"the second run took {messages} messages and {count} runs")
    counted = painted("1 message, 1 run", Colour.GOOD)
    _say(f"\nFoundry's ledger of the second run: {counted}. Nothing lost, nothing twice.")


class Report:
    """What the demo prints of one run."""

    def __init__(self, question: str, thread_id: str | None = None) -> None:
        where = painted("  on the same thread", Colour.ASIDE) if thread_id else ""
        _say(f"\n{painted('POST /api/run_agent', Colour.WORTH_SEEING)}  {question}{where}")
        self._question = question
        self._thread_id = thread_id
        self._began = time.monotonic()
        self._shown: tuple[str, str] | None = None

    def start(self, runs: AgentRuns) -> str:
        """Start the run; return its id."""
        return runs.start(self._question, agent=AGENT_ID, thread_id=self._thread_id)

    def show(self, run: Run) -> None:
        """Print what is new of the run. Raises `DemoError` where it did not succeed."""
        if run.ended and not run.succeeded:
            raise DemoError(f"the run ended as {run.status}: {run.error_code}, {run.error_message}")
        seen = (run.status, run.run_status or run.step or "")
        if seen == self._shown or not (run.document["run_id"] or run.step == "create_run"):
            return
        self._shown = seen
        if run.response is not None:
            answer = textwrap.shorten(run.response, WIDTH, placeholder=" ...")
            self.say(f"{painted('Success', Colour.GOOD)}  {answer}")
        else:
            self.say(f"Running  {seen[1]}")

    def say(self, text: str) -> None:
        """Print a line with the time since the start."""
        _say(f"  {painted(f'{time.monotonic() - self._began:4.1f} s', Colour.ASIDE)}  {text}")


def _ledger(emulator: Service, thread_id: str) -> dict[str, Any]:
    url = f"{emulator.ready['url']}/_emulator/ledger"
    answer = requests.get(url, params={"thread_id": thread_id}, timeout=TIMEOUT)
    answer.raise_for_status()
    thread: dict[str, Any] = answer.json()["threads"][thread_id]
    return thread


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
