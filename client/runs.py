"""The calls of the app, as methods."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from .address import Address, Token, address_in, address_of
from .documents import Page, Run, read_page, read_run
from .errors import StillRunningError, UnreachableError, UsageError
from .patience import rest_before_look
from .transport import Answer, Notice, Transport

PATIENCE_SECONDS = 120.0
"""A call is repeated for so long: a worker that died is back by then, and a host that was started too."""

OUTAGE_SECONDS = 300.0
"""A look at a run that is known to go on is repeated for so long: through a deployment, say."""

WAIT_SECONDS = 3600.0
"""A run is waited for so long, unless the caller says otherwise."""

LOOK_SECONDS = 30.0
"""The app holds a look for so long; it answers as soon as the run has ended or asks something."""

LONGEST_HOLD = 200
"""The app holds no request longer: Azure's load balancer drops it after 230 seconds."""

T = TypeVar("T")

_RUN_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9_:.-]{1,100}")
_KEY_OF_A_START = re.compile(r"[!-~]{1,200}")


class AgentRuns:
    """The runs of one app; a context manager. Every call is repeated while that can help, for at most `patience`
    seconds. One object is for one thread.
    """

    def __init__(
        self,
        url: str | Address,
        *,
        key: str | None = None,
        token: Token | None = None,
        patience: float = PATIENCE_SECONDS,
        notice: Notice | None = None,
        make_transport: Callable[..., Transport] = Transport,
    ) -> None:
        """`key` is a function key, `token` one of Entra, or a function that returns one; both travel in headers only.
        `notice` is told why a call takes longer. Raises `UsageError`.
        """
        address = url if isinstance(url, Address) else address_of(url, key, token)
        self._transport = make_transport(address, notice=notice)
        self._patience = patience

    @classmethod
    def from_environment(cls, *, patience: float = PATIENCE_SECONDS, notice: Notice | None = None) -> Self:
        """Return the runs of the app that `AGENT_RUNS_URL`, `AGENT_RUNS_KEY` and `AGENT_RUNS_TOKEN` name, by default
        those of `make start`.
        """
        return cls(address_in(os.environ), patience=patience, notice=notice)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def start(
        self,
        message: str | None = None,
        *,
        agent: str | None = None,
        thread_id: str | None = None,
        idempotency_key: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> str:
        """Start a run and return its id. `agent` is an id or a name; `fields` are further ones of the API, such as
        `timeout_seconds`.

        Sent again, a start is the same run: by the caller's key, or by one that is made for this call.
        """
        own = {"user_message": message, "agent_id": agent, "thread_id": thread_id}
        body = {name: value for name, value in {**own, **(fields or {})}.items() if value is not None}
        key = idempotency_key or new_key()
        if not _KEY_OF_A_START.fullmatch(key):
            raise UsageError("an idempotency key has 1 to 200 visible ASCII characters")
        answer = self._call("POST", "run_agent", body=body, headers={"Idempotency-Key": key})
        return _made_of(answer, _started)

    def get(self, run_id: str) -> Run:
        """Return the run as it is now."""
        return _made_of(self._call("GET", _path(run_id)), read_run)

    def watch(
        self,
        run_id: str,
        *,
        every: float = LOOK_SECONDS,
        timeout: float = WAIT_SECONDS,
        through_questions: bool = False,
    ) -> Iterator[Run]:
        """Yield the run at every look; the last time as it has ended or, unless `through_questions`, asks something.

        The first look is at once; the app holds each of the others for up to `every` seconds, and answers as soon as
        the run has ended. With less than a second it is asked that often instead. Raises `StillRunningError` after
        `timeout` seconds.
        """
        clock = self._transport.clock
        over_at = clock() + timeout
        passing: tuple[int, ...] = ()
        while True:
            began = clock()
            left = max(over_at - began, 0.0)
            is_first = not passing
            hold = 0 if is_first else int(min(every, left, LONGEST_HOLD))
            patience = self._patience if is_first else min(OUTAGE_SECONDS, left)
            answer = self._transport.call("GET", _path(run_id), patience=patience, hold=hold, passing=passing)
            run = _made_of(answer, read_run)
            took = clock() - began
            rest = 0.0 if is_first and every >= 1 else rest_before_look(every, hold, took, answer.wish)
            passing = (404,)  # of an app that is being deployed: the run is known
            yield run
            if run.ended or (run.question is not None and not through_questions):
                return
            left = over_at - clock()
            if left <= 0:
                raise StillRunningError(run_id, timeout)
            self._transport.pause(min(rest, left))

    def wait(self, run_id: str, *, timeout: float = WAIT_SECONDS, through_questions: bool = False) -> Run:
        """Return the run once it has ended or asks something, as `watch` does."""
        *_, run = self.watch(run_id, timeout=timeout, through_questions=through_questions)
        return run

    def run(
        self,
        message: str | None = None,
        *,
        agent: str | None = None,
        thread_id: str | None = None,
        idempotency_key: str | None = None,
        fields: Mapping[str, Any] | None = None,
        timeout: float = WAIT_SECONDS,
    ) -> Run:
        """Start a run and wait for it: `start` and `wait`."""
        run_id = self.start(message, agent=agent, thread_id=thread_id, idempotency_key=idempotency_key, fields=fields)
        return self.wait(run_id, timeout=timeout)

    def answer(
        self,
        run_id: str,
        *,
        outputs: Mapping[str, str] | None = None,
        approvals: Mapping[str, bool] | None = None,
        headers_ref: str | None = None,
    ) -> Run:
        """Answer all calls that the run waits for, each by its id; return the run as it is then. `headers_ref` names
        the headers that an operator keeps for the MCP server of the approvals.
        """
        ref = {"headers_ref": headers_ref} if headers_ref else {}
        body = {
            "tool_outputs": [{"tool_call_id": call, "output": text} for call, text in (outputs or {}).items()],
            "approvals": [{"tool_call_id": call, "approve": yes, **ref} for call, yes in (approvals or {}).items()],
        }
        return _made_of(self._call("POST", f"{_path(run_id)}/tool_outputs", body=body), read_run)

    def cancel(self, run_id: str, reason: str | None = None) -> Run:
        """Cancel the run, in Foundry too; return it as it is once that is acknowledged."""
        body = {"reason": reason} if reason else {}
        return _made_of(self._call("POST", f"{_path(run_id)}/cancel", body=body), read_run)

    def page(
        self, filters: Mapping[str, str | None] | None = None, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Return some of the runs, newest first; `filters` are those of the API: `status`, `agent_id`, `thread_id`,
        `created_from`, `created_to`, `needs_answer`.
        """
        given = {**(filters or {}), "cursor": cursor, "limit": None if limit is None else str(limit)}
        query = {name: value for name, value in given.items() if value is not None}
        return _made_of(self._call("GET", "runs", query=query), read_page)

    def find(self, filters: Mapping[str, str | None] | None = None) -> Iterator[Run]:
        """Yield all runs that the filters of `page` leave, newest first, page by page."""
        cursor: str | None = None
        while True:
            page = self.page(filters, cursor=cursor)
            yield from page.runs
            cursor = page.next_cursor
            if cursor is None:
                return

    def _call(self, method: str, path: str, **more: Any) -> Answer:
        return self._transport.call(method, path, patience=self._patience, **more)


def new_key() -> str:
    """Return an idempotency key that nobody else has."""
    return f"agent-runs-{uuid.uuid4().hex}"


def _path(run_id: str) -> str:
    if not _RUN_ID.fullmatch(run_id):
        raise UsageError("a run's id has at most 100 letters, digits and _ - . :")
    return f"runs/{run_id}"


def _started(body: Any) -> str:
    run_id = body.get("id")
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise ValueError("names no run")
    return run_id


def _made_of(answer: Answer, make: Callable[[Any], T]) -> T:
    """Return what is made of an answer. A proxy's own JSON is an answer too, and none of the app."""
    try:
        return make(answer.body)
    except ValueError as error:
        raise UnreachableError(f"what answers is not the app: its answer {error}") from None
