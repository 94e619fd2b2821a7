"""What is said of a run, in lines. Pure. Whatever others wrote is made harmless here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ..documents import Call, Question, Run
from ..harmless_text import harmless, one_line

_LONGEST_LINK = 8000
"""What the app hands on."""

COLUMNS = ("ID", "STATUS", "AGENT", "CREATED", "")


def state(run: Run) -> str:
    """Return how the run is, in a line."""
    if run.ended:
        return f"{run.status}  {error(run)}" if run.error_code else run.status
    if run.question or run.document.get("needs_answer") is True:  # lists do not show what is asked
        return f"{run.status}  waits for an answer"
    return f"{one_line(run.status)}  {one_line(_doing(run))}".rstrip()


def error(run: Run) -> str:
    """Return why it has failed or was cancelled, in a line."""
    return one_line(f"{run.error_code}: {run.error_message or ''}", 2000)


def _doing(run: Run) -> str:
    if run.waiting_for:
        return f"is number {run.waiting_for.position} in line for its thread, which {run.waiting_for.instance} uses"
    doing = run.run_status or run.step or ""
    return f"{doing}, tries again after {run.retrying}" if run.retrying else doing


def question_lines(question: Question) -> Iterator[str]:
    """Yield what is asked: a line for each call, with all its arguments, since somebody decides by them."""
    if question.error:
        yield f"the last answer was not taken: {one_line(question.error, 2000)}"
    for call in question.calls:
        yield f"{one_line(call.id)}  {_asked(call)}"
    if question.more:
        yield f"and {question.more} more"


def _asked(call: Call) -> str:
    if call.kind == "consent":
        return f"consent  {one_line(call.name)}  open {one_line(call.link or '(no link)', _LONGEST_LINK)}, then approve"
    server = f" of the server {one_line(call.server_label)}" if call.server_label else ""
    arguments = "(arguments are left out)" if call.arguments is None else harmless(call.arguments).replace("\n", "\\n")
    return f"{one_line(call.kind)}  {one_line(call.name)}{server}  {arguments}"


def how_to_answer(program: str, run: Run, question: Question) -> str:
    """Return the command that answers, to be filled in."""
    parts = [
        f"{_option(call)} {one_line(call.id)}{'' if call.wants_yes else ' TEXT'}"
        for call in question.calls
        if call.kind != "unsupported"
    ]
    return f"to answer: {program} answer {run.id} {' '.join(parts)}"


def _option(call: Call) -> str:
    if not call.wants_yes:
        return "--output"
    return "--approve" if call.kind == "consent" else "--approve|--deny"


def how_to_go_on(program: str, run_id: str) -> str:
    """Return what to do where a run goes on and is waited for no longer."""
    return f"the run goes on: {program} watch {run_id}"


def fields(run: Run) -> Iterator[tuple[str, str]]:
    """Yield name and value of what `show` says of a run."""
    known = {
        "id": run.id,
        "status": state(run),
        "agent": run.agent_id,
        "thread": run.thread_id,
        "run": _text(run, "run_id"),
        "created": run.created,
        "portal": _text(run, "monitor_url"),
    }
    yield from ((name, one_line(value, 2000)) for name, value in known.items() if value)


def row(run: Run, now: datetime | None = None) -> tuple[str, ...]:
    """Return a row of the list, below `COLUMNS`."""
    what = error(run) if run.error_code else state(run).removeprefix(run.status).strip()
    return (
        one_line(run.id),
        one_line(run.status),
        one_line(run.agent_id or "-"),
        age(run.created, now or datetime.now(UTC)),
        one_line(what, 120),
    )


def age(created: str | None, now: datetime) -> str:
    """Return how long ago that was, as people say it; `-` where it is not known."""
    try:
        moment = datetime.fromisoformat(created or "")
    except ValueError:
        return "-"
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = max(int((now - moment).total_seconds()), 0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _text(run: Run, name: str) -> str | None:
    value = run.document.get(name)
    return value if isinstance(value, str) else None
