"""Typed messages that cross a JSON boundary, by subject.

    wire            the base of every message, and its conversion from and to plain JSON
    formats         what ids and hosts look like
    ids             ids by kind
    durable         names shared with Durable Functions
    codes           every error code
    request         the start request, and the policy that the settings make of it
    instance_input  the orchestrator's input, which carries these
    messages        what a message to the agent holds
    metadata        the metadata that callers give
    tool_resources  files and indexes for the tools of a run
    runs            threads, messages and runs
    activities      inputs and results of the activities
    outcome         the output of a successful run
    status          the custom status and the status document

Everything is a frozen `msgspec.Struct`. Fields may be added with a default; a field that histories in flight contain is
never renamed or removed. These modules import nothing of the project but each other, so that every layer may use them.
Names and limits: design.md, sections 2 to 4.
"""
