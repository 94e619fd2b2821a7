"""The emulator as a Python object: a server in its own thread, and its state within reach of tests."""

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.foundry_emulator import wire
from local.foundry_emulator.agents import builtin_agents, filler_agents
from local.foundry_emulator.clock import Clock, ScaledClock
from local.foundry_emulator.faults import Faults
from local.foundry_emulator.ledger import Ledger, Recorder
from local.foundry_emulator.scripts import Agent, End, load_agents
from local.foundry_emulator.server import HOST, Server
from local.foundry_emulator.service import Service, summary
from local.foundry_emulator.state import Run, State

_PATIENCE_SECONDS = 10.0


class EmulatorBug(ExceptionGroup[Exception]):
    """Errors inside the emulator that clients saw as 500 at most."""


class FoundryEmulator:
    """An agent service on a loopback port; use it as a context manager.

    `agents` is a file, or agents that are added to the built-in ones (the same id replaces); `clock_speed`
    makes the service's time run faster; `latency` is added to each answer (real seconds); `token` is the only
    bearer token that is accepted (default: any); `filler_agents` adds so many agents, for paging.
    """

    def __init__(
        self,
        *,
        agents: str | Path | Iterable[Agent] = (),
        clock_speed: float = 1.0,
        clock: Clock | None = None,
        port: int = 0,
        project: str = "demo",
        token: str | None = None,
        latency: float = 0.0,
        filler_agents: int = 0,
        message_limit: int = 100_000,
    ) -> None:
        self.clock: Clock = clock or ScaledClock(clock_speed)
        self.service = Service(
            _all_agents(agents, filler_agents),
            self.clock,
            project=project,
            token=token,
            message_limit=message_limit,
        )
        self.faults = Faults()
        self.recorder = Recorder()
        self.latency = latency
        self.errors: list[Exception] = []
        self._project = project
        self._wanted_port = port
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._opened_before = 0

    # Life

    def start(self) -> Self:
        """Listen. Raises OSError where the port cannot be had."""
        if self._thread is not None:
            raise RuntimeError("the emulator is already started")
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="foundry-emulator", daemon=True
        )
        self._thread.start()
        try:
            started.result(timeout=_PATIENCE_SECONDS)
        except BaseException:
            self._thread.join(timeout=_PATIENCE_SECONDS)
            self._thread = None
            raise
        return self

    async def _serve(self, started: "Future[None]") -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._note_loop_error)
        self._stopping = asyncio.Event()
        server = Server(self)
        try:
            await server.start(self._wanted_port)
        except Exception as error:  # noqa: BLE001  raised again in the thread that called start
            started.set_exception(error)
            return
        self._server = server
        started.set_result(None)
        try:
            await self._stopping.wait()
        finally:
            await server.stop()

    def _note_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        del loop
        error = context.get("exception")
        self.errors.append(error if isinstance(error, Exception) else RuntimeError(str(context)))

    def stop(self) -> None:
        """Stop listening and end the thread. Raises `EmulatorBug` where the emulator itself went wrong."""
        if self._thread is None:
            return
        assert self._loop is not None
        assert self._stopping is not None
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout=_PATIENCE_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError("the emulator's thread does not end")
        self._thread = None
        if self.errors:
            raise EmulatorBug("the emulator went wrong", self.errors)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # What tests ask

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._running().port

    @property
    def url(self) -> str:
        """The server's root, where `/_emulator/` is."""
        return f"http://{HOST}:{self.port}"

    @property
    def endpoint(self) -> str:
        """The project endpoint, as in `FOUNDRY_PROJECT_ENDPOINT`."""
        return f"{self.url}/api/projects/{self._project}"

    @property
    def state(self) -> State:
        """Agents, threads, messages and runs; hold `state.lock` while reading more than one thing."""
        return self.service.state

    def ledger(self) -> Ledger:
        """Copy what was received, and what each thread holds now."""
        return Ledger(self.recorder.entries(), summary(self.state), self.connections()["opened"])

    def connections(self) -> dict[str, int]:
        """Count TCP connections: `opened` since the last reset, `open` now."""
        server = self._running()
        return {"opened": server.opened - self._opened_before, "open": server.open_connections}

    def agents(self) -> list[dict[str, str]]:
        """List the agents and what each does."""
        with self.state.lock:
            return [
                {
                    "id": one.id,
                    "name": str(one.fields.get("name") or ""),
                    "does": one.does or "Made by a client.",
                }
                for one in self.state.assistants.values()
            ]

    # What tests do

    def reset(self) -> None:
        """Forget threads, runs, requests, faults, created agents, and the count of connections."""
        self.state.reset()
        self.recorder.clear()
        self.faults.clear()
        self._opened_before = self._running().opened

    def outage(self, seconds: float) -> None:
        """Let nobody listen on the port for so many real seconds; open connections break."""
        server, loop = self._running(), self._loop
        assert loop is not None
        down = asyncio.run_coroutine_threadsafe(server.go_down(seconds), loop)
        down.result(timeout=_PATIENCE_SECONDS)

    def cancel_run(self, run_id: str) -> dict[str, Any]:
        """Cancel a run as somebody else would, `cancelling` first. Raises KeyError, ValueError (ended)."""
        with self.state.lock:
            run, now = self._active(run_id), self.clock.now()
            if run.cancel_at is None:
                run.cancel_at = now
            return wire.show_run(self.state, run)

    def end_run(self, run_id: str, end: End) -> dict[str, Any]:
        """End a run at once. Raises KeyError or ValueError (it has ended)."""
        with self.state.lock:
            run = self._active(run_id)
            run.forced = (self.clock.now(), end)
            return wire.show_run(self.state, run)

    def _active(self, run_id: str) -> Run:
        run = self.state.runs[run_id]
        status = run.look(self.clock.now()).status
        if run.look(self.clock.now()).is_terminal:
            raise ValueError(f"run {run_id} has ended: {status}")
        return run

    def _running(self) -> Server:
        if self._server is None:
            raise RuntimeError("the emulator is not started")
        return self._server


def _all_agents(added: str | Path | Iterable[Agent], fillers: int) -> list[Agent]:
    builtin: Iterable[Agent] = builtin_agents()
    if isinstance(added, str | Path):
        loaded = load_agents(Path(added))
        added = loaded.agents
        builtin = builtin if loaded.include_builtin else ()
    by_id = {agent.id: agent for agent in (*builtin, *filler_agents(fillers))}
    by_id.update({agent.id: agent for agent in added})
    return list(by_id.values())
