"""What every message that crosses a JSON boundary has in common: its base, and the two conversions."""

from __future__ import annotations

import functools
import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every contract."""


def to_wire(message: Wire) -> dict[str, Any]:
    """Return the message as plain JSON types."""
    wire: dict[str, Any] = msgspec.to_builtins(message)
    return wire


def from_wire(kind: type[T], wire: Any) -> T:
    """Return `wire` (plain JSON types) as a `kind`; raise `msgspec.ValidationError` if it is none.

    Every conversion to a type goes through here.
    """
    hashable: Any = kind  # mypy does not believe it of `type[T]`
    message: T = msgspec.convert(wire, _prepared(hashable))
    return message


_preparing = threading.Lock()


@functools.cache
def _prepared(kind: Any) -> Any:
    """Return `kind` after msgspec has taken it apart, which it does at the first use of a type.

    One type after the other: where two threads are the first to use it, one of them finds it half done and the
    process dies of a segmentation fault (measured with msgspec 0.22). Cached is the very object that is ready: msgspec
    keeps what it found on it, and an equal `ActivityResult[X]` may be another one.
    """
    with _preparing:
        msgspec.json.Decoder(kind)
    return kind


SDK_MARKERS = ("__class__", "__module__", "__data__", "$type")
"""Keys that the Durable SDK or the host would take for an encoded object (durable-protocol.md, rule 11)."""
