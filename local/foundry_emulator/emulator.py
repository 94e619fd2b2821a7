"""The emulator as a Python object: a server in its own thread, and its state within reach of tests."""

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.foundry_emulator.clock import Clock
from local.foundry_emulator.emulation import Emulation
from local.foundry_emulator.scripts import Agent, Quota
from local.foundry_emulator.second.unknowns import Unknowns
from local.foundry_emulator.server import Server
from local.foundry_emulator.service import GENERATIONS

_PATIENCE_SECONDS = 10.0


class EmulatorBug(ExceptionGroup[Exception]):
    """Errors inside the emulator that clients saw as 500 at most."""


class FoundryEmulator(Emulation):
    """An agent service on a loopback port; use it as a context manager.

    `agents` is a file, or agents that are added to the built-in ones (the same id replaces); `clock_speed`
    makes the service's time run faster; `latency` is added to each answer (real seconds); `token` is the only
    bearer token that is accepted (default: any); `filler_agents` adds so many agents, for paging; `quota` is what all
    agents share; `db` is a file in which threads and runs outlive the process (default: none); `unknowns` are the
    switches of the second generation (see `second.unknowns`); `generations` are those that the project has.
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
        quota: Quota | None = None,
        db: str | Path | None = None,
        unknowns: Unknowns | Mapping[str, Any] | None = None,
        generations: Sequence[str] = GENERATIONS,
    ) -> None:
        super().__init__(
            agents=agents,
            clock_speed=clock_speed,
            clock=clock,
            project=project,
            token=token,
            latency=latency,
            filler_agents=filler_agents,
            message_limit=message_limit,
            quota=quota,
            db=db,
            unknowns=unknowns,
            generations=generations,
        )
        self._wanted_port = port
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

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
        except Exception as error:  # noqa: BLE001 - raised again in the thread that called start
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
        """Stop listening, end the thread, close the file. Raises `EmulatorBug` where the emulator itself went wrong."""
        try:
            self._end_thread()
        finally:
            self.close()
        if self.errors:
            raise EmulatorBug("the emulator went wrong", self.errors)

    def _end_thread(self) -> None:
        if self._thread is None:
            return
        assert self._loop is not None
        assert self._stopping is not None
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout=_PATIENCE_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError("the emulator's thread does not end")
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._running().port

    @property
    def url(self) -> str:
        """The server's root, where `/_emulator/` is."""
        return self._running().url

    @property
    def endpoint(self) -> str:
        """The project endpoint, as in `FOUNDRY_PROJECT_ENDPOINT`."""
        return self._running().endpoint

    def connections(self) -> dict[str, int]:
        """Count TCP connections: `opened` since the last reset, `open` now."""
        return {"opened": self.connections_opened, "open": self._running().open_connections}

    def outage(self, seconds: float) -> None:
        """Let nobody listen on the port for so many real seconds; open connections break."""
        server, loop = self._running(), self._loop
        assert loop is not None
        down = asyncio.run_coroutine_threadsafe(server.go_down(seconds), loop)
        down.result(timeout=_PATIENCE_SECONDS)

    def _running(self) -> Server:
        if self._server is None:
            raise RuntimeError("the emulator is not started")
        return self._server
