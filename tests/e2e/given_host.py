"""A host that somebody else has started, in front of the emulator of the tests: `make e2e HOST=... KEY=...`."""

from __future__ import annotations

import os
import time
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn, Self

import pytest

from tests.functions_host.harness import REPOSITORY, Answer, HostProcess

WAKING_SECONDS = 120.0

SETTINGS = {
    "FOUNDRY_ACCESS_TOKEN": "planted-token-5f2c-9d81e0",
    "FOUNDRY_DEFAULT_AGENT_ID": "",
    "FOUNDRY_ALLOWED_AGENT_IDS": "",
    "FOUNDRY_RESOURCE_ID": "",
    "HTTP_AUTH_LEVEL": "",
}
"""What the tests expect of the app's settings, beside the endpoint."""


@dataclass(frozen=True)
class Given:
    """Where the host is, and the port on this machine at which it looks for the agent service."""

    url: str
    key: str
    emulator_port: int

    @classmethod
    def by(cls, environment: Mapping[str, str]) -> Self | None:
        """Return what the environment names, None where the tests start a host themselves."""
        url = environment.get("E2E_HOST", "").rstrip("/")
        port = int(environment.get("E2E_EMULATOR_PORT") or "7075")
        return cls(url, environment.get("E2E_KEY", ""), port) if url else None

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"x-functions-key": self.key} if self.key else {}


def given() -> Given | None:
    """Return the host that this run of the tests is given."""
    return Given.by(os.environ)


class GivenHost(HostProcess):
    """Talks to a host and leaves its process alone: a test that needs more is skipped.

    The key, where the host asks for one, has to be the master key: some calls are of the Durable management API.
    """

    def __init__(self, where: Given) -> None:
        super().__init__(REPOSITORY)
        self._where = where

    def start(self) -> None:
        """Wait until the host answers."""
        self.ready = {"url": self._where.url}
        deadline = time.monotonic() + WAKING_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, f"{self._where.url} does not answer GET /api/health"
            time.sleep(0.5)

    def _answers(self) -> bool:
        try:
            return self.request("GET", "/api/health").status == 200
        except urllib.error.URLError:
            return False

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Answer:
        """Send a request, with the key where there is one."""
        return super().request(method, path, body, headers={**self._where.headers, **(headers or {})}, timeout=timeout)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()  # there is no log to show

    def spawn(self) -> None:
        not_ours("is not started by the tests")

    def kill(self) -> None:
        not_ours("is not to be killed")

    def stop(self, timeout: float = 30) -> int:
        not_ours("is not to be stopped")

    @property
    def pid(self) -> int:
        not_ours("has a process that the tests do not know")

    @property
    def log(self) -> str:
        not_ours("has a log that the tests do not see")


def not_ours(why: str) -> NoReturn:
    """Skip the test that is running."""
    pytest.skip(f"the given host {why}")
