"""The second generation against the emulator, on a clock that stands still until a test moves it."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from contracts.activities import NewMessage
from contracts.runs import Effect, Stamp, ToolAnswer, ToolApproval, ToolOutput
from foundry.credential import FixedToken
from foundry.second import ResponsesAgentService
from foundry.transport import Transport
from local.foundry_emulator import FoundryEmulator, ManualClock

HI = NewMessage(content="hi")
LONG = 10.0
"""Seconds after which every scripted agent that ends has ended, or asks."""


@dataclass
class World:
    emulator: FoundryEmulator
    clock: ManualClock
    service: ResponsesAgentService

    def stamp(self, operation="run-0", instance="i-1"):
        return Stamp(instance_id=instance, operation_id=operation)

    def thread(self, message=HI, instance="i-1"):
        return self.service.create_thread(self.stamp("thread", instance), message).thread_id

    def run(self, thread_id, agent="history", operation="run-0", instance="i-1", **more):
        return self.service.create_run(thread_id, agent, {}, {}, self.stamp(operation, instance), **more)

    def ended(self, thread_id, agent="history", **more):
        """Start a response, and return it when it has ended."""
        run = self.run(thread_id, agent, **more)
        self.clock.advance(LONG)
        return self.service.get_run(thread_id, run.run_id)

    def foreign(self, thread_id, agent="tool"):
        """Start a response that is none of this app's, as a portal would; return its id when it has ended."""
        body = {"conversation": thread_id, "agent_reference": {"type": "agent_reference", "name": agent}}
        started = self.service._transport.post("/openai/v1/responses", {**body, "background": True})
        self.clock.advance(LONG)
        return started["id"]

    def answer(self, thread_id, run, answer, operation="answer-0", headers=None, known=(), doubt=None, agent="tool"):
        effect = Effect(stamp=self.stamp(operation), known_runs=known, doubt_until=doubt)
        return self.service.submit_tool_outputs(
            thread_id,
            run.run_id,
            answer,
            headers,
            agent_id=agent,
            agent_version=None,
            effect=effect,
            metadata={"tag": "x"},
        )

    def effect(self, operation="run-0", known=(), doubt=None):
        return Effect(stamp=self.stamp(operation), known_runs=known, doubt_until=doubt)

    def held(self, thread_id):
        """What the emulator holds of the conversation."""
        return self.emulator.ledger().conversations[thread_id]

    def responses(self, thread_id):
        return self.held(thread_id)["responses"]

    def count(self, operation):
        return len([one for one in self.emulator.ledger().requests if one.operation == operation])

    def lose(self, operation, effect="first", **more):
        self.emulator.faults.add("reset", operation=operation, effect=effect, **more)


def outputs(run, text="42"):
    """Return an answer to all calls of the run."""
    calls = [call for call in run.pending_calls if call.kind == "function"]
    approvals = [call for call in run.pending_calls if call.kind in {"approval", "consent"}]
    return ToolAnswer(
        tool_outputs=[ToolOutput(tool_call_id=call.id, output=text) for call in calls],
        approvals=[ToolApproval(tool_call_id=call.id, approve=True) for call in approvals],
    )


def service_at(emulator, clock):
    transport = Transport(emulator.endpoint, "2025-05-01", FixedToken("token-of-the-tests"))
    return ResponsesAgentService(transport, now=lambda: datetime.fromtimestamp(clock.now(), UTC), pause=clock.advance)


@pytest.fixture
def world(request):
    """A module's `AGENTS` are there beside the built-in ones."""
    clock = ManualClock()
    with FoundryEmulator(clock=clock, agents=getattr(request.module, "AGENTS", ())) as emulator:
        yield World(emulator, clock, service_at(emulator, clock))
        assert not emulator.errors
