"""Operations on responses."""

from collections.abc import Iterator
from dataclasses import replace

from local.foundry_emulator.errors import not_emulated
from local.foundry_emulator.paging import page
from local.foundry_emulator.routing import Call, Reply
from local.foundry_emulator.scripts import End, Quota
from local.foundry_emulator.second import errors, items, talk, wire
from local.foundry_emulator.second.agent_operations import AgentOperations
from local.foundry_emulator.second.calls import answers_in, key_of_call, value_of
from local.foundry_emulator.second.ids import RESPONSE_PREFIXES, key_of, new_id, new_key
from local.foundry_emulator.second.life import GATEWAY_SECONDS, ended_as, is_forgotten, part_of, see
from local.foundry_emulator.second.objects import AgentVersion, Json, NamedAgent, Response
from local.foundry_emulator.second.turns import History, Turn, Turns, is_by
from local.foundry_emulator.second.unknowns import Switches
from local.foundry_emulator.state import State


class ResponseOperations:
    """Responses of one project. A method with an underscore before it is named after its route."""

    def __init__(
        self, state: State, switches: Switches, turns: Turns, agents: AgentOperations, quota: Quota | None
    ) -> None:
        self._state = state
        self._switches = switches
        self._turns = turns
        self._agents = agents
        self._quota = quota

    def _create_response(self, call: Call) -> Reply:
        body = call.body
        if "agent_reference" not in body:
            raise not_emulated("responses of a model; name an agent in `agent_reference`")
        if body.get("stream"):
            raise not_emulated("streaming; leave `stream` out or false")
        reference = body["agent_reference"]
        agent = self._agents.agent(reference["name"])
        if not agent.enabled:
            raise errors.disabled_agent(agent.id)
        version = self._agents.version(agent, reference.get("version"))
        background, store = body.get("background", False), body.get("store", True)
        if background and self._switches.unknowns.refuses_background(version.kind):
            raise errors.no_background()
        if background and not store:
            raise errors.not_stored()
        conversation_id, previous_id = body.get("conversation"), body.get("previous_response_id")
        if conversation_id is not None and previous_id is not None:
            raise errors.conversation_and_previous()
        sent = body.get("input", [])
        if conversation_id is None and previous_id is None and not sent:
            raise errors.no_input()
        history = self._turns.history(conversation_id, previous_id)
        self._check_lock(history, agent, version)
        p5 = "broken" if version.kind == "hosted" else self._switches.unknowns.p5  # reported: azure-sdk-tools PR 15885
        turn = self._turns.turn(history, agent.id, sent, p5=p5)
        response = self._new_response(agent, version, history, turn, body)
        return self._response_reply(response) if background else self._when_ended(response)

    def _check_lock(self, history: History, agent: NamedAgent, version: AgentVersion) -> None:
        conversation = history.conversation
        if conversation is None or talk.running_in(conversation, self._state.now()) is None:
            return
        shape = {"workflow": "in_progress", "hosted": "conflict"}.get(version.kind, self._switches.unknowns.p3)
        if shape == "locked":
            raise errors.locked()
        if shape == "in_progress":
            raise errors.in_progress(agent.id)
        if shape == "conflict":
            raise errors.conflict()

    def _new_response(
        self, agent: NamedAgent, version: AgentVersion, history: History, turn: Turn, body: Json
    ) -> Response:
        now, unknowns, conversation = self._state.now(), self._switches.unknowns, history.conversation
        previous_id = body.get("previous_response_id")
        kin = conversation.id if conversation is not None else previous_id
        key = new_key() if kin is None else key_of(kin)
        inputs = [items.stored(one, key, now) for one in turn.inputs]
        asking = turn.continues
        if asking is None:
            begun = sum(r.agent_name == agent.id and r.continues is None for r in history.responses)
            script = version.script.for_run(begun)
        else:
            script = asking.script
        wait = self._wait(agent, version)
        if wait:
            script, asking = script.over_quota(wait), None
        background = body.get("background", False)
        instructions = version.definition.get("instructions")
        fields = dict(version.definition)
        if isinstance(instructions, str):
            fields["instructions"] = wire.filled(instructions, body.get("structured_inputs", {}))
        response = Response(
            id=new_id(RESPONSE_PREFIXES.get(version.kind, "resp"), key, now),
            created_at=now,
            number=conversation.next_number if conversation is not None else 0,
            agent_name=agent.id,
            version=version.version,
            kind=version.kind,
            script=script,
            fields=fields,
            inputs=inputs,
            heard=talk.heard_in([*(one.body for one in history.entered), *inputs]),
            conversation_id=conversation.id if conversation is not None else None,
            previous_id=previous_id,
            background=background,
            metadata=body.get("metadata", {}),
            poisoned_by=turn.poisoned_by,
            at_once=unknowns.p8 == "at_once",
            keeps_input=unknowns.p11 == "kept" or version.kind == "hosted",  # reported: agent-framework#7630
            list_lag=unknowns.list_lag,
            item_lag=unknowns.item_lag,
            cut_at=now + GATEWAY_SECONDS if not background and unknowns.p15 == "ends" else None,
            over_quota=wait > 0,
            deleted=not body.get("store", True),
        )
        if asking is not None:
            self._go_on(response, asking, [*(one.body for one in history.known), *inputs])
        if conversation is not None:
            conversation.responses.append(response)
        self._state.responses[response.id] = response
        self._state.keep(response)
        return response

    def _go_on(self, response: Response, asking: Response, known: list[Json]) -> None:
        """Let a response begin after the calls of another, with their answers."""
        seen = see(asking, self._state.now())
        asked = [one.body for one in items.output_of(asking, seen) if key_of_call(one.body) is not None]
        answers = answers_in(known)
        given = [(call, value_of(answers.get(str(key_of_call(call))))) for call in asked]
        response.continues = asking.id
        response.first = part_of(asking.script, asking.first).index + 1
        response.given = [*asking.given, *(value for _, value in given)]
        response.approved = [call for call, value in given if call["type"] == "mcp_approval_request" and value is True]

    def _wait(self, agent: NamedAgent, version: AgentVersion) -> int:
        """Return in how many seconds there is room for a response of this agent; 0: now."""
        shared_quota, own = self._quota, version.script.quota
        return max(
            0 if shared_quota is None else shared_quota.wait(self._state.taken(), self._state.now()),
            0 if own is None else own.wait(self._taken_by(agent), self._state.now()),
        )

    def _taken_by(self, agent: NamedAgent) -> Iterator[float]:
        for one in self._state.responses.values():
            if one.agent_name == agent.id and not one.over_quota:
                yield one.created_at

    def _when_ended(self, response: Response) -> Reply:
        """Answer a synchronous request: once the response has ended, or as the gateway does after 120 s."""

        def held() -> Reply | None:
            with self._state.lock:
                now = self._state.now()
                if see(response, now).is_ended:
                    return self._response_reply(response)
                if now >= response.created_at + GATEWAY_SECONDS:
                    cut = errors.gateway_timeout()
                    return replace(self._response_reply(response), status=cut.status, body=cut.body)
                return None

        return held() or Reply(200, {}, conversation_id=response.conversation_id, response_id=response.id, held=held)

    def _response_reply(self, response: Response) -> Reply:
        return Reply(
            200,
            wire.response_json(response, self._state.now(), self._switches.unknowns),
            conversation_id=response.conversation_id,
            response_id=response.id,
            item_ids=tuple(one["id"] for one in response.inputs),
        )

    def _response(self, call: Call) -> Response:
        found = self._state.responses.get(call.ids["response"])
        if found is None or is_forgotten(found, self._state.now()):
            raise errors.unknown_response(call.ids["response"])
        return found

    def _get_response(self, call: Call) -> Reply:
        return self._response_reply(self._response(call))

    def _list_responses(self, call: Call) -> Reply:
        query, now = call.query, self._state.now()
        hidden = self._switches.unknowns.p2 == "hidden"
        conversation = self._state.conversations.get(query.get("conversation_id", ""))
        found = [
            one
            for one in (self._state.responses.values() if conversation is None else conversation.responses)
            if not is_forgotten(one, now)
            and now >= one.created_at + one.list_lag
            and not (hidden and not see(one, now).is_ended)
            and query.get("conversation_id", one.conversation_id) == one.conversation_id
            and is_by(one, query.get("agent_name"), query.get("agent_id"))
        ]
        shown = [wire.response_json(one, now, self._switches.unknowns, listed=True) for one in found]
        return Reply(200, page(query, shown), conversation_id=query.get("conversation_id"))

    def _cancel_response(self, call: Call) -> Reply:
        response = self._response(call)
        status = see(response, self._state.now()).status
        if not response.background:
            raise errors.synchronous_cancel()
        if see(response, self._state.now()).is_ended:
            if status != "cancelled" and self._switches.unknowns.p9 == "refused":
                raise errors.ended_cancel(status)
            return self._response_reply(response)
        response.cancel_at = self._state.now()
        self._state.keep(response)
        return self._response_reply(response)

    def _delete_response(self, call: Call) -> Reply:
        response = self._response(call)
        response.deleted = True
        self._state.keep(response)
        body = {"id": response.id, "object": "response.deleted", "deleted": True}
        return Reply(200, body, conversation_id=response.conversation_id, response_id=response.id)

    # --- what somebody else does ---

    def end(self, response_id: str, end: End) -> Json:
        """End a response at once. Raises KeyError or ValueError (it has ended)."""
        response = self._state.responses[response_id]
        status = see(response, self._state.now()).status
        if not talk.is_running(response, self._state.now()):
            raise ValueError(f"response {response_id} has ended: {status}")
        response.forced = (self._state.now(), ended_as(end))
        self._state.keep(response)
        return wire.response_json(response, self._state.now(), self._switches.unknowns)
