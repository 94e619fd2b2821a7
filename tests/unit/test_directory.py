"""Which agent a caller means, by what two generations of the service tell."""

import pytest

from contracts.agents import ResolvedAgent, runnable
from contracts.runs import AgentSummary
from foundry import errors
from foundry.directory import KNOWN_SECONDS, LISTED_SECONDS, NAMED_SECONDS, AgentDirectory, complete

GONE = errors.NotFoundError("no such agent")
RETIRED = errors.PermissionDeniedError("assistants are switched off")
AWAY = errors.UnavailableError("503")


def second(name, version="1", **more):
    return AgentSummary(
        id=name, name=name, model="m", generation="responses", version=version, **{"kind": "prompt", **more}
    )


class Service:
    """The agents of one generation, and what was asked about them."""

    def __init__(self, *agents):
        self.agents = list(agents)
        self.asked = []
        self.error = None

    def list_agents(self):
        self.asked.append("list")
        if self.error:
            raise self.error
        return iter(self.agents)

    def get_agent(self, agent_id):
        self.asked.append(agent_id)
        if self.error:
            raise self.error
        name, _, version = agent_id.partition(":")
        for agent in self.agents:
            if agent.id == name and (not version or int(version) <= int(agent.version)):
                return agent
        raise GONE


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def classic():
    named = {"a": "weather", "b": "news", "c": "news", "d": "helper", "e": "team:1", "f": "Weather report"}
    return Service(*(AgentSummary(id=f"asst_{key}", name=name, model="m") for key, name in named.items()))


@pytest.fixture
def responses():
    return Service(second("helper", "7"), second("flow", "2", kind="workflow"), second("asleep", enabled=False))


@pytest.fixture
def resolve(classic, responses, clock):
    directory = AgentDirectory(clock)
    services = {"classic": classic, "responses": responses}

    def asked(given, allowed=None, without=None):
        left = {generation: service for generation, service in services.items() if generation != without}
        return directory.resolve(left, given, allowed)

    return asked


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("asst_a", ResolvedAgent("asst_a")),
        ("weather", ResolvedAgent("asst_a")),
        ("Weather report", ResolvedAgent("asst_f")),
        ("team:1", ResolvedAgent("asst_e")),
        ("helper", ResolvedAgent("helper", "responses", "7")),
        ("helper:5", ResolvedAgent("helper:5", "responses", "5")),
        ("flow", ResolvedAgent("flow", "responses", "2")),
    ],
)
def test_an_agent_is_meant_by_its_id_or_its_name_and_the_second_generation_comes_first(resolve, given, meant):
    assert resolve(given) == meant


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ("asst_z", errors.UnknownAgentError, "there is no agent 'asst_z' in this project: did you mean asst_"),
        ("helpr", errors.UnknownAgentError, "did you mean helper"),
        ("helper:9", errors.UnknownAgentError, "did you mean helper"),
        ("qqqqqq", errors.UnknownAgentError, "GET /api/agents lists them"),
        ("news", errors.AmbiguousAgentError, "2 agents have the name 'news': name one by its id, asst_b or asst_c"),
        ("asleep", errors.AgentDisabledError, "'asleep' is disabled: enable it in Foundry, or name another one"),
    ],
)
def test_what_is_no_agent_or_several_is_told_with_what_may_be_meant(resolve, given, error, says):
    with pytest.raises(error) as caught:
        resolve(given)
    assert says in caught.value.message


def test_each_generation_is_asked_once_and_what_it_told_is_known_for_a_while(resolve, classic, responses, clock):
    for _ in range(3):
        for given in ("helper", "helper:5", "weather", "asst_a", "Weather report"):
            resolve(given)
    assert responses.asked == ["helper", "helper:5", "weather"], "what no such agent can be called is not asked for"
    assert classic.asked == ["list"]
    clock.now += NAMED_SECONDS
    responses.agents[0] = second("helper", "8")
    assert resolve("helper").version == "8"
    assert resolve("helper:5").version == "5"
    assert responses.asked[3:] == ["helper"], "a version is what it is"
    clock.now += LISTED_SECONDS
    resolve("weather")
    resolve("asst_a")
    assert classic.asked == ["list", "list"]
    clock.now += KNOWN_SECONDS
    resolve("asst_a")
    assert classic.asked == ["list", "list", "asst_a"]


def test_an_agent_of_a_name_that_was_free_is_seen_soon(resolve, responses, clock):
    assert resolve("weather").generation == "classic"
    responses.agents.append(second("weather"))
    assert resolve("weather").generation == "classic"
    clock.now += NAMED_SECONDS
    assert resolve("weather") == ResolvedAgent("weather", "responses", "1")


def test_an_agent_that_is_enabled_again_runs_at_once(resolve, responses):
    with pytest.raises(errors.AgentDisabledError):
        resolve("asleep")
    responses.agents[2] = second("asleep")
    assert resolve("asleep").version == "1"


def test_agents_that_callers_may_not_run_are_none(resolve):
    assert resolve("helper", {"asst_d"}) == ResolvedAgent("asst_d")
    assert resolve("helper", {"helper:7"}).version == "7"
    assert resolve("helper", {"asst_d", "helper:6"}) == ResolvedAgent("asst_d")
    assert resolve("helper:6", {"helper:6"}).version == "6"
    for allowed, hint in (({"helper:6"}, "did you mean helper:6?"), ({"asst_a"}, "GET /api/agents lists them")):
        with pytest.raises(errors.UnknownAgentError) as caught:
            resolve("helper", allowed)
        assert caught.value.message.endswith(hint)
    with pytest.raises(errors.UnknownAgentError):
        resolve("asleep", {"asst_a"})


@pytest.mark.parametrize("error", [RETIRED, errors.NotFoundError("nothing here"), errors.InvalidInputError("no")])
def test_where_one_generation_is_retired_the_other_goes_on(resolve, classic, responses, error):
    responses.error = error
    assert resolve("helper") == ResolvedAgent("asst_d")
    assert resolve("asst_a") == ResolvedAgent("asst_a")
    responses.error, classic.error = None, error
    assert resolve("flow").generation == "responses"
    with pytest.raises(errors.UnknownAgentError) as caught:
        resolve("flo")
    assert "did you mean flow?" in caught.value.message


def test_where_a_generation_refuses_to_tell_and_the_other_has_none_that_is_said(resolve, responses):
    responses.error = RETIRED
    with pytest.raises(errors.PermissionDeniedError):
        resolve("flow")


@pytest.mark.parametrize("generation", ["classic", "responses"])
def test_where_a_generation_does_not_tell_now_no_name_is_taken_for_one_of_the_other(
    resolve, classic, responses, generation
):
    {"classic": classic, "responses": responses}[generation].error = AWAY
    with pytest.raises(errors.UnavailableError):
        resolve("weather")


def test_that_there_is_no_agent_is_told_although_those_that_resemble_it_cannot_be_listed(resolve, responses):
    responses.list_agents = lambda: (_ for _ in ()).throw(AWAY)
    with pytest.raises(errors.UnknownAgentError):
        resolve("flo")


def test_a_generation_that_is_switched_off_is_not_asked(resolve, classic, responses):
    assert resolve("helper", without="responses") == ResolvedAgent("asst_d")
    assert responses.asked == []
    classic.asked.clear()
    assert resolve("asst_q", without="classic") == ResolvedAgent("asst_q"), "which the settings refuse"
    with pytest.raises(errors.UnknownAgentError):
        resolve("weather", without="classic")
    assert classic.asked == []


def test_a_project_of_many_agents_is_not_all_remembered(clock):
    directory = AgentDirectory(clock)
    crowd = Service(*(second(f"n{number}") for number in range(10_001)))
    for agent in crowd.agents:
        directory.resolve({"responses": crowd}, agent.id, None)
    assert len(directory._known) < 10_000


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("asst_a", ResolvedAgent("asst_a")),
        ("helper:5", ResolvedAgent("helper:5", "responses", "5")),
        ("helper", None),
        ("Weather report", None),
        ("helper:latest", None),
    ],
)
def test_what_names_an_agent_completely_needs_nobody_to_tell(given, meant):
    assert complete(given) == meant


def test_where_some_versions_may_be_run_just_these_are_listed():
    listed = [AgentSummary(id="asst_1", name="x", model="m"), second("helper", "7"), second("flow"), second("other")]
    found = list(runnable({"flow", "helper:7", "helper:5"}, listed))
    assert [(agent.id, agent.version, agent.model, agent.kind) for agent in found] == [
        ("helper:5", "5", None, None),
        ("helper:7", "7", "m", "prompt"),
        ("flow", "1", "m", "prompt"),
    ]
    assert list(runnable(None, listed)) == listed
