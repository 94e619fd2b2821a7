"""Operations on conversations and their items."""

from local.foundry_emulator.paging import page
from local.foundry_emulator.routing import Call, Reply
from local.foundry_emulator.second import errors, items, talk, wire
from local.foundry_emulator.second.calls import key_of_answer
from local.foundry_emulator.second.ids import key_of, new_id, new_key
from local.foundry_emulator.second.objects import Conversation, Item, Json
from local.foundry_emulator.second.turns import Turns, is_by
from local.foundry_emulator.second.unknowns import Switches
from local.foundry_emulator.state import State


class ConversationOperations:
    """Conversations of one project. A method with an underscore before it is named after its route."""

    def __init__(self, state: State, switches: Switches, turns: Turns) -> None:
        self._state = state
        self._switches = switches
        self._turns = turns

    def _shown(self, conversation: Conversation) -> Reply:
        body = wire.conversation_json(conversation, echo=self._switches.unknowns.conversation_metadata_get)
        return Reply(200, body, conversation_id=conversation.id)

    def _create_conversation(self, call: Call) -> Reply:
        identifier = new_id("conv", new_key(), self._state.now())
        conversation = Conversation(identifier, self._state.now(), call.body.get("metadata", {}))
        self._state.conversations[conversation.id] = conversation
        self._state.keep(conversation)
        added = [self._add(conversation, body) for body in call.body.get("items", [])]
        shown = self._shown(conversation)
        return Reply(200, shown.body, conversation_id=conversation.id, item_ids=tuple(one.id for one in added))

    def _list_conversations(self, call: Call) -> Reply:
        name, agent_id = call.query.get("agent_name"), call.query.get("agent_id")
        echo = self._switches.unknowns.conversation_metadata_list
        shown = [
            wire.conversation_json(one, echo=echo)
            for one in self._state.conversations.values()
            if not one.deleted and (name is agent_id is None or any(is_by(r, name, agent_id) for r in one.responses))
        ]
        return Reply(200, page(call.query, shown))

    def _get_conversation(self, call: Call) -> Reply:
        return self._shown(self._turns.conversation(call.ids["conversation"]))

    def _update_conversation(self, call: Call) -> Reply:
        conversation = self._turns.conversation(call.ids["conversation"])
        conversation.metadata = call.body["metadata"]
        self._state.keep(conversation)
        return self._shown(conversation)

    def _delete_conversation(self, call: Call) -> Reply:
        conversation = self._turns.conversation(call.ids["conversation"])
        conversation.deleted = True
        self._state.keep(conversation)
        body = {"id": conversation.id, "object": "conversation.deleted", "deleted": True}
        return Reply(200, body, conversation_id=conversation.id)

    # --- items ---

    def _add(self, conversation: Conversation, sent: Json) -> Item:
        now = self._state.now()
        body = items.stored(sent, key_of(conversation.id), now)
        item = Item(
            body["id"], conversation.id, conversation.next_number, now, now + self._switches.unknowns.item_lag, body
        )
        conversation.items.append(item)
        self._state.keep(item)
        return item

    def _add_items(self, call: Call) -> Reply:
        conversation = self._turns.conversation(call.ids["conversation"])
        sent: list[Json] = call.body["items"]
        if not sent:
            raise errors.bad_payload()
        if self._switches.unknowns.p4 == "refused" and talk.running_in(conversation, self._state.now()) is not None:
            raise errors.locked()
        answering = [one for one in sent if key_of_answer(one) is not None]
        kept = sent
        if answering:
            if self._switches.unknowns.p7 == "refused":
                raise errors.bad_payload()
            history = self._turns.history(conversation.id, None)
            kept = self._turns.wanted(history, sent)
            self._turns.refuse_answer(history, kept)
        added = {id(one): self._add(conversation, one) for one in kept}
        shown = [
            added[id(one)].body if id(one) in added else items.stored(one, key_of(conversation.id), self._state.now())
            for one in sent
        ]
        body = {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"],
            "last_id": shown[-1]["id"],
            "has_more": False,
        }
        item_ids = tuple(one.id for one in added.values())
        return Reply(200, body, conversation_id=conversation.id, item_ids=item_ids)

    def _list_items(self, call: Call) -> Reply:
        conversation = self._turns.conversation(call.ids["conversation"])
        wanted = call.query.get("item_type")
        shown = [
            items.in_conversation(one.body, one.author)
            for one in talk.items_in(conversation, self._state.now())
            if one.visible_at <= self._state.now() and wanted in {None, one.body["type"]}
        ]
        return Reply(200, page(call.query, shown), conversation_id=conversation.id)

    def _placed(self, call: Call) -> tuple[Conversation, talk.Placed]:
        conversation = self._turns.conversation(call.ids["conversation"])
        for placed in talk.items_in(conversation, self._state.now()):
            if placed.body["id"] == call.ids["item"]:
                return conversation, placed
        raise errors.unknown_item(call.ids["item"])

    def _get_item(self, call: Call) -> Reply:
        conversation, placed = self._placed(call)
        body = items.in_conversation(placed.body, placed.author)
        return Reply(200, body, conversation_id=conversation.id, item_ids=(body["id"],))

    def _delete_item(self, call: Call) -> Reply:
        conversation, placed = self._placed(call)
        conversation.removed.append(placed.body["id"])
        self._state.keep(conversation)
        shown = self._shown(conversation)
        return Reply(200, shown.body, conversation_id=conversation.id, item_ids=(placed.body["id"],))
