"""Leaves out of others' words what they quote of the request (prompts, tool outputs), and what looks like a credential.
Pure.

The host logs the custom status of an orchestrator that fails (functions-host.md, section 5), and that holds the
service's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_PRIVATE = frozenset({"content", "instructions", "additional_instructions", "output", "headers", "structured_inputs"})
"""Fields of requests whose texts are the caller's, or secrets of an operator."""

_PUBLIC = frozenset({"type", "role", "detail", "file_id", "tool_call_id"})
"""Fields within those whose texts are words of the protocol, or ids."""

_CREDENTIALS = (
    (re.compile(r"\beyJ[\w-]{10,}(\.[\w-]+){1,4}"), "<token>"),
    (re.compile(r"\b(bearer|basic|negotiate)\s+(?=[^\s,]*[\d=])[\w.~+/=-]{8,}", re.IGNORECASE), r"\1 <token>"),
    (
        re.compile(r"(\bauthorization\"?: ?\"?(?:basic|digest|apikey|token) )[^\s\"',;]{8,}", re.IGNORECASE),
        r"\1<secret>",
    ),
    (re.compile(r"\bsk-[\w-]{12,}"), "<secret>"),
    (re.compile(r"(?<=://)[^\s/@]{1,200}@"), ""),
    (re.compile(r"(\b[\w-]*(?:key|sig|secret|password|token|code)=)[^\s&\"',;]{8,}", re.IGNORECASE), r"\1<secret>"),
    (
        re.compile(
            r"((?:api|subscription|functions?)[-_ ]?key|secret|password)(\"?: ?\"?)[^\s\"',;]{8,}", re.IGNORECASE
        ),
        r"\1\2<secret>",
    ),
)
"""What looks like a credential, whoever's it is: tokens, user names in URLs, keys in queries."""

_SHORTEST_WHOLE = 4
_SHORTEST_PART = 12
_LEFT_OUT = "…"


def without_credentials(text: str) -> str:
    """Return the text without what looks like a credential."""
    for pattern, shown in _CREDENTIALS:
        text = pattern.sub(shown, text)
    return text


def private_texts(body: Any, *, private: bool = False) -> Iterator[str]:
    """Yield the caller's texts in the body of a request."""
    if isinstance(body, dict):
        for name, value in body.items():
            yield from private_texts(value, private=name in _PRIVATE or (private and name not in _PUBLIC))
    elif isinstance(body, list):
        for item in body:
            yield from private_texts(item, private=private)
    elif private and isinstance(body, str) and body.strip():
        yield body


def without_quotes(text: str, body: Any) -> str:
    """Return the text without whole private texts of the body, and without parts of them of twelve characters or more.
    White space counts as one blank in both.
    """
    said = [" ".join(t.split()) for t in private_texts(body)]
    for whole in sorted(said, key=len, reverse=True):
        if len(whole) >= _SHORTEST_WHOLE:
            text = text.replace(whole, _LEFT_OUT)
    return _without_parts(text, "\0".join(said)) if said else text


def _without_parts(text: str, said: str) -> str:
    kept, start = [], 0
    while start < len(text):
        end = start + _SHORTEST_PART
        if end <= len(text) and text[start:end] in said:
            while end < len(text) and text[start : end + 1] in said:
                end += 1
            kept.append(_LEFT_OUT)
            start = end
        else:
            kept.append(text[start])
            start += 1
    return "".join(kept)
