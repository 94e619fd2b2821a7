"""Plays a scenario on both sides, each in a world of its own, and demands that both did the same."""

from __future__ import annotations

import difflib
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.blob_storage.endpoint import BlobEndpoint
from local.foundry_emulator import FoundryEmulator
from local.foundry_emulator.clock import ManualClock
from tests.worker.durable_endpoint import BASE_URL, DurableEndpoint
from tests.worker.texts import as_text

Json = dict[str, Any]
REPOSITORY = Path(__file__).resolve().parents[2]
SIDES = ("local", "runtime")
NEVER = "0 0 0 1 1 *"
TOKEN = "a-token-of-no-use-to-anybody"
_GIVEN_ID = re.compile(
    r"\b(?:(?:thread|run|msg|step|call|req)_[A-Za-z0-9]{24}|(?:conv|resp|msg)_[0-9a-f]{16}00[A-Za-z0-9]{30}"
    r"|[0-9a-f]{12}-[0-9a-f]{20})\b"
)
_DIFFERENT_EACH_TIME = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    # Of a start with a key: of its instance, too.
    (re.compile(r"\b[0-9a-f]{64}\b"), "FINGERPRINT"),
    # What the app reads from the clock has fractions; nothing that it is given here has.
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+(Z|\+00:00)"), "NOW"),
)


class Process:
    """A side's process, see ``sides``."""

    def __init__(self, side: str, root: Path, environment: Mapping[str, str]) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("FOUNDRY_", "PYTEST_"))}
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by close
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.worker.sides", side],
            cwd=root,
            env={**kept, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
        )

    def ask(self, **command: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the side's process ended with {self._process.wait()}:\n{self._read_log()}")
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()  # ends its loop
        self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _read_log(self) -> str:
        self._log.seek(0)
        return self._log.read()


class Player:
    """What a scenario acts on: the functions of one side, and the world around them. It notes what happened."""

    def __init__(self, side: str, root: Path, environment: Mapping[str, str]) -> None:
        self.side = side
        self.clock = ManualClock()
        self.foundry = FoundryEmulator(clock=self.clock).start()
        self.durable = DurableEndpoint().__enter__()
        self.storage = BlobEndpoint(account="worker").__enter__()
        self.notes: list[Json] = []
        self._asked_before: list[int] = []
        settings = {
            "FOUNDRY_PROJECT_ENDPOINT": self.foundry.endpoint,
            "FOUNDRY_ACCESS_TOKEN": TOKEN,
            "FOUNDRY_MAX_LOOKS_PER_SECOND": "0",  # the clock stands still, so that a watch would see nothing new
            "AzureWebJobsStorage": self.storage.connection_string,
            "ORPHAN_SCAN_SCHEDULE": NEVER,
            "TICK_SCHEDULE": NEVER,
        }
        self._process = Process(side, root, {**settings, **environment})
        self.index = self._process.ask(do="index")

    def close(self) -> None:
        self._process.close()
        self.durable.__exit__(None, None, None)
        self.storage.__exit__(None, None, None)
        self.foundry.stop()

    def begin(self) -> None:
        self.notes, self._asked_before = [], []
        self.foundry.reset()
        self.durable.reset()

    def end(self) -> list[Json]:
        """Return the notes, and what the world has been asked. Both generations are asked at once: one by one here."""
        requests = [
            {"method": e.method, "path": e.path, "query": e.query, "body": e.body, "trace": e.trace, "status": e.status}
            for e in self.foundry.ledger().requests
        ]
        spans = itertools.pairwise([0, *self._asked_before, len(requests)])
        asked = [request for start, end in spans for request in sorted(requests[start:end], key=_is_second)]
        return [*self.notes, {"asked of Foundry": asked}, {"asked of Durable": self.durable.calls}]

    # --- functions, by their triggers ---

    def http(
        self,
        name: str,
        method: str = "GET",
        path: str = "",
        *,
        params: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = b"",
    ) -> Json:
        """A request as the host hands it on: JSON, unless ``headers`` and a body of bytes say otherwise.

        The order of headers and parameters is not the same each time: the protocol has them in maps.
        """
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {
            "method": method,
            "url": f"{BASE_URL}/api/{path or name}",
            "headers": {"content-type": "application/json"} if headers is None else dict(headers),
            "query": dict(query or {}),
            "params": dict(params or {}),
            "body": as_text(content),
        }
        return self._invoke(name, "httpTrigger", given)

    def activity(self, name: str, payload: Any, *, trace: str = "") -> Any:
        """Returns the activity's result, or the text of its failure."""
        given = payload if isinstance(payload, str) else json.dumps(payload)
        answer = self._invoke(name, "activityTrigger", given, trace)
        return answer["result"] if "result" in answer else answer["error"]

    def orchestrator(self, name: str, context: Any) -> Json:
        return self._invoke(name, "orchestrationTrigger", json.dumps(context))

    def timer(self, name: str) -> Json:
        status = {"Last": "0001-01-01T00:00:00", "Next": "2027-01-01T00:00:00", "LastUpdated": "0001-01-01T00:00:00"}
        given = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False}
        return self._invoke(name, "timerTrigger", json.dumps(given))

    def _invoke(self, name: str, kind: str, given: Any, trace: str = "") -> Json:
        if "error" in self.index:
            raise AppNotLoadedError(f"{self.side}: {self.index['error']}")
        client = self.durable.binding
        self._asked_before.append(len(self.foundry.ledger().requests))
        answer: Json = self._process.ask(do="invoke", name=name, kind=kind, given=given, client=client, trace=trace)
        noted = answer
        if kind == "httpTrigger" and "error" in answer:  # the host answers with an empty 500, whatever it was
            noted = {**answer, "error": "an empty 500"}
        self.notes.append({"invoked": name, **noted})
        return answer


def _is_second(request: Json) -> bool:
    """Say whether a request is one of the second generation's."""
    return str(request["path"]).startswith(("/agents", "/openai"))


class AppNotLoadedError(AssertionError):
    """A side refused to load the app."""


class SidesDifferError(AssertionError):
    """The two sides did not do the same; the text is the difference."""


Scenario = Callable[[Player], object]


class Both:
    """An app on both sides. Call it with a scenario: it returns the notes, the same from both."""

    def __init__(self, root: Path, environment: Mapping[str, str] | None = None) -> None:
        self._players = []
        try:
            for side in SIDES:
                self._players.append(Player(side, root, environment or {}))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for player in self._players:
            player.close()

    @property
    def indexes(self) -> tuple[Json, Json]:
        """What the local host found, and what the runtime found."""
        local, runtime = (p.index for p in self._players)
        return local, runtime

    def __call__(self, scenario: Scenario) -> list[Json]:
        local, runtime = (self._play(p, scenario) for p in self._players)
        if local != runtime:
            raise SidesDifferError("\n".join(difflib.unified_diff(_lines(local), _lines(runtime), *SIDES, lineterm="")))
        return runtime

    @staticmethod
    def _play(player: Player, scenario: Scenario) -> list[Json]:
        player.begin()
        scenario(player)
        return comparable(player.end())


def comparable(notes: list[Json]) -> list[Json]:
    """The notes without what differs each time: ids are numbered as they appear, ports and the present are named."""
    text = json.dumps(notes)
    for pattern, name in _DIFFERENT_EACH_TIME:
        text = pattern.sub(name, text)
    numbers: dict[str, int] = {}
    text = _GIVEN_ID.sub(lambda m: f"{_kind(m[0])}_{numbers.setdefault(m[0], len(numbers) + 1)}", text)
    found: list[Json] = json.loads(text)
    return found


def _kind(given_id: str) -> str:
    return given_id.partition("_")[0] if "_" in given_id else "instance"


def _lines(notes: list[Json]) -> list[str]:
    return json.dumps(notes, indent=1, sort_keys=True, ensure_ascii=False).splitlines()


def body_of(answer: Json) -> Any:
    """The JSON body of an HTTP answer."""
    return json.loads(answer["result"]["body"])
