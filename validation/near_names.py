"""Which field a name that is none may have been meant for. Pure."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable

_OTHER_NAMES = {
    "user_message": ("message", "prompt", "text", "input", "question", "query"),
    "content": ("parts", "content_parts", "messages"),
    "attachments": ("files", "file_ids"),
    "agent_id": ("agent", "agent_name", "assistant", "assistant_id"),
    "thread_id": ("thread", "conversation", "conversation_id", "session_id"),
    "timeout_seconds": ("timeout",),
    "run_options": ("options",),
    "max_completion_tokens": ("max_tokens", "max_output_tokens"),
    "tool_call_id": ("id", "call_id"),
    "output": ("result", "content"),
}
"""What other APIs and other people call them."""

_NEAR = 0.8
"""Of difflib's ratio: a letter or two may differ. Names that resemble nothing get no guess."""

_LONGEST = 40


def no_field(name: object, known: Iterable[str], elsewhere: Iterable[str] = ()) -> str:
    """Return the message about a name that is no field: which one may be meant, or else which there are.

    `elsewhere` are fields of other objects of the request, by their paths.
    """
    known = tuple(known)
    if meant := _meant_field(str(name), (*known, *elsewhere)):
        return f"is not a field: did you mean {meant}?"
    return f"is not a field; known fields: {', '.join(_last(path) for path in known)}"


def _meant_field(name: str, paths: tuple[str, ...]) -> str | None:
    if len(name) > _LONGEST:
        return None
    spellings = _spellings(paths)
    near = difflib.get_close_matches(_letters(name), spellings, n=1, cutoff=_NEAR)
    return spellings[near[0]] if near else None


@functools.cache
def _spellings(paths: tuple[str, ...]) -> dict[str, str]:
    """Return the field that every spelling means; the field's own name comes before others' other names."""
    own = {_letters(_last(path)): path for path in reversed(paths)}
    others = {_letters(other): path for path in paths for other in _OTHER_NAMES.get(_last(path), ())}
    return {**others, **own}


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _letters(name: str) -> str:
    """Return the name without its case and what joins its words: `userMessage` and `User-Message` are one."""
    return "".join(c for c in name.lower() if c.isalnum())
