"""Ids of the second generation: a prefix, a key that a conversation shares with all that belongs to it, and a time."""

import re
import secrets

from local.foundry_emulator import ids

_KEY_LENGTH = 18
_CONVERSATION = re.compile(r"conv_[0-9a-f]{16}00[0-9A-Za-z]{8,60}")
RESPONSE_PREFIXES = {"workflow": "wfresp", "hosted": "caresp"}  # the others: resp


def new_key() -> str:
    """Make a partition key, as a conversation or a response without one begins with."""
    return secrets.token_hex(8) + "00"


def key_of(identifier: str) -> str:
    """Return the partition key within an id."""
    return identifier.partition("_")[2][:_KEY_LENGTH]


def new_id(prefix: str, key: str, now: float) -> str:
    """Make a fresh id."""
    return _joined(prefix, key, now, ids.new_id(prefix))


def derived_id(prefix: str, key: str, at: float, *parts: object) -> str:
    """Make the id that belongs to these parts: what a response says has the same id whenever one looks."""
    return _joined(prefix, key, at, ids.derived_id(prefix, *parts))


def _joined(prefix: str, key: str, at: float, tail: str) -> str:
    return f"{prefix}_{key}{int(at):08x}{tail[-22:]}"


def is_conversation_id(text: str) -> bool:
    """Whether the service can have made this id."""
    return _CONVERSATION.fullmatch(text) is not None
