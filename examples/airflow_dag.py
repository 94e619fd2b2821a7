"""An Airflow task (3.0 or later) that runs an agent.

Needs the distribution `agent-runs` on the workers, and a connection `agent_runs`: its host is the app's address with
https://, its password a function key.
"""

from __future__ import annotations

import hashlib
from typing import Any

from agent_runs import AgentRuns
from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import BaseHook, dag, get_current_context, task


@task(retries=2)
def run_agent(agent: str, message: str, timeout: float = 3600.0) -> dict[str, str | None]:
    """Return the agent's answer and its thread, for the tasks that follow.

    A worker that dies leaves its run to the next try, which finds it by its key. Only where the run of an earlier try
    has failed, the next one starts another.
    """
    instance = get_current_context()["ti"]
    connection = BaseHook.get_connection("agent_runs")
    with AgentRuns(connection.host, key=connection.password, notice=print) as runs:
        for number in range(1, instance.try_number + 1):
            run = runs.run(message, agent=agent, idempotency_key=key_of(instance, number), timeout=timeout)
            if run.succeeded:
                return {"response": run.response, "thread_id": run.thread_id}
            if not run.ended:
                raise AirflowFailException(f"run {run.id} waits for an answer, which nobody gives here")
    raise AirflowException(f"run {run.id} is {run.status}: {run.error_code}, {run.error_message}")


def key_of(instance: Any, number: int) -> str:
    """Return the idempotency key of a try. Ids of DAGs and tasks together may be longer than a key."""
    names = (instance.dag_id, instance.run_id, instance.task_id, str(instance.map_index))
    return f"airflow-{hashlib.sha256(' '.join(names).encode()).hexdigest()}-{number}"


@dag(schedule=None)
def ask_an_agent() -> None:
    """One question, by hand."""
    run_agent("history", "Why is the sky blue?")


ask_an_agent()
