"""Classic agents: assistants, threads, messages and runs. Microsoft retires them on 2027-03-31.

Wire shapes and names of that service stay inside this module (foundry-api.md, section 1). A POST whose answer was
lost may have happened and the service has no idempotency key: so what we create carries a stamp in its metadata, and
can be found by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.formats import ID_PATTERN
from contracts.runs import (
    METADATA_INSTANCE,
    AgentSummary,
    Answer,
    Attachment,
    PendingCall,
    RunSnapshot,
    RunState,
    Stamp,
    Tokens,
    ToolAnswer,
)
from foundry import errors
from foundry.harmless import harmless, numbers, unix_seconds
from foundry.responses import hint_in_text
from foundry.service import MessageSearch
from foundry.transport import Transport, path_id

_PAGE = 100
_SMALL_PAGE = 10
_MOST_PAGES = 20
"""Of agents: two thousand of them."""

_PAGES_SEARCHED = 1
"""What an earlier attempt made is among the newest hundred; more pages a look would cost a long thread dearly."""

_PAGES_OF_AN_ANSWER = 2

_STATES = {
    "queued": RunState.ACTIVE,
    "in_progress": RunState.ACTIVE,
    "requires_action": RunState.REQUIRES_ACTION,
    "cancelling": RunState.CANCELLING,
    "completed": RunState.COMPLETED,
    "failed": RunState.FAILED,
    "expired": RunState.EXPIRED,
    "incomplete": RunState.INCOMPLETE,
    "cancelled": RunState.CANCELLED,
}
"""A status that is not listed is one that Foundry invented later: the run counts as active, until the deadline."""


class ClassicAgentService:
    """`AgentService` for the classic generation."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def within(self, seconds: float) -> ClassicAgentService:
        """Return the same service, all of whose requests together end within so many seconds from now."""
        return ClassicAgentService(self._transport.within(seconds))

    def list_agents(self) -> Iterator[AgentSummary]:
        """Yield every agent of the project, all pages followed."""
        for item in self._pages("/assistants"):
            yield _agent(item)

    def get_agent(self, agent_id: str) -> AgentSummary:
        """Return the agent."""
        return _agent(self._transport.get(f"/assistants/{path_id(agent_id, 'agent')}"))

    def check(self) -> None:
        """Ask for one agent; return if the project answers."""
        self._transport.get("/assistants", limit=1)

    def create_thread(self, stamp: Stamp) -> str:
        """Create a thread and return its id."""
        return _id(self._transport.post("/threads", {"metadata": stamp.as_metadata()}), "id")

    def find_thread(self, stamp: Stamp) -> str | None:
        """Return the id of the thread that carries the stamp, if it is among the project's newest hundred."""
        found = self._find("/threads", stamp, pages=1)
        return _id(found, "id") if found else None

    def threads_of_instance(self, instance_id: str) -> list[str]:
        """Return the ids of those among the project's newest hundred threads that the instance has created."""
        return [_id(item, "id") for item in self._pages("/threads", 1) if _instance_of(item) == instance_id]

    def create_message(self, thread_id: str, content: str, metadata: dict[str, str], stamp: Stamp) -> str:
        """Add the user's message to the thread and return its id."""
        body = {"role": "user", "content": content, "metadata": {**metadata, **stamp.as_metadata()}}
        return _id(self._transport.post(f"{_thread(thread_id)}/messages", body), "id")

    def find_message(self, thread_id: str, stamp: Stamp) -> MessageSearch:
        """Look for the message that carries the stamp, among the thread's newest hundred."""
        newest: dict[str, Any] | None = None
        for item in self._pages(f"{_thread(thread_id)}/messages", _PAGES_SEARCHED):
            newest = newest or item
            if _carries(item, stamp):
                return MessageSearch(message_id=_id(item, "id"))
        return MessageSearch(waiting_instance=self._waiting_instance(thread_id, newest) if newest else None)

    def _waiting_instance(self, thread_id: str, newest: dict[str, Any]) -> str | None:
        """Return the instance that posted the thread's newest message, if its run is still to be started."""
        instance_id = _instance_of(newest)
        if newest.get("role") != "user" or instance_id is None:
            return None
        run = next((r for r in self.list_runs(thread_id) if r.instance_id == instance_id), None)
        # A run that failed for lack of quota is started again for the same message.
        return instance_id if run is None or run.rate_limited else None

    def create_run(
        self, thread_id: str, agent_id: str, options: dict[str, Any], metadata: dict[str, str], stamp: Stamp
    ) -> RunSnapshot:
        """Start a run of the agent on the thread."""
        body = {**options, "assistant_id": agent_id, "metadata": {**metadata, **stamp.as_metadata()}}
        return _snapshot(self._transport.post(f"{_thread(thread_id)}/runs", body), thread_id)

    def get_run(self, thread_id: str, run_id: str) -> RunSnapshot:
        """Return the run as it is now."""
        return _snapshot(self._transport.get(_run(thread_id, run_id)), thread_id, run_id)

    def list_runs(self, thread_id: str) -> list[RunSnapshot]:
        """Return the thread's newest hundred runs, newest first."""
        return [_snapshot(item, thread_id) for item in self._pages(f"{_thread(thread_id)}/runs", 1)]

    def find_run(self, thread_id: str, stamp: Stamp) -> RunSnapshot | None:
        """Return the run that carries the stamp, if it is among the thread's newest hundred."""
        found = self._find(f"{_thread(thread_id)}/runs", stamp, pages=_PAGES_SEARCHED)
        return _snapshot(found, thread_id) if found else None

    def cancel_run(self, thread_id: str, run_id: str) -> RunSnapshot:
        """Ask for the run's cancellation; return the run as it is then.

        Foundry refuses to cancel a run that has ended (400): then the run's real end is the answer.
        """
        try:
            return _snapshot(self._transport.post(f"{_run(thread_id, run_id)}/cancel"), thread_id, run_id)
        except (errors.InvalidInputError, errors.UnreadableRefusalError):
            run = self.get_run(thread_id, run_id)
            if run.state in {RunState.ACTIVE, RunState.REQUIRES_ACTION}:
                raise
            return run

    def submit_tool_outputs(self, thread_id: str, run_id: str, answer: ToolAnswer) -> RunSnapshot:
        """Answer the calls that the run waits for; return the run as it is then.

        Foundry refuses an answer to calls that are not pending (400). If none of ours is pending any more, an earlier
        attempt has got through.
        """
        body: dict[str, Any] = {}
        if answer.tool_outputs:
            body["tool_outputs"] = [{"tool_call_id": o.tool_call_id, "output": o.output} for o in answer.tool_outputs]
        if answer.approvals:
            body["tool_approvals"] = [{"tool_call_id": a.tool_call_id, "approve": a.approve} for a in answer.approvals]
        try:
            posted = self._transport.post(f"{_run(thread_id, run_id)}/submit_tool_outputs", body)
            return _snapshot(posted, thread_id, run_id)
        except (errors.InvalidInputError, errors.UnreadableRefusalError):
            run = self.get_run(thread_id, run_id)
            ours = {o.tool_call_id for o in answer.tool_outputs} | {a.tool_call_id for a in answer.approvals}
            if ours & {call.id for call in run.pending_calls}:
                raise
            return run

    def get_answer(self, thread_id: str, run_id: str, message: Stamp | None = None) -> Answer:
        """Return the newest message that the run's agent wrote, all its text parts joined by line ends.

        With the stamp of the message that it was to answer, see whether another one came between that and the run.
        """
        path = f"{_thread(thread_id)}/messages"
        if message is None:
            items = self._pages(path, 1, run_id=path_id(run_id, "run"))
        else:
            items = self._pages(path, _PAGES_OF_AN_ANSWER)
        for item in items:
            if item.get("role") == "assistant" and item.get("run_id") == run_id:
                answer = _answer(item)
                other = message is not None and _another_came_after(message, items)
                return msgspec.structs.replace(answer, of_another_message=other)
        return Answer(found=False)

    def _find(self, path: str, stamp: Stamp, *, pages: int) -> dict[str, Any] | None:
        """Return the newest item whose metadata holds the stamp, among the newest `pages` pages."""
        return next((item for item in self._pages(path, pages) if _carries(item, stamp)), None)

    def _pages(self, path: str, most: int = _MOST_PAGES, **filters: str) -> Iterator[dict[str, Any]]:
        """Yield the items of all pages, newest first; stop at a page that is empty, is the last, or does not lead
        on.
        """
        params: dict[str, str | int] = {"limit": _PAGE, "order": "desc", **filters}
        cursors: set[str] = set()
        for _ in range(most):
            page = self._page(path, params)
            items = _items(page)
            yield from items
            cursor = page.get("last_id") or (items[-1].get("id") if items else None)
            if not items or not page.get("has_more") or not isinstance(cursor, str) or cursor in cursors:
                return
            cursors.add(cursor)
            params["after"] = cursor

    def _page(self, path: str, params: dict[str, str | int]) -> dict[str, Any]:
        """Return a page; a smaller one, from then on, where a hundred items are too large to be read: messages may have
        a megabyte each.
        """
        try:
            return self._transport.get(path, **params)
        except errors.OversizedAnswerError:
            if params["limit"] == _SMALL_PAGE:
                raise
            params["limit"] = _SMALL_PAGE
            return self._transport.get(path, **params)


def _agent(item: dict[str, Any]) -> AgentSummary:
    return AgentSummary(id=_text(item, "id"), name=_optional(item, "name"), model=_optional(item, "model"))


def _thread(thread_id: str) -> str:
    return f"/threads/{path_id(thread_id, 'thread')}"


def _run(thread_id: str, run_id: str) -> str:
    return f"{_thread(thread_id)}/runs/{path_id(run_id, 'run')}"


def _another_came_after(stamp: Stamp, items: Iterable[dict[str, Any]]) -> bool:
    """Say whether somebody else's message is newer than the one of this stamp; both are among `items`, newest first."""
    other = False
    for item in items:
        if _carries(item, stamp):
            return other
        other = other or item.get("role") == "user"
    return False


def _text(item: dict[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise errors.BadResponseError(f"Foundry's answer has no {key!r}")
    return value


def _id(item: dict[str, Any], key: str) -> str:
    value = _text(item, key)
    if not _is_id(value):
        raise errors.BadResponseError(f"Foundry's answer has a {key!r} that is no id")
    return value


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(ID_PATTERN, value) is not None


def _items(page: dict[str, Any]) -> list[dict[str, Any]]:
    data = page.get("data")
    if not isinstance(data, list):
        raise errors.BadResponseError("Foundry's answer has no list 'data'")
    return _objects(data)


def _optional(item: dict[str, Any], key: str) -> str | None:
    value = item.get(key)
    return value if isinstance(value, str) else None


def _word(value: Any) -> str | None:
    """Return the value where it is a code: one word."""
    return value if isinstance(value, str) and re.fullmatch(r"[\w.-]{1,64}", value) else None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _carries(item: dict[str, Any], stamp: Stamp) -> bool:
    return stamp.as_metadata().items() <= _object(item.get("metadata")).items()


def _instance_of(item: dict[str, Any]) -> str | None:
    instance_id = _object(item.get("metadata")).get(METADATA_INSTANCE)
    return instance_id[:512] if isinstance(instance_id, str) else None


def _snapshot(run: dict[str, Any], thread_id: str, run_id: str | None = None) -> RunSnapshot:
    """Return the run, which must be the one that was asked for."""
    if _id(run, "thread_id") != thread_id or (run_id is not None and _id(run, "id") != run_id):
        raise errors.BadResponseError(f"Foundry's answer is about another run than {run_id or 'one'} of {thread_id}")
    raw = _text(run, "status")
    state = _STATES.get(raw, RunState.ACTIVE)
    error = _object(run.get("last_error"))
    summary = None
    if state is RunState.INCOMPLETE:
        reason = _word(_object(run.get("incomplete_details")).get("reason"))
        summary = f"the answer is not complete: {reason or 'no reason given'}"
        error = {"code": reason or ErrorCode.INCOMPLETE, "message": summary}
    code, message = _word(error.get("code")), error.get("message")
    return RunSnapshot(
        run_id=_id(run, "id"),
        thread_id=thread_id,
        state=state,
        raw_status=raw[:64],
        error_code=code,
        error_message=str(message)[:1000] if message else None,
        error_summary=summary,
        rate_limited=code == "rate_limit_exceeded",
        retry_after_seconds=hint_in_text(str(message)) if code == "rate_limit_exceeded" else None,
        instance_id=_instance_of(run),
        pending_calls=tuple(_pending_calls(_object(run.get("required_action"))))
        if state is RunState.REQUIRES_ACTION
        else (),
        model=(_optional(run, "model") or "")[:256] or None,
        usage=numbers(run.get("usage")),
        tokens=_tokens(run.get("usage")),
        created_at=unix_seconds(run.get("created_at")),
        started_at=unix_seconds(run.get("started_at")),
        completed_at=unix_seconds(run.get("completed_at")),
        expires_at=unix_seconds(run.get("expires_at")),
    )


def _tokens(usage: Any) -> Tokens | None:
    found = numbers(usage)
    if not found:
        return None
    values = (found.get(f"{kind}_tokens") for kind in ("prompt", "completion", "total"))
    prompt, completion, total = (value if isinstance(value, int) else None for value in values)
    return Tokens(prompt=prompt, completion=completion, total=total)


_ANSWERED_BY_US = {"function": ("function", None), "approval": ("mcp", None)}


def _pending_calls(action: dict[str, Any]) -> Iterator[PendingCall]:
    """Yield the calls of `submit_tool_outputs` and `submit_tool_approval` (foundry-api.md, section 1.3)."""
    for kind, key in (("function", "submit_tool_outputs"), ("approval", "submit_tool_approval")):
        for call in _objects(_object(action.get(key)).get("tool_calls")):
            # The service itself answers the other types, such as azure_function (foundry-api.md, section 2, row 8).
            if _is_id(call.get("id")) and call.get("type") in _ANSWERED_BY_US[kind]:
                function = _object(call.get("function")) or call
                yield PendingCall(
                    id=call["id"],
                    kind=kind,  # type: ignore[arg-type]
                    name=str(function.get("name") or ""),
                    arguments=str(function.get("arguments") or ""),
                )


def _answer(message: dict[str, Any]) -> Answer:
    texts: list[str] = []
    annotations: list[dict[str, Any]] = []
    attachments: list[Attachment] = []
    for part in _objects(message.get("content")):
        kind = part.get("type")
        body = _object(part.get(kind)) if isinstance(kind, str) else {}
        match kind:
            case "text":
                found = _objects(harmless(body.get("annotations")))
                texts.append(_without_citation_marks(str(body.get("value") or ""), found))
                annotations += found
            case "image_file":
                attachments.append(Attachment(kind=kind, id=str(body.get("file_id") or "")))
            case "image_url":
                attachments.append(Attachment(kind=kind, id=str(body.get("url") or "")))
            case str():
                attachments.append(Attachment(kind=kind, id=str(body.get("file_id") or body.get("id") or "")))
    attached = [a.get("file_id") for a in _objects(message.get("attachments"))]
    attachments += [Attachment(kind="file", id=file_id) for file_id in attached if isinstance(file_id, str)]
    return Answer(
        found=True,
        text="\n".join(texts),
        message_id=_id(message, "id"),
        annotations=annotations,
        attachments=attachments,
    )


def _without_citation_marks(text: str, annotations: list[dict[str, Any]]) -> str:
    """Leave out marks such as `【4:0†source】`: they mean nothing to a reader, and the annotations hold what they refer
    to.
    """
    for annotation in annotations:
        mark = annotation.get("text")
        if isinstance(mark, str) and re.fullmatch(r"【[^】]*】", mark):
            text = text.replace(mark, "")
    return text
