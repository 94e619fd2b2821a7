"""Operations on agents by name and their versions."""

from local.foundry_emulator.errors import invalid
from local.foundry_emulator.paging import page
from local.foundry_emulator.routing import Call, Reply
from local.foundry_emulator.scripts import Script
from local.foundry_emulator.second import errors, wire
from local.foundry_emulator.second.objects import AgentVersion, Json, NamedAgent
from local.foundry_emulator.state import State

SCRIPT_KEY = "emulator_script"  # metadata of a version that a client creates: whose script it follows, if not its last


class AgentOperations:
    """Agents of one project. A method with an underscore before it is named after its route."""

    def __init__(self, state: State) -> None:
        self._state = state

    def agent(self, name: str) -> NamedAgent:
        """Return an agent, or raise 404."""
        found = self._state.named.get(name)
        if found is None:
            raise errors.unknown_agent(name)
        return found

    def version(self, agent: NamedAgent, wanted: str | None) -> AgentVersion:
        """Return a version of an agent, None: the latest; or raise 404."""
        if wanted is None:
            return agent.versions[-1]
        for version in agent.versions:
            if version.version == wanted:
                return version
        raise errors.unknown_version(agent.id, wanted)

    def _create_named_agent(self, call: Call) -> Reply:
        name = call.body["name"]
        self._new_version(name, call.body)
        return Reply(200, wire.agent_json(self.agent(name)))

    def _create_agent_version(self, call: Call) -> Reply:
        version = self._new_version(call.ids["agent"], call.body)
        return Reply(200, wire.version_json(self.agent(call.ids["agent"]), version))

    def _new_version(self, name: str, body: Json) -> AgentVersion:
        wanted = body.get("metadata", {}).get(SCRIPT_KEY)
        if wanted is not None and wanted not in self._state.named:
            raise invalid(f"No emulated agent is called {wanted!r}.", param=f"metadata.{SCRIPT_KEY}")
        model = self._state.named.get(name if wanted is None else wanted)
        script = Script() if model is None else model.versions[-1].script
        agent = self._state.named.setdefault(name, NamedAgent(name, [], does="Made by a client."))
        agent.made += 1
        version = AgentVersion(
            str(agent.made),
            self._state.now(),
            body["definition"],
            script,
            body.get("description", ""),
            body.get("metadata", {}),
        )
        agent.versions.append(version)
        self._state.keep(agent)
        return version

    def _list_named_agents(self, call: Call) -> Reply:
        kind = call.query.get("kind")
        shown = [wire.agent_json(one) for one in self._state.named.values() if kind in {None, one.versions[-1].kind}]
        return Reply(200, page(call.query, shown))

    def _get_named_agent(self, call: Call) -> Reply:
        return Reply(200, wire.agent_json(self.agent(call.ids["agent"])))

    def _delete_named_agent(self, call: Call) -> Reply:
        agent = self.agent(call.ids["agent"])
        del self._state.named[agent.id]
        self._state.drop(agent)
        return Reply(200, {"object": "agent.deleted", "name": agent.id, "deleted": True})

    def _list_agent_versions(self, call: Call) -> Reply:
        agent = self.agent(call.ids["agent"])
        return Reply(200, page(call.query, [wire.version_json(agent, one) for one in agent.versions]))

    def _get_agent_version(self, call: Call) -> Reply:
        agent = self.agent(call.ids["agent"])
        return Reply(200, wire.version_json(agent, self.version(agent, call.ids["version"])))

    def _delete_agent_version(self, call: Call) -> Reply:
        agent = self.agent(call.ids["agent"])
        version = self.version(agent, call.ids["version"])
        agent.versions.remove(version)
        if agent.versions:
            self._state.keep(agent)
        else:
            del self._state.named[agent.id]
            self._state.drop(agent)
        body = {"object": "agent.version.deleted", "name": agent.id, "version": version.version, "deleted": True}
        return Reply(200, body)

    def _disable_agent(self, call: Call) -> Reply:
        return self._switch(call, enabled=False)

    def _enable_agent(self, call: Call) -> Reply:
        return self._switch(call, enabled=True)

    def _switch(self, call: Call, *, enabled: bool) -> Reply:
        agent = self.agent(call.ids["agent"])
        agent.enabled = enabled
        self._state.keep(agent)
        return Reply(204, {})
