"""Ids by kind: what may stand in which field. The service tells its ids apart by how they begin."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from contracts.formats import AGENT_PATTERN, ID_PATTERN

PREFIXES = {
    "an agent": "asst_",
    "a thread": "thread_",
    "a message": "msg_",
    "a run": "run_",
    "a run step": "step_",
    "a tool call": "call_",
    "a vector store": "vs_",
    "a conversation": "conv_",
    "a response": "(wf|ca)?resp_",
    "a file": "(file|assistant)-",
}
"""How the ids of a thing begin; conversations and responses are the second generation's."""

INSTANCE_PATTERN = r"[0-9a-f]{12}-[0-9a-f]{20}|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""What the ids of instances look like that app and platform make, whole."""

NOTHING_PATTERN = r"[Nn]ull|NULL|[Uu]ndefined|[Nn]one|NONE|[Nn]il|NaN|nan"
"""What empty variables become where a caller makes texts of them, whole."""

_NO_OTHER = rf"(?!(({INSTANCE_PATTERN})|({NOTHING_PATTERN}))\Z)"


THREADS = ("a thread", "a conversation")
"""What a thread is called, by generations."""


def _pattern(*things: str) -> str:
    others = "|".join(prefix for other, prefix in PREFIXES.items() if other not in things)
    return rf"\A(?!{others}){_NO_OTHER}{ID_PATTERN}\Z"


THREAD_ID_PATTERN = _pattern(*THREADS)

FILE_ID_PATTERN = _pattern("a file")

VECTOR_STORE_ID_PATTERN = _pattern("a vector store")

_NAME_LIKE = "|".join(prefix for thing, prefix in PREFIXES.items() if thing not in ("an agent", "a file"))

# An agent may have any name: only what is an id beyond doubt is none.
_ID_OF_ANOTHER = (
    rf"(({_NAME_LIKE})((?=[A-Za-z]*[0-9])[A-Za-z0-9]{{6,}}|[A-Za-z0-9]{{20,}})"
    rf"|{PREFIXES['a file']}[A-Za-z0-9]{{16,}}|agent#[^#]*#[^#]*)"
)

AGENT_REFERENCE_PATTERN = rf"\A(?!{_ID_OF_ANOTHER}\Z){_NO_OTHER}{AGENT_PATTERN}\Z"

ThreadId = Annotated[str, Meta(pattern=THREAD_ID_PATTERN)]

FileId = Annotated[str, Meta(pattern=FILE_ID_PATTERN)]

VectorStoreId = Annotated[str, Meta(pattern=VECTOR_STORE_ID_PATTERN)]

AgentReference = Annotated[str, Meta(pattern=AGENT_REFERENCE_PATTERN)]
"""An agent's id or name."""
