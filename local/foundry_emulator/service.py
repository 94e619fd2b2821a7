"""The operations of the agent service: a request in, an answer out, no HTTP server needed.

Order of the checks, as a client meets them: project, credential, api-version, path, method, body, then the
objects that the call names.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from local.foundry_emulator import bodies, errors, wire
from local.foundry_emulator.answers import text_of
from local.foundry_emulator.bodies import Body
from local.foundry_emulator.clock import Clock
from local.foundry_emulator.errors import ServiceError, invalid
from local.foundry_emulator.ids import new_file_id, new_id
from local.foundry_emulator.journal import Journal
from local.foundry_emulator.ledger import without_secrets
from local.foundry_emulator.objects import Assistant, Message, Run, Thread, user_texts
from local.foundry_emulator.paging import page
from local.foundry_emulator.routing import Call, Reply, Request, find, name_of, route
from local.foundry_emulator.runs import Lived, Submission
from local.foundry_emulator.scripts import Agent, File, Quota, Script
from local.foundry_emulator.second import service as second
from local.foundry_emulator.second.unknowns import Unknowns
from local.foundry_emulator.state import State
from local.foundry_emulator.uploads import parse_form

Json = dict[str, Any]

SCRIPT_KEY = "emulator_script"  # metadata of an agent that a client creates: whose script it follows
RESULTS = "step_details.tool_calls[*].file_search.results[*].content"  # the one value of `include[]`


ROUTES = (
    route("create_agent", "POST", "/assistants", bodies.CREATE_AGENT),
    route("list_agents", "GET", "/assistants"),
    route("get_agent", "GET", "/assistants/{assistant}"),
    route("update_agent", "POST", "/assistants/{assistant}", bodies.UPDATE_AGENT),
    route("delete_agent", "DELETE", "/assistants/{assistant}"),
    route("upload_file", "POST", "/files"),
    route("list_files", "GET", "/files"),
    route("get_file", "GET", "/files/{file}"),
    route("get_file_content", "GET", "/files/{file}/content"),
    route("delete_file", "DELETE", "/files/{file}"),
    route("create_thread", "POST", "/threads", bodies.CREATE_THREAD),
    route("list_threads", "GET", "/threads"),
    route("create_thread_and_run", "POST", "/threads/runs", bodies.CREATE_THREAD_AND_RUN),
    route("get_thread", "GET", "/threads/{thread}"),
    route("update_thread", "POST", "/threads/{thread}", bodies.UPDATE_THREAD),
    route("delete_thread", "DELETE", "/threads/{thread}"),
    route("create_message", "POST", "/threads/{thread}/messages", bodies.CREATE_MESSAGE),
    route("list_messages", "GET", "/threads/{thread}/messages"),
    route("get_message", "GET", "/threads/{thread}/messages/{message}"),
    route("update_message", "POST", "/threads/{thread}/messages/{message}", bodies.UPDATE_METADATA),
    route("create_run", "POST", "/threads/{thread}/runs", bodies.CREATE_RUN),
    route("list_runs", "GET", "/threads/{thread}/runs"),
    route("get_run", "GET", "/threads/{thread}/runs/{run}"),
    route("update_run", "POST", "/threads/{thread}/runs/{run}", bodies.UPDATE_METADATA),
    route("cancel_run", "POST", "/threads/{thread}/runs/{run}/cancel", Body({})),
    route(
        "submit_tool_outputs",
        "POST",
        "/threads/{thread}/runs/{run}/submit_tool_outputs",
        bodies.SUBMIT_TOOL_OUTPUTS,
    ),
    route("list_steps", "GET", "/threads/{thread}/runs/{run}/steps"),
    route("get_step", "GET", "/threads/{thread}/runs/{run}/steps/{step}"),
)
OPERATIONS = tuple(one.name for one in (*ROUTES, *second.ROUTES))
GENERATIONS = ("classic", "responses")
_STORES = re.compile(r"/vector_stores(/.*)?")


def operation_of(method: str, path: str) -> str | None:
    """Name the operation behind a path below the project; None where there is none."""
    return name_of((*ROUTES, *second.ROUTES), method, path)


class Service:
    """The agent service of one project."""

    def __init__(
        self,
        agents: Sequence[Agent],
        clock: Clock,
        *,
        project: str = "demo",
        token: str | None = None,
        message_limit: int = 100_000,
        quota: Quota | None = None,
        journal: Journal | None = None,
        unknowns: Unknowns | None = None,
        generations: Sequence[str] = GENERATIONS,
    ) -> None:
        self.state = State(agents, clock, journal)
        self.second = second.SecondService(self.state, quota=quota, unknowns=unknowns or Unknowns())
        self._generations = tuple(generations)
        self._late: list[tuple[float, Callable[[], None]]] = []
        self.prefix = f"/api/projects/{project}"
        self._token = token
        self._message_limit = message_limit
        self._quota = quota

    def handle(self, request: Request) -> Reply:
        """Answer one request. Never raises for what a client sent."""
        with self.state.lock:
            self.catch_up()
            return self._carried_out(request)

    def _carried_out(self, request: Request) -> Reply:
        try:
            reply = self._handle(request)
        except ServiceError as error:
            reply = Reply(error.status, error.body, error.headers)
        self.state.commit()
        return reply

    def handle_late(self, request: Request, done: Callable[[Reply], None]) -> bool:
        """Let a lost POST of the second generation take effect later (`late_effect`); False where it does so now."""
        seconds = self.second.switches.unknowns.late_effect
        if not seconds or request.method != "POST" or not second.owns(request.path.removeprefix(self.prefix)):
            return False
        with self.state.lock:
            self._late.append((self.state.now() + seconds, lambda: done(self._carried_out(request))))
        return True

    def catch_up(self) -> None:
        """Carry out the lost requests whose time has come, each as if at that moment. Callers hold `State.lock`."""
        now = self.state.now()
        due = sorted((one for one in self._late if one[0] <= now), key=lambda one: one[0])
        self._late = [one for one in self._late if one[0] > now]
        for moment, carry_out in due:
            with self.state.at(moment):
                carry_out()

    def reset(self) -> None:
        """Forget everything but the agents that were there at the start."""
        with self.state.lock:
            self._late.clear()
            self.state.reset()

    def _handle(self, request: Request) -> Reply:
        path = request.path.removeprefix(self.prefix)
        if path == request.path or not path.startswith("/"):
            in_project = request.path.startswith("/api/projects/")
            raise errors.project_not_found() if in_project else errors.resource_not_found()
        self._check_credential(request.headers)
        if ("responses" if second.owns(path) else "classic") not in self._generations:
            raise errors.resource_not_found()
        if second.owns(path):
            return self.second.answer(request, path)
        _check_api_version(request.query)
        found = find(ROUTES, request.method, path)
        if found is None:
            raise errors.not_emulated("vector_stores") if _STORES.fullmatch(path) else errors.resource_not_found()
        known, ids = found
        body = {} if known.body is None else without_secrets(known.body(bodies.parse_json(request.body)))
        self._check_named(ids, body)
        operation: Callable[[Call], Reply] = getattr(self, f"_{known.name}")
        return operation(Call(ids, body, request))

    def _check_named(self, ids: Mapping[str, str], body: Json) -> None:
        """Refuse a call that names a thread or a file which is not there."""
        if "thread" in ids:
            self.state.thread(ids["thread"])
        for file_id in bodies.file_ids_in(body):
            self.state.file(file_id)

    def _check_credential(self, headers: Mapping[str, str]) -> None:
        if "api-key" in headers:
            raise errors.api_key_refused()
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise errors.unauthorized()
        if self._token is not None and token.strip() != self._token:
            raise errors.unauthorized()

    # --- agents ---

    def _create_agent(self, call: Call) -> Reply:
        script = Script()
        wanted = call.body.get("metadata", {}).get(SCRIPT_KEY)
        if wanted is not None:
            found = [one for one in self.state.assistants.values() if wanted in {one.id, one.fields.get("name")}]
            if not found:
                raise invalid(f"No emulated agent is called {wanted!r}.", param=f"metadata.{SCRIPT_KEY}")
            script = found[0].script
        assistant = Assistant(new_id("asst"), self.state.clock.now(), call.body, script)
        self.state.assistants[assistant.id] = assistant
        self.state.keep(assistant)
        return Reply(200, wire.assistant_json(assistant))

    def _list_agents(self, call: Call) -> Reply:
        found = sorted(self.state.assistants.values(), key=lambda one: one.created_at)
        return Reply(200, page(call.query, [wire.assistant_json(one) for one in found]))

    def _get_agent(self, call: Call) -> Reply:
        return Reply(200, wire.assistant_json(self.state.assistant(call.ids["assistant"])))

    def _update_agent(self, call: Call) -> Reply:
        assistant = self.state.assistant(call.ids["assistant"])
        assistant.fields = {**assistant.fields, **call.body}
        self.state.keep(assistant)
        return Reply(200, wire.assistant_json(assistant))

    def _delete_agent(self, call: Call) -> Reply:
        assistant = self.state.assistant(call.ids["assistant"])
        del self.state.assistants[assistant.id]
        self.state.drop(assistant)
        return Reply(200, {"id": assistant.id, "object": "assistant.deleted", "deleted": True})

    # --- files ---

    def _upload_file(self, call: Call) -> Reply:
        form = parse_form(call.request.headers.get("content-type", ""), call.request.body)
        if form.content is None:
            raise invalid("Missing required parameter: 'file'.", param="file", code="missing_required_parameter")
        purpose = bodies.one_of(*bodies.FILE_PURPOSES)(form.texts.get("purpose"), "purpose")
        content = base64.b64encode(form.content).decode()
        file = File(filename=form.filename, id=new_file_id(), base64=content, purpose=purpose)
        return Reply(200, wire.file_json(self.state.add_file(file)))

    def _list_files(self, call: Call) -> Reply:
        purpose = call.query.get("purpose")
        found = [one for one in self.state.files.values() if purpose in {None, one.file.purpose}]
        return Reply(200, {"object": "list", "data": [wire.file_json(one) for one in found]})

    def _get_file(self, call: Call) -> Reply:
        return Reply(200, wire.file_json(self.state.file(call.ids["file"])))

    def _get_file_content(self, call: Call) -> Reply:
        file = self.state.file(call.ids["file"]).file
        return Reply(200, {}, {"Content-Type": file.content_type}, file=file)

    def _delete_file(self, call: Call) -> Reply:
        stored = self.state.file(call.ids["file"])
        del self.state.files[stored.id]
        self.state.drop(stored)
        return Reply(200, {"id": stored.id, "object": "file", "deleted": True})

    # --- threads ---

    def _create_thread(self, call: Call) -> Reply:
        thread = self._new_thread(call.body)
        return Reply(200, wire.thread_json(thread), thread_id=thread.id)

    def _new_thread(self, body: Json) -> Thread:
        if len(body.get("messages", [])) > self._message_limit:
            raise _message_limit(self._message_limit)
        thread = Thread(
            new_id("thread"),
            self.state.clock.now(),
            metadata=body.get("metadata", {}),
            tool_resources=body.get("tool_resources", {}),
        )
        self.state.threads[thread.id] = thread
        self.state.keep(thread)
        for message in body.get("messages", []):
            self._add_message(thread, message)
        return thread

    def _list_threads(self, call: Call) -> Reply:
        threads = [wire.thread_json(one) for one in self.state.threads.values() if not one.deleted]
        return Reply(200, page(call.query, threads))

    def _get_thread(self, call: Call) -> Reply:
        thread = self.state.thread(call.ids["thread"])
        return Reply(200, wire.thread_json(thread), thread_id=thread.id)

    def _update_thread(self, call: Call) -> Reply:
        thread = self.state.thread(call.ids["thread"])
        thread.metadata = call.body.get("metadata", thread.metadata)
        thread.tool_resources = call.body.get("tool_resources", thread.tool_resources)
        self.state.keep(thread)
        return Reply(200, wire.thread_json(thread), thread_id=thread.id)

    def _delete_thread(self, call: Call) -> Reply:
        thread = self.state.thread(call.ids["thread"])
        thread.deleted = True
        self.state.keep(thread)
        body = {"id": thread.id, "object": "thread.deleted", "deleted": True}
        return Reply(200, body, thread_id=thread.id)

    # --- messages ---

    def _create_message(self, call: Call) -> Reply:
        thread = self.state.thread(call.ids["thread"])
        active = self.state.active_run(thread)
        if active is not None:
            raise errors.message_while_running(thread.id, active.id)
        if len(thread.messages) >= self._message_limit:
            raise _message_limit(self._message_limit)
        return _message_reply(self._add_message(thread, call.body))

    def _add_message(self, thread: Thread, body: Json, run_id: str | None = None) -> Message:
        now = self.state.clock.now()
        message = Message(
            new_id("msg"),
            thread.id,
            created_at=now,
            visible_at=now,
            role=body["role"],
            content=body["content"],
            run_id=run_id,
            attachments=body.get("attachments", []),
            metadata=body.get("metadata", {}),
        )
        thread.messages.append(message)
        self.state.keep(message)
        return message

    def _list_messages(self, call: Call) -> Reply:
        thread = self.state.thread(call.ids["thread"])
        run_id = call.query.get("run_id")
        messages = [
            wire.message_json(message)
            for message in self.state.visible_messages(thread)
            if run_id is None or message.run_id == run_id
        ]
        return Reply(200, page(call.query, messages), thread_id=thread.id, run_id=run_id)

    def _get_message(self, call: Call) -> Reply:
        thread = self.state.thread(call.ids["thread"])
        return _message_reply(self.state.message(thread, call.ids["message"]))

    def _update_message(self, call: Call) -> Reply:
        thread = self.state.thread(call.ids["thread"])
        message = self.state.message(thread, call.ids["message"])
        message.metadata = call.body.get("metadata", message.metadata)
        self.state.keep(message)
        return _message_reply(message)

    # --- runs ---

    def _create_run(self, call: Call) -> Reply:
        thread = self.state.thread(call.ids["thread"])
        _included(call.query)
        return self._start_run(thread, call.body)

    def _create_thread_and_run(self, call: Call) -> Reply:
        self._check_new_run(call.body)
        return self._start_run(self._new_thread(call.body.get("thread", {})), call.body)

    def _check_new_run(self, body: Json) -> Assistant:
        if body.get("stream"):
            raise errors.not_emulated("streaming; leave `stream` out or false")
        return self.state.assistant(body["assistant_id"])

    def _start_run(self, thread: Thread, body: Json) -> Reply:
        assistant = self._check_new_run(body)
        active = self.state.active_run(thread)
        if active is not None:
            raise errors.second_run(thread.id, active.id)
        added = body.get("additional_messages", [])
        if len(thread.messages) + len(added) > self._message_limit:
            raise _message_limit(self._message_limit)
        run_id = new_id("run")
        for message in added:
            self._add_message(thread, message, run_id)
        script = assistant.script.for_run(sum(run.assistant_id == assistant.id for run in thread.runs))
        wait = self._wait(assistant)
        if wait:
            script = script.over_quota(wait)
        run = Run(
            run_id,
            thread.id,
            assistant.id,
            created_at=self.state.clock.now(),
            script=script,
            options=body,
            user_messages=user_texts(thread),
            metadata=body.get("metadata", {}),
            over_quota=wait > 0,
        )
        thread.runs.append(run)
        thread.unsettled.append(run)
        self.state.runs[run.id] = run
        self.state.keep(run)
        for file in run.script.files:
            self.state.add_file(file)
        return self._run_reply(run)

    def _wait(self, assistant: Assistant) -> int:
        """Return in how many seconds there is room for a run of this agent; 0: now."""
        now = self.state.clock.now()
        shared, own = self._quota, assistant.script.quota
        return max(
            0 if shared is None else shared.wait(self.state.taken(), now),
            0 if own is None else own.wait(self._taken_by(assistant.id), now),
        )

    def _taken_by(self, agent_id: str) -> Iterator[float]:
        """Yield when the runs of an agent were created that no quota has refused."""
        for run in self.state.runs.values():
            if not run.over_quota and agent_id == run.assistant_id:
                yield run.created_at

    def _run_reply(self, run: Run) -> Reply:
        return Reply(200, wire.show_run(self.state, run), thread_id=run.thread_id, run_id=run.id)

    def _named_run(self, call: Call) -> tuple[Thread, Run]:
        thread = self.state.thread(call.ids["thread"])
        return thread, self.state.run(thread, call.ids["run"])

    def _list_runs(self, call: Call) -> Reply:
        thread = self.state.thread(call.ids["thread"])
        runs = [wire.show_run(self.state, run) for run in thread.runs]
        return Reply(200, page(call.query, runs), thread_id=thread.id)

    def _get_run(self, call: Call) -> Reply:
        return self._run_reply(self._named_run(call)[1])

    def _update_run(self, call: Call) -> Reply:
        run = self._named_run(call)[1]
        run.metadata = call.body.get("metadata", run.metadata)
        self.state.keep(run)
        return self._run_reply(run)

    def _cancel_run(self, call: Call) -> Reply:
        run = self._named_run(call)[1]
        now = self.state.clock.now()
        status = run.look(now).status
        if run.look(now).is_terminal or status == "cancelling":
            raise errors.cannot_cancel(status)
        run.cancel_at = now
        self.state.keep(run)
        return self._run_reply(run)

    def _submit_tool_outputs(self, call: Call) -> Reply:
        run = self._named_run(call)[1]
        now = self.state.clock.now()
        state = run.look(now)
        pending = state.pending
        if pending is None or not pending.phase.waits_for_caller:
            raise errors.no_tool_outputs_wanted(state.status)
        if call.body.get("stream"):
            raise errors.not_emulated("streaming; leave `stream` out or false")
        field_name, other = "tool_outputs", "tool_approvals"
        if wire.wants_approvals(pending):
            field_name, other = other, field_name
        if call.body.get(other):
            raise invalid(f"The run asks for '{field_name}', not for '{other}'.", param=other)
        given = call.body.get(field_name, [])
        expected, got = wire.call_ids(run, pending), [one["tool_call_id"] for one in given]
        if not expected:
            raise errors.no_tool_outputs_wanted(state.status)
        if sorted(expected) != sorted(got):
            raise errors.wrong_tool_outputs(expected, got)
        if sum(len(one.get("output", "").encode("utf-8", "surrogatepass")) for one in given) > bodies.MAX_OUTPUTS_BYTES:
            raise errors.tool_outputs_too_large()
        self._refuse_answer(run, pending)
        if field_name == "tool_outputs":
            outputs = {one["tool_call_id"]: one.get("output", "") for one in given}
            run.submissions.append(Submission(now, outputs=outputs))
        else:
            approvals = {one["tool_call_id"]: one["approve"] for one in given}
            run.submissions.append(Submission(now, approvals=approvals))
        self.state.keep(run)
        return self._run_reply(run)

    def _refuse_answer(self, run: Run, pending: Lived) -> None:
        refuses = pending.phase.refuses
        assert pending.round is not None
        if refuses is not None and run.refused.count(pending.round) < refuses.times:
            run.refused.append(pending.round)
            self.state.keep(run)
            raise errors.refused(refuses.status, refuses.message, param=refuses.param, code=refuses.code)

    # --- run steps ---

    def _steps(self, call: Call) -> tuple[Run, list[Json]]:
        thread, run = self._named_run(call)
        wanted = _included(call.query)
        state = run.look(self.state.clock.now())
        messages = self.state.visible_messages(thread)
        return run, wire.steps_json(run, state, messages, with_results=RESULTS in wanted)

    def _list_steps(self, call: Call) -> Reply:
        run, steps = self._steps(call)
        return Reply(200, page(call.query, steps), thread_id=run.thread_id, run_id=run.id)

    def _get_step(self, call: Call) -> Reply:
        run, steps = self._steps(call)
        for step in steps:
            if step["id"] == call.ids["step"]:
                return Reply(200, step, thread_id=run.thread_id, run_id=run.id)
        raise errors.not_found("run step", call.ids["step"])


def _check_api_version(query: Mapping[str, str]) -> None:
    version = query.get("api-version")
    if not version:
        raise errors.api_version_missing()
    if version not in errors.API_VERSIONS:
        raise errors.api_version_unsupported(version)


def _included(query: Mapping[str, str]) -> list[str]:
    """Return what a call wants beside the usual; refuse what the service does not have."""
    wanted = [one for one in query.get("include[]", "").split(",") if one]
    return [bodies.one_of(RESULTS)(one, "include[]") for one in wanted]


def _message_limit(limit: int) -> ServiceError:
    return invalid(f"A thread holds at most {limit} messages.", code="message_limit_exceeded")


def _message_reply(message: Message) -> Reply:
    return Reply(
        200,
        wire.message_json(message),
        thread_id=message.thread_id,
        run_id=message.run_id,
        message_id=message.id,
    )


def summary(state: State) -> dict[str, Json]:
    """Tell, per thread, what tests count: user messages, and runs with their states and metadata."""
    with state.lock:
        now = state.clock.now()
        result = {}
        for thread in state.threads.values():
            state.settle(thread)
            users = [message for message in thread.messages if message.role == "user"]
            result[thread.id] = {
                "deleted": thread.deleted,
                "metadata": thread.metadata,
                "user_messages": len(users),
                "messages": [
                    {
                        "id": message.id,
                        "role": message.role,
                        "run_id": message.run_id,
                        "text": text_of(message.content)[:200],
                        "metadata": message.metadata,
                    }
                    for message in sorted(thread.messages, key=lambda one: one.created_at)
                ],
                "runs": [
                    {
                        "id": run.id,
                        "agent_id": run.assistant_id,
                        "status": run.look(now).status,
                        "cancel_requested": run.cancel_at is not None,
                        "tool_rounds_answered": len(run.submissions),
                        "metadata": run.metadata,
                    }
                    for run in thread.runs
                ],
            }
        return result
