"""Reads what an agent asks for: ids, names and arguments of calls, none of which can be relied on. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, TypeGuard

from contracts.runs import PendingCall
from foundry.fields import obj
from foundry.harmless import harmless

_CALL_ID = re.compile(r"[\x21-\x7e]{1,256}")
"""An id of a call never enters a path: it goes back as it came."""

LONGEST_LABEL = 256
_LONGEST_TYPE = 64
_LONGEST_UNSUPPORTED = 16_000
"""Characters of what nobody can answer; it is shown for people."""

NOTHING = "null"
"""Stands for an action, or a type, that is none."""


def is_call_id(value: Any) -> TypeGuard[str]:
    """Say whether an answer can name a call by this."""
    return isinstance(value, str) and _CALL_ID.fullmatch(value) is not None


def unsupported(asked: Any, kind: str) -> PendingCall:
    """Return what nobody can answer over this app."""
    call_id = obj(asked).get("id")
    shown = json.dumps(harmless(asked), ensure_ascii=False)
    return PendingCall(
        id=call_id if is_call_id(call_id) else kind,
        kind="unsupported",
        name=kind,
        arguments=shown if len(shown) <= _LONGEST_UNSUPPORTED else None,
    )


def type_of(asked: Any) -> str:
    """Return the type in one line, or `NOTHING`."""
    kind = obj(asked).get("type")
    return " ".join(kind.split())[:_LONGEST_TYPE] or NOTHING if isinstance(kind, str) else NOTHING


def plain_text(value: Any) -> str:
    """Return the text; an empty one where it is none."""
    return value if isinstance(value, str) else ""


def json_text(arguments: Any) -> str:
    """Return the arguments as JSON text, which is what they are on the wire, as a rule."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return json.dumps(harmless(arguments), ensure_ascii=False)
