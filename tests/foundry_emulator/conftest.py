import time
from dataclasses import dataclass

import msgspec
import pytest
import requests
from azure.ai.agents import AgentsClient
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy

from local.foundry_emulator import Agent, FoundryEmulator, ManualClock
from local.foundry_emulator.agents import builtin_agents
from local.foundry_emulator.second.agents import second_only_agents
from local.foundry_emulator.second.unknowns import Unknowns
from local.foundry_emulator.service import Request, Service

SPEED = 40  # a service second lasts 25 ms


class FakeCredential:
    def get_token(self, *scopes, **options):
        return AccessToken("fake", int(time.time()) + 3600)


class AllowHttp(SansIOHTTPPolicy):
    """The SDK refuses to send tokens over http; this runs before the policy that refuses."""

    def on_request(self, request):
        request.context.options["enforce_https"] = False


def sdk_client(emulator, **options):
    return AgentsClient(
        emulator.endpoint,
        FakeCredential(),
        **{"per_call_policies": [AllowHttp()], "retry_total": 0, **options},
    )


@dataclass
class Http:
    """Raw requests, with the headers and the api-version that every call needs."""

    emulator: FoundryEmulator
    session: requests.Session

    def __call__(self, method, path, body=None, *, query=None, headers=None, timeout=10, data=None):
        return self.session.request(
            method,
            self.emulator.endpoint + path,
            params={"api-version": "v1", **(query or {})},
            headers={"Authorization": "Bearer t", **(headers or {})},
            json=body,
            data=data,
            timeout=timeout,
        )

    def ok(self, method, path, body=None, **options):
        answer = self(method, path, body, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def control(self, method, path, body=None):
        return self.session.request(method, f"{self.emulator.url}/_emulator{path}", json=body, timeout=10)

    def thread(self, *texts, **fields):
        messages = [{"role": "user", "content": text} for text in texts]
        return self.ok("POST", "/threads", {"messages": messages, **fields})["id"]

    def say(self, thread_id, text, **fields):
        body = {"role": "user", "content": text, **fields}
        return self.ok("POST", f"/threads/{thread_id}/messages", body)

    def run(self, thread_id, agent_id, **fields):
        return self.ok("POST", f"/threads/{thread_id}/runs", {"assistant_id": agent_id, **fields})

    def get_run(self, run):
        return self.ok("GET", f"/threads/{run['thread_id']}/runs/{run['id']}")

    def messages(self, thread_id, **query):
        return self.ok("GET", f"/threads/{thread_id}/messages", query=query)["data"]


class Conversation:
    """One thread on a clock that stands still, without HTTP."""

    def __init__(self, agent):
        """`agent` is the id of a built-in one, or an agent."""
        made = isinstance(agent, Agent)
        self.agent = agent.id if made else agent
        self.clock = ManualClock()
        self.service = Service((*builtin_agents(), *([agent] if made else [])), self.clock)
        self.thread_id = self("POST", "/threads", {})["id"]

    def __call__(self, method, path, body=None, *, expect=200, **query):
        reply = self.service.handle(
            Request(
                method,
                f"/api/projects/demo{path}",
                {"api-version": "v1", **query},
                {"authorization": "Bearer t"},
                b"" if body is None else msgspec.json.encode(body),
            )
        )
        assert reply.status == expect, reply.body
        return reply.body

    def ask(self, text="Why is the sky blue?"):
        self("POST", f"/threads/{self.thread_id}/messages", {"role": "user", "content": text})
        return self("POST", f"/threads/{self.thread_id}/runs", {"assistant_id": self.agent})

    def at(self, seconds, run):
        """Look at the run so many seconds after its creation."""
        self.clock.advance(run["created_at"] + seconds - self.clock.now())
        return self("GET", f"/threads/{self.thread_id}/runs/{run['id']}")

    def post(self, run, action, body=None, **options):
        return self("POST", f"/threads/{self.thread_id}/runs/{run['id']}/{action}", body, **options)

    def texts(self, run):
        messages = self("GET", f"/threads/{self.thread_id}/messages", run_id=run["id"])["data"]
        return [part["text"]["value"] for m in messages for part in m["content"] if part["type"] == "text"]


@pytest.fixture
def emulator():
    with FoundryEmulator(clock_speed=SPEED) as emulator:
        yield emulator


@pytest.fixture
def http(emulator):
    with requests.Session() as session:
        yield Http(emulator, session)


@pytest.fixture
def sdk(emulator):
    with sdk_client(emulator) as client:
        yield client


class Talk:
    """One conversation of the second generation on a clock that stands still, without HTTP."""

    def __init__(self, *agents, **unknowns):
        self.clock = ManualClock()
        known = (*builtin_agents(), *second_only_agents(), *agents)
        self.service = Service(known, self.clock, unknowns=Unknowns().changed(unknowns))
        self.id = self("POST", "/openai/v1/conversations", {})["id"]

    def reply(self, method, path, body=None, **query):
        if path.startswith("/agents"):
            query = {"api-version": "v1", **query}
        raw = b"" if body is None else msgspec.json.encode(body)
        request = Request(method, f"/api/projects/demo{path}", query, {"authorization": "Bearer t"}, raw)
        return self.service.handle(request)

    def __call__(self, method, path, body=None, *, expect=200, **query):
        reply = self.reply(method, path, body, **query)
        assert reply.status == expect, reply.body
        assert reply.held is None
        return reply.body

    def turn(self, **unknowns):
        self.service.second.switches.unknowns = self.service.second.switches.unknowns.changed(unknowns)

    def say(self, text="Why is the sky blue?", **options):
        return self.add({"type": "message", "role": "user", "content": text}, **options)

    def add(self, *items, **options):
        return self("POST", f"/openai/v1/conversations/{self.id}/items", {"items": items}, **options)

    def respond(self, agent="history", *, expect=200, **fields):
        name, _, version = agent.partition(":")
        reference = {"type": "agent_reference", "name": name, **({"version": version} if version else {})}
        body = {"conversation": self.id, "agent_reference": reference, "background": True, **fields}
        return self("POST", "/openai/v1/responses", body, expect=expect)

    def get(self, response, **options):
        return self("GET", f"/openai/v1/responses/{response['id']}", **options)

    def after(self, seconds, response):
        self.clock.advance(seconds)
        return self.get(response)

    def items(self, **query):
        return self("GET", f"/openai/v1/conversations/{self.id}/items", order="asc", limit="100", **query)["data"]

    def listed(self, **query):
        found = self("GET", "/openai/v1/responses", conversation_id=self.id, **query)["data"]
        return [one["id"] for one in found]

    def kinds(self):
        return [one["type"] for one in self.items()]

    def asked(self, agent="tool"):
        """Say something, and return the calls that the agent then asks for."""
        self.say()
        response = self.after(10, self.respond(agent))
        return [one for one in response["output"] if "call_id" in one or one["type"].endswith("_request")]


def text_in(response):
    """The text of a response's messages."""
    messages = [one for one in response["output"] if one["type"] == "message"]
    return "".join(part["text"] for one in messages for part in one["content"] if part["type"] == "output_text")


def output(call, text="rain"):
    """The answer to a call."""
    if call["type"] == "function_call":
        return {"type": "function_call_output", "call_id": call["call_id"], "output": text}
    return {"type": "mcp_approval_response", "approval_request_id": call["id"], "approve": text != "no"}
