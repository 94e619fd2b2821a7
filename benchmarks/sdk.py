"""`azure-ai-agents` against the emulator, as its users would call it. Imported only where it is measured."""

from __future__ import annotations

import time

from azure.ai.agents import AgentsClient
from azure.ai.agents.models import AgentThreadCreationOptions, MessageRole, ThreadMessageOptions
from azure.core.credentials import AccessToken
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy

from benchmarks.stage import BenchmarkError


class _Token:
    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        del scopes, options
        return AccessToken("benchmark", int(time.time()) + 3600)


class _AllowHttp(SansIOHTTPPolicy):  # type: ignore[type-arg]
    """Lets the SDK send its token over plain http, to this machine only; it must run before the SDK's own check."""

    def on_request(self, request: PipelineRequest) -> None:  # type: ignore[type-arg]
        request.context.options["enforce_https"] = False


def client_for(endpoint: str) -> AgentsClient:
    """Return a client with the SDK's own defaults, but without retries: the emulator has no faults here."""
    return AgentsClient(endpoint, _Token(), per_call_policies=[_AllowHttp()], retry_total=0)


def run_to_answer(client: AgentsClient, agent_id: str) -> str:
    """Run the agent with the SDK's own loop and read the answer, as our outcome holds it; return the run's id."""
    message = ThreadMessageOptions(role=MessageRole.USER, content="How long does this take?")
    run = client.create_thread_and_process_run(agent_id=agent_id, thread=AgentThreadCreationOptions(messages=[message]))
    answers = [m for m in client.messages.list(run.thread_id, run_id=run.id) if m.role == MessageRole.AGENT]
    if run.status != "completed" or not answers or not answers[0].text_messages:
        raise BenchmarkError(f"the SDK's run {run.id} ended as {run.status}")
    return str(run.id)
