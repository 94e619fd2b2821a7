"""The second generation's routes, and who answers them. Callers hold `State.lock`."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from local.foundry_emulator import bodies as shared
from local.foundry_emulator.errors import (
    api_version_missing,
    api_version_unsupported,
    not_emulated,
    resource_not_found,
)
from local.foundry_emulator.ledger import without_secrets
from local.foundry_emulator.routing import Call, Reply, Request, Route, find, route
from local.foundry_emulator.scripts import Quota
from local.foundry_emulator.second import bodies, errors, wire
from local.foundry_emulator.second.agent_operations import AgentOperations
from local.foundry_emulator.second.conversation_operations import ConversationOperations
from local.foundry_emulator.second.response_operations import ResponseOperations
from local.foundry_emulator.second.turns import Turns
from local.foundry_emulator.second.unknowns import Switches, Unknowns
from local.foundry_emulator.state import State

Json = dict[str, Any]

ROUTES = (
    route("create_named_agent", "POST", "/agents", bodies.CREATE_AGENT),
    route("list_named_agents", "GET", "/agents"),
    route("disable_agent", "POST", "/agents/{agent}:disable", bodies.EMPTY),
    route("enable_agent", "POST", "/agents/{agent}:enable", bodies.EMPTY),
    route("get_named_agent", "GET", "/agents/{agent}"),
    route("delete_named_agent", "DELETE", "/agents/{agent}"),
    route("create_agent_version", "POST", "/agents/{agent}/versions", bodies.CREATE_VERSION),
    route("list_agent_versions", "GET", "/agents/{agent}/versions"),
    route("get_agent_version", "GET", "/agents/{agent}/versions/{version}"),
    route("delete_agent_version", "DELETE", "/agents/{agent}/versions/{version}"),
    route("create_conversation", "POST", "/openai/v1/conversations", bodies.CREATE_CONVERSATION),
    route("list_conversations", "GET", "/openai/v1/conversations"),
    route("get_conversation", "GET", "/openai/v1/conversations/{conversation}"),
    route("update_conversation", "POST", "/openai/v1/conversations/{conversation}", bodies.UPDATE_CONVERSATION),
    route("delete_conversation", "DELETE", "/openai/v1/conversations/{conversation}"),
    route("add_items", "POST", "/openai/v1/conversations/{conversation}/items", bodies.ADD_ITEMS),
    route("list_items", "GET", "/openai/v1/conversations/{conversation}/items"),
    route("get_item", "GET", "/openai/v1/conversations/{conversation}/items/{item}"),
    route("delete_item", "DELETE", "/openai/v1/conversations/{conversation}/items/{item}"),
    route("create_response", "POST", "/openai/v1/responses", bodies.create_response),
    route("list_responses", "GET", "/openai/v1/responses"),
    route("get_response", "GET", "/openai/v1/responses/{response}"),
    route("cancel_response", "POST", "/openai/v1/responses/{response}/cancel", bodies.EMPTY),
    route("delete_response", "DELETE", "/openai/v1/responses/{response}"),
)


def owns(path: str) -> bool:
    """Whether a path below the project belongs to this generation."""
    return path.startswith(("/agents", "/openai"))


class SecondService:
    """Agents by name, conversations and responses of one project."""

    def __init__(self, state: State, *, quota: Quota | None, unknowns: Unknowns) -> None:
        self.switches = Switches(unknowns)
        self._state = state
        turns = Turns(state, self.switches)
        agents = AgentOperations(state)
        self.responses = ResponseOperations(state, self.switches, turns, agents, quota)
        self._parts = (agents, ConversationOperations(state, self.switches, turns), self.responses)

    def answer(self, request: Request, path: str) -> Reply:
        """Answer a request below the project. Raises `ServiceError`."""
        if path.startswith("/agents"):
            _check_agents_version(request.query)
        elif path.startswith("/openai/v1"):
            if "api-version" in request.query:
                raise errors.version_in_path()
        else:
            raise not_emulated("preview routes; use /openai/v1")
        found = find(ROUTES, request.method, path)
        if found is None:
            raise resource_not_found()
        known, ids = found
        body = _checked(known, request)
        return self._operation(known.name)(Call(ids, body, request))

    def _operation(self, name: str) -> Callable[[Call], Reply]:
        [operation] = [getattr(part, f"_{name}") for part in self._parts if hasattr(part, f"_{name}")]
        return cast("Callable[[Call], Reply]", operation)

    def spoil(self, conversation_id: str) -> Json:
        """Break a conversation for good. Raises KeyError."""
        conversation = self._state.conversations[conversation_id]
        conversation.broken = "No tool output found for function call call_lost."
        self._state.keep(conversation)
        return wire.conversation_json(conversation, echo="echoed")


def _check_agents_version(query: Mapping[str, str]) -> None:
    version = query.get("api-version")
    if not version:
        raise api_version_missing()
    if version != "v1":
        raise api_version_unsupported(version)


def _checked(known: Route, request: Request) -> Json:
    if known.body is None:
        return {}
    return dict(without_secrets(known.body(shared.parse_json(request.body))))
