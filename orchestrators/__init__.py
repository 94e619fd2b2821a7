"""The orchestrator and its decisions.

`agent_run` reads as the algorithm; `steps` is its only access to Durable Functions; the other modules are pure: no
clock, no environment, no I/O, so that a replay decides as the first time.
"""
