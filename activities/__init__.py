"""Activity functions: one per side effect, each takes one contract and returns one. No waiting, no retries, no
decisions.

`foundry_calls` talks to the agent service, `instance_control` to the Durable extension.
"""
