"""Starts the local Functions host, and the Foundry emulator where no real project is named, as child processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

APP_ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 45
"""The host drains for at most 40 seconds when it is stopped."""


class ServiceError(RuntimeError):
    """A local service did not start; the message is its own last line."""


class Service:
    """One local service as a child process; `ready` is what it wrote when it began to listen."""

    def __init__(self, module: str, arguments: list[str], *, environment: dict[str, str], quiet: bool) -> None:
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
        )

    def wait_until_ready(self) -> None:
        """Return when the service listens; raise `ServiceError` if it ends before."""
        waited_until = time.monotonic() + START_SECONDS
        while not self._ready_file.exists():
            if self._process.poll() is not None:
                raise ServiceError(f"{self.module} did not start: {self._last_line()}")
            if time.monotonic() > waited_until:
                raise ServiceError(f"{self.module} did not start within {START_SECONDS} seconds")
            time.sleep(0.05)
        self.ready = json.loads(self._ready_file.read_text(encoding="utf-8"))

    def is_running(self) -> bool:
        """Say whether the process is alive."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process, gently at first."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._log is not None:
            self._log.close()
            self._log = None
        self._directory.cleanup()

    def _last_line(self) -> str:
        if self._log is None:
            return "its message is above"
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        return lines[-1] if lines else f"exit code {self._process.returncode}"


class LocalServices:
    """Host and emulator together, as a context manager that leaves no process behind.

    With `project_endpoint` (a real project) there is no emulator.
    """

    def __init__(self, *, project_endpoint: str | None, host_arguments: list[str], quiet: bool) -> None:
        self._endpoint = project_endpoint
        self._host_arguments = host_arguments
        self._quiet = quiet
        self._services: list[Service] = []

    def __enter__(self) -> Self:
        try:
            environment: dict[str, str] = {}
            if self._endpoint is None:
                emulator = self._start("local.foundry_emulator", [], environment)
                environment = {
                    "FOUNDRY_PROJECT_ENDPOINT": emulator.ready["endpoint"],
                    "FOUNDRY_ACCESS_TOKEN": "local-emulator-needs-none",
                }
            self._start("local.functions_host", self._host_arguments, environment)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def url(self) -> str:
        """The host's URL."""
        url: str = self._services[-1].ready["url"]
        return url

    def wait(self) -> None:
        """Return when one of the services has ended by itself."""
        while all(s.is_running() for s in self._services):
            time.sleep(0.2)

    def _start(self, module: str, arguments: list[str], environment: dict[str, str]) -> Service:
        service = Service(module, arguments, environment=environment, quiet=self._quiet)
        self._services.append(service)
        service.wait_until_ready()
        return service

    def _stop(self) -> None:
        """End the host first: it still asks the emulator while it drains."""
        for service in reversed(self._services):
            service.stop()
        self._services.clear()


def configured_endpoint() -> str | None:
    """Return the project that the environment or `local.settings.json` names, if any."""
    if endpoint := os.environ.get("FOUNDRY_PROJECT_ENDPOINT"):
        return endpoint
    path = APP_ROOT / "local.settings.json"
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig")).get("Values", {})
    except (ValueError, AttributeError):
        return None  # the host itself says what is wrong with the file
    endpoint = values.get("FOUNDRY_PROJECT_ENDPOINT") if isinstance(values, dict) else None
    return endpoint if isinstance(endpoint, str) and endpoint else None
