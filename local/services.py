"""Starts the local Functions host, and the Foundry emulator where no real project is named, as child processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.signals import interrupts_held_back, kill_with_parent

APP_ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 45
"""The host drains for at most 40 seconds when it is stopped."""


class ServiceError(RuntimeError):
    """A local service did not start; the message is its own last line."""


class Service:
    """One local service as a child process; `ready` is what it wrote when it began to listen."""

    def __init__(self, module: str, arguments: Sequence[str], *, environment: Mapping[str, str], quiet: bool) -> None:
        self.module = module
        self.ready: dict[str, Any] = {}
        self._directory = tempfile.TemporaryDirectory(prefix="functions-")
        self._ready_file = Path(self._directory.name) / "ready.json"
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") if quiet else None  # noqa: SIM115
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-u", "-m", module, "--ready-file", str(self._ready_file), *arguments],
            cwd=APP_ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT if quiet else None,
            start_new_session=True,  # Ctrl-C reaches this program only, which then ends its services in order
            preexec_fn=kill_with_parent(),  # noqa: PLW1509 - this program has one thread
        )

    def wait_until_ready(self) -> None:
        """Return when the service listens; raise `ServiceError` if it ends before."""
        waited_until = time.monotonic() + START_SECONDS
        while not self._ready_file.exists():
            if self._process.poll() is not None:
                raise ServiceError(f"{self.module} did not start: {self.last_line()}")
            if time.monotonic() > waited_until:
                raise ServiceError(f"{self.module} did not start within {START_SECONDS} seconds")
            time.sleep(0.05)
        self.ready = json.loads(self._ready_file.read_text(encoding="utf-8"))

    def is_running(self) -> bool:
        """Say whether the process is alive."""
        return self._process.poll() is None

    def kill(self) -> int:
        """End the process at once, as a crash does; return the id that it had."""
        self._process.kill()
        self._process.wait()
        return self._process.pid

    def stop(self) -> None:
        """End the process gently; at once where that takes too long, or somebody interrupts it."""
        try:
            if self.is_running():
                self._process.terminate()
                self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()
            if self._log is not None:
                self._log.close()
                self._log = None
            self._directory.cleanup()

    def last_line(self) -> str:
        """Return what an ended process said last, or its exit code."""
        if self._log is None:
            return "its message is above"
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        return lines[-1] if lines else f"exit code {self._process.returncode}"


class LocalServices:
    """Host and emulator together, as a context manager that leaves no process behind.

    With `project_endpoint` (a real project) there is no emulator. `environment` is for the host; `quiet` keeps its
    lines off the terminal, as those of the emulator always are.
    """

    def __init__(
        self,
        *,
        project_endpoint: str | None,
        host_arguments: Sequence[str],
        emulator_arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        quiet: bool,
    ) -> None:
        self._endpoint = project_endpoint
        self._host_arguments = host_arguments
        self._emulator_arguments = emulator_arguments
        self._environment = dict(environment or {})
        self._quiet = quiet
        self._stack = ExitStack()
        self.emulator: Service | None = None
        self.host: Service

    def __enter__(self) -> Self:
        with ExitStack() as stack:  # ends in reverse order: the host still asks the emulator while it drains
            if self._endpoint is None:
                self.emulator = self._start(stack, "local.foundry_emulator", self._emulator_arguments, quiet=True)
                self._environment |= {
                    "FOUNDRY_PROJECT_ENDPOINT": self.emulator.ready["endpoint"],
                    "FOUNDRY_ACCESS_TOKEN": self.emulator.ready["token"],
                }
            else:
                self._environment["FOUNDRY_PROJECT_ENDPOINT"] = self._endpoint
            self.host = self._start_host(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """The host's URL."""
        url: str = self.host.ready["url"]
        return url

    def wait(self) -> Service:
        """Return the first service that has ended by itself."""
        while True:
            for service in filter(None, (self.host, self.emulator)):
                if not service.is_running():
                    return service
            time.sleep(0.2)

    def restart_host(self) -> None:
        """Start the host again on its port, after `host.kill`."""
        port = self.url.rsplit(":", 1)[1]
        self.host = self._start_host(self._stack, "--port", port)

    def _start_host(self, stack: ExitStack, *more: str) -> Service:
        arguments = [*self._host_arguments, *more]  # the last one of two counts
        return self._start(stack, "local.functions_host", arguments, quiet=self._quiet)

    def _start(self, stack: ExitStack, module: str, arguments: Sequence[str], *, quiet: bool) -> Service:
        with interrupts_held_back():
            service = Service(module, arguments, environment=self._environment, quiet=quiet)
            stack.callback(service.stop)
        service.wait_until_ready()
        return service


def configured_endpoint() -> str | None:
    """Return the project that the environment or `local.settings.json` names, if any: as the host reads them."""
    if (endpoint := os.environ.get("FOUNDRY_PROJECT_ENDPOINT")) is not None:
        return endpoint or None
    path = APP_ROOT / "local.settings.json"
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig")).get("Values", {})
    except (ValueError, AttributeError):
        return None  # the host itself says what is wrong with the file
    endpoint = values.get("FOUNDRY_PROJECT_ENDPOINT") if isinstance(values, dict) else None
    return endpoint if isinstance(endpoint, str) and endpoint else None
