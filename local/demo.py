"""`make demo`: run an agent of each generation durably on this machine, kill the host under the second run, and count
what became of it.

A run of the agent `history` takes two seconds. The first one is a classic agent's, on a thread; the second one is its
successor's, in a conversation, and its host is killed with SIGKILL as soon as Foundry has the response. Started again,
the host finishes it; the emulator's ledger tells how many messages and responses that took.
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

CLASSIC_AGENT, SECOND_AGENT = "asst_history00000000000000000", "history"
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
        first = Report(CLASSIC_AGENT, QUESTIONS[0], "a classic agent")
        for run in runs.watch(first.start(runs), every=LOOK_SECONDS, timeout=LONGEST_RUN_SECONDS):
            first.show(run)

        second = Report(SECOND_AGENT, QUESTIONS[1], "an agent of the second generation")
        killed, conversation_id = False, None
        for run in runs.watch(second.start(runs), every=LOOK_SECONDS, timeout=LONGEST_RUN_SECONDS):
            second.show(run)
            conversation_id = run.thread_id or conversation_id
            if not killed and conversation_id and _counted(services.emulator, conversation_id)[1]:
                process_id = services.host.kill()
                second.say(
                    painted(f"kill -9 {process_id}", Colour.BAD) + "  the host is dead, the run in Foundry goes on"
                )
                services.restart_host()
                second.say("the host is up again")
                killed = True
    if not killed or conversation_id is None:
        raise DemoError("the second run ended before its host could be killed")

    messages, responses = _counted(services.emulator, conversation_id)
    if (messages, responses) != (1, 1):
        raise DemoError(f"the second run took {messages} messages and {responses} responses")
    counted = painted("1 message, 1 response", Colour.GOOD)
    _say(f"\nFoundry's ledger of the second run: {counted}. Nothing lost, nothing twice.")


class Report:
    """What the demo prints of one run."""

    def __init__(self, agent: str, question: str, who: str) -> None:
        asked = painted(f"  {who}", Colour.ASIDE)
        _say(f"\n{painted('POST /api/run_agent', Colour.WORTH_SEEING)}  {question}{asked}")
        self._agent = agent
        self._question = question
        self._began = time.monotonic()
        self._shown: tuple[str, str] | None = None

    def start(self, runs: AgentRuns) -> str:
        """Start the run; return its id."""
        return runs.start(self._question, agent=self._agent)

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


def _counted(emulator: Service, conversation_id: str) -> tuple[int, int]:
    """Return how many messages and responses the conversation has."""
    url = f"{emulator.ready['url']}/_emulator/ledger"
    answer = requests.get(url, params={"thread_id": conversation_id}, timeout=TIMEOUT)
    answer.raise_for_status()
    conversation: dict[str, Any] = answer.json()["conversations"][conversation_id]
    return conversation["user_messages"], len(conversation["responses"])


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
