"""The requests of the classic generation (foundry-api.md, section 1.1).

A POST whose answer was lost may have happened and the service has no idempotency key: so what we create carries a
stamp in its metadata, and can be found by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from contracts.activities import NewMessage, ThreadRef
from contracts.conversation import MessagePage
from contracts.generations import CAPABILITIES, Capabilities
from contracts.runs import (
    AgentSummary,
    Answer,
    AnswerMessage,
    Effect,
    FormerRun,
    PostedMessage,
    RunSnapshot,
    RunState,
    Stamp,
    ToolAnswer,
)
from contracts.steps import RunFile, RunSteps
from foundry import errors
from foundry.answers import message_of
from foundry.classic.conversation import message_page
from foundry.classic.files import run_file
from foundry.classic.paths import run_path, thread_path
from foundry.classic.runs import snapshot
from foundry.classic.steps import files_of, raw_steps, run_steps
from foundry.fields import carries, id_of, instance_of, items_of, obj, objects, optional, text_of
from foundry.pages import PAGE, Params, pages, sized_page
from foundry.transport import Transport, path_id

_MOST_PAGES = 20
"""Of agents: two thousand of them."""

_PAGES_SEARCHED = 1
"""What an earlier attempt made is among the newest hundred; more pages a look would cost a long thread dearly."""

_PAGES_OF_A_RUN = 10
"""A thousand messages."""

_PAGES_OF_AN_ANSWER = 2
"""Of a thread that others use too."""

_REFUSALS = (
    errors.InvalidInputError,
    errors.UnreadableRefusalError,
    errors.NotFoundError,
    errors.PermissionDeniedError,
    errors.RefusedForNowError,
    errors.ThreadBusyError,
)
"""Foundry has understood a request, and does not do it."""


class ClassicAgentService:
    """`AgentService` for the classic generation."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def capabilities(self) -> Capabilities:
        """What this generation can do."""
        return CAPABILITIES["classic"]

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

    def create_thread(self, stamp: Stamp, message: NewMessage | None = None) -> ThreadRef:
        """Create a thread. Its message comes by itself."""
        assert message is None
        return ThreadRef(thread_id=id_of(self._transport.post("/threads", {"metadata": stamp.as_metadata()}), "id"))

    def find_thread(self, stamp: Stamp) -> ThreadRef | None:
        """Return the thread that carries the stamp, if it is among the project's newest hundred."""
        found = self._find("/threads", stamp, pages=1)
        return ThreadRef(thread_id=id_of(found, "id")) if found else None

    def threads_of_instance(self, instance_id: str) -> list[str]:
        """Return the ids of those among the project's newest hundred threads that the instance has created."""
        return [id_of(item, "id") for item in self._pages("/threads", 1) if instance_of(item) == instance_id]

    def take_over(
        self,
        thread_id: str,  # noqa: ARG002 - the protocol's
        instance_id: str,  # noqa: ARG002
        former: FormerRun | None = None,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Do nothing: every run carries its stamp, and takes its calls along when it ends."""
        return ()

    def refuse_open_calls(self, thread_id: str, former: FormerRun | None = None) -> None:
        """Do nothing: a call keeps a thread busy for as long as its run waits, and no longer."""

    def create_message(self, thread_id: str, message: NewMessage, stamp: Stamp) -> str:
        """Add the user's message to the thread and return its id."""
        metadata = {**message.metadata, **stamp.as_metadata()}
        body: dict[str, Any] = {"role": "user", "content": message.content, "metadata": metadata}
        if message.attachments:
            body["attachments"] = message.attachments
        posted = self._transport.post(f"{thread_path(thread_id)}/messages", msgspec.to_builtins(body))
        return id_of(posted, "id")

    def find_message(self, thread_id: str, message: NewMessage, stamp: Stamp) -> str | None:  # noqa: ARG002
        """Return the id of the message that carries the stamp, if it is among the thread's newest hundred."""
        found = self._find(f"{thread_path(thread_id)}/messages", stamp, pages=_PAGES_SEARCHED)
        return id_of(found, "id") if found else None

    def take_back_message(self, thread_id: str, message_id: str) -> None:
        """Delete the message; it may be gone already. The app does not ask for it: a message that stays is answered
        by the next run, and callers of this generation know it so.
        """
        try:
            self._transport.delete(f"{thread_path(thread_id)}/messages/{path_id(message_id, 'message')}")
        except errors.NotFoundError as error:
            if not error.names_it:
                raise

    def awaits_answer(self, thread_id: str, instance_id: str) -> bool:
        """Say whether the thread's newest message is the instance's, whatever has become of its run: one that has
        answered has a newer one.
        """
        newest = self._newest(f"{thread_path(thread_id)}/messages")
        return newest is not None and newest.get("role") == "user" and instance_of(newest) == instance_id

    def create_run(
        self,
        thread_id: str,
        agent_id: str,
        options: dict[str, Any],
        metadata: dict[str, str],
        stamp: Stamp,
        *,
        agent_version: str | None = None,  # noqa: ARG002 - there are none
    ) -> RunSnapshot:
        """Start a run of the agent on the thread."""
        body = {**options, "assistant_id": agent_id, "metadata": {**metadata, **stamp.as_metadata()}}
        added = objects(body.get("additional_messages"))
        if added:
            body["additional_messages"] = [_stamped(message, stamp) for message in added]
        include = body.pop("include", None)
        query = {"include[]": ",".join(include)} if include else {}
        return snapshot(self._transport.post(f"{thread_path(thread_id)}/runs", body, **query), thread_id)

    def get_run(self, thread_id: str, run_id: str) -> RunSnapshot:
        """Return the run as it is now."""
        return snapshot(self._transport.get(run_path(thread_id, run_id)), thread_id, run_id)

    def list_runs(self, thread_id: str) -> list[RunSnapshot]:
        """Return the thread's newest hundred runs, newest first."""
        return [snapshot(item, thread_id) for item in self._pages(f"{thread_path(thread_id)}/runs", 1)]

    def find_run(self, thread_id: str, effect: Effect) -> RunSnapshot | None:
        """Return the run that carries the stamp, if it is among the thread's newest hundred."""
        found = self._find(f"{thread_path(thread_id)}/runs", effect.stamp, pages=_PAGES_SEARCHED)
        return snapshot(found, thread_id) if found else None

    def cancel_run(self, thread_id: str, run_id: str) -> RunSnapshot:
        """Ask for the run's cancellation; return the run as it is then.

        A refusal says little: Foundry refuses to cancel a run that has ended (400), for one. So the run is looked at,
        and its real end is the answer.
        """
        try:
            return snapshot(self._transport.post(f"{run_path(thread_id, run_id)}/cancel"), thread_id, run_id)
        except _REFUSALS as error:
            run = self.get_run(thread_id, run_id)
            if run.state not in {RunState.ACTIVE, RunState.REQUIRES_ACTION}:
                return run
            if isinstance(error, errors.NotFoundError):
                # It is there, so it is not gone, whatever the refusal names.
                raise errors.RefusedForNowError(error.message, summary=error.summary) from None
            raise

    def submit_tool_outputs(
        self,
        thread_id: str,
        run_id: str,
        answer: ToolAnswer,
        headers: Mapping[str, Mapping[str, str]] | None = None,
        *,
        agent_id: str,  # noqa: ARG002 - the run goes on, and these are its own
        agent_version: str | None,  # noqa: ARG002
        effect: Effect,  # noqa: ARG002
        metadata: Mapping[str, str],  # noqa: ARG002
    ) -> RunSnapshot:
        """Answer the calls that the run waits for; return the run as it is then. `headers` are for the tool's server,
        by the id of the call that is approved: secrets.

        Foundry refuses an answer to calls that are not pending (400). If none of ours is pending any more, an earlier
        attempt has got through; if one is, it is the answer that is refused.
        """
        body: dict[str, Any] = {}
        if answer.tool_outputs:
            body["tool_outputs"] = [{"tool_call_id": o.tool_call_id, "output": o.output} for o in answer.tool_outputs]
        if answer.approvals:
            body["tool_approvals"] = [
                {"tool_call_id": a.tool_call_id, "approve": a.approve}
                | ({"headers": dict(headers[a.tool_call_id])} if headers and a.tool_call_id in headers else {})
                for a in answer.approvals
            ]
        try:
            posted = self._transport.post(f"{run_path(thread_id, run_id)}/submit_tool_outputs", body)
            return snapshot(posted, thread_id, run_id)
        except (errors.InvalidInputError, errors.UnreadableRefusalError, errors.RefusedForNowError) as error:
            run = self.get_run(thread_id, run_id)
            ours = {o.tool_call_id for o in answer.tool_outputs} | {a.tool_call_id for a in answer.approvals}
            if not ours & {call.id for call in run.pending_calls}:
                return run
            if error.retryable:
                raise
            raise errors.AnswerRefusedError(error.message, summary=error.summary) from None

    def delete_thread(self, thread_id: str, instance_id: str) -> bool:
        """Delete the thread; return whether it is gone. It is left where this app has not created it, or where anybody
        but the instance has used it last.
        """
        path = thread_path(thread_id)
        try:
            if not self._is_only_used_by(instance_id, thread_id):
                return False
            self._transport.delete(path)
        except errors.NotFoundError as error:
            if not error.names_it:
                raise
        return True

    def _is_only_used_by(self, instance_id: str, thread_id: str) -> bool:
        creator = instance_of(self._transport.get(thread_path(thread_id)))
        if creator is None:
            return False
        run = self._newest(f"{thread_path(thread_id)}/runs")
        if run is not None:
            seen = snapshot(run, thread_id)
            return (
                seen.instance_id == instance_id and seen.state.is_ended and not self._is_wanted(instance_id, thread_id)
            )
        return creator == instance_id and not self._is_wanted(instance_id, thread_id)

    def _is_wanted(self, instance_id: str, thread_id: str) -> bool:
        """Say whether somebody else's message is the newest one: its run is still to come."""
        newest = self._newest(f"{thread_path(thread_id)}/messages")
        return newest is not None and newest.get("role") == "user" and instance_of(newest) != instance_id

    def _newest(self, path: str) -> dict[str, Any] | None:
        items = items_of(self._transport.get(path, limit=1, order="desc"))
        return items[0] if items else None

    def get_answer(
        self,
        thread_id: str,
        run_id: str,
        message: PostedMessage | None = None,
        earlier_runs: Sequence[str] = (),  # noqa: ARG002 - an answer to calls starts no other run here
    ) -> Answer:
        """Return what the run's agent wrote.

        With the stamp of the message that it was to answer, see whether another one came between that and the run.
        """
        if message is None:
            return Answer(messages=_answer(self._messages_of(thread_id, run_id), run_id))
        mine: list[dict[str, Any]] = []
        other = False
        for item in self._pages(f"{thread_path(thread_id)}/messages", _PAGES_OF_AN_ANSWER):
            if _is_answer(item, run_id):
                mine.append(item)
            elif carries(item, message.stamp):
                return Answer(messages=_answer(mine, run_id), of_another_message=other)
            elif mine:
                # What the instance itself has added with the run is its own.
                other = other or (item.get("role") == "user" and instance_of(item) != message.stamp.instance_id)
        # Others have written so much since that our message is far down: what the run wrote may be there, too.
        return Answer(messages=_answer(self._messages_of(thread_id, run_id), run_id))

    def _messages_of(self, thread_id: str, run_id: str) -> Iterator[dict[str, Any]]:
        return self._pages(f"{thread_path(thread_id)}/messages", _PAGES_OF_A_RUN, run_id=path_id(run_id, "run"))

    def thread_messages(self, thread_id: str, limit: int, before: str | None) -> MessagePage:
        """Return the thread's newest messages, of those before the message that a page has named, if any; at most so
        many.
        """
        return message_page(self._transport, thread_id, limit, before)

    def list_steps(self, thread_id: str, run_id: str) -> RunSteps:
        """Return what the run did, oldest first."""
        return run_steps(self._transport, thread_id, run_id)

    def has_produced(self, thread_id: str, run_id: str, file_id: str) -> bool:
        """Say whether the run's messages or its code hand over this file."""
        if any(a.id == file_id for m in self.get_answer(thread_id, run_id).messages for a in m.attachments):
            return True
        steps, _ = raw_steps(self._transport, thread_id, run_id)
        return any(file_id in files_of(step) for step in steps)

    def get_file(self, file_id: str, most_bytes: int) -> RunFile:
        """Return the file; raise `ResponseTooLargeError` where it has more bytes."""
        return run_file(self._transport, file_id, most_bytes)

    def _find(self, path: str, stamp: Stamp, *, pages: int) -> dict[str, Any] | None:
        """Return the newest item whose metadata holds the stamp, among the newest `pages` pages."""
        return next((item for item in self._pages(path, pages) if carries(item, stamp)), None)

    def _pages(self, path: str, most: int = _MOST_PAGES, **filters: str) -> Iterator[dict[str, Any]]:
        """Yield the items of all pages, newest first."""
        params: Params = {"limit": PAGE, "order": "desc", **filters}
        for items, _ in pages(lambda asked: sized_page(self._transport, path, asked), params, most):
            yield from items


def _agent(item: dict[str, Any]) -> AgentSummary:
    return AgentSummary(id=text_of(item, "id"), name=optional(item, "name"), model=optional(item, "model"))


def _is_answer(item: dict[str, Any], run_id: str) -> bool:
    """Say whether the run's agent wrote the message, whatever the service calls its role. What a start has sent along
    with the run bears its stamp.
    """
    return item.get("role") != "user" and item.get("run_id") == run_id and instance_of(item) is None


def _answer(items: Iterable[dict[str, Any]], run_id: str) -> list[AnswerMessage]:
    """Return what the run's agent wrote of these messages, which are newest first, oldest first."""
    return [message_of(item) for item in items if _is_answer(item, run_id)][::-1]


def _stamped(message: dict[str, Any], stamp: Stamp) -> dict[str, Any]:
    """Return a message that is sent along with a run, so that it counts as the instance's own."""
    return {**message, "metadata": {**obj(message.get("metadata")), **stamp.as_metadata()}}
