"""The trace that a call belongs to (W3C Trace Context): taken from whoever called, named in the log, handed on.

A trace helps operators, and nothing depends on it: what cannot be read counts as none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

LONGEST_STATE = 512
"""Characters of a `tracestate` that everybody must hand on; a longer one is left out, as the Durable extension does."""

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_STATE = re.compile(r"[\x20-\x7e\t]*=[\x20-\x7e\t]*", re.ASCII)


@dataclass(frozen=True)
class Trace:
    """A place in a trace: `parent` and `state` as the headers `traceparent` and `tracestate` hold them."""

    parent: str
    state: str = ""

    @property
    def trace_id(self) -> str:
        """The id that everything in the trace has in common: 32 hexadecimal digits."""
        return self.parent.split("-")[1]

    @property
    def headers(self) -> dict[str, str]:
        """What a request within the trace carries."""
        return {"traceparent": self.parent} | ({"tracestate": self.state} if self.state else {})


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def read_trace(parent: Any, state: Any = None) -> Trace | None:
    """Return the trace of two header values; None where `parent` is no valid `traceparent`, as the standard says.

    Later versions may add to it, and are read as far as this one goes; an invalid `state` is left out.
    """
    found = _PARENT.fullmatch(parent.strip(" \t")) if isinstance(parent, str) else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    kept = isinstance(state, str) and len(state) <= LONGEST_STATE and _STATE.fullmatch(state)
    return Trace(f"00-{trace_id}-{span_id}-{flags}", state.strip(" \t") if kept else "")


def trace_of_headers(headers: Mapping[str, str]) -> Trace | None:
    """Return the trace that a request belongs to, if it says so."""
    return read_trace(headers.get("traceparent"), headers.get("tracestate"))


def trace_of_invocation(context: Any) -> Trace | None:
    """Return the trace in which the platform calls a function, from the worker's `context`."""
    given = getattr(context, "trace_context", None)
    return read_trace(getattr(given, "trace_parent", None), getattr(given, "trace_state", None))


def current_trace() -> Trace | None:
    """Return the trace of whatever runs now, in this task or thread."""
    return _current.get()


@contextmanager
def in_trace(trace: Trace | None) -> Iterator[None]:
    """Make this the current trace; None makes it none, whatever ran in this thread before."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)
