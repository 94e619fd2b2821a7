"""The real app on the local host, or on a given one, the emulator behind it, and a caller in front of it."""

from __future__ import annotations

import errno
import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from local.foundry_emulator import FoundryEmulator
from local.foundry_emulator.ledger import Entry
from local.foundry_emulator.scripts import Agent
from local.foundry_emulator.second.agents import name_of
from tests.e2e.generations import operation, present
from tests.e2e.given_host import SETTINGS, GivenHost, given, not_ours
from tests.faults.spoiling import Spoil, SpoilingProxy
from tests.functions_host.harness import REPOSITORY, Answer, HostProcess

SPEED = 20.0
ENDED = frozenset({"completed", "failed", "cancelled", "expired", "incomplete", "cut"})
"""States in which a run, or a response, does nothing any more."""
FASTEST_WITH_WATCHES = 10.0
"""A watch stays for real seconds, whatever the clocks show: where they run faster, a look is one look."""

PATIENCE_SECONDS = 60.0
PATIENCE_WITH_A_GIVEN_HOST_SECONDS = 300.0
"""Its clock runs no faster than ours, and its timers may be late."""


def agent(name: str) -> str:
    """What a start calls a built-in agent of the emulator, of the present test's generation."""
    return classic_agent(name) if present() == "classic" else name


def classic_agent(name: str) -> str:
    """The id of a built-in agent of the emulator, of the classic generation."""
    return f"asst_{name}".ljust(29, "0")


def of_own(agents: Sequence[Agent], name: str) -> str:
    """What a start calls one of a test's own agents, of the present test's generation."""
    [found] = [one for one in agents if one.name == name]
    return found.id if present() == "classic" else name_of(found)


class World:
    """Host and emulator; a context manager. `env` is for the host, None values unset.

    With `spoiled` a proxy stands between the two, whose answers `spoil` replaces. A test that wants its host set up in
    a way of its own is skipped where a host is given.
    """

    def __init__(
        self,
        *,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        speed: float = SPEED,
        emulator: Mapping[str, Any] | None = None,
        spoiled: bool = False,
    ) -> None:
        self._given = given()
        if env or args or spoiled:
            self.only_here("has its own settings")
        port = self._given.emulator_port if self._given else 0
        # The clock of a given host is ours, and the agent service has to keep to it.
        self.emulator = FoundryEmulator(clock_speed=1.0 if self._given else speed, port=port, **(emulator or {}))
        self._speed = speed
        self._env = dict(env or {})
        self._args = ["--clock-speed", str(speed), *args]
        self._spoiled = spoiled
        self._proxy: SpoilingProxy
        self.host: HostProcess
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._enter()
        except BaseException:
            self._stack.close()
            raise
        return self

    def only_here(self, why: str) -> None:
        """Skip the test that is running where a host is given, which does not fit it."""
        if self._given:
            not_ours(why)

    def _enter(self) -> None:
        try:
            self.emulator.start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                self.only_here("has one agent service, and another test's world is there")
            raise
        self._stack.callback(self.emulator.stop)
        if self._given:
            self.host = self._stack.enter_context(GivenHost(self._given))
            return
        endpoint = self.emulator.endpoint
        if self._spoiled:
            self._proxy = self._stack.enter_context(SpoilingProxy(endpoint))
            endpoint = self._proxy.endpoint
        settings = {"FOUNDRY_PROJECT_ENDPOINT": endpoint, **SETTINGS}
        if self._speed > FASTEST_WITH_WATCHES:
            settings["FOUNDRY_MAX_LOOKS_PER_SECOND"] = "0"
        self.host = HostProcess(REPOSITORY, env={**settings, **self._env}, args=self._args)
        self._stack.enter_context(self.host)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def spoil(self, spoil: Spoil | None) -> None:
        """From now on Foundry's answers are what this makes of them; None: as they are."""
        self._proxy.spoil = spoil or (lambda _method, _path, answer: answer)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        return self.host.request("POST", path, body, headers=headers)

    def post_in_chunks(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a body without its length."""
        host = urlsplit(self.host.url)
        kind = http.client.HTTPSConnection if host.scheme == "https" else http.client.HTTPConnection
        key = self._given.headers if self._given else {}
        with closing(kind(host.hostname or "", host.port)) as connection:
            connection.request("POST", path, iter([body]), {**key, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())

    def get(self, path: str) -> Answer:
        return self.host.request("GET", path)

    def start(self, name: str, message: str = "hello", **fields: Any) -> str:
        """Start a run of a built-in agent; return the instance id."""
        answer = self.post("/api/run_agent", {"agent_id": agent(name), "user_message": message, **fields})
        assert answer.status == 202, answer.text
        return str(answer.json["id"])

    def document(self, instance_id: str) -> dict[str, Any]:
        answer = self.get(f"/api/runs/{instance_id}")
        assert answer.status in (200, 202), answer.text
        return dict(answer.json)

    def until(self, instance_id: str, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Wait until the status document meets a condition."""
        deadline = time.monotonic() + (PATIENCE_WITH_A_GIVEN_HOST_SECONDS if self._given else PATIENCE_SECONDS)
        while True:
            document = self.document(instance_id)
            if condition(document):
                return document
            assert time.monotonic() < deadline, f"does not get there: {document}\n{self._log()}"
            time.sleep(0.02)

    def _log(self) -> str:
        return "" if self._given else self.host.log[-4000:]

    def end(self, instance_id: str) -> dict[str, Any]:
        """Wait until the instance has ended; return its status document."""
        return self.until(instance_id, lambda d: d["status"] not in ("Running", "Cancelling"))

    def run(self, name: str, message: str = "hello", **fields: Any) -> dict[str, Any]:
        return self.end(self.start(name, message, **fields))

    def thread(self, thread_id: str) -> dict[str, Any]:
        """What the emulator holds of a thread, or of a conversation, whose responses count as runs."""
        ledger = self.emulator.ledger()
        if thread_id in ledger.threads:
            return dict(ledger.threads[thread_id])
        conversation = dict(ledger.conversations[thread_id])
        return {**conversation, "runs": conversation["responses"]}

    def sent(self, classic_operation: str, thread_id: str) -> list[Entry]:
        """The requests for an operation, named as of classic, on a thread or a conversation."""
        entries = self.emulator.ledger().of(operation(classic_operation))
        return [entry for entry in entries if thread_id in (entry.thread_id, entry.conversation_id)]

    def active_runs(self) -> list[str]:
        """The ids of all runs, of either generation, that have not ended."""
        ledger = self.emulator.ledger()
        runs = [*ledger.runs, *(r for c in ledger.conversations.values() for r in c["responses"])]
        return [str(run["id"]) for run in runs if run["status"] not in ENDED]


def until(condition: Callable[[], Any]) -> Any:
    """Wait until a condition holds that nobody tells; return what it returned."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition never holds"
        time.sleep(0.02)
    return found


def one_message_one_run(world: World, document: Mapping[str, Any]) -> None:
    """Assert what every start owes: one user message and one run on its thread. In a conversation every answer to tool
    calls is a response that goes on behind the one that asked: one behind each.
    """
    thread = world.thread(document["thread_id"])
    assert thread["user_messages"] == 1, thread
    behind = [run.get("continues") for run in thread["runs"]]
    assert behind.count(None) == 1, thread
    assert len(set(behind)) == len(behind), thread
