"""Composition root: one Durable Functions app, and the blueprints that make it up. No logic here."""

import azure.durable_functions as df

from activities import foundry_calls, instance_control
from http_api import agents, health, openapi, run_control, run_status, runs
from maintenance import old_history, orphaned_runs
from orchestrators import agent_run

app = df.DFApp()

for module in (
    runs,
    run_status,
    run_control,
    agents,
    health,
    openapi,
    agent_run,
    foundry_calls,
    instance_control,
    orphaned_runs,
    old_history,
):
    app.register_functions(module.blueprint)
