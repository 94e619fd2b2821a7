"""What an id is that stands in the wrong field, by how it looks. Pure."""

from __future__ import annotations

import re

from contracts.ids import INSTANCE_PATTERN, NOTHING_PATTERN, PREFIXES, THREADS

_INSTANCE = re.compile(INSTANCE_PATTERN)
_NOTHING = re.compile(NOTHING_PATTERN)
_URL = re.compile(r"https?://", re.IGNORECASE)
_COMPOSITE = re.compile(r"agent#[^#]*#[^#]*")
_PREFIXES = {thing: re.compile(prefix) for thing, prefix in PREFIXES.items()}

AN_INSTANCE = "an instance"

_HAS_A_DOCUMENT = ": its status document has thread_id and agent_id"

_WHERE_ELSE = {
    "a run": _HAS_A_DOCUMENT,
    "an agent": ", which goes into agent_id",
    "a thread": ", which goes into thread_id",
    "a message": ", which no field takes",
    "a file": ", which goes into content, attachments or tool_resources",
    "a conversation": ", which goes into thread_id",
    "a response": _HAS_A_DOCUMENT,
}


def of_another_kind(given: str, wanted: str) -> str | None:
    """Return what was given instead of the id of the thing that is wanted; None where nobody can tell. It repeats
    nothing of what was given.
    """
    if _NOTHING.fullmatch(given):
        return "the text of an empty variable was given: leave the field out, or send null without quotes"
    if _COMPOSITE.fullmatch(given):
        return "a composite_run_id was given: it is agent#thread#run, and holds the thread's id between its two #"
    if wanted != AN_INSTANCE and _INSTANCE.fullmatch(given):
        return "the instance id of a run was given: GET /api/runs/{instance_id} has its thread_id and agent_id"
    if _URL.match(given):
        return "a URL was given"
    for thing, prefix in _PREFIXES.items():
        if thing != wanted and not (thing in THREADS and wanted in THREADS) and prefix.match(given):
            return f"the id of {thing} was given{_WHERE_ELSE.get(thing, '')}"
    return None
