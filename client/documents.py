"""What the app says of runs, typed. Fields that it adds later are passed over, those that it leaves out are None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ENDED = frozenset({"Success", "Failed", "Cancelled"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One thing that a run waits for: a `function` wants an output, an `approval` a yes or no, a `consent` a yes once
    the user has consented on the page behind its link.
    """

    id: str
    kind: str
    name: str = ""
    server_label: str = ""
    arguments: str | None = None
    """JSON text as the agent wrote it; None where it is left out."""
    link: str | None = None
    """Of a consent."""

    @property
    def wants_yes(self) -> bool:
        """Whether an approval answers it."""
        return self.kind in {"approval", "consent"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a run waits for. All calls are answered at once."""

    event: str
    error: str | None
    """Why the last answer was not taken."""
    calls: tuple[Call, ...]
    more: int = 0
    """How many calls are left out here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingFor:
    """The run that owns the thread, and how many come before this one."""

    instance: str
    position: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run at one moment; `document` is all that the app says of it."""

    id: str
    status: str
    """`Running`, `Cancelling`, `Success`, `Failed` or `Cancelled`."""
    response: str | None
    agent_id: str | None
    thread_id: str | None
    step: str | None
    run_status: str | None
    """Foundry's own word."""
    retrying: str | None
    """The code of the error that is waited out."""
    waiting_for: WaitingFor | None
    question: Question | None
    error_code: str | None
    error_message: str | None
    created: str | None
    document: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def ended(self) -> bool:
        """Whether it has ended, however it did."""
        return self.status in ENDED

    @property
    def succeeded(self) -> bool:
        """Whether the answer is there."""
        return self.status == "Success"


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some of the runs, newest first. A page may hold few and be followed by others all the same."""

    runs: tuple[Run, ...]
    next_cursor: str | None


def read_run(document: Any) -> Run:
    """Return the run of a status document; raise `ValueError` where it is none."""
    run_id, status = _text(document, "instanceId"), _text(document, "status")
    if run_id is None or status is None:
        raise ValueError("is no status document")
    error, custom = _object(document.get("error")), _object(document.get("customStatus"))
    return Run(
        id=run_id,
        status=status,
        response=_text(document, "response"),
        agent_id=_text(document, "agent_id"),
        thread_id=_text(document, "thread_id"),
        step=_text(document, "step"),
        run_status=_text(document, "run_status"),
        retrying=_text(custom, "retrying"),
        waiting_for=_waiting_for(document.get("waiting_for")),
        question=_question(document.get("required_action")),
        error_code=_text(error, "code"),
        error_message=_text(error, "message"),
        created=_text(document, "createdTime"),
        document=document,
    )


def read_page(document: Any) -> Page:
    """Return a page of the list; raise `ValueError` where it is none."""
    runs = _object(document).get("runs")
    if not isinstance(runs, list):
        raise ValueError("is no list of runs")  # noqa: TRY004 - as any answer that is none
    return Page(runs=tuple(map(read_run, runs)), next_cursor=_text(document, "next_cursor"))


def _question(shown: Any) -> Question | None:
    asked = _object(shown)
    event, calls = _text(asked, "event"), asked.get("calls")
    if event is None or not isinstance(calls, list):
        return None
    more = asked.get("more")
    return Question(
        event=event,
        error=_text(asked, "error"),
        calls=tuple(call for each in calls if (call := _call(each)) is not None),
        more=more if isinstance(more, int) else 0,
    )


def _call(shown: Any) -> Call | None:
    call_id = _text(shown, "id")
    if call_id is None:
        return None
    return Call(
        id=call_id,
        kind=_text(shown, "kind") or "unsupported",
        name=_text(shown, "name") or "",
        server_label=_text(shown, "server_label") or "",
        arguments=_text(shown, "arguments"),
        link=_text(shown, "link"),
    )


def _waiting_for(shown: Any) -> WaitingFor | None:
    instance, position = _text(shown, "instance"), _object(shown).get("position")
    return WaitingFor(instance=instance, position=position) if instance and isinstance(position, int) else None


def _text(value: Any, name: str) -> str | None:
    found = _object(value).get(name)
    return found if isinstance(found, str) else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
