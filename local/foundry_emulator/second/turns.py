"""What a new response finds, and what it is: the beginning of a script, its continuation after calls, or a failure.

A response that goes on after calls follows the script of the one that asked; any other begins its agent's anew.
"""

from dataclasses import dataclass

from local.foundry_emulator.errors import refused as refused_with
from local.foundry_emulator.second import errors, talk
from local.foundry_emulator.second.calls import answers_in, calls_in, key_of_answer, open_calls
from local.foundry_emulator.second.ids import is_conversation_id
from local.foundry_emulator.second.items import output_of
from local.foundry_emulator.second.life import is_forgotten, see, was_cut
from local.foundry_emulator.second.objects import Conversation, Json, Response
from local.foundry_emulator.second.unknowns import Switches
from local.foundry_emulator.state import State


@dataclass(frozen=True)
class History:
    """What a new response finds: a conversation or a chain, or nothing; `known` is what counts for its calls."""

    conversation: Conversation | None
    responses: list[Response]
    entered: list[talk.Placed]
    known: list[talk.Placed]


@dataclass(frozen=True)
class Turn:
    """What a new response takes in: its input, whom it goes on after, and what it fails with, if it does."""

    inputs: list[Json]
    continues: Response | None = None
    poisoned_by: str | None = None


class Turns:
    """Decides about new responses and about answers to calls."""

    def __init__(self, state: State, switches: Switches) -> None:
        self._state = state
        self._switches = switches

    def conversation(self, identifier: str) -> Conversation:
        """Return a conversation, or raise 404, or 400 for an id that the service cannot have made."""
        if not is_conversation_id(identifier):
            raise errors.malformed_conversation(identifier)
        found = self._state.conversations.get(identifier)
        if found is None or found.deleted:
            raise errors.unknown_conversation(identifier)
        return found

    def history(self, conversation_id: str | None, previous_id: str | None) -> History:
        """Return what a conversation or a chain holds. Raises what `conversation` does, and 400 for a lost chain."""
        now = self._state.now()
        if conversation_id is not None:
            conversation = self.conversation(conversation_id)
            entered, known = talk.items_in(conversation, now), talk.known_in(conversation, now)
            return History(conversation, conversation.responses, entered, known)
        chain: list[Response] = []
        while previous_id is not None:
            previous = self._state.responses.get(previous_id)
            if previous is None or is_forgotten(previous, now):
                raise errors.lost_predecessor(previous_id)
            chain.insert(0, previous)
            previous_id = previous.previous_id
        placed = talk.items_of_chain(chain, now)
        return History(None, chain, placed, placed)

    def wanted(self, history: History, sent: list[Json]) -> list[Json]:
        """Return what of the sent items is taken in; refuse answers to what is no call, or was answered (P12)."""
        bodies_known = [one.body for one in history.known]
        calls, answered = calls_in(bodies_known), set(answers_in(bodies_known))
        taken = []
        for one in sent:
            key = key_of_answer(one)
            if key is not None and key not in calls:
                raise errors.no_call(one)
            if key is not None and key in answered:
                if self._switches.unknowns.p12 == "refused":
                    raise errors.no_call(one)
                if self._switches.unknowns.p12 == "ignored":
                    continue
            if key is not None:
                answered.add(key)
            taken.append(one)
        return taken

    def _asking(self, history: History) -> Response | None:
        """Return the response whose calls the conversation waits for: the last that answered, if it asks."""
        now = self._state.now()
        ended = [one for one in history.responses if see(one, now).has_answered and not was_cut(one, now)]
        if not ended:
            return None
        last = max(ended, key=lambda one: (see(one, now).ended_at or 0.0, one.number))
        if see(last, now).part.asks is None:
            return None
        going_on = [
            one
            for one in history.responses
            if one.continues == last.id and (talk.is_running(one, now) or see(one, now).has_answered)
        ]
        return None if going_on else last

    def refuse_answer(self, history: History, taken: list[Json]) -> None:
        """Refuse the first answers to calls whose script wants that."""
        asking = self._asking(history)
        if asking is None or not any(key_of_answer(one) for one in taken):
            return
        asks = see(asking, self._state.now()).part.asks
        refuses = asks.refuses if asks is not None else None
        if refuses is not None and asking.refused < refuses.times:
            asking.refused += 1
            self._state.keep(asking)
            raise refused_with(refuses.status, refuses.message, param=refuses.param, code=refuses.code)

    def turn(self, history: History, name: str, sent: list[Json], *, p5: str) -> Turn:
        """Decide what a response of the agent `name` with this input is. Raises `ServiceError`."""
        inputs = self.wanted(history, sent)
        conversation = history.conversation
        if conversation is not None and conversation.broken is not None:
            return Turn(inputs, poisoned_by=conversation.broken)
        still_open = open_calls([*(one.body for one in history.known), *inputs])
        if still_open and p5 != "ignored":
            return self._turn_with_open_call(history, inputs, still_open[0], p5)
        self.refuse_answer(history, inputs)
        asking = self._asking(history)
        if asking is None or asking.agent_name != name or not self._is_answered(asking, history, inputs):
            return Turn(inputs)
        return Turn(inputs, continues=asking)

    def _is_answered(self, asking: Response, history: History, inputs: list[Json]) -> bool:
        """Whether all that a response asks for has an answer: a call that somebody has deleted has none."""
        said = [one.body for one in output_of(asking, see(asking, self._state.now()))]
        return not open_calls([*said, *(one.body for one in history.known), *inputs])

    def _turn_with_open_call(self, history: History, inputs: list[Json], call: Json, p5: str) -> Turn:
        if p5 == "refused":
            raise errors.no_output(call)
        words = errors.no_output_text(call)
        if p5 == "broken" and history.conversation is not None:
            history.conversation.broken = words
            self._state.keep(history.conversation)
        return Turn(inputs, poisoned_by=words)


def is_by(response: Response, name: str | None, agent_id: str | None) -> bool:
    """Whether a response is of an agent, by name or by `name:version`; None: of any."""
    own_id = f"{response.agent_name}:{response.version}"
    return name in {None, response.agent_name} and agent_id in {None, own_id}
