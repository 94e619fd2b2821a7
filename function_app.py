"""Composition root: one Durable Functions app, and the blueprints that make it up. No logic here."""

import azure.durable_functions as df
import azure.functions as func

from activities import foundry_calls, instance_control
from http_api import (
    agents,
    bulk_cancel,
    console,
    health,
    openapi,
    retry,
    run_control,
    run_counts,
    run_events,
    run_files,
    run_list,
    run_status,
    run_steps,
    runs,
    thread_messages,
)
from maintenance import old_history, orphaned_runs
from orchestrators import agent_run
from settings import http_auth_level

# The app's level is that of every function that names none; the SDK ignores the one of a blueprint.
app = df.DFApp(http_auth_level=func.AuthLevel[http_auth_level()])

for module in (
    runs,
    run_list,
    run_counts,
    bulk_cancel,
    run_status,
    run_control,
    retry,
    run_steps,
    run_events,
    run_files,
    thread_messages,
    agents,
    health,
    openapi,
    console,
    agent_run,
    foundry_calls,
    instance_control,
    orphaned_runs,
    old_history,
):
    app.register_functions(module.blueprint)
