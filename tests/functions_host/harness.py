"""Runs the local host as a user does: in a process of its own, over its command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

REPOSITORY = Path(__file__).resolve().parents[2]
ENDED = {"Completed", "Failed", "Terminated"}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: ``json`` is None where the body is none."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def text(self) -> str:
        return self.body.decode()


class HostProcess:
    """The local host in a subprocess. Use it as a context manager; it leaves no process behind.

    ``db`` defaults to a file that lives as long as this object, so that ``kill`` and ``restart`` keep the state.
    ``repository`` is the checkout whose host it is.
    """

    def __init__(
        self,
        app_root: Path | str,
        *,
        env: Mapping[str, str] | None = None,
        db: Path | str | None = None,
        args: Sequence[str] = (),
        start_timeout: float = 60,
        says_port: bool = True,
        repository: Path = REPOSITORY,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="functions-host-")
        folder = Path(self._folder.name)
        self.app_root = Path(app_root)
        self._repository = repository
        self.db = str(db) if db is not None else str(folder / "state.db")
        self.ready: dict[str, Any] = {}
        self._ready_file = folder / "ready.json"
        self._log_file = folder / "log.txt"
        self._env = dict(env or {})
        self._args = list(args)
        self._start_timeout = start_timeout
        self._says_port = says_port
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            sys.stderr.write(f"--- log of the host ---\n{self.log}\n")
        self.close()

    # --- life ---

    def start(self) -> None:
        """Start the process and wait until it is ready; raises RuntimeError with its log where it ends instead."""
        self._ready_file.unlink(missing_ok=True)
        self.spawn()
        deadline = time.monotonic() + self._start_timeout
        while not self._ready_file.exists():
            if self.returncode is not None:
                raise RuntimeError(f"the host ended with {self.returncode}:\n{self.log}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the host is not ready after {self._start_timeout} s:\n{self.log}")
            time.sleep(0.02)
        self.ready = json.loads(self._ready_file.read_text(encoding="utf-8"))

    def spawn(self) -> None:
        """Start the process without waiting."""
        port = "0" if not self.ready else self.ready["url"].rsplit(":", 1)[1]  # the same one after a restart
        arguments = ["--app-root", str(self.app_root), "--db", self.db, "--ready-file", str(self._ready_file)]
        if self._says_port and "--port" not in self._args:
            arguments += ["--port", port]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **self._env}
        environment["PYTHONPATH"] = os.pathsep.join(
            p for p in (str(self._repository), environment.get("PYTHONPATH", "")) if p
        )
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.functions_host", *arguments, *self._args],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self._repository,
            )

    def kill(self) -> None:
        """End the process at once, as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self, timeout: float = 30) -> int:
        """Ask the process to end, as an operator does; returns its exit code."""
        return self._end(signal.SIGTERM, timeout)

    def restart(self) -> None:
        """Start again on the same state and port after ``kill`` or ``stop``; stops a running one first."""
        if self.returncode is None:
            self.stop()
        self.start()

    def wait(self, timeout: float = 30) -> int:
        """Wait until the process ends by itself; returns its exit code."""
        assert self._process is not None
        return self._process.wait(timeout)

    def close(self) -> None:
        """End the process and remove its files."""
        if self._process is not None and self._process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        self._folder.cleanup()

    def _end(self, number: int, timeout: float = 30) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(timeout)

    # --- state ---

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    @property
    def webhook(self) -> str:
        return f"{self.url}/runtime/webhooks/durabletask"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, None while the process runs."""
        return None if self._process is None else self._process.poll()

    @property
    def log(self) -> str:
        """Everything the host has printed so far, over all its starts."""
        return self._log_file.read_text(encoding="utf-8", errors="replace") if self._log_file.exists() else ""

    # --- talking to it ---

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Answer:
        """Send a request; ``body`` is sent as it is where it is bytes, else as JSON. No status code raises."""
        url = path if path.startswith("http") else self.url + path
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        request = urllib.request.Request(url, data, {**sent, **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def launch(self, orchestrator: str, instance_id: str, body: Any = None) -> str:
        """Start an instance over the webhook; returns its id."""
        sent = b"" if body is None else body
        answer = self.request("POST", f"{self.webhook}/orchestrators/{orchestrator}/{instance_id}", sent)
        assert answer.status == 202, (answer.status, answer.text)
        return str(answer.json["id"])

    def status(self, instance_id: str, query: str = "") -> dict[str, Any]:
        """The status document of an instance."""
        answer = self.request("GET", f"{self.webhook}/instances/{urllib.parse.quote(instance_id, safe=':')}{query}")
        assert answer.status in (200, 202, 500), (answer.status, answer.text)
        return dict(answer.json)

    def raise_event(self, instance_id: str, name: str, data: Any = None) -> int:
        """Raise an event over the webhook; returns the status code."""
        path = f"{self.webhook}/instances/{instance_id}/raiseEvent/{name}"
        return self.request("POST", path, json.dumps(data).encode()).status

    def until_ended(self, instance_id: str, timeout: float = 60) -> dict[str, Any]:
        """Wait until an instance has ended; returns its status document."""
        return self.until(instance_id, lambda s: s["runtimeStatus"] in ENDED, timeout)

    def until(self, instance_id: str, condition: Any, timeout: float = 60) -> dict[str, Any]:
        """Wait until the status document of an instance meets a condition."""
        deadline = time.monotonic() + timeout
        while True:
            status = self.status(instance_id)
            if condition(status):
                return status
            if time.monotonic() > deadline:
                raise AssertionError(f"'{instance_id}' does not get there: {status}")
            time.sleep(0.02)

    def until_log(self, text: str, timeout: float = 60) -> None:
        """Wait until the host has printed a text."""
        deadline = time.monotonic() + timeout
        while text not in self.log:
            if time.monotonic() > deadline:
                raise AssertionError(f"the host never prints {text!r}:\n{self.log}")
            time.sleep(0.02)
