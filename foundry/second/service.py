"""The requests of the second generation (foundry-responses.md, sections 1 and 5).

A POST whose answer was lost may have happened, and the service has no idempotency key. A response carries a stamp in
its metadata, where the service shows that; else it is the one that was not there before. Items carry nothing: a message
is known by its text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

import host_clock
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
from foundry.fields import carries, id_of, instance_of, is_id, is_of_one_start, items_of
from foundry.harmless import unix_seconds
from foundry.second.agents import name_and_version, reference_to, summary_of, summary_of_version
from foundry.second.answering import Answerer
from foundry.second.background import ForegroundAgents
from foundry.second.calls import Call, answered_in, calls_in, closed_in, open_calls
from foundry.second.conversation import newest, newest_items, newest_responses, response_if_there
from foundry.second.finding import find_response
from foundry.second.grace import in_doubt
from foundry.second.history import message_page
from foundry.second.hygiene import Closer, unusable, waits_for
from foundry.second.items import author_of, authors_in, is_message, is_of_agent, is_of_user
from foundry.second.messages import item_of, says
from foundry.second.paths import (
    AGENTS,
    CONVERSATIONS,
    agent_path,
    conversation_path,
    item_path,
    items_path,
    response_path,
)
from foundry.second.responses import asks_nothing, closed, messages_in, output_of, snapshot
from foundry.second.starts import Starter
from foundry.second.steps import files_of, run_steps
from foundry.transport import Transport, path_id

_AGENTS_VERSION = "v1"
"""Of /agents, whatever `FOUNDRY_API_VERSION` says of the first generation; /openai/v1 takes none."""

_MOST_PAGES = 20
"""Of agents: two thousand of them."""

_PAGES_OF_AN_ANSWER = 2
"""Of a conversation that others use too."""

_REFUSALS = (
    errors.InvalidInputError,
    errors.UnreadableRefusalError,
    errors.NotFoundError,
    errors.PermissionDeniedError,
    errors.RefusedForNowError,
    errors.ThreadBusyError,
)
"""Foundry has understood a request, and does not do it."""


Made = TypeVar("Made")


class ResponsesAgentService:
    """`AgentService` for the second generation."""

    def __init__(
        self,
        transport: Transport,
        *,
        foreground: ForegroundAgents | None = None,
        now: Callable[[], datetime] = host_clock.now,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`foreground` are agents that are known to refuse `background`; `now` is the host's time, by which doubts are
        as old as they are; `pause` waits between looks at a response that closes calls.
        """
        self._given = transport
        self._agents = transport.versioned(_AGENTS_VERSION)
        self._transport = transport.versioned(None)
        self._foreground = ForegroundAgents() if foreground is None else foreground
        self._now = now
        self._pause = pause
        self._starter = Starter(self._transport, self._foreground)
        self._closer = Closer(self._transport, self._starter, pause)
        self._answerer = Answerer(self._transport, self._starter, now)

    @property
    def capabilities(self) -> Capabilities:
        """What this generation can do."""
        return CAPABILITIES["responses"]

    def within(self, seconds: float) -> ResponsesAgentService:
        """Return the same service, all of whose requests together end within so many seconds from now."""
        return ResponsesAgentService(
            self._given.within(seconds), foreground=self._foreground, now=self._now, pause=self._pause
        )

    # --- agents ---

    def list_agents(self) -> Iterator[AgentSummary]:
        """Yield every agent of the project in its latest version, all pages followed."""
        for item in newest(self._agents, AGENTS, _MOST_PAGES):
            yield summary_of(item)

    def get_agent(self, agent_id: str) -> AgentSummary:
        """Return the agent, `name` or `name:version`."""
        name, version = name_and_version(agent_id)
        if not is_id(name) or not (version is None or is_id(version)):
            raise errors.NotFoundError("no agent of the second generation can have this name", names_it=True)
        path = agent_path(name)
        latest = summary_of(self._agents.get(path))
        if latest.id != name:
            raise errors.BadResponseError(f"Foundry's answer is about another agent than {name}")
        if version in {None, latest.version}:
            return latest
        found = self._agents.get(f"{path}/versions/{path_id(version or '', 'version')}")
        return summary_of_version(found, name, enabled=latest.enabled)

    def check(self) -> None:
        """Ask for one agent; return if the project answers."""
        self._agents.get(AGENTS, limit=1)

    # --- conversations ---

    def create_thread(self, stamp: Stamp, message: NewMessage | None = None) -> ThreadRef:
        """Create a conversation, with its first message. The answer does not say the message's id: where it is to be
        taken back, it is found by its text.
        """
        items = {"items": [item_of(message)]} if message else {}
        made = self._transport.post(CONVERSATIONS, {"metadata": stamp.as_metadata(), **msgspec.to_builtins(items)})
        return ThreadRef(thread_id=id_of(made, "id"))

    def find_thread(self, stamp: Stamp) -> ThreadRef | None:
        """Return the conversation that carries the stamp, if it is among the project's newest hundred."""
        found = next((item for item in newest(self._transport, CONVERSATIONS) if carries(item, stamp)), None)
        return ThreadRef(thread_id=id_of(found, "id")) if found else None

    def threads_of_instance(self, instance_id: str) -> list[str]:
        """Return the ids of those among the project's newest hundred conversations that the instance has created."""
        listed = newest(self._transport, CONVERSATIONS)
        return [id_of(item, "id") for item in listed if instance_of(item) == instance_id]

    def take_over(self, thread_id: str, instance_id: str, former: FormerRun | None = None) -> tuple[str, ...]:
        """Make the conversation ready for the instance, which owns it now; return the ids of all responses on it.

        A response with a stamp of this app's has ended, since its instance does not own the conversation any more: the
        calls that it has left open are closed. Any other's, and any where neither a stamp nor our own records tell,
        are somebody else's. Nothing is done while lists do not show what the last owner has left: its message would be
        taken for the next one's, and its response, too.
        """
        items = newest_items(self._transport, thread_id)
        if former is not None and self._is_to_come(former, items):
            raise errors.RefusedForNowError("Foundry does not show yet what the conversation's last run has made")
        listed = {id_of(response, "id"): response for response in newest_responses(self._transport, thread_id)}
        known = [*listed, *authors_in(items), *(former.run_ids if former else ())]
        if left := open_calls(items)[::-1]:
            self._refuse_foreign(thread_id, left, listed, former)
            known += self._closer.close(thread_id, left, instance_id)
        return tuple(dict.fromkeys(known))

    def _is_to_come(self, former: FormerRun, items: list[dict[str, Any]]) -> bool:
        """Say whether something of what the last owner has left will show yet: an item, or the answer to a call."""
        if self._now() >= former.left_at + timedelta(seconds=self.capabilities.grace_seconds):
            return False
        if former.shows_items and former.run_ids[-1] not in authors_in(items):
            return True
        return any(call.author in former.run_ids for call in open_calls(items))

    def refuse_open_calls(self, thread_id: str, former: FormerRun | None = None) -> None:
        """Raise `WaitsForToolError` where a call is open that is none of this app's runs'. Nothing is changed."""
        if left := open_calls(newest_items(self._transport, thread_id))[::-1]:
            listed = {id_of(response, "id"): response for response in newest_responses(self._transport, thread_id)}
            self._refuse_foreign(thread_id, left, listed, former)

    def _refuse_foreign(
        self, thread_id: str, calls: list[Call], listed: Mapping[str, dict[str, Any]], former: FormerRun | None
    ) -> None:
        ours = former.run_ids if former else ()
        if foreign := [call for call in calls if call.author not in ours and not self._is_of_this_app(call, listed)]:
            raise waits_for(foreign, thread_id)

    def _is_of_this_app(self, call: Call, listed: Mapping[str, dict[str, Any]]) -> bool:
        if call.author is None:
            return False
        seen = listed.get(call.author)
        if seen is not None and instance_of(seen) is not None:
            return True
        response = response_if_there(self._transport, call.author)  # which may show what its list does not
        return response is not None and instance_of(response) is not None

    def delete_thread(self, thread_id: str, instance_id: str) -> bool:
        """Delete the conversation; return whether it is gone. It is left where this app has not created it, or where
        anybody but the instance has used it last, or where no stamp tells who that was.
        """
        path = conversation_path(thread_id)
        try:
            if not self._is_only_used_by(instance_id, thread_id):
                return False
            self._transport.delete(path)
        except errors.NotFoundError as error:
            if not error.names_it:
                raise
        return True

    def _is_only_used_by(self, instance_id: str, thread_id: str) -> bool:
        creator = instance_of(self._transport.get(conversation_path(thread_id)))
        if creator is None:
            return False
        runs = [snapshot(response, thread_id) for response in newest_responses(self._transport, thread_id)]
        if any(run.state is RunState.ACTIVE for run in runs):
            return False
        # Its own message stays where its run did not answer; another one beside it is somebody else's.
        waiting = len(_since_the_last_answer(newest_items(self._transport, thread_id)))
        if not runs:
            return creator == instance_id and waiting <= 1
        last = max(runs, key=lambda run: run.created_at or 0)
        answered = last.state in {RunState.COMPLETED, RunState.REQUIRES_ACTION, RunState.INCOMPLETE}
        owner = last.instance_id or instance_of(response_if_there(self._transport, last.run_id) or {})
        return owner == instance_id and waiting <= (0 if answered else 1)

    # --- messages ---

    def create_message(self, thread_id: str, message: NewMessage, stamp: Stamp) -> str:
        """Add the user's message to the conversation and return its id."""
        items = {"items": [msgspec.to_builtins(item_of(message))]}

        @in_doubt()
        def post() -> str:
            stored = items_of(self._transport.post(items_path(thread_id), items))
            if len(stored) != 1:
                raise errors.BadResponseError(
                    f"Foundry's answer has {len(stored)} items instead of the one that was added"
                )
            return id_of(stored[0], "id")

        return self._once_more(thread_id, stamp.instance_id, post)

    def _once_more(self, thread_id: str, instance_id: str, action: Callable[[], Made]) -> Made:
        """Do it, and once more where the service misses the output of a call: it was seen to miss one that was sent."""
        try:
            return action()
        except errors.OpenCallError:
            self.take_over(thread_id, instance_id)
        try:
            return action()
        except errors.OpenCallError as error:
            raise unusable(error) from None

    def find_message(self, thread_id: str, message: NewMessage, stamp: Stamp) -> str | None:  # noqa: ARG002
        """Return the id of the newest message of the user that has this very content, and that no agent has answered
        yet.
        """
        waiting = _since_the_last_answer(newest_items(self._transport, thread_id))
        found = next((item for item in waiting if says(item, message)), None)
        return id_of(found, "id") if found else None

    def take_back_message(self, thread_id: str, message_id: str) -> None:
        """Delete the message; it may be gone already."""
        try:
            self._transport.delete(item_path(thread_id, message_id))
        except errors.NotFoundError as error:
            if not error.names_it:
                raise

    def awaits_answer(self, thread_id: str, instance_id: str) -> bool:
        """Say whether the conversation's newest message is a user's, and the instance has no response yet. Whose the
        message is cannot be told; where no response says whose it is, nothing is assumed.
        """
        latest = next((item for item in newest_items(self._transport, thread_id) if is_message(item)), None)
        if latest is None or not is_of_user(latest):
            return False
        runs = self._runs(thread_id)
        if runs and all(run.instance_id is None for run in runs):
            return False
        # A run that failed for lack of quota is started again for the same message.
        return all(run.rate_limited for run in runs if run.instance_id == instance_id)

    # --- runs ---

    def create_run(
        self,
        thread_id: str,
        agent_id: str,
        options: dict[str, Any],
        metadata: dict[str, str],
        stamp: Stamp,
        *,
        agent_version: str | None = None,
    ) -> RunSnapshot:
        """Start a response of the agent to what stands in the conversation, in the background where it takes that."""

        @in_doubt()
        def start() -> RunSnapshot:
            return snapshot(
                self._starter.start(
                    thread_id,
                    reference_to(agent_id, agent_version),
                    {**metadata, **stamp.as_metadata()},
                    structured_inputs=options.get("structured_inputs"),
                ),
                thread_id,
            )

        return self._once_more(thread_id, stamp.instance_id, start)

    def get_run(self, thread_id: str, run_id: str) -> RunSnapshot:
        """Return the response as it is now; a completed one with its answer."""
        return snapshot(self._response(run_id), thread_id, run_id)

    def list_runs(self, thread_id: str) -> list[RunSnapshot]:
        """Return the conversation's newest hundred responses, newest first. One whose calls were answered, or closed,
        asks nothing.
        """
        runs = self._runs(thread_id)
        if not any(run.state is RunState.REQUIRES_ACTION for run in runs):
            return runs
        items = newest_items(self._transport, thread_id)
        answered = answered_in(items)
        shown = {author for call in calls_in(items) if (author := call.author)}
        return [
            asks_nothing(run) if run.state is RunState.REQUIRES_ACTION and not asks else run
            for run, asks in ((run, _still_asks(run, answered, shown, newest=run is runs[0])) for run in runs)
        ]

    def find_run(self, thread_id: str, effect: Effect) -> RunSnapshot | None:
        """Return the response that carries the stamp. Where the service shows no stamps, it is one that was not there
        before: in the list, or as the author of an item. Never by its time: a list that lags shows an earlier one.
        """
        return find_response(self._transport, thread_id, effect)

    def cancel_run(self, thread_id: str, run_id: str) -> RunSnapshot:
        """Cancel the response; return it as it is then. The calls that it leaves open are closed: then it counts as
        cancelled.

        A refusal says little: a response that has ended cannot be cancelled, and one that is waited for neither. So it
        is looked at, and its real end is the answer.
        """
        try:
            response = self._transport.post(f"{response_path(run_id)}/cancel")
        except _REFUSALS as error:
            response = self._response(run_id)
            if snapshot(response, thread_id, run_id).state is RunState.ACTIVE:
                if isinstance(error, errors.NotFoundError | errors.InvalidInputError):
                    # It goes on, and may be over soon.
                    raise errors.RefusedForNowError(error.message, summary=error.summary) from None
                raise
        run = snapshot(response, thread_id, run_id)
        if run.state is RunState.ACTIVE:
            return run
        return self._without_open_calls(run, response)

    def _without_open_calls(self, run: RunSnapshot, response: dict[str, Any]) -> RunSnapshot:
        """Close the calls that the run has left open in the conversation; return the run as it is then."""
        items = newest_items(self._transport, run.thread_id)
        answered = answered_in(items)
        own = [item for item in items if author_of(item) == run.run_id]
        made: list[str] = []
        # What the items do not show yet, the response does.
        asked = {call.key: call for call in [*open_calls(own)[::-1], *open_calls(output_of(response))]}
        left = [call for key, call in asked.items() if key not in answered]
        if left:
            try:
                made = self._closer.close(run.thread_id, left, run.instance_id or run.run_id)
            except errors.ThreadBusyError as error:
                # What works there may be what closes them, started by an earlier attempt.
                raise errors.RefusedForNowError(error.message, summary=error.summary) from None
        if run.state is not RunState.REQUIRES_ACTION:
            return run
        # Answers that say nothing but that nobody answered are those of an earlier attempt, which got no answer itself.
        was_answered = asked and not left and not closed_in(items) & asked.keys()
        return asks_nothing(run) if was_answered else closed(run, made)

    def submit_tool_outputs(
        self,
        thread_id: str,
        run_id: str,
        answer: ToolAnswer,
        headers: Mapping[str, Mapping[str, str]] | None = None,
        *,
        agent_id: str,
        agent_version: str | None,
        effect: Effect,
        metadata: Mapping[str, str],
    ) -> RunSnapshot:
        """Answer the calls that the response has ended with; return the response that goes on behind them.

        One that an earlier attempt has started is adopted. While the answer to such an attempt is in doubt nothing is
        sent; answers that stand in the conversation already are not sent again.
        """
        if headers:
            raise errors.AnswerRefusedError(
                "this generation of agents takes no headers with an approval: give the MCP server's connection its "
                "credentials in the project, and leave headers_ref out"
            )
        return self._answerer.answer(
            self.get_run(thread_id, run_id),
            answer,
            effect,
            agent=reference_to(agent_id, agent_version),
            metadata={**metadata, **effect.stamp.as_metadata()},
        )

    # --- what runs have made ---

    def get_answer(
        self, thread_id: str, run_id: str, message: PostedMessage | None = None, earlier_runs: Sequence[str] = ()
    ) -> Answer:
        """Return what the response's agent wrote, behind what it wrote in the earlier ones, unless they were deleted.

        With the id of the message that it was to answer, see whether another one came between that and the response.
        """
        response = self._response(run_id)
        snapshot(response, thread_id, run_id)
        message_id = message.message_id if message else None
        return Answer(
            messages=[*self._written_before(thread_id, earlier_runs), *messages_in(output_of(response))],
            of_another_message=message_id is not None and self._is_between(thread_id, message_id, run_id),
        )

    def _written_before(self, thread_id: str, run_ids: Sequence[str]) -> list[AnswerMessage]:
        if not run_ids:
            return []
        listed = {id_of(response, "id"): response for response in newest_responses(self._transport, thread_id)}
        found = [listed.get(run_id) or response_if_there(self._transport, run_id) for run_id in run_ids]
        return [message for response in found if response for message in messages_in(output_of(response))]

    def _is_between(self, thread_id: str, message_id: str, run_id: str) -> bool:
        """Say whether a user's message stands between this one and the first item of the response."""
        seen = other = False
        for item in newest(self._transport, items_path(thread_id), _PAGES_OF_AN_ANSWER):
            if author_of(item) == run_id:
                seen, other = True, False
            elif item.get("id") == message_id:
                return seen and other
            elif seen:
                other = other or is_of_user(item)
        return False  # ours is too far down, or not shown yet: nothing can be told

    def thread_messages(self, thread_id: str, limit: int, before: str | None) -> MessagePage:
        """Return what was said in the conversation lately, before the item that a page has named, if any; at most so
        many.
        """
        return message_page(self._transport, thread_id, limit, before)

    def list_steps(self, thread_id: str, run_id: str) -> RunSteps:
        """Return what the response did, and those before it whose calls were answered, oldest first."""
        return run_steps(self._output_of_run(thread_id, run_id), run_id)

    def has_produced(self, thread_id: str, run_id: str, file_id: str) -> bool:
        """Say whether the response's messages or its code hand over this file."""
        output = self._output_of_run(thread_id, run_id)
        if any(a.id == file_id for m in messages_in(output) for a in m.attachments):
            return True
        return any(file_id in files_of(item) for item in output)

    def get_file(self, file_id: str, most_bytes: int) -> RunFile:  # noqa: ARG002 - the protocol's
        """Refuse it: the files of this generation lie in containers, from which nothing is known to hand them over."""
        raise errors.OutOfReachError(
            f"the file {file_id} lies in a container of the agent's code, from which this app cannot fetch it: read it "
            "there, with the container_id of the answer's annotation, before the container expires"
        )

    # --- responses ---

    def _output_of_run(self, thread_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return what the response has made, behind what those of its start have made before it, as far as stamps tell
        which these are.
        """
        response = self._response(run_id)
        snapshot(response, thread_id, run_id)
        if instance_of(response) is None:
            return output_of(response)
        listed = newest_responses(self._transport, thread_id)
        older = [r for r in listed[::-1] if id_of(r, "id") != run_id and is_of_one_start(r, response)]
        older.sort(key=lambda r: unix_seconds(r.get("created_at")) or 0)
        return [item for r in (*older, response) for item in output_of(r)]

    def _runs(self, thread_id: str) -> list[RunSnapshot]:
        return [snapshot(response, thread_id) for response in newest_responses(self._transport, thread_id)]

    def _response(self, run_id: str) -> dict[str, Any]:
        return self._transport.get(response_path(run_id))


def _since_the_last_answer(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the user's messages, newest first, behind all that agents have made."""
    found = []
    for item in items:
        if is_of_agent(item):
            break
        if is_of_user(item):
            found.append(item)
    return found


def _still_asks(run: RunSnapshot, answered: frozenset[str], shown: set[str], *, newest: bool) -> bool:
    """Say whether a call of the run is open. What the items do not show is far down, unless the run is the newest one:
    only its calls can be open in a conversation that works. A consent is over when anything else has come.
    """
    if not newest and run.run_id not in shown:
        return False
    return any(call.id not in answered and (newest or call.kind != "consent") for call in run.pending_calls)
