"""The processes that the measured figures need: the emulator, the local host with the real app, the SDK's loops.

Each is a process of its own, so that none of them pays for another one's interpreter lock.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from benchmarks.machine import cpu_seconds, memory_mb, python
from contracts.generations import Generation
from local.blob_storage.endpoint import BlobEndpoint
from local.services import APP_ROOT, Service
from tests.functions_host.harness import HostProcess

NAIVE_APP = Path(__file__).parent / "naive_app"
TOKEN = "token-of-the-benchmarks"  # noqa: S105 - the emulator takes any
_TOKEN = "x-ms-continuation-token"  # noqa: S105 - the name of a header
ENDED = ("Completed", "Failed", "Terminated")
ONE_LOOK = {"FOUNDRY_MAX_LOOKS_PER_SECOND": "0"}
"""Settings of an app whose activities look at a run once: durable timers alone pace the looks."""


class BenchmarkError(RuntimeError):
    """A side did not do what it was to be measured doing; its numbers would mean nothing."""


def agent_lasting(seconds: float) -> str:
    """Return the id of the emulator's agent whose runs take so long."""
    return f"asst_lasts{round(seconds * 1000):019d}"


def name_of_agent_lasting(seconds: float) -> str:
    """Return the name of the second generation's agent whose responses take so long."""
    return f"lasts-{round(seconds * 1000)}-ms"


class Emulator:
    """The emulated agent service in a process of its own, with an agent for each duration."""

    def __init__(self, durations: Sequence[float] = (0.0,), *, latency: float = 0.0) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="benchmarks-")
        agents = Path(self._folder.name) / "agents.json"
        agents.write_text(json.dumps({"agents": [_agent(d) for d in sorted(set(durations))]}), encoding="utf-8")
        arguments = ["--agents", str(agents), "--latency", str(latency)]
        self._service = Service("local.foundry_emulator", arguments, environment={}, quiet=True)
        self._own_connections = 0

    def __enter__(self) -> Self:
        try:
            self._service.wait_until_ready()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        self._service.stop()
        self._folder.cleanup()

    @property
    def endpoint(self) -> str:
        """The project's endpoint."""
        return str(self._service.ready["endpoint"])

    @property
    def environment(self) -> dict[str, str]:
        """The settings of an app that uses it."""
        return {
            "FOUNDRY_PROJECT_ENDPOINT": self.endpoint,
            "FOUNDRY_ACCESS_TOKEN": TOKEN,
            "FOUNDRY_DEFAULT_AGENT_ID": "",
            "FOUNDRY_ALLOWED_AGENT_IDS": "",
            "FOUNDRY_RESOURCE_ID": "",
            "HTTP_AUTH_LEVEL": "ANONYMOUS",
        }

    def reset(self) -> None:
        """Forget all requests, runs, and the count of connections."""
        self._control("POST", "reset")
        self._own_connections = 0

    def connections(self) -> int:
        """Return how many connections were opened since the last reset, ours left out."""
        return int(self._control("GET", "connections")["opened"]) - self._own_connections

    def requests(self, operation: str | None = None) -> list[dict[str, Any]]:
        """Return what was received since the last reset."""
        query = f"?operation={operation}" if operation else ""
        found: list[dict[str, Any]] = self._control("GET", f"ledger{query}")["requests"]
        return found

    def run_starts(self) -> dict[str, float]:
        """Return when each run was created, by its id, on this machine's monotonic clock."""
        offset = self._offset()
        starts = [
            *self.requests("create_run"),
            *self.requests("create_thread_and_run"),
            *self.requests("create_response"),
        ]
        return {run_id: entry["at"] + offset for entry in starts if (run_id := entry["run_id"] or entry["response_id"])}

    def looks(self) -> dict[str, int]:
        """Return how often each run was looked at, by its id."""
        return dict(Counter(entry["run_id"] for entry in self.requests("get_run")))

    def thread_starts(self, stamp: str) -> dict[str, float]:
        """Return when each thread was created, by what its metadata say under `stamp`, on the monotonic clock."""
        offset = self._offset()
        return {entry["body"]["metadata"][stamp]: entry["at"] + offset for entry in self.requests("create_thread")}

    def _offset(self) -> float:
        """Return what to add to a time of the ledger: a request of our own is timed on both clocks."""
        marks = []
        for _ in range(5):
            before = time.monotonic()
            self._call("GET", f"{urlsplit(self.endpoint).path}/assistants?limit=1&api-version=v1")
            after = time.monotonic()
            marks.append((after - before, (before + after) / 2))
        own = [e for e in self.requests() if e["path"] == "/assistants"][-len(marks) :]
        (_, middle), entry = min(zip(marks, own, strict=True), key=lambda pair: pair[0][0])
        return float(middle - entry["at"])

    def _control(self, method: str, path: str) -> Any:
        return self._call(method, f"/_emulator/{path}")

    def _call(self, method: str, path: str) -> Any:
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=120)
        self._own_connections += 1
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise BenchmarkError(f"the emulator answered {answer.status} to {method} {path}: {body[:200]!r}")
        return json.loads(body)


def _agent(seconds: float) -> dict[str, Any]:
    phases = [{"seconds": seconds}] if seconds > 0 else []
    script = {"phases": phases, "expires_after_seconds": max(600.0, seconds * 2)}
    return {"name": name_of_agent_lasting(seconds), "id": agent_lasting(seconds), "script": script}


def deployed_threads() -> str:
    """Return the size of the worker's thread pool as it is deployed (`infra/checks` holds the file to the template)."""
    example = json.loads((APP_ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    return str(example["Values"]["PYTHON_THREADPOOL_THREAD_COUNT"])


class AppHost:
    """The local host with the real app (or the naive one) behind it."""

    def __init__(
        self,
        emulator: Emulator,
        *,
        exact_timers: bool = False,
        app: Path = APP_ROOT,
        storage: BlobEndpoint | None = None,
        watches: bool = True,
        before: Path | None = None,
    ) -> None:
        """`storage` holds the app's documents, where they are to be counted; default: the host's own. Without `watches`
        a look at a run is one look. `before`: a checkout of an earlier commit, whose app and local host it is.
        """
        arguments = ["--quiet", "--timers", "exact" if exact_timers else "azure-storage"]
        environment = {**emulator.environment, "PYTHON_THREADPOOL_THREAD_COUNT": deployed_threads()}
        if not watches:
            environment |= ONE_LOOK
        if storage is not None:
            environment["AzureWebJobsStorage"] = storage.connection_string
        repository = before or APP_ROOT
        self.process = HostProcess(before or app, env=environment, args=arguments, repository=repository)
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        self.process.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
        self.process.__exit__(kind, error, trace)

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """Send a request on one connection that is kept; return its JSON."""
        return self._answer(method, path, body, headers or {})[0]

    def _answer(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[Any, Mapping[str, str]]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(urlsplit(self.process.url).netloc, timeout=120)
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, data, {"Content-Type": "application/json", **headers})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise BenchmarkError(f"the host answered {answer.status} to {method} {path}: {text[:300]!r}")
        return json.loads(text) if text else None, {name.lower(): value for name, value in answer.headers.items()}

    def start(self, seconds: float, generation: Generation = "classic") -> str:
        """Start a run that takes so long; return the instance id."""
        agent = agent_lasting(seconds) if generation == "classic" else name_of_agent_lasting(seconds)
        body = {"agent_id": agent, "user_message": "How long does this take?"}
        return str(self.request("POST", "/api/run_agent", body)["id"])

    def completed(self) -> int:
        """Count the instances that have completed; raise where one has ended otherwise."""
        counts = {status: self._count(status) for status in ENDED}
        if counts["Failed"] or counts["Terminated"]:
            raise BenchmarkError(f"runs have failed: {counts}")
        return counts["Completed"]

    def _count(self, status: str) -> int:
        path = f"/runtime/webhooks/durabletask/instances?runtimeStatus={status}&showInput=false&top=1000"
        count, token = 0, ""
        while True:
            rows, headers = self._answer("GET", path, headers={_TOKEN: token} if token else {})
            count, token = count + len(rows), headers.get(_TOKEN, "")
            if not token:
                return count

    def until_completed(self, runs: int, *, patience: float, every: float = 0.25) -> None:
        """Wait until so many instances have completed."""
        give_up_at = time.monotonic() + patience
        while self.completed() < runs:
            if time.monotonic() > give_up_at:
                raise BenchmarkError(f"{self.completed()} of {runs} runs have completed after {patience} s")
            time.sleep(every)

    def ends(self, instance_ids: Sequence[str]) -> dict[str, Ended]:
        """Return how each instance ended, from the status API; by instance id."""
        offset = time.monotonic() - time.time()
        found = {}
        for instance_id in instance_ids:
            path = f"/runtime/webhooks/durabletask/instances/{instance_id}?showHistory=true&showInput=false"
            status = self.request("GET", path)
            last = status["historyEvents"][-1]
            if status["runtimeStatus"] != "Completed" or last["EventType"] != "ExecutionCompleted":
                raise BenchmarkError(f"{instance_id}: {status['runtimeStatus']}: {status['output']}")
            at = datetime.fromisoformat(last["Timestamp"]).timestamp() + offset
            polls = (status["customStatus"] or {}).get("polls", 0)
            output = status["output"]
            found[instance_id] = Ended(output["run_id"], output["thread_id"], at, int(polls))
        return found

    def cpu(self) -> float:
        """Return the processor time of host and app so far."""
        return cpu_seconds(self.process.pid) or 0.0

    def memory(self) -> float:
        """Return the resident memory of host and app."""
        return memory_mb(self.process.pid) or 0.0


@dataclass(frozen=True)
class Ended:
    """A run that has completed. `at` is when its outcome was there, on this machine's monotonic clock."""

    run_id: str
    thread_id: str
    at: float
    polls: int


@dataclass(frozen=True)
class LoopRun:
    """One call of the SDK's loop. Times are of the monotonic clock; `ended` has the answer's text."""

    run_id: str
    began: float
    ended: float
    cpu_seconds: float


@dataclass(frozen=True)
class Loops:
    """What a process of SDK loops did. `cpu_seconds` is that of the whole process without its imports."""

    runs: list[LoopRun]
    cpu_seconds: float
    memory_mb: float


@contextmanager
def sdk_loops(emulator: Emulator, runs: Sequence[tuple[float, float]], *, threads: int) -> Iterator[SdkLoops]:
    """Prepare a process that calls the SDK's loop: (seconds after the signal, duration) for each run."""
    loops = SdkLoops(emulator.endpoint, runs, threads)
    try:
        loops.wait_until_ready()
        yield loops
    finally:
        loops.close()


class SdkLoops:
    """A process of `benchmarks.sdk_process`: imports done and the connection warm, it waits for the signal."""

    def __init__(self, endpoint: str, runs: Sequence[tuple[float, float]], threads: int) -> None:
        work = [{"after": after, "agent_id": agent_lasting(seconds)} for after, seconds in runs]
        self._job = {"endpoint": endpoint, "threads": threads, "runs": work, "warm_up_agent_id": agent_lasting(0)}
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            python("-m", "benchmarks.sdk_process"),
            cwd=APP_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_until_ready(self) -> None:
        """Return when it waits for the signal."""
        self._send(json.dumps(self._job))
        self._answer()

    def go(self) -> None:
        """Begin."""
        self._send("go")

    def result(self) -> Loops:
        """Wait for the end."""
        found = self._answer()
        return Loops([LoopRun(**run) for run in found["runs"]], found["cpu_seconds"], found["memory_mb"])

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.communicate()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError(f"the SDK's process ended with {self._process.wait()}; its message is above")
        return json.loads(line)


def together(*actions: Callable[[], None]) -> None:
    """Do all of it at the same time."""
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
